"""Who certifies, and what a one-machine set-up keeps secret, each in a file of its own below the data folder.

Embedded authorities, the service's key, the log's key, the beacon's key: together they are one party, so
what is made here is marked as not independent. No committee's share is ever here but the practice ground's.
"""

import logging
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from crypto import checkpoint, durable
from crypto.beacon import LocalBeacon, Network
from crypto.bls import ORDER
from crypto.certificates import Authority, Certificate, Request, Role, Roots, SigningKey, request
from crypto.encoding import Base64, Hex32, Small, Value, decode, encode, to_base64
from crypto.errors import CertificateError, VerificationError
from crypto.revocation import Standing, Status
from crypto.trust import Trust, WitnessPolicy
from procurement.clocks import CLOCKS
from procurement.settings import SettingsError, Stamping

LOG_NAME = "openseal.local/log"
WITNESS_NAME = "openseal.local/witness"
STATUS_LIFETIME = timedelta(days=1)
"""How long a revocation list is in force: a stale one is no answer."""
LAST_DAYS = timedelta(days=30)
"""Before its end in which the service's certificate is made anew, at a start."""

_LOGGER = logging.getLogger(__name__)
_PEM_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


class _BeaconFile(Value, frozen=True, kw_only=True):
    genesis: Small
    period: Small
    secret: Hex32


class _External(msgspec.Struct, frozen=True, kw_only=True):
    """A role's roots of elsewhere, and the file in which their revocation lists are kept up to date."""

    roots: tuple[x509.Certificate, ...]
    lists: Path

    @classmethod
    def read(cls, folder: Path, role: Role) -> "_External | None":
        """None where the folder has no root for the role. Raises SettingsError."""
        path = folder / f"{role}.pem"
        if not path.exists():
            return None
        try:
            roots = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
        except ValueError as error:
            raise SettingsError(f"{path}: not certificates in PEM") from error
        return cls(roots=roots, lists=folder / f"{role}.crl")

    def lists_for(self, role: Role, kept: tuple[Base64, ...] | None) -> tuple[Base64, ...]:
        """The lists (DER), each its root's, and one for every root. `kept` are known to be good.

        Raises SettingsError.
        """
        found = self._read_lists()
        if found == kept:
            return found
        try:
            Standing(Status(lists={role: found}), Roots({role: self.roots})).check_complete()
        except VerificationError as error:
            raise SettingsError(f"{self.lists}: {error}") from error
        return found

    def _read_lists(self) -> tuple[Base64, ...]:
        try:
            data = self.lists.read_bytes()
            blocks = _PEM_LIST.findall(data)
            lists = map(x509.load_pem_x509_crl, blocks) if blocks else [x509.load_der_x509_crl(data)]
            return tuple(to_base64(each.public_bytes(serialization.Encoding.DER)) for each in lists)
        except OSError as error:
            raise SettingsError(f"{self.lists}: {error.strerror}") from error
        except (ValueError, x509.InvalidVersion) as error:
            raise SettingsError(f"{self.lists}: not revocation lists in PEM, nor one in DER") from error


class Authorities:
    """Who certifies in each role: authorities elsewhere whose roots are configured, or embedded ones."""

    def __init__(self, folder: Path, elsewhere: Path | None = None) -> None:
        """The embedded authorities of `folder`, made on the first start, for every role of which `elsewhere`
        has no roots. Raises SettingsError for roots there that cannot be read."""
        found = {role: _External.read(elsewhere, role) for role in Role} if elsewhere else {}
        self._elsewhere = elsewhere
        self._external = {role: each for role, each in found.items() if each}
        self._embedded = {
            role: _authority(folder / f"{role}.pem", role) for role in Role if role not in self._external
        }
        try:
            self.roots = Roots({role: self._roots(role) for role in Role})
        except VerificationError as error:
            raise SettingsError(f"{elsewhere}: {error}") from error
        self._troubles: dict[Role, str] = {}

    @property
    def independent(self) -> bool:
        """Whether none of them is ours."""
        return not self._embedded

    def embeds(self, *roles: Role) -> bool:
        """Whether the authorities of all these roles are ours."""
        return all(role in self._embedded for role in roles)

    def issue(self, request: Request, now: datetime) -> Certificate:
        """A certificate for whoever holds the request's key. Raises CertificateError."""
        self.check_certifies(request.role)
        return self._embedded[request.role].issue(request, now)

    def check_certifies(self, role: Role) -> None:
        """Raises CertificateError for the service's role, and for one whose authority is elsewhere."""
        if role is Role.SERVICE:
            raise CertificateError("the service certifies nobody else as the service")
        if role not in self._embedded:
            raise CertificateError(f"certificates of role {role} come from an authority elsewhere")

    def check_ours(self, certificate: Certificate) -> None:
        """Raises CertificateError for a certificate that is not ours to revoke."""
        if certificate.role is Role.SERVICE:
            raise CertificateError("the service's own certificate is replaced at its machine")
        if certificate.role not in self._embedded:
            raise CertificateError("the authority that issued the certificate revokes it, by its own list")

    def status(
        self,
        revoked: Mapping[Role, Mapping[int, datetime]],
        number: int,
        now: datetime,
        in_force: Status | None = None,
    ) -> Status:
        """Every root's revocation list: ours with the higher `number` each time, others' as `lists_of_others`
        has them.

        Raises SettingsError for others' that are no good, where those in force are none of today's roots'.
        """
        # It says since when each certificate is revoked, so that it is true of the minutes before it, too.
        since, lifetime = now - CLOCKS, STATUS_LIFETIME + CLOCKS
        ours = {
            role: (to_base64(each.list_revoked(revoked.get(role, {}), number, since, lifetime)),)
            for role, each in self._embedded.items()
        }
        status = Status(lists=ours | self.lists_of_others(in_force))
        try:
            Standing(status, self.roots).check_complete()
        except VerificationError as error:
            raise SettingsError(f"{self._elsewhere}: {error}") from error
        return status

    def lists_of_others(self, in_force: Status | None) -> dict[Role, tuple[Base64, ...]]:
        """The revocation lists of authorities elsewhere, as they are now.

        Of a role whose file is no good (being written, gone, not its roots') those in force stay: one
        authority's slip must not make all the others' lists run out. Raises SettingsError where there are
        none.
        """
        kept = in_force.lists if in_force else {}
        return {role: self._lists(role, each, kept.get(role)) for role, each in self._external.items()}

    def _lists(self, role: Role, external: _External, kept: tuple[Base64, ...] | None) -> tuple[Base64, ...]:
        """A trouble is told once, not at every look."""
        try:
            found = external.lists_for(role, kept)
        except SettingsError as error:
            if kept is None:
                raise
            if self._troubles.get(role) != str(error):
                _LOGGER.error("%s; the %s lists in force stay until they end", error, role)
            self._troubles[role] = str(error)
            return kept
        self._troubles.pop(role, None)
        return found

    def service_key(self, folder: Path, now: datetime) -> SigningKey:
        """The service's own key with its certificate. One of ours is made anew when it is about to end.

        Raises SettingsError while an authority elsewhere has not certified the key.
        """
        key = ed25519.Ed25519PrivateKey.from_private_bytes(secret(folder / "service.key", 32))
        asked = request(key, Role.SERVICE, "Openseal", "service")
        if self._elsewhere and Role.SERVICE in self._external:
            return _certified_elsewhere(key, asked, self._elsewhere / "service.cer", folder / "service.csr")
        path = folder / "service.der"
        if not path.exists() or Certificate(path.read_bytes()).x509.not_valid_after_utc < now + LAST_DAYS:
            _write(path, self._embedded[Role.SERVICE].issue(asked, now).der)
        return SigningKey(key, Certificate(path.read_bytes()))

    def trust(
        self,
        log: checkpoint.VerifyingKey,
        witnesses: WitnessPolicy,
        network: Network,
        others: bool,
        stamping: Stamping | None = None,
    ) -> Trust:
        """What this set-up says of itself; `others`: whether witnesses and beacon are others'."""
        return Trust(
            independent=others and self.independent,
            log=log.encode(),
            witnesses=witnesses,
            roots={role: tuple(map(_der, self._roots(role))) for role in Role},
            networks=(network,),
            stamping=tuple(map(to_base64, stamping.roots)) if stamping else (),
        )

    def _roots(self, role: Role) -> tuple[x509.Certificate, ...]:
        external = self._external.get(role)
        return external.roots if external else (self._embedded[role].root,)


def log_key(folder: Path) -> checkpoint.SigningKey:
    """The log's key."""
    return checkpoint.SigningKey(LOG_NAME, checkpoint.LOG, secret(folder / "log.key", 32))


def local_beacon(folder: Path, period: int) -> LocalBeacon:
    """The embedded beacon. Genesis and period are fixed when its key is made: they are what it is."""
    path = folder / "beacon.key"
    if not path.exists():
        scalar = secrets.randbelow(ORDER - 1) + 1
        genesis = int(datetime.now(UTC).timestamp())
        _write(path, encode(_BeaconFile(genesis=genesis, period=period, secret=f"{scalar:064x}")))
    kept = decode(path.read_bytes(), _BeaconFile)
    return LocalBeacon(bytes.fromhex(kept.secret), genesis=kept.genesis, period=kept.period)


def secret(path: Path, size: int) -> bytes:
    """`size` random bytes, drawn once and kept in `path`, for the owner's eyes."""
    if not path.exists():
        _write(path, secrets.token_bytes(size))
    return path.read_bytes()


def _certified_elsewhere(key: ed25519.Ed25519PrivateKey, asked: Request, path: Path, csr: Path) -> SigningKey:
    if not path.exists():
        _write(csr, asked.x509.public_bytes(serialization.Encoding.PEM))
        raise SettingsError(f"{path} is missing: have {csr} certified and put the certificate there")
    data = path.read_bytes()
    try:
        parsed = x509.load_pem_x509_certificate(data) if data.startswith(b"-----") else None
        der = parsed.public_bytes(serialization.Encoding.DER) if parsed else data
        return SigningKey(key, Certificate(der))
    except (ValueError, VerificationError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _der(root: x509.Certificate) -> str:
    return to_base64(root.public_bytes(serialization.Encoding.DER))


def _authority(path: Path, role: Role) -> Authority:
    if not path.exists():
        _write(path, Authority.create(role, datetime.now(UTC)).pem())
    return Authority.load(role, path.read_bytes())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.replace(path, data)
