"""Signed statements: everything someone answers for is a DSSE envelope with exactly one signature.

A statement's id is the SHA-256 of the bytes that were signed (DSSE's pre-authentication encoding), so
the same statement with another valid signature is still the same statement.
"""

from typing import Any, ClassVar, TypeVar

from crypto.certificates import Holder, Role, Signer
from crypto.encoding import SIGNED_LIMIT, Base64, Hex32, Value, decode, encode, from_base64, sha256, to_base64
from crypto.errors import CertificateError, MalformedError

PAYLOAD_TYPE = "application/vnd.openseal.{purpose}.v1+json"
LONGEST = 2 * SIGNED_LIMIT  # bytes of a whole envelope: base64 adds a third


class Payload(Value, frozen=True, kw_only=True):
    """Base of what is signed, by holders of one of `ROLES`. `signer` is the fingerprint of the signer's
    certificate, and the `keyid`."""

    PURPOSE: ClassVar[str]
    ROLES: ClassVar[tuple[Role, ...]]

    signer: Hex32


P = TypeVar("P", bound=Payload)


class _Signature(Value, frozen=True, kw_only=True):
    keyid: Hex32
    sig: Base64


class _Envelope(Value, frozen=True, kw_only=True):
    payload: str
    """Base64, of any length: told when it is decoded."""
    payload_type: str
    signatures: tuple[_Signature, ...]


class Statement:
    """A parsed DSSE envelope whose signature nobody has looked at yet."""

    def __init__(self, data: bytes) -> None:
        """Parse the envelope's canonical JSON. Raises MalformedError."""
        envelope = decode(data, _Envelope, limit=LONGEST)
        if len(envelope.signatures) != 1:
            raise MalformedError("a statement has exactly one signature")
        self.data = data
        self.payload_type = envelope.payload_type
        self.payload = from_base64(envelope.payload)
        self.signature = from_base64(envelope.signatures[0].sig)
        self.signer = envelope.signatures[0].keyid
        self.id = sha256(pae(self.payload_type, self.payload)).hex()
        self._read: dict[type, Any] = {}

    def read(self, type_: type[P]) -> P:
        """The payload, *not verified*: for finding the certificate to verify with. Raises MalformedError."""
        if type_ not in self._read:
            self._read[type_] = self._decoded(type_)
        payload: P = self._read[type_]
        return payload

    def verify(self, type_: type[P], holder: Holder) -> P:
        """The payload, signed by the key of `holder`, whose role may make such statements.

        The certificate itself is verified by `Standing.verify`. Raises MalformedError, CertificateError
        or SignatureError.
        """
        if holder.fingerprint != self.signer:
            raise CertificateError("signed under another certificate")
        if holder.role not in type_.ROLES:
            raise CertificateError(f"role {holder.role} does not sign statements of type {type_.PURPOSE}")
        holder.verify(pae(self.payload_type, self.payload), self.signature)
        return self.read(type_)

    def _decoded(self, type_: type[P]) -> P:
        if self.payload_type != PAYLOAD_TYPE.format(purpose=type_.PURPOSE):
            raise MalformedError(f"not a statement of type {type_.PURPOSE}")
        payload = decode(self.payload, type_)
        if payload.signer != self.signer:
            raise MalformedError("keyid and signer differ")
        return payload


def sign(payload: Payload, key: Signer) -> bytes:
    """The DSSE envelope over `payload`, canonical JSON. `payload.signer` must be `key`'s fingerprint."""
    if payload.signer != key.fingerprint or key.holder.role not in payload.ROLES:
        raise CertificateError("this key is not the payload's signer")
    body = encode(payload)
    payload_type = PAYLOAD_TYPE.format(purpose=payload.PURPOSE)
    signature = _Signature(keyid=key.fingerprint, sig=to_base64(key.sign(pae(payload_type, body))))
    return encode(_Envelope(payload=to_base64(body), payload_type=payload_type, signatures=(signature,)))


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE v1 pre-authentication encoding (protocol.md of secure-systems-lab/dsse)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
