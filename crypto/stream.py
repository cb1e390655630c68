"""Sealing what is too large to hold: STREAM over ChaCha20-Poly1305, chunk by chunk, as age does its payload.

A key is for one document. Each chunk of 64 KiB is encrypted for its place, the last one marked as the last:
whatever is cut off, added, repeated or moved does not open.
"""

from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from crypto.errors import LockError, MalformedError

KEY = 32
"""Bytes of a key."""
CHUNK = 64 * 1024
"""Bytes of plaintext in every chunk but the last, which has 1 to so many, or none of none at all."""
TAG = 16
"""Bytes by which a sealed chunk is longer."""


def seal(key: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The sealed chunks of a plaintext that comes in pieces of any size. `key`: 32 fresh random bytes."""
    cipher = ChaCha20Poly1305(_checked(key))
    for i, (block, last) in enumerate(_blocks(chunks)):
        yield cipher.encrypt(_nonce(i, last), block, None)


def open(key: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The plaintext of a sealed file that comes in pieces of any size.

    What is yielded is genuine, but only with the last piece it is known to be all. Raises LockError where
    the key is another or something was altered, moved, added or cut off; MalformedError for sizes that
    nothing sealed has.
    """
    opener = Opener(key)
    for chunk in chunks:
        yield from opener.feed(chunk)
    yield opener.end()


class Opener:
    """What `open` does, for whoever is handed the pieces instead of asking for them."""

    def __init__(self, key: bytes) -> None:
        """Raises MalformedError unless the key is 32 bytes."""
        self._cipher = ChaCha20Poly1305(_checked(key))
        self._held = bytearray()
        self._count = 0

    def feed(self, sealed: bytes) -> Iterator[bytes]:
        """The chunks of plaintext that are complete with these bytes. Raises LockError."""
        self._held += sealed
        while len(self._held) > CHUNK + TAG:  # whether a chunk is the last one shows by what comes after it
            yield self._opened(False)

    def end(self) -> bytes:
        """The last chunk, when all bytes have been fed. Raises LockError or MalformedError."""
        if len(self._held) < TAG or (self._count and len(self._held) == TAG):
            raise MalformedError("a sealed file ends within a chunk")
        return self._opened(True)

    def _opened(self, last: bool) -> bytes:
        block = bytes(self._held[: CHUNK + TAG])
        del self._held[: CHUNK + TAG]
        try:
            plain = self._cipher.decrypt(_nonce(self._count, last), block, None)
        except InvalidTag as error:
            raise LockError("the sealed file is not whole, or not under this key") from error
        self._count += 1
        return plain


def sealed_size(plain: int) -> int:
    """Bytes of a sealed file whose plaintext has `plain` bytes."""
    return plain + TAG * max(1, -(-plain // CHUNK))


def plain_size(sealed: int) -> int:
    """Bytes of the plaintext of a sealed file of `sealed` bytes. Raises MalformedError for sizes of none."""
    plain = sealed - TAG * max(1, -(-sealed // (CHUNK + TAG)))
    if plain < 0 or sealed_size(plain) != sealed:
        raise MalformedError("no sealed file has this size")
    return plain


def _blocks(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The same bytes in chunks of ours, each with whether it is the last."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > CHUNK:
            yield bytes(held[:CHUNK]), False
            del held[:CHUNK]
    yield bytes(held), True


def _nonce(counter: int, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + bytes([last])


def _checked(key: bytes) -> bytes:
    if len(key) != KEY:
        raise MalformedError("a document's key is 32 bytes")
    return key
