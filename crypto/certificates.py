"""X.509: who may sign what. One root per role; a certificate speaks for one role only.

The role is an object identifier in a critical extended key usage, so that a certificate issued for a
bidder can never pass as an officer's, even if one authority were used for both by mistake. Roots are
P-256; holders sign with Ed25519 or P-256, and the algorithm follows from the certificate alone.
"""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID
from nacl.bindings import crypto_core_ed25519_is_valid_point

from crypto.encoding import sha256
from crypto.errors import CertificateError, MalformedError, SignatureError

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
LONGEST_CERTIFICATE = 8 * 1024  # bytes of DER
MOST_KNOWN = 1 << 14
"""Certificates of which it is kept that they are genuine."""
BACKDATED = timedelta(hours=2)
"""A certificate is in time from so long before it is issued: a service whose clock went back by an hour still
takes the bids of those who got theirs today."""

_ARC = "2.25.329800735698586629295641978511506172918"  # a UUID's arc (ITU-T X.667): ours without a registry

_REGISTRATION = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WRITABLE = re.compile(r"[A-Za-z0-9.-]{1,64}")
HIDDEN = "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Marks by which two names look like one, as a regular expression has them in a set."""
_NAME = re.compile(rf"[^\x00-\x1f\x7f-\x9f{HIDDEN}\ud800-\udfff]{{1,300}}")
UNREADABLE = (  # what the library raises on DER that is none, or that it has no name for
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,
)
# What it will refuse one day, such as a serial number below 1, is refused now, and not only where tests run.
warnings.filterwarnings("error", category=CryptographyDeprecationWarning)

_Signed = x509.Certificate | x509.CertificateSigningRequest

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class Role(StrEnum):
    """What a certificate's holder may act as."""

    BUSINESS = "business"
    OFFICER = "officer"
    EVALUATOR = "evaluator"
    COMMITTEE = "committee"
    SERVICE = "service"
    REGISTRAR = "registrar"
    REVIEW = "review"
    AUDITOR = "auditor"

    @property
    def oid(self) -> x509.ObjectIdentifier:
        """The object identifier that stands in the certificate's extended key usage."""
        return _OIDS[self]


_OIDS = {role: x509.ObjectIdentifier(f"{_ARC}.{place}") for place, role in enumerate(Role, start=1)}


class Holder:
    """Who a key is said to belong to, in which role: what a certificate and a request for one share."""

    def __init__(self, der: bytes, load: Callable[[bytes], Any]) -> None:
        """Parse DER. Raises MalformedError, or CertificateError for a key or role we do not admit."""
        if len(der) > LONGEST_CERTIFICATE:
            raise MalformedError(f"longer than {LONGEST_CERTIFICATE} bytes")
        try:
            self.x509 = load(der)
            self.public_key = _public_key(self.x509)
            self.role = _role(self.x509)
            self.name = _attribute(self.x509, NameOID.COMMON_NAME, _NAME)
            self.registration = _attribute(self.x509, NameOID.SERIAL_NUMBER, _REGISTRATION)
        except UNREADABLE as error:
            raise MalformedError("not a certificate, or request for one, of the expected form") from error
        self.der = der
        self.fingerprint = sha256(der).hex()

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check `signature` (64 bytes) over `message`. Raises SignatureError.

        Stricter than the libraries: one value of S per signature, so nobody but the signer can make a
        second signature of the same statement.
        """
        if len(signature) != 64:
            raise SignatureError("a signature has 64 bytes")
        try:
            if isinstance(self.public_key, ed25519.Ed25519PublicKey):
                self.public_key.verify(signature, message)
            else:
                self.public_key.verify(_p256_der(signature), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise SignatureError("the signature does not belong to this statement and key") from error


class Certificate(Holder):
    """A well-formed holder's certificate. That it is genuine is what `Standing.verify` says."""

    def __init__(self, der: bytes) -> None:
        """Parse DER. Raises MalformedError, or CertificateError for a key or role we do not admit."""
        super().__init__(der, x509.load_der_x509_certificate)


class Request(Holder):
    """A PKCS #10 request: who asks for a certificate, for which role, and proof that they hold its key."""

    def __init__(self, der: bytes) -> None:
        """Parse DER. Raises MalformedError, SignatureError, or CertificateError for a key or role we do not
        admit."""
        super().__init__(der, x509.load_der_x509_csr)
        if not self.x509.is_signature_valid:
            raise SignatureError("the request is not signed by its own key")


class Signer:
    """A private key with what names its holder: a certificate, or before there is one the request for it."""

    def __init__(self, key: PrivateKey, holder: Holder) -> None:
        """Raises CertificateError when certificate or request are another key's."""
        if _raw(key.public_key()) != _raw(holder.public_key):
            raise CertificateError("the certificate is for another key")
        self._key = key
        self.holder = holder

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's or request's DER, hex: the `keyid` of what this key signs."""
        return self.holder.fingerprint

    def sign(self, message: bytes) -> bytes:
        """64 bytes: Ed25519, or raw r‖s of deterministic P-256 ECDSA with s in the lower half."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256(), True)))
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


class SigningKey(Signer):
    """A private key with its certificate: what signs statements."""

    def __init__(self, key: PrivateKey, certificate: Certificate) -> None:
        """Raises CertificateError when the certificate is another key's."""
        super().__init__(key, certificate)
        self.certificate = certificate


class Authority:
    """An embedded authority: one role's root key. Stands in for a real one on a single machine."""

    def __init__(self, role: Role, key: ec.EllipticCurvePrivateKey, root: x509.Certificate) -> None:
        self.role = role
        self.root = root
        self._key = key

    @classmethod
    def create(cls, role: Role, now: datetime) -> "Authority":
        """A new root for `role`, valid ten years from `now`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Openseal embedded {role} authority")])
        root = (
            _builder(name, name, now, timedelta(days=3650))
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(role, key, root)

    @classmethod
    def load(cls, role: Role, pem: bytes) -> "Authority":
        """An authority from what `pem` gave. Raises ValueError."""
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("an authority's key is P-256")
        return cls(role, key, x509.load_pem_x509_certificate(pem))

    def pem(self) -> bytes:
        """Private key and root, PEM: for the authority's own folder and nowhere else."""
        return _private_pem(self._key) + self.root.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, request: Request, now: datetime, lifetime: timedelta = timedelta(days=365)
    ) -> Certificate:
        """A certificate for whoever holds the request's key, under the request's name and number.

        Raises CertificateError for a request for another role.
        """
        if request.role is not self.role:
            raise CertificateError(f"the {self.role} authority certifies nobody as {request.role}")
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        issued = (
            _builder(_subject(request.name, request.registration), self.root.subject, now, lifetime)
            .public_key(request.public_key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([self.role.oid]), critical=True)
            .add_extension(issuer_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Certificate(issued.public_bytes(serialization.Encoding.DER))

    def list_revoked(
        self, revoked: Mapping[int, datetime], number: int, now: datetime, lifetime: timedelta
    ) -> bytes:
        """A certificate revocation list (DER, RFC 5280 §5): by serial number since when each is revoked.

        `number` is higher than that of the list before; the next one is due after `lifetime`.
        """
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.root.subject)
            .last_update(now)
            .next_update(now + lifetime)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        for serial, at in revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Roots:
    """The root certificates that are trusted, per role."""

    def __init__(self, roots: Mapping[Role, Sequence[x509.Certificate]]) -> None:
        """Raises CertificateError for a root whose key is not P-256."""
        for root in (each for several in roots.values() for each in several):
            _check_p256(root)
        self.roots = roots
        self._in_time: dict[str, tuple[datetime, datetime]] = {}
        """By fingerprint, of certificates that a root issued: first and last second of both. Time is all that
        can change what the library says of them, and it takes longer to say it than a signature does."""
        self._policies = {role: _policy(several, role) for role, several in roots.items() if several}

    def verify(self, certificate: Certificate, role: Role, at: datetime) -> Certificate:
        """`certificate`, if a root of `role` issued it for that role and it was in time `at`.

        Raises CertificateError.
        """
        if certificate.role is not role:
            raise CertificateError(f"a certificate of role {certificate.role}, not {role}")
        if role not in self._policies:
            raise CertificateError(f"no root is trusted for role {role}")
        known = self._in_time.get(certificate.fingerprint)
        if known is None or not known[0] <= at <= known[1]:
            self._verify(certificate, role, at)
        return certificate

    def _verify(self, certificate: Certificate, role: Role, at: datetime) -> None:
        try:
            verifier = self._policies[role].time(at).build_client_verifier()
            chain = verifier.verify(certificate.x509, []).chain
        except verification.VerificationError as error:
            raise CertificateError(f"not issued by a trusted {role} root, or out of time") from error
        if len(self._in_time) >= MOST_KNOWN:
            self._in_time.clear()
        first = max(each.not_valid_before_utc for each in chain)
        last = min(each.not_valid_after_utc for each in chain)
        self._in_time[certificate.fingerprint] = first, last


def request(key: PrivateKey, role: Role, name: str, registration: str) -> Request:
    """A request for `key`, naming its holder, registration number and role.

    Raises MalformedError or CertificateError for a name or number that no certificate can hold.
    """
    try:
        builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(name, registration))
    except ValueError as error:
        raise MalformedError("a name or number that no certificate can hold") from error
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    csr = builder.add_extension(x509.ExtendedKeyUsage([role.oid]), critical=True).sign(key, algorithm)
    return Request(csr.public_bytes(serialization.Encoding.DER))


def load_root(der: bytes) -> x509.Certificate:
    """A root certificate from DER. Raises MalformedError."""
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise MalformedError("not a certificate") from error


def _policy(roots: Sequence[x509.Certificate], role: Role) -> verification.PolicyBuilder:
    def check_role(_: object, __: x509.Certificate, usage: x509.ExtendedKeyUsage) -> None:
        if list(usage) != [role.oid]:
            raise ValueError("another role")

    def check_holder(_: object, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
        if constraints.ca:
            raise ValueError("an authority's own certificate")

    def check_usage(_: object, __: x509.Certificate, usage: x509.KeyUsage) -> None:
        if not usage.digital_signature:
            raise ValueError("not for signatures")

    holder = (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.ExtendedKeyUsage, verification.Criticality.CRITICAL, check_role)
        .require_present(x509.BasicConstraints, verification.Criticality.CRITICAL, check_holder)
        .require_present(x509.KeyUsage, verification.Criticality.CRITICAL, check_usage)
    )
    authority = verification.ExtensionPolicy.webpki_defaults_ca()
    builder = verification.PolicyBuilder().store(verification.Store(list(roots))).max_chain_depth(0)
    return builder.extension_policies(ca_policy=authority, ee_policy=holder)


def _subject(name: str, registration: str) -> x509.Name:
    """Raises CertificateError for a registration number that X.520 has no characters for: its serialNumber
    is a PrintableString, which knows no underscore."""
    if not _WRITABLE.fullmatch(registration):
        raise CertificateError("a registration number has characters that no certificate holds")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, registration),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _public_key(certificate: _Signed) -> PublicKey:
    key = certificate.public_key()
    if isinstance(key, ed25519.Ed25519PublicKey):
        # A of prime order: a small-order key would let one signature fit many messages.
        if not crypto_core_ed25519_is_valid_point(_raw(key)):
            raise CertificateError("the Ed25519 key is not of prime order")
        return key
    if not _is_p256(key) or not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateError("keys are Ed25519 or P-256")
    return key


def _role(certificate: _Signed) -> Role:
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    for role in Role:
        if list(usage) == [role.oid]:
            return role
    raise CertificateError("no role of ours is named")


def _attribute(certificate: _Signed, oid: x509.ObjectIdentifier, form: re.Pattern[str]) -> str:
    """What goes into signed statements: a name or number that these cannot hold would stop a tender."""
    found = certificate.subject.get_attributes_for_oid(oid)
    if len(found) != 1 or not isinstance(found[0].value, str):
        raise CertificateError("a certificate names one holder and one registration number")
    if not form.fullmatch(found[0].value):
        raise CertificateError("the holder's name or registration number has characters we do not admit")
    return found[0].value


def _check_p256(root: x509.Certificate) -> None:
    try:
        key = root.public_key()
    except UNREADABLE as error:
        raise MalformedError("a root with an unreadable key") from error
    if not _is_p256(key):
        raise CertificateError("a root's key must be P-256")


def _is_p256(key: object) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def _p256_der(signature: bytes) -> bytes:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < P256_ORDER or not 0 < s <= P256_ORDER // 2:
        raise SignatureError("r or s out of range (s must be in the lower half)")
    return encode_dss_signature(r, s)


def _raw(key: PublicKey) -> bytes:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key.public_bytes_raw()
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


def _private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
