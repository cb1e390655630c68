"""Documents on their bidder's or reader's machine: sealed and opened from file to file, however large."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from bids.envelope import SealedFile
from crypto import durable, stream
from crypto.errors import LockError

_AT_ONCE = 1024 * 1024  # bytes read from a file


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it is named: SHA-256 (hex) and size (bytes)."""

    sha256: str
    size: int


class SealedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What came of sealing a file: the file itself and its sealed form."""

    plain: Digest
    sealed: Digest


def seal_file(source: Path, target: Path, key: bytes) -> SealedDocument:
    """Seal `source` under `key`, 32 fresh random bytes, into the new file `target`, durable on return.

    Raises OSError, FileExistsError where `target` is there already; whatever goes wrong leaves none behind.
    """
    plain = _Counted(_read(source))
    sealed = _Counted(stream.seal(key, plain))
    _write(sealed, target)
    return SealedDocument(plain=plain.digest(), sealed=sealed.digest())


def open_file(source: Path, target: Path, key: bytes, plain: Digest) -> None:
    """Open the sealed file `source` into the new file `target`, which has to be what `plain` says.

    Raises LockError or MalformedError where it does not open, or opens to something else; OSError. `target`
    appears whole and verified, or not at all.
    """
    opened = _Counted(stream.open(key, _read(source)))

    def verified() -> Iterator[bytes]:
        yield from opened
        if opened.digest() != plain:
            raise LockError("the file opens to another document than the bid names")

    _write(verified(), target)


def digest(path: Path) -> Digest:
    """Raises OSError."""
    counted = _Counted(_read(path))
    for _ in counted:
        pass
    return counted.digest()


def verify_file(path: Path, listed: SealedFile) -> None:
    """The sealed file is the one that the envelope lists. Raises LockError or OSError."""
    if digest(path) != Digest(sha256=listed.sha256, size=listed.size):
        raise LockError(f"the file is not number {listed.number} of the envelope")


class _Counted:
    """Chunks on their way, hashed and counted."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self._hash = hashlib.sha256()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self._hash.update(chunk)
            self._size += len(chunk)
            yield chunk

    def digest(self) -> Digest:
        return Digest(sha256=self._hash.hexdigest(), size=self._size)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_AT_ONCE):
            yield chunk


def _write(chunks: Iterable[bytes], target: Path) -> None:
    """A new file for its owner's eyes, under its name only once it is complete and durable."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    aside = target.with_name(target.name + ".new")
    aside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    durable.sync(target.parent)
