"""Certificate status: who was in good standing at a moment, by the revocation lists of that moment.

The library's chain builder looks at no revocation list, so they are read here: RFC 5280 §5 and §6.3, for
complete lists that a root signs itself. A status holds every role's lists. What is accepted pins the status
under which its signer was looked at, so a later revocation changes nothing that was done before it.
"""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from crypto.certificates import UNREADABLE, Certificate, Role, Roots
from crypto.encoding import Base64, Value, encode, from_base64, sha256
from crypto.errors import CertificateError, MalformedError, RevokedError, StatusError

_PARTIAL = (  # extensions of lists that name only some certificates, or another issuer's; critical or not
    x509.DeltaCRLIndicator,
    x509.IssuingDistributionPoint,
    x509.CertificateIssuer,
)


class Status(Value, frozen=True, kw_only=True):
    """The revocation lists (DER, base64) of every role's roots at one moment."""

    lists: dict[Role, tuple[Base64, ...]]

    @property
    def id(self) -> str:
        """SHA-256 of its canonical JSON, hex: what receipts and the history pin."""
        return sha256(encode(self)).hex()


class RevocationList:
    """A complete list, signed by the root that issued the certificates it is about."""

    def __init__(self, der: bytes, root: x509.Certificate) -> None:
        """Raises MalformedError for bytes that are no such list, CertificateError for another root's."""
        try:
            crl = x509.load_der_x509_crl(der)
            genuine = crl.issuer == root.subject and _may_list(root)
            genuine = genuine and crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]  # a root's key is P-256
            sound = isinstance(crl.signature_hash_algorithm, hashes.SHA256) and _is_complete(crl)
            issued, ends = crl.last_update_utc, crl.next_update_utc
            self.revoked = _first_revoked(crl)
        except UNREADABLE as error:
            raise MalformedError("not a revocation list") from error
        if ends is None or not sound:
            raise MalformedError("a revocation list of a kind that is not admitted here")
        if not genuine:
            raise CertificateError("a revocation list that is not its root's")
        self.issued, self.ends = issued, ends

    def check(self, certificate: Certificate, at: datetime) -> None:
        """Raises StatusError where the list says nothing of that time, RevokedError if revoked by then."""
        if not self.issued <= at < self.ends:
            raise StatusError("the revocation list is of another time")
        since = self.revoked.get(certificate.x509.serial_number)
        if since is not None and since <= at:
            raise RevokedError(f"the certificate was revoked: {certificate.role} {certificate.registration}")


class Standing:
    """A status whose lists are verified: says of a certificate whether it counts.

    Lists of roots that are not trusted say nothing: nor do their certificates.
    """

    def __init__(self, status: Status, roots: Roots) -> None:
        """Raises MalformedError or CertificateError for a list that its root did not make."""
        self.id = status.id
        self._roots = roots
        self._lists: dict[tuple[Role, x509.Name], RevocationList] = {}
        self._strange = 0
        for role, lists in status.lists.items():
            by_name = _by_name(roots, role)
            for der in map(from_base64, lists):
                issuer = _issuer(der)
                if issuer not in by_name:
                    self._strange += 1
                elif (role, issuer) in self._lists:
                    raise MalformedError("a certificate status with two lists of one root")
                else:
                    self._lists[role, issuer] = RevocationList(der, by_name[issuer])

    def check_complete(self) -> None:
        """Every trusted root has its list, and there is no other list. Raises StatusError."""
        for role, several in self._roots.roots.items():
            if any((role, root.subject) not in self._lists for root in several):
                raise StatusError(f"a {role} root has no revocation list")
        if self._strange:
            raise StatusError("a revocation list of an issuer that is not trusted")

    def verify(self, certificate: Certificate, role: Role, at: datetime) -> Certificate:
        """`certificate`, issued for `role` by a root, in time and not revoked `at` that time.

        Raises CertificateError, or its kinds RevokedError and StatusError.
        """
        self._roots.verify(certificate, role, at)
        found = self._lists.get((role, certificate.x509.issuer))
        if found is None:
            raise StatusError(f"no revocation list of the certificate's {role} root")
        found.check(certificate, at)
        return certificate

    def next_update(self) -> datetime:
        """When the first of its lists ends. Raises StatusError for a status without any."""
        if not self._lists:
            raise StatusError("a certificate status without a revocation list")
        return min(each.ends for each in self._lists.values())


def _by_name(roots: Roots, role: Role) -> dict[x509.Name, x509.Certificate]:
    several = roots.roots.get(role, ())
    by_name = {root.subject: root for root in several}
    if len(by_name) != len(several):
        raise CertificateError(f"two {role} roots of one name: nobody could tell whose list is whose")
    return by_name


def _issuer(der: bytes) -> x509.Name:
    try:
        return x509.load_der_x509_crl(der).issuer
    except UNREADABLE as error:
        raise MalformedError("not a revocation list") from error


def _may_list(root: x509.Certificate) -> bool:
    """Whether the root's key is for revocation lists (RFC 5280 §6.3.3 f)."""
    usages = [each.value for each in root.extensions if isinstance(each.value, x509.KeyUsage)]
    return all(each.crl_sign for each in usages)


def _is_complete(crl: x509.CertificateRevocationList) -> bool:
    """Whether it is about all of its issuer's certificates, and nothing in it has to be understood that we
    do not look at."""
    extensions = [*crl.extensions, *(extension for each in crl for extension in each.extensions)]
    return not any(each.critical or isinstance(each.value, _PARTIAL) for each in extensions)


def _first_revoked(crl: x509.CertificateRevocationList) -> dict[int, datetime]:
    """Since when each serial number is revoked; of one that is listed twice, the earlier time."""
    revoked: dict[int, datetime] = {}
    for each in crl:
        since = revoked.get(each.serial_number, each.revocation_date_utc)
        revoked[each.serial_number] = min(since, each.revocation_date_utc)
    return revoked
