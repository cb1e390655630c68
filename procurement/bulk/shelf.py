"""Where award records lie, and what belongs to a period."""

from collections.abc import AsyncIterator
from typing import Any

from bids.uploads import Depot
from procurement.bulk import store
from procurement.bulk.store import Kept, Span
from procurement.errors import TenderError
from procurement.finding.search import Shown

A_PAGE = 1000


class Shelf:
    """The award records that are kept."""

    def __init__(self, pool: Any, depot: Depot) -> None:
        self._pool = pool
        self._depot = depot

    async def listed(self, offset: int, practice: Shown, most: int) -> list[Kept]:
        """Records from that log index on, in the order of the log. Raises TenderError for one up to which not
        all records are there yet."""
        end = await store.complete_until(self._pool)
        if offset > end:
            raise TenderError("offset-beyond-end", f"the records are there up to {end}")
        return await store.list_records(self._pool, offset, practice, most)

    async def belonging(self, span: Span) -> AsyncIterator[Kept]:
        """The records of a period, in the order of the log."""
        start = 0
        while some := await store.list_records_of(self._pool, span, start, A_PAGE):
            for each in some:
                yield each
            start = some[-1].position + 1

    async def read(self, kept: Kept, start: int, end: int) -> AsyncIterator[bytes]:
        """The record's bytes from `start` on, before `end`. Raises UploadError."""
        async for piece in self._depot.stream(name_of(kept.sha256), start, end if end < kept.size else None):
            yield piece


def name_of(digest: str) -> str:
    """Of the record with that SHA-256 (hex) in the store."""
    return f"records/{digest[:2]}/{digest}.zip"
