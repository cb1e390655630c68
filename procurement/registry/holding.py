"""What somebody holds who signs: a key with its certificate, a committee member also a share. All of it
is in one file under a passphrase."""

from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.ceremony import Number, Secrets
from crypto.certificates import P256_ORDER, Certificate, PrivateKey, SigningKey
from crypto.checkpoint import Checkpoint
from crypto.committee import Share
from crypto.encoding import Base64, Hex32, Small, Text, Value, decode, from_base64
from crypto.errors import CertificateError, CommitteeError, MalformedError
from crypto.trust import Trust
from procurement.registry.safe import Safe

_P256 = "p256:"

Key = Annotated[str, msgspec.Meta(pattern=r"\A(p256:)?[0-9a-f]{64}\Z")]
"""The seed of an Ed25519 key in hex, or `p256:` and the secret number of a P-256 one, which browsers without
Ed25519 make."""


class Holding(Value, frozen=True, kw_only=True):
    """What is in somebody's file. The certificate is absent while the application for it waits.

    `request` (PKCS #10) is that of a key which an authority elsewhere certifies.
    Of a committee member `said` are its own statements in the ceremony; `seen` is the newest head of the log
    that it was shown.
    """

    service: Text
    trust: Trust
    key: Key
    request: Base64 | None = None
    application: Base64 | None = None
    certificate: Base64 | None = None
    next_key: Key | None = None
    """While a renewal is under way: the key to come."""
    renewal: Base64 | None = None
    ceremony: Hex32 | None = None
    member: Number | None = None
    secrets: Secrets | None = None
    said: tuple[Base64, ...] = ()
    share: Hex32 | None = None
    seen_size: Small | None = None
    seen_root: Hex32 | None = None

    def __repr__(self) -> str:
        return f"Holding({self.ceremony})"

    @property
    def signing_key(self) -> SigningKey:
        """Raises CertificateError while there is no certificate, or it is for another key."""
        if self.certificate is None:
            raise CertificateError("no certificate is in this file yet: openseal enrol fetches it")
        return SigningKey(private(self.key), Certificate(from_base64(self.certificate)))

    @property
    def own_share(self) -> Share:
        """Raises CommitteeError while there is none."""
        if self.share is None or self.member is None:
            raise CommitteeError("there is no share in this file yet")
        return Share(self.member, bytes.fromhex(self.share))

    @property
    def seen(self) -> Checkpoint | None:
        if self.seen_size is None or self.seen_root is None:
            return None
        return Checkpoint(origin="", size=self.seen_size, root=bytes.fromhex(self.seen_root))


def private(key: str) -> PrivateKey:
    """The private key that a file holds as `key`. Raises MalformedError for a number that is no P-256 key."""
    if not key.startswith(_P256):
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key))
    number = int(key.removeprefix(_P256), 16)
    if not 0 < number < P256_ORDER:
        raise MalformedError("not a P-256 key")
    return ec.derive_private_key(number, ec.SECP256R1())


def load(safe: Safe) -> Holding:
    """What is in the file. Raises SafeError, MalformedError, OSError."""
    return decode(safe.read(), Holding)
