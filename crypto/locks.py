"""A lock is a public key and a message; its key is the signature on that message, which nobody has yet.

A bid hangs on two locks: time (a beacon signs the round when it comes) and mandate (a committee signs the
opening order). They are summed before encrypting, so that neither signature alone opens anything:
``g = Π e(Q, P)`` over the locks, then tlock's encryption (Boneh-Franklin with Fujisaki-Okamoto) under g.
With one lock the capsule is byte for byte what drand's tlock makes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto import bls
from crypto.encoding import Hex16, Hex32, Identifier, RoundNumber, Value, sha256
from crypto.errors import LockError, MalformedError, SignatureError

TIME_DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
"""drand's, for scheme bls-unchained-g1-rfc9380."""
MANDATE_DST = b"OPENSEAL-V1-MANDATE-BLS12381G1_XMD:SHA-256_SSWU_RO_"

MESSAGE_SIZE = 32
"""Bytes that a capsule holds at most, and exactly where it keys content."""
_NONCE = bytes(12)  # each content key encrypts one plaintext

Layer = Literal["content", "restricted"]
"""What is published when the bid opens, and what is withheld like a document."""


class OpeningOrder(Value, frozen=True, kw_only=True, tag_field="kind", tag="openseal/opening-order/v1"):
    """What a committee signs to open a tender; the signature *is* the mandate lock's key.

    Price parts open bid by bid, the other parts all at once: `bid` stands with part `price`, only there, and
    `lot` where a bid has a price part for each lot.
    """

    tender: Identifier
    """The ocid."""
    notice: Hex32
    """Id of the tender's first notice."""
    lot: Identifier | None = None
    part: Literal["bid", "technical", "price"]
    bid: Hex16 | None = None
    round: RoundNumber

    def __post_init__(self) -> None:
        if (self.bid is not None) != (self.part == "price"):
            raise MalformedError("an opening order names a bid if it opens a price part, and only then")
        if self.lot is not None and self.part != "price":
            raise MalformedError("an opening order names a lot only if it opens a price part")


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A public key (96 bytes), the message whose signature opens, and the domain of that signature."""

    public_key: bytes
    message: bytes
    dst: bytes

    def verify(self, signature: bytes) -> bls.G1:
        """The key as a point. Raises LockError for another signature, MalformedError for no signature."""
        return _key(self, signature)


def time_lock(public_key: bytes, round: int) -> Lock:
    """The lock that a drand network opens with the signature of `round`, an unchained round from 1 up."""
    if not 1 <= round < 2**63:
        raise MalformedError("a round is a number from 1 to 2^63-1")
    return Lock(public_key=public_key, message=sha256(round.to_bytes(8, "big")), dst=TIME_DST)


def mandate_lock(public_key: bytes, order: bytes) -> Lock:
    """The lock that a committee opens by signing `order`, the canonical bytes of an OpeningOrder."""
    return Lock(public_key=public_key, message=order, dst=MANDATE_DST)


class Capsule(msgspec.Struct, frozen=True, kw_only=True):
    """A short message under locks: the point U (96 bytes), V and W (as long as the message each)."""

    u: bytes
    v: bytes
    w: bytes

    def __post_init__(self) -> None:
        if len(self.u) != 96 or not 1 <= len(self.v) == len(self.w) <= MESSAGE_SIZE:
            raise MalformedError("a capsule is 96 bytes and twice 1 to 32 bytes")


def seal(locks: Sequence[Lock], message: bytes, sigma: bytes) -> Capsule:
    """`message` (1 to 32 bytes), which opens with the signatures of *all* `locks` and not with fewer.

    `sigma`: fresh random bytes, as many as the message. Raises LockError for no or twice the same public
    key, MalformedError for a bad public key or sizes.
    """
    if len(sigma) != len(message) or not 1 <= len(message) <= MESSAGE_SIZE:
        raise MalformedError("a sealed message is 1 to 32 bytes and sigma as long")
    _check_distinct(locks)
    r = _h3(sigma, message)
    pairs = ((bls.times_g1(hashed, r), public_key) for public_key, hashed in map(_points, locks))
    return Capsule(
        u=bls.times_g2(r).to_compressed_bytes(),
        v=_xor(sigma, _h2(bls.pairing_product(list(pairs)))),
        w=_xor(message, _h4(sigma)),
    )


class Opener:
    """Opens every capsule under the same locks with one pairing each (some 1.5 ms).

    To share the work out, let every process make its own from the same locks and signatures.

    Each signature is verified against its own lock: a sum alone would also fit signatures that were
    chosen to cancel out. Raises LockError naming no more than the position of a wrong one.
    """

    def __init__(self, locks: Sequence[Lock], signatures: Sequence[bytes]) -> None:
        _check_distinct(locks)
        if len(locks) != len(signatures):
            raise LockError(f"{len(locks)} locks open with as many signatures, not {len(signatures)}")
        self._key = bls.add_g1(lock.verify(key) for lock, key in zip(locks, signatures, strict=True))

    def open(self, capsule: Capsule) -> bytes:
        """The message. Raises LockError where it was sealed for other locks or altered since.

        Raises MalformedError where U is not a point. Recomputing U from what came out leaves exactly
        one message per capsule.
        """
        u = bls.parse_g2(capsule.u)
        sigma = _xor(capsule.v, _h2(bls.pairing_product([(self._key, u)])))
        message = _xor(capsule.w, _h4(sigma))
        if bls.times_g2(_h3(sigma, message)) != u:
            raise LockError("the capsule was not made for these locks")
        return message


def content_key(message: bytes, context: bytes, capsule: Capsule, layer: Layer = "content") -> bytes:
    """The 32-byte key of a bid's content: HKDF-SHA256 over the opened message, bound to its place.

    `context` is the canonical JSON that names tender, notice, bid and certificate. Raises MalformedError
    unless the message is 32 bytes.
    """
    if len(message) != MESSAGE_SIZE:
        raise MalformedError("a content key comes from a message of 32 bytes")
    salt = sha256(_bound(context, capsule))
    return HKDF(SHA256(), length=32, salt=salt, info=f"openseal/v1/{layer}".encode()).derive(message)


def encrypt_content(
    message: bytes, context: bytes, capsule: Capsule, content: bytes, layer: Layer = "content"
) -> bytes:
    """`content` under its key by ChaCha20-Poly1305 (RFC 8439), 16 bytes longer.

    A message is for one bid: encrypting two contents of a layer under it gives both away.
    """
    cipher = ChaCha20Poly1305(content_key(message, context, capsule, layer))
    return cipher.encrypt(_NONCE, content, _bound(context, capsule))


def decrypt_content(
    message: bytes, context: bytes, capsule: Capsule, ciphertext: bytes, layer: Layer = "content"
) -> bytes:
    """What was encrypted. Raises LockError where ciphertext, capsule or context are not those of then."""
    cipher = ChaCha20Poly1305(content_key(message, context, capsule, layer))
    try:
        return cipher.decrypt(_NONCE, ciphertext, _bound(context, capsule))
    except InvalidTag as error:
        raise LockError("the ciphertext does not belong to this capsule and context") from error


@lru_cache(maxsize=64)
def _points(lock: Lock) -> tuple[bls.G2, bls.G1]:
    return bls.parse_g2(lock.public_key), bls.hash_to_g1(lock.message, lock.dst)


@lru_cache(maxsize=64)  # whoever checks a key opens with it next; a round opens many tenders
def _key(lock: Lock, signature: bytes) -> bls.G1:
    public_key, _ = _points(lock)
    try:
        return bls.verify_signature(public_key, lock.message, lock.dst, signature)
    except SignatureError as error:
        raise LockError("the signature is not the key of this lock") from error


def _check_distinct(locks: Sequence[Lock]) -> None:
    """One key holder must never be able to open a sum lock alone."""
    if not locks or len({lock.public_key for lock in locks}) != len(locks):
        raise LockError("locks are at least one, each with a public key of its own")


def _bound(context: bytes, capsule: Capsule) -> bytes:
    return context + capsule.u + capsule.v + capsule.w


def _h2(gt: bytes) -> bytes:
    return sha256(b"IBE-H2", gt)


def _h3(sigma: bytes, message: bytes) -> int:
    """tlock's scalar: the first of a row of hashes, its first byte shifted right by one, below the order."""
    seed = sha256(b"IBE-H3", sigma, message)
    for i in range(1, 2**16):
        digest = sha256(i.to_bytes(2, "little"), seed)
        candidate = int.from_bytes(bytes([digest[0] >> 1]) + digest[1:], "big")
        if 0 < candidate < bls.ORDER:
            return candidate
    raise LockError("no scalar for this message")  # probability below 2^-9000


def _h4(sigma: bytes) -> bytes:
    return sha256(b"IBE-H4", sigma)


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, mask, strict=False))
