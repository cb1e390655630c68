"""Tender documents as the service keeps them: by their SHA-256, whole or not at all.

A file is a list of objects in the store of documents, each durable before the next is taken, and one more
object at the file's own name that lists them: only with that, once all of it has the hash that it is kept
by, the file is there. Nothing that is there is ever changed.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

from bids.uploads import PART, SILENCE, Depot, within
from crypto.encoding import Hex32, Value, decode, encode
from procurement.errors import TenderError
from procurement.notices import MOST_FILES, DocumentOffer, TenderDocument

AT_ONCE = 4
"""Files on their way in, in one process."""


class _Listed(Value, frozen=True, kw_only=True):
    """A file's objects, in order, and what it is."""

    parts: tuple[str, ...]
    sha256: Hex32
    size: int


class Files:
    """The files that notices name, by tender. Raises UploadError where the store is away."""

    def __init__(self, depot: Depot, entropy: Callable[[int], bytes]) -> None:
        self._depot = depot
        self._entropy = entropy
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def has(self, tender_id: UUID, sha256: str, size: int) -> bool:
        """Whether that file is there."""
        listed = await self._listed(tender_id, sha256)
        return listed is not None and listed.size == size

    async def check_there(self, tender_id: UUID, documents: Sequence[TenderDocument]) -> None:
        """Every document that a notice names can be had. Raises TenderError."""
        missing = [each.id for each in documents if not await self.has(tender_id, each.sha256, each.size)]
        if missing:
            raise TenderError("documents-missing", f"these files were not handed in: {', '.join(missing)}")

    async def keep(self, tender_id: UUID, offer: DocumentOffer, chunks: AsyncIterator[bytes]) -> None:
        """Take a file; it is there and durable when this returns. The same again changes nothing.

        Raises TenderError for other bytes than were offered and for more files than a notice can name, and
        Broken where the sender is gone.
        """
        async with self._slots:
            if await self.has(tender_id, offer.sha256, offer.size):
                return
            await self._check_room(tender_id)
            parts: list[str] = []
            try:
                await self._take(tender_id, offer, chunks, parts)
            except BaseException:
                await self._depot.drop(parts)
                raise
            listed = _Listed(parts=tuple(parts), sha256=offer.sha256, size=offer.size)
            await self._depot.put(_name(tender_id, offer.sha256), bytearray(encode(listed)))

    async def pass_over(self, chunks: AsyncIterator[bytes]) -> None:
        """What comes of a file that is there already: whoever sends it hears so once all of it is sent."""
        async for _ in within(chunks, SILENCE):
            pass

    async def read(self, tender_id: UUID, document: TenderDocument) -> AsyncIterator[bytes]:
        """The file's bytes, a few at a time. Raises TenderError where it is not there."""
        listed = await self._listed(tender_id, document.sha256)
        if listed is None:
            raise TenderError("no-such-document", "there is no such document")
        for part in listed.parts:
            async for piece in self._depot.stream(part):
                yield piece

    async def _take(
        self, tender_id: UUID, offer: DocumentOffer, chunks: AsyncIterator[bytes], parts: list[str]
    ) -> None:
        room, digest, size = self._entropy(8).hex(), hashlib.sha256(), 0
        async for data in _pieces(within(chunks, SILENCE)):
            size += len(data)
            if size > offer.size:
                break
            await asyncio.to_thread(digest.update, data)
            parts.append(f"{_folder(tender_id)}/parts/{offer.sha256}-{room}/{len(parts)}")
            await self._depot.put(parts[-1], data)
        if (size, digest.hexdigest()) != (offer.size, offer.sha256):
            raise TenderError("document-differs", "the bytes are not those of the file that was offered")

    async def _check_room(self, tender_id: UUID) -> None:
        if await self._depot.count(f"{_folder(tender_id)}/files/") >= 2 * MOST_FILES:
            raise TenderError("too-many-files", "more files were handed in for this tender than it can name")

    async def _listed(self, tender_id: UUID, sha256: str) -> _Listed | None:
        found = await self._depot.find(_name(tender_id, sha256))
        return decode(found, _Listed) if found is not None else None


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytearray]:
    """What comes, in pieces of an object's size; the last may be shorter."""
    buffer = bytearray()
    async for chunk in chunks:
        view = memoryview(chunk)
        while view:
            taken, view = view[: PART - len(buffer)], view[PART - len(buffer) :]
            buffer += taken
            if len(buffer) == PART:
                yield buffer
                buffer = bytearray()
    if buffer:
        yield buffer


def _folder(tender_id: UUID) -> str:
    return f"notices/{tender_id}"


def _name(tender_id: UUID, sha256: str) -> str:
    return f"{_folder(tender_id)}/files/{sha256}"
