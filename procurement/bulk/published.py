"""Published files as they are found and read."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

from bids.uploads import Depot
from crypto.encoding import encode, parse_moment
from crypto.log import Log
from procurement import publication
from procurement.bulk import store
from procurement.bulk.listing import DataFile, DataPublished
from procurement.bulk.maker import folder_of
from procurement.bulk.shelf import Shelf
from procurement.bulk.store import Published, Span
from procurement.bulk.tar import tarred
from procurement.errors import TenderError
from procurement.finding.search import Shown

A_PAGE = 31
"""Days of one list of publications."""


class Publications:
    """What was published by the file. Whatever is not there raises TenderError."""

    def __init__(self, pool: Any, depot: Depot, log: Log) -> None:
        self._pool = pool
        self._depot = depot
        self._log = log
        self._shelf = Shelf(pool, depot)

    async def latest(self, practice: Shown = "hidden", before: date | None = None) -> list[Published]:
        """Publications whose files are there, of the latest days first: of 31 days, those before that one."""
        return await store.list_publications(self._pool, practice, before, A_PAGE)

    async def of(self, path: str) -> Published:
        """The publication at that path below ``/data``."""
        found = await store.load_publication(self._pool, path)
        if found is None:
            raise TenderError("no-such-file", "nothing was published there")
        return found

    async def list_named(self, digest: str) -> bytes:
        """The list with that SHA-256 (hex), of publications that are superseded, too."""
        found = await store.load_list(self._pool, bytes.fromhex(digest))
        if found is None:
            raise TenderError("no-such-file", "no list has this SHA-256")
        return found

    async def proof(self, published: Published) -> str:
        """That the log has the list, as ``c2sp.org/tlog-proof@v1`` under a witnessed checkpoint."""
        entry = encode(DataPublished(sha256=published.sha256.hex()))
        return (await publication.proof_of(self._log, entry)).encode()

    def file(self, published: Published, name: str) -> DataFile:
        """What the list says of the file with that name."""
        for each in published.contents.files:
            if each.name == name and not published.superseded_at:
                return each
            if each.name == name:
                raise TenderError("superseded", "there is a newer file of all, and this one is gone")
        raise TenderError("no-such-file", "no file of this publication has that name")

    def read(self, published: Published, file: DataFile, start: int, end: int) -> AsyncIterator[bytes]:
        """The file's bytes from `start` on, before `end`. Raises UploadError."""
        if file.kind == "records":
            return tarred(self._shelf.belonging(_span(published)), self._shelf.read, start, end)
        folder = folder_of(published.path, published.room)
        return self._depot.stream(f"{folder}/{file.name}", start, end if end < file.size else None)


def _span(published: Published) -> Span:
    said = published.contents
    return Span(
        practice=said.practice,
        begins=_time(said.begins),
        ends=parse_moment(said.ends),
        position=said.position,
        after=said.after,
    )


def _time(text: str | None) -> datetime | None:
    return parse_moment(text) if text else None
