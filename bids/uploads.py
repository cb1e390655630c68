"""Sealed files on their way in: resumable, hashed while they come, durable before they count.

A file is a list of objects in the store, one after the other. Each is written and made durable before the
row that names it commits; that transaction moves the upload on from the byte where it stood, so that of two
senders who go on from there one does. Nothing is put together or copied at the end. An object without a row
belongs to nobody and is swept away.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

from obstore import open_writer_async
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from bids import store
from bids.errors import UploadError
from bids.receipts import DocumentReceipt, commitment, commitment_entry
from bids.store import StoredDocument, StoredPart, StoredUpload
from crypto import durable
from crypto.certificates import SigningKey
from crypto.encoding import moment

if TYPE_CHECKING:
    from obstore import GetOptions

PART = 4 * 1024 * 1024  # bytes of an object at most
WRITTEN = 8 * 1024 * 1024  # bytes of a large object that are sent at a time
SMALL = 256 * 1024  # bytes: how large an object is worth writing while memory is short
BUDGET = 32 * 1024 * 1024  # bytes that all senders together may have in memory before it is short
LINGER = 5.0  # seconds after which what came is written, however little it is
SILENCE = 30.0  # seconds without a byte after which a sender is taken for gone
MOST_PARTS = 20_000  # objects of one file: whoever sends it byte by byte begins again

_REMEMBERED = 1024  # running hashes, some 200 bytes each
_LOGGER = logging.getLogger(__name__)
_Key = tuple[UUID, str]


class Broken(Exception):
    """The sender is gone before the end of what it was sending."""


class Checksum(NamedTuple):
    """What the bytes of one request must hash to."""

    algorithm: str
    """`sha1` or `sha256`."""
    digest: bytes


class _Running:
    """The SHA-256 of a file's beginning: of `size` bytes in objects of which the first is named `first`.

    Names are never used twice, so a file that was begun again cannot be taken for the one before.
    """

    def __init__(self, first: str = "", size: int = 0, sha256: Any = None) -> None:
        self.first, self.size = first, size
        self._sha256 = sha256 or hashlib.sha256()

    def update(self, part: StoredPart, data: bytes | bytearray) -> None:
        self.first = self.first or part.name
        self.size += part.size
        self._sha256.update(data)

    def copy(self) -> "_Running":
        return _Running(self.first, self.size, self._sha256.copy())

    def fits(self, parts: Sequence[StoredPart]) -> bool:
        """Whether it is about these objects, and ends where one of them does."""
        ends = {each.start + each.size for each in parts}
        return self.size == 0 or (self.first == parts[0].name and self.size in ends if parts else False)

    @property
    def hex(self) -> str:
        return str(self._sha256.hexdigest())


class Depot:
    """Where sealed files lie. Any number of processes may work on one store and database."""

    def __init__(self, pool: Any, objects: ObjectStore, entropy: Callable[[int], bytes]) -> None:
        self.pool = pool
        self.buffered = 0
        """Bytes that senders have in memory."""
        self._objects = objects
        self._entropy = entropy
        self._known: OrderedDict[_Key, _Running] = OrderedDict()
        self._hashing: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    async def receive(
        self,
        tender_id: UUID,
        upload: StoredUpload,
        chunks: AsyncIterator[bytes],
        checksum: Checksum | None = None,
    ) -> int:
        """Take more of the file, from where `upload` stands; returns how many bytes of it are there then.

        What came counts even where the sender breaks off, by `chunks` raising Broken; with a `checksum`, all
        of it counts or nothing. Holds no connection and no thread while it waits for bytes. Raises
        UploadError.
        """
        if upload.parts >= MOST_PARTS:
            raise UploadError("too-many-parts", "the file came in too many pieces: break off, and begin anew")
        piece = _Piece(self, tender_id, upload, checksum)
        try:
            async for chunk in within(chunks, SILENCE):
                await piece.take(chunk)
            await piece.end()
        except Broken:
            await piece.break_off()
            raise
        finally:
            await piece.close()
        return piece.counted

    async def sha256(self, tender_id: UUID, upload: str) -> tuple[list[StoredPart], str]:
        """What the upload is made of, and the SHA-256 (hex) of it all. What was hashed as it came is not
        read again, where it came to this process."""
        key = (tender_id, upload)
        async with self._hashing.setdefault(key, asyncio.Lock()):
            parts = await store.load_parts(self.pool, tender_id, upload)
            known = self._known.get(key)
            running = known.copy() if known and known.fits(parts) else _Running()
            for part in parts:
                if part.start >= running.size:
                    await asyncio.to_thread(running.update, part, await self._get(part.name))
            self.remember(key, running)
            return parts, running.hex

    async def read(self, tender_id: UUID, source: str) -> AsyncIterator[bytes]:
        """The bytes of a document, by its `source`, so few at a time that slow readers hold little memory.
        Raises UploadError where the store is away, or has lost them."""
        for part in await store.load_parts(self.pool, tender_id, source):
            async for piece in self.stream(part.name):
                yield piece

    async def stream(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object, a few at a time: from `start` on, before `end`. Raises UploadError."""
        part: GetOptions = {"range": {"offset": start} if end is None else (start, end)}
        try:
            found = await self._objects.get_async(name, options=part if start or end else None)
            async for piece in found.stream(min_chunk_size=SMALL):
                yield bytes(piece)
        except (BaseError, OSError) as error:
            raise _away(error) from error

    async def find(self, name: str) -> bytes | None:
        """A small object, if there is one with that name. Raises UploadError."""
        try:
            return bytes(await (await self._objects.get_async(name)).bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _away(error) from error

    async def count(self, prefix: str) -> int:
        """How many objects have names that begin so. Raises UploadError."""
        try:
            return sum([len(found) async for found in self._objects.list(prefix)])
        except (BaseError, OSError) as error:
            raise _away(error) from error

    async def put(self, name: str, data: bytearray) -> None:
        """A new object; durable when this returns."""
        try:
            await self._objects.put_async(name, data)
            await self._sync(name)
        except (BaseError, OSError) as error:
            raise _away(error) from error

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """A new object, however large; durable when this returns. Where it breaks off, whatever is there by
        that name is nothing."""
        try:
            async with open_writer_async(
                self._objects, name, buffer_size=WRITTEN, max_concurrency=2
            ) as writer:
                async for chunk in chunks:
                    await writer.write(chunk)
            await self._sync(name)
        except (BaseError, OSError) as error:
            raise _away(error) from error

    async def drop(self, names: Iterable[str]) -> None:
        """Delete objects that no row names. Those that cannot be now are swept away later."""
        for name in names:
            try:
                await self._objects.delete_async(name)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                _LOGGER.warning("the store of documents does not delete: %s", type(error).__name__)
                return

    async def clear(self, folder: str, but: str | None = None) -> None:
        """Delete every object in a folder (its name ends with a slash) that is not in that one of its own."""
        async for found in self._objects.list(folder):
            paths = [str(each["path"]) for each in found]
            await self.drop(each for each in paths if but is None or not each.startswith(f"{folder}{but}/"))

    async def sweep(self, tender_id: UUID) -> None:
        """Delete every object of a tender that no document is made of. For when nobody sends any more."""
        await store.remove_unfinished_uploads(self.pool, tender_id)
        named = await store.load_part_names(self.pool, tender_id)
        async for found in self._objects.list(f"{tender_id}/"):
            await self.drop(each["path"] for each in found if each["path"] not in named)
        if isinstance(self._objects, LocalStore) and (root := self._objects.prefix) is not None:
            await asyncio.to_thread(_remove_torn, root / str(tender_id))

    def name(self, tender_id: UUID, upload: str, start: int) -> str:
        """Of a new object."""
        return f"{tender_id}/{upload}/{start}-{self._entropy(8).hex()}"

    def running(self, tender_id: UUID, upload: StoredUpload) -> _Running | None:
        """The hash of what is there; None where some of it came to another process."""
        if upload.received == 0:
            return _Running()
        known = self._known.get((tender_id, upload.id))
        return known.copy() if known and known.size == upload.received else None

    def remember(self, key: _Key, running: _Running) -> None:
        """For whoever sends the next piece."""
        self._known[key] = running.copy()
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _sync(self, name: str) -> None:
        """A local store does not do so by itself."""
        if isinstance(self._objects, LocalStore) and (root := self._objects.prefix) is not None:
            await asyncio.to_thread(durable.sync_upwards, root / name, root)

    async def _get(self, name: str) -> bytes:
        try:
            return bytes(await (await self._objects.get_async(name)).bytes_async())
        except (BaseError, OSError) as error:
            raise _away(error) from error


class _Piece:
    """What one request brings of a file, on its way into objects."""

    def __init__(
        self, depot: Depot, tender_id: UUID, upload: StoredUpload, checksum: Checksum | None
    ) -> None:
        self.counted = upload.received
        """Bytes of the file that are there."""
        self._depot, self._tender_id, self._upload, self._checksum = depot, tender_id, upload, checksum
        self._check = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._running = depot.running(tender_id, upload)
        self._buffer = bytearray()
        self._since = 0.0
        self._written: list[StoredPart] = []
        """Durable, but not counted yet."""
        self._end = upload.received

    async def take(self, chunk: bytes) -> None:
        """Raises UploadError where it is more than the file has, or somebody else went on with it."""
        if self._end + len(self._buffer) + len(chunk) > self._upload.size:
            raise UploadError("too-large", "the file is not as long as that")
        view = memoryview(chunk)
        while view:
            if not self._buffer:
                self._since = time.monotonic()
            taken, view = view[: PART - len(self._buffer)], view[PART - len(self._buffer) :]
            self._buffer += taken
            self._depot.buffered += len(taken)
            if self._is_due():
                await self._write()

    async def end(self) -> None:
        """All of it came."""
        await self._write()
        if self._check and self._checksum and self._check.digest() != self._checksum.digest:
            raise UploadError("checksum-differs", "the bytes do not have the checksum that came with them")
        await self._count()

    async def break_off(self) -> None:
        """The rest will not come."""
        if self._checksum is None:
            await self._write()

    async def close(self) -> None:
        """Whatever happened: what does not count leaves no trace."""
        self._depot.buffered -= len(self._buffer)
        await self._depot.drop(each.name for each in self._written)

    def _is_due(self) -> bool:
        size = len(self._buffer)
        short = self._depot.buffered > BUDGET and size >= SMALL
        return size >= PART or short or time.monotonic() - self._since > LINGER

    async def _write(self) -> None:
        if not (data := self._buffer):
            return
        self._buffer = bytearray()
        name = self._depot.name(self._tender_id, self._upload.id, self._end)
        part = StoredPart(start=self._end, size=len(data), name=name)
        self._written.append(part)
        try:
            await asyncio.to_thread(self._hash, part, data)
            await self._depot.put(name, data)
        finally:
            self._depot.buffered -= len(data)
        self._end += part.size
        if self._checksum is None:
            await self._count()

    def _hash(self, part: StoredPart, data: bytearray) -> None:
        if self._running:
            self._running.update(part, data)
        if self._check:
            self._check.update(data)

    async def _count(self) -> None:
        """From here on the parts are the upload's, or, where a connection broke, perhaps: they stay."""
        parts, self._written = self._written, []
        if not parts:
            return
        if not await store.add_parts(self._depot.pool, self._tender_id, self._upload.id, parts):
            self._written = parts
            raise UploadError("wrong-offset", "somebody else went on with this upload")
        self.counted = self._end
        if self._running:
            self._depot.remember((self._tender_id, self._upload.id), self._running)


def document_entry(stored: StoredDocument, notice_id: str) -> bytes:
    """The log entry that commits to `stored`."""
    return commitment_entry(
        commitment("document", notice_id, moment(stored.stored_at), stored.salt, stored.id)
    )


def document_receipt(
    stored: StoredDocument, tender: str, notice_id: str, bidder: str, key: SigningKey
) -> DocumentReceipt:
    """What the bidder with that registration number is given for `stored`, to be signed by `key`."""
    return DocumentReceipt(
        signer=key.fingerprint,
        tender=tender,
        notice=notice_id,
        bidder=bidder,
        envelope=stored.envelope,
        number=stored.number,
        sha256=stored.sha256,
        size=stored.size,
        time=moment(stored.stored_at),
        salt=stored.salt,
        in_doubt=stored.in_doubt,
    )


async def within(chunks: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """The chunks, while each comes in time; else Broken."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise Broken from error
        if chunk is None:
            return
        yield chunk


def _away(error: Exception) -> UploadError:
    """Messages of the store have addresses and paths: its kind is all that is told."""
    _LOGGER.error("the store of documents is in trouble: %s", type(error).__name__)
    return UploadError("store-away", "the store of documents does not answer: send the same again")


def _remove_torn(folder: Any) -> None:
    """A local store writes aside first, `#` in the name, and does not list what a kill left there."""
    for each in folder.glob("*/*#*"):
        each.unlink(missing_ok=True)
