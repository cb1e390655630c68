"""Certificates: one role each, from that role's root, in time; anything else is a typed refusal."""

import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificates import (
    P256_ORDER,
    Authority,
    Certificate,
    PrivateKey,
    Request,
    Role,
    Roots,
    Signer,
    SigningKey,
    load_root,
    request,
)
from crypto.errors import CertificateError, MalformedError, SignatureError, VerificationError
from tests.builders import START, the_world

YEAR = timedelta(days=365)
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER = [  # every encoding of a point whose order divides 8, and two that are not reduced
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def authority(role: Role = Role.BUSINESS) -> Authority:
    return the_world().authorities[role]


def roots() -> Roots:
    return the_world().trust.authorities()


def a_holder(key: PrivateKey, role: Role = Role.BUSINESS, **how: Any) -> SigningKey:
    return SigningKey(key, authority(role).issue(request(key, role, "Kim", "123-45-67890"), START, **how))


@pytest.fixture(params=["P-256", "Ed25519"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    if request.param == "P-256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def certified(public_key: Any, **changes: Any) -> bytes:
    """DER by the business root's key itself, with whatever the embedded authority would not issue."""
    root = serialization.load_pem_private_key(authority().pem(), None)
    assert isinstance(root, ec.EllipticCurvePrivateKey)
    issuer: CertificateIssuerPrivateKeyTypes = changes.get("issuer", root)
    names = changes.get("names", [(NameOID.COMMON_NAME, "Kim"), (NameOID.SERIAL_NUMBER, "123-45-67890")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in names]))
        .issuer_name(changes.get("issuer_name", authority().root.subject))
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + YEAR)
        .add_extension(x509.BasicConstraints(ca=changes.get("ca", False), path_length=None), critical=True)
        .add_extension(changes.get("key_usage", signing()), critical=True)
    )
    if usages := changes.get("usages", [Role.BUSINESS.oid]):
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=changes.get("critical", True))
    algorithm = None if isinstance(issuer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer, algorithm).public_bytes(serialization.Encoding.DER)


def signing() -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, False, False, False, False)


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


# ── what is admitted ─────────────────────────────────────────────────────────────────────────────────────


def test_an_issued_certificate_is_verified_for_its_role_and_time(key: PrivateKey) -> None:
    certificate = a_holder(key).certificate
    assert roots().verify(certificate, Role.BUSINESS, START) is certificate
    assert (certificate.name, certificate.registration) == ("Kim", "123-45-67890")
    assert Certificate(certificate.der).fingerprint == certificate.fingerprint


def test_the_helper_below_is_admitted_when_it_changes_nothing() -> None:
    roots().verify(Certificate(certified(p256().public_key())), Role.BUSINESS, START)


def test_an_authority_comes_back_from_its_pem() -> None:
    again = Authority.load(Role.BUSINESS, authority().pem())
    key = p256()
    certificate = again.issue(request(key, again.role, "Kim", "1"), START)
    assert roots().verify(certificate, Role.BUSINESS, START)


def test_each_role_keeps_its_identifier() -> None:
    """They stand in certificates that others have issued."""
    names = ["business", "officer", "evaluator", "committee", "service", "registrar", "review", "auditor"]
    assert [(each, each.oid.dotted_string) for each in Role] == [
        (name, f"2.25.329800735698586629295641978511506172918.{place}")
        for place, name in enumerate(names, start=1)
    ]


# ── who may sign what ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.BUSINESS])
def test_a_certificate_speaks_for_no_other_role(role: Role) -> None:
    with pytest.raises(CertificateError, match="role business"):
        roots().verify(a_holder(p256()).certificate, role, START)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.BUSINESS])
def test_a_root_certifies_no_other_role_than_its_own(role: Role) -> None:
    foreign = Certificate(certified(p256().public_key(), usages=[role.oid]))
    with pytest.raises(CertificateError, match="not issued"):
        roots().verify(foreign, role, START)


def test_a_role_without_a_root_is_nobodys() -> None:
    with pytest.raises(CertificateError, match="no root"):
        Roots({}).verify(a_holder(p256()).certificate, Role.BUSINESS, START)


@pytest.mark.parametrize("at", [START - timedelta(hours=3), START + YEAR + timedelta(seconds=1)])
def test_a_certificate_that_is_not_yet_or_no_longer_valid_is_refused(at: datetime) -> None:
    with pytest.raises(CertificateError, match="out of time"):
        roots().verify(a_holder(p256(), lifetime=YEAR).certificate, Role.BUSINESS, at)


@pytest.mark.parametrize("at", [START - timedelta(hours=3), START + YEAR + timedelta(seconds=1)])
def test_that_it_was_in_time_once_does_not_help_a_certificate_at_another_time(at: datetime) -> None:
    known, certificate = roots(), a_holder(p256(), lifetime=YEAR).certificate
    assert known.verify(certificate, Role.BUSINESS, START + YEAR) is certificate
    with pytest.raises(CertificateError, match="out of time"):
        known.verify(certificate, Role.BUSINESS, at)
    with pytest.raises(CertificateError, match="role business"):
        known.verify(certificate, Role.OFFICER, START)
    assert known.verify(certificate, Role.BUSINESS, START) is certificate


@pytest.mark.parametrize("year", [1, 1949, 1970, 2051, 9999])
def test_a_time_far_away_is_refused_like_any_other(year: int) -> None:
    with pytest.raises(CertificateError):
        roots().verify(a_holder(p256()).certificate, Role.BUSINESS, START.replace(year=year))


def test_a_foreign_authority_of_the_same_name_is_refused() -> None:
    foreign = Authority.create(Role.BUSINESS, START)
    certificate = foreign.issue(request(p256(), foreign.role, "Kim", "1"), START)
    with pytest.raises(CertificateError, match="not issued"):
        roots().verify(certificate, Role.BUSINESS, START)


def test_a_self_signed_certificate_is_refused() -> None:
    key = p256()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kim")])
    with pytest.raises(CertificateError, match="not issued"):
        roots().verify(
            Certificate(certified(key.public_key(), issuer=key, issuer_name=name)), Role.BUSINESS, START
        )


def test_a_holder_cannot_certify_another() -> None:
    holder = p256()
    subject = a_holder(holder).certificate.x509.subject
    second = certified(p256().public_key(), issuer=holder, issuer_name=subject)
    with pytest.raises(CertificateError, match="not issued"):
        roots().verify(Certificate(second), Role.BUSINESS, START)


@pytest.mark.parametrize(
    "changes",
    [
        {"usages": []},
        {"usages": [ExtendedKeyUsageOID.CLIENT_AUTH]},
        {"usages": [Role.BUSINESS.oid, Role.OFFICER.oid]},
        {"usages": [Role.BUSINESS.oid, ExtendedKeyUsageOID.CLIENT_AUTH]},
        {"usages": [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]},
        {"critical": False},
        {"ca": True},
        {"key_usage": x509.KeyUsage(False, False, True, False, False, False, False, False, False)},
    ],
    ids=str,
)
def test_a_certificate_that_is_not_for_signing_in_exactly_one_role_is_refused(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(VerificationError):
        roots().verify(Certificate(certified(p256().public_key(), **changes)), Role.BUSINESS, START)


@pytest.mark.parametrize(
    "names",
    [
        [],
        [(NameOID.COMMON_NAME, "Kim")],
        [(NameOID.SERIAL_NUMBER, "1")],
        [(NameOID.COMMON_NAME, "Kim"), (NameOID.COMMON_NAME, "Lee"), (NameOID.SERIAL_NUMBER, "1")],
        [(NameOID.COMMON_NAME, "Kim"), (NameOID.SERIAL_NUMBER, "1"), (NameOID.SERIAL_NUMBER, "2")],
        [(NameOID.COMMON_NAME, "Kim"), (NameOID.SERIAL_NUMBER, "1 2")],
        [(NameOID.COMMON_NAME, "Kim"), (NameOID.SERIAL_NUMBER, "1/2")],
        [(NameOID.COMMON_NAME, "Kim\nLee"), (NameOID.SERIAL_NUMBER, "1")],
        [(NameOID.COMMON_NAME, "Kim\x00"), (NameOID.SERIAL_NUMBER, "1")],
    ],
    ids=str,
)
def test_a_holder_whom_no_statement_could_name_is_refused(names: Any) -> None:
    """Name and number go into evaluations, awards and open data: they must not spoil those for all."""
    with pytest.raises(CertificateError):
        Certificate(certified(p256().public_key(), names=names))


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "other",
    [
        rsa.generate_private_key(65537, 2048).public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ed448.Ed448PrivateKey.generate().public_key(),
    ],
    ids=["RSA", "P-384", "secp256k1", "Ed448"],
)
def test_a_key_of_another_kind_is_refused(other: Any) -> None:
    with pytest.raises(CertificateError, match="Ed25519 or P-256"):
        Certificate(certified(other))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_an_ed25519_key_of_small_order_is_refused(point: str) -> None:
    with pytest.raises(CertificateError, match="prime order"):
        Certificate(certified(ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(point))))


def test_an_authority_with_an_ed25519_key_is_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    root = load_root(certified(key.public_key(), issuer=key, issuer_name=name))
    with pytest.raises(CertificateError, match="P-256"):
        Roots({Role.BUSINESS: [root]})


def test_a_signing_key_needs_its_own_certificate(key: PrivateKey) -> None:
    with pytest.raises(CertificateError, match="another key"):
        SigningKey(p256(), a_holder(key).certificate)


# ── signatures ───────────────────────────────────────────────────────────────────────────────────────────


@given(st.binary(max_size=100))
def test_what_is_signed_is_verified_by_both_algorithms(message: bytes) -> None:
    for holder in HOLDERS:
        signature = holder.sign(message)
        assert len(signature) == 64
        holder.certificate.verify(message, signature)
        with pytest.raises(SignatureError):
            holder.certificate.verify(message + b"x", signature)


HOLDERS = [a_holder(p256()), a_holder(ed25519.Ed25519PrivateKey.generate())]


def test_the_other_s_of_an_ecdsa_signature_is_refused() -> None:
    holder = HOLDERS[0]
    signature = holder.sign(b"bid")
    r, s = signature[:32], int.from_bytes(signature[32:], "big")
    assert s <= P256_ORDER // 2
    with pytest.raises(SignatureError, match="lower half"):
        holder.certificate.verify(b"bid", r + (P256_ORDER - s).to_bytes(32, "big"))


def test_an_ed25519_signature_with_the_order_added_to_s_is_refused() -> None:
    holder = HOLDERS[1]
    signature = holder.sign(b"bid")
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    with pytest.raises(SignatureError):
        holder.certificate.verify(b"bid", signature[:32] + s.to_bytes(32, "little"))


@pytest.mark.parametrize("r", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, P256_ORDER // 2, P256_ORDER, 2**256 - 1])
def test_an_ecdsa_signature_of_extreme_numbers_is_refused(r: int, s: int) -> None:
    with pytest.raises(SignatureError):
        HOLDERS[0].certificate.verify(b"bid", r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@pytest.mark.parametrize("holder", HOLDERS, ids=["P-256", "Ed25519"])
def test_a_signature_with_any_bit_flipped_is_refused(holder: SigningKey) -> None:
    signature = holder.sign(b"bid")
    for at in range(512):
        flipped = bytearray(signature)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(SignatureError):
            holder.certificate.verify(b"bid", bytes(flipped))


@pytest.mark.parametrize("length", [0, 63, 65, 72])
@pytest.mark.parametrize("holder", HOLDERS, ids=["P-256", "Ed25519"])
def test_a_signature_of_another_length_is_refused(holder: SigningKey, length: int) -> None:
    with pytest.raises(SignatureError, match="64 bytes"):
        holder.certificate.verify(b"bid", bytes(length))


# ── garbage ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("holder", HOLDERS, ids=["P-256", "Ed25519"])
def test_a_certificate_with_any_bit_flipped_raises_only_typed_errors_and_is_another(
    holder: SigningKey,
) -> None:
    """DER leaves a bit or two of a signature's wrapping open; the fingerprint covers those as well."""
    der, trusted = holder.certificate.der, roots()
    for at in range(len(der) * 8):
        flipped = bytearray(der)
        flipped[at // 8] ^= 1 << at % 8
        try:
            other = trusted.verify(Certificate(bytes(flipped)), Role.BUSINESS, START)
        except VerificationError:
            continue
        assert other.fingerprint != holder.fingerprint


def test_a_certificate_cut_short_or_with_bytes_after_it_is_malformed() -> None:
    der = HOLDERS[0].certificate.der
    for size in range(len(der)):
        with pytest.raises(MalformedError):
            Certificate(der[:size])
    for tail in (b"\x00", der):
        with pytest.raises(MalformedError):
            Certificate(der + tail)


def test_a_root_with_any_bit_flipped_raises_only_typed_errors() -> None:
    der = authority().root.public_bytes(serialization.Encoding.DER)
    certificate = HOLDERS[0].certificate
    for at in range(0, len(der) * 8, 3):
        flipped = bytearray(der)
        flipped[at // 8] ^= 1 << at % 8
        try:
            Roots({Role.BUSINESS: [load_root(bytes(flipped))]}).verify(certificate, Role.BUSINESS, START)
        except VerificationError:
            continue


@pytest.mark.parametrize("parse", ["Certificate", "load_root"])
def test_a_serial_number_below_one_is_malformed_also_where_no_test_runs(parse: str) -> None:
    certificate = the_world().officer.certificate
    serial, der = certificate.x509.serial_number, bytearray(certificate.der)
    der[certificate.der.index(serial.to_bytes((serial.bit_length() + 8) // 8, "big"))] |= 0x80
    program = f"from crypto.certificates import {parse} as parse; parse(bytes.fromhex('{der.hex()}'))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1].startswith("crypto.errors.MalformedError: ")


@given(st.binary(max_size=300))
def test_garbage_is_malformed(garbage: bytes) -> None:
    for parse in (Certificate, load_root, Request):
        with pytest.raises(MalformedError):
            parse(garbage)


def test_something_too_long_to_be_a_certificate_is_malformed() -> None:
    with pytest.raises(MalformedError, match="longer"):
        Certificate(bytes(9000))


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_with_any_bit_flipped_is_refused_with_a_typed_error(key: PrivateKey) -> None:
    asked = request(key, Role.BUSINESS, "Kim", "123-45-67890").der
    for at in range(0, len(asked) * 8, 3):
        flipped = bytearray(asked)
        flipped[at // 8] ^= 1 << at % 8
        try:
            issued = authority().issue(Request(bytes(flipped)), START)
        except VerificationError:
            continue
        assert issued.name == "Kim"  # the open bits of DER again: nothing that was asked for changed


@pytest.mark.parametrize(
    "other",
    [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())],
    ids=["RSA", "P-384"],
)
def test_a_request_for_a_key_of_another_kind_is_refused(other: Any) -> None:
    with pytest.raises(CertificateError, match="Ed25519 or P-256"):
        request(other, Role.BUSINESS, "Kim", "1")


def test_a_request_without_a_registration_number_is_refused() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kim")])
    role = x509.ExtendedKeyUsage([Role.BUSINESS.oid])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(role, critical=True)
    with pytest.raises(CertificateError, match="one registration number"):
        Request(asked.sign(p256(), hashes.SHA256()).public_bytes(serialization.Encoding.DER))


@pytest.mark.parametrize("registration", ["1 2", "../1", "1+1"])
def test_a_request_with_a_number_that_no_statement_can_hold_is_refused(registration: str) -> None:
    with pytest.raises(CertificateError, match="characters"):
        request(p256(), Role.BUSINESS, "Kim", registration)


@pytest.mark.parametrize("name", ["Kim\tHan", "Kim\u202enaH", "Kim\u200b", "\ufeffKim"])
def test_a_name_with_marks_that_nobody_sees_is_refused(name: str) -> None:
    with pytest.raises(CertificateError, match="characters"):
        request(p256(), Role.BUSINESS, name, "1")


@pytest.mark.filterwarnings("error:Attribute's length")
def test_a_request_with_a_name_longer_than_a_certificate_holds_is_refused() -> None:
    with pytest.raises(MalformedError, match="no certificate can hold"):
        request(p256(), Role.BUSINESS, "K" * 65, "1")


def a_request(*extensions: tuple[x509.ExtensionType, bool], key: Any = None) -> bytes:
    """DER with whatever `request` would not ask for."""
    name = [x509.NameAttribute(NameOID.COMMON_NAME, "Kim"), x509.NameAttribute(NameOID.SERIAL_NUMBER, "1")]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(name))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key or p256(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


AS_BUSINESS = x509.ExtendedKeyUsage([Role.BUSINESS.oid])


@pytest.mark.parametrize(
    "usages",
    [
        [],
        [Role.BUSINESS.oid, Role.OFFICER.oid],
        [Role.BUSINESS.oid, ExtendedKeyUsageOID.CLIENT_AUTH],
        [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
    ],
    ids=str,
)
def test_a_request_for_no_role_or_for_several_is_refused(usages: list[x509.ObjectIdentifier]) -> None:
    extensions = [(x509.ExtendedKeyUsage(usages), True)] if usages else []
    with pytest.raises(VerificationError):
        Request(a_request(*extensions))


def test_what_else_a_request_asks_for_is_not_given() -> None:
    asked = Request(
        a_request(
            (AS_BUSINESS, False),
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (x509.SubjectAlternativeName([x509.DNSName("tenders.example")]), False),
        )
    )
    issued = authority().issue(asked, START)
    roots().verify(issued, Role.BUSINESS, START)
    with pytest.raises(x509.ExtensionNotFound):
        issued.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize("name", ["3004a3020500", "3002a500"], ids=["x400Address", "ediPartyName"])
def test_a_name_of_a_kind_that_no_library_reads_is_malformed(name: str) -> None:
    odd = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex(name))
    with pytest.raises(MalformedError):
        Request(a_request((AS_BUSINESS, True), (odd, False)))


def test_a_request_signed_by_another_key_is_refused() -> None:
    """The key inside is exchanged for another: whoever asks has to hold the key."""
    mine, yours = p256(), p256().public_key()
    own, other = [
        each.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        for each in (mine.public_key(), yours)
    ]
    with pytest.raises(SignatureError, match="its own key"):
        Request(a_request((AS_BUSINESS, True), key=mine).replace(own, other))


@pytest.mark.parametrize(
    "algorithm", ["06082a8648ce3d040309", "06082a864886f70d0205", "06082a8648ce3d030101"], ids=str
)
def test_a_request_signed_by_an_algorithm_that_is_none_is_refused(algorithm: str) -> None:
    ecdsa_with_sha256 = bytes.fromhex("06082a8648ce3d040302")
    asked = a_request((AS_BUSINESS, True))
    assert asked.count(ecdsa_with_sha256) == 1
    with pytest.raises(SignatureError, match="its own key"):
        Request(asked.replace(ecdsa_with_sha256, bytes.fromhex(algorithm)))


def test_a_signer_needs_its_own_request() -> None:
    mine = p256()
    asked = request(mine, Role.BUSINESS, "Kim", "1")
    assert Signer(mine, asked).fingerprint == asked.fingerprint
    with pytest.raises(CertificateError, match="another key"):
        Signer(p256(), asked)


def test_a_request_for_another_role_than_the_authoritys_is_refused() -> None:
    with pytest.raises(CertificateError, match="certifies nobody as officer"):
        authority().issue(request(p256(), Role.OFFICER, "Kim", "1"), START)


@pytest.mark.parametrize("registration", ["a_b", "가", ""])
def test_nobody_asks_for_a_certificate_that_could_not_be_written(registration: str) -> None:
    with pytest.raises(CertificateError, match="characters"):
        request(p256(), Role.BUSINESS, "Kim", registration)
