"""Award records: made once, when the award is witnessed, kept by their SHA-256, and read from there.

The published log is read in its order: every award in it gets a row, and each of these a file. A list of
records ends before the first award whose file is not kept yet, so whoever follows it misses none. One that
cannot be made is tried ever more rarely, while those behind it are made; ``/health`` says that it holds up.
"""

import asyncio
import io
import logging
import zipfile
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from bids.uploads import Depot
from crypto.encoding import decode, parse_moment, sha256
from procurement import publication
from procurement import store as tenders
from procurement.bulk import store
from procurement.bulk.shelf import Shelf, name_of
from procurement.bulk.store import Kept, Made
from procurement.errors import TenderError
from procurement.history import LONGEST_ENTRY, Entry, EventType
from procurement.procedure import Procedure
from procurement.troubles import Troubles

LOOK = 0.2  # seconds between looks at the log
WINDOW = 10_000  # entries of the log that are looked at together
AT_ONCE = 20  # awards that are looked at together
SHORTEST, LONGEST = 1.0, 300.0  # seconds until a record that could not be made is tried again

_MARK = f'"t":"{EventType.AWARDED}"'.encode()
_LOGGER = logging.getLogger(__name__)


class Pause(NamedTuple):
    """From one attempt at a record until the next: its length (seconds), its end by the loop's clock."""

    length: float
    until: float

    @classmethod
    def after(cls, before: "Pause | None", now: float) -> "Pause":
        """Twice as long as the one before."""
        length = min(2 * before.length, LONGEST) if before else SHORTEST
        return cls(length, now + length)


class Records:
    """The award records of one service."""

    def __init__(self, procedure: Procedure, depot: Depot) -> None:
        self.shelf = Shelf(procedure.pool, depot)
        self._procedure = procedure
        self._depot = depot
        self._troubles = Troubles(_LOGGER)
        self._pauses: dict[UUID, Pause] = {}

    async def run(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Until `stop` is set, while this process is `leading`."""
        while not stop.is_set():
            if leading.is_set():
                await self._troubles.attempt("award records", self._step)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)

    async def of(self, ocid: str) -> Kept:
        """The tender's record. Raises TenderError while there is none."""
        kept = await store.load_record(self._procedure.pool, tenders.id_of(ocid))
        if kept is None:
            await self._procedure.tender(ocid)  # which there may not be, either
            raise TenderError("not-yet", "the tender is not awarded yet, or its record is being made")
        return kept

    async def _step(self) -> None:
        await self._see()
        clock, log = asyncio.get_running_loop().time, self._procedure.log
        pausing = [tender_id for tender_id, pause in self._pauses.items() if clock() < pause.until]
        for each in await store.list_to_make(self._procedure.pool, AT_ONCE, pausing):
            if await log.witnessed(each.position + 1) is None:
                return
            began = clock()
            before = self._pauses.pop(each.tender_id, None)
            if not await self._troubles.attempt(f"tender {each.ocid}", partial(self._make, each)):
                self._pauses[each.tender_id] = Pause.after(before, clock())
            await asyncio.sleep(clock() - began)  # however many there are, half of the time is the log's

    async def _see(self) -> None:
        """Which awards the published log has, a piece further."""
        size = await self._procedure.log.size()
        async with self._procedure.pool.acquire() as connection, connection.transaction():
            start = await store.claim_awards(connection)
            if (end := min(size, start + WINDOW)) > start:
                found = await store.entries_with(connection, _MARK, start, end)
                await store.add_awards(connection, [await self._award(connection, *each) for each in found])
                await store.move_awards(connection, end)

    async def _award(self, connection: Any, position: int, data: bytes) -> Made:
        entry = decode(data, Entry, limit=LONGEST_ENTRY)
        row = await tenders.load_tender(connection, entry.tender)
        notice = (await self._procedure.tender_of(connection, row)).notice
        return Made(
            tender_id=row.tender_id,
            ocid=row.ocid,
            position=position,
            awarded_at=parse_moment(entry.time),
            practice=notice.practice,
        )

    async def _make(self, award: Made) -> None:
        """The file first; where this is killed before the row says so, it is made again, the same."""
        data = await publication.award_record(self._procedure, award.ocid)
        digest, manifest = await asyncio.to_thread(_digests, data)
        await self._depot.put(name_of(digest), bytearray(data))
        kept = Kept(**msgspec.structs.asdict(award), sha256=digest, manifest=manifest, size=len(data))
        await store.keep_record(self._procedure.pool, kept)


def _digests(data: bytes) -> tuple[str, str]:
    """Of the record, and of its manifest."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sha256(data).hex(), sha256(archive.read("manifest.json")).hex()
