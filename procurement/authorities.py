"""What a one-machine set-up keeps secret, each in a file of its own below the data folder.

Authorities that certify whoever asks, the service's key, the log's key, the beacon's key: together they
are one party, so everything made here is marked as not independent. No committee share is ever here.
"""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519

from crypto import checkpoint, durable
from crypto.beacon import LocalBeacon, Network
from crypto.bls import ORDER
from crypto.certificates import Authority, Certificate, Role, SigningKey, request
from crypto.encoding import Hex32, Small, Value, decode, encode, to_base64
from crypto.errors import CertificateError
from crypto.trust import Trust, WitnessPolicy

LOG_NAME = "openseal.local/log"
WITNESS_NAME = "openseal.local/witness"


class _BeaconFile(Value, frozen=True, kw_only=True):
    genesis: Small
    period: Small
    secret: Hex32


class Authorities:
    """The embedded authorities, one per role."""

    def __init__(self, folder: Path) -> None:
        """Those of `folder`, made on the first start."""
        self._authorities = {role: _authority(folder / f"{role}.pem", role) for role in Role}

    def issue(self, role: Role, request: bytes) -> Certificate:
        """A certificate for whoever holds the request's key. Raises MalformedError, SignatureError, or
        CertificateError, also for the service's own role."""
        if role is Role.SERVICE:
            raise CertificateError("the service certifies nobody else as the service")
        return self._authorities[role].issue(request, datetime.now(UTC))

    def service_key(self, folder: Path) -> SigningKey:
        """The service's own key with its certificate."""
        seed = secret(folder / "service.key", 32)
        key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        path = folder / "service.der"
        if not path.exists():
            asked = request(key, "Openseal", "service")
            _write(path, self._authorities[Role.SERVICE].issue(asked, datetime.now(UTC)).der)
        return SigningKey(key, Certificate(path.read_bytes()))

    def trust(self, log: checkpoint.VerifyingKey, witnesses: WitnessPolicy, network: Network) -> Trust:
        """What this set-up says of itself."""
        return Trust(
            independent=False,
            log=log.encode(),
            witnesses=witnesses,
            roots={role: (to_base64(each.root_der),) for role, each in self._authorities.items()},
            networks=(network,),
        )


def log_key(folder: Path) -> checkpoint.SigningKey:
    """The log's key."""
    return checkpoint.SigningKey(LOG_NAME, checkpoint.LOG, secret(folder / "log.key", 32))


def witness_key(folder: Path) -> checkpoint.SigningKey:
    """The embedded witness's key, in a folder that no other part of the service reads."""
    return checkpoint.SigningKey(WITNESS_NAME, checkpoint.WITNESS, secret(folder / "witness.key", 32))


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


def _authority(path: Path, role: Role) -> Authority:
    if not path.exists():
        _write(path, Authority.create(role, datetime.now(UTC)).pem())
    return Authority.load(role, path.read_bytes())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.replace(path, data)
