"""What the log says of tenders, released in the order in which it says it.

    published log ──► entries from the position on ──► releases that they complete, one tender at a time
                                                       └► one transaction: releases, records, new position

The order is the log's, and everything before the position is released: whoever copies the releases up to
there, and then what comes after, has all of them, however slow a transaction was. A release stays as it was
made: what a tender comes to is merged from the releases that stand here, not from what a later version of
this program would make of the same facts.

A tender whose releases cannot be made stops all that comes after it. To go on without it would leave a gap
that nobody who copies ever learns of, and a release that came later would stand where all have passed. What
is wrong then is wrong in this program, or in its database; it is a trouble in ``/health``, and as soon as it
is put right the feed goes on. Nothing else waits for the feed: steps, pages and award records do not come
out of it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import msgspec

from crypto.encoding import moment, parse_moment
from procurement import ocds, publication
from procurement.database import AWAY
from procurement.history import BID_EVENTS, EventType
from procurement.ocds import Release
from procurement.opendata import store
from procurement.opendata.store import Compiled, Progress, Released
from procurement.procedure import Procedure
from procurement.store import id_of, load_entry
from procurement.troubles import Troubles

TICK = 0.2  # seconds between looks whether the log has gone on
RETRY = 5.0  # seconds of rest where it cannot be released
BATCH = 512  # entries; the releases of a tender that has several of them are made once

_OF_TENDERS = frozenset(EventType)
_LOGGER = logging.getLogger(__name__)


class StoppedError(Exception):
    """A tender's releases cannot be made, and nothing from its entry at that log index on is released."""

    def __init__(self, ocid: str, position: int) -> None:
        super().__init__(f"the releases of {ocid} cannot be made")
        self.ocid = ocid
        self.position = position


class Publisher:
    """Follows one service's log. Killed at any point, it is done again, and nothing of it twice."""

    def __init__(self, procedure: Procedure) -> None:
        self._procedure = procedure
        self._pool = procedure.pool
        self._troubles = Troubles(_LOGGER)

    async def run(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Until `stop` is set, while this process is `leading`."""
        while not stop.is_set():
            rest = TICK
            if leading.is_set() and not await self._troubles.attempt(
                "open data", partial(self._catch_up, stop)
            ):
                rest = RETRY
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), rest)

    async def advance(self) -> bool:
        """Release what the next entries of the published log complete; whether there were any. Raises
        StoppedError at a tender's entry behind which nothing can be released."""
        before = await store.load_progress(self._pool)
        entries = await self._procedure.log.entries(before.position, BATCH)
        if entries:
            await self._release(before, entries)
        return bool(entries)

    async def _catch_up(self, stop: asyncio.Event) -> None:
        while not stop.is_set() and await self.advance():
            pass

    async def _release(self, before: Progress, entries: Sequence[bytes]) -> None:
        """What these entries complete, which stand from the position on. Raises StoppedError."""
        try:
            releases, records = await self._made(_touched(entries, before.position))
        except StoppedError as error:
            if error.position == before.position:
                await self._stop(before, error.ocid)
                raise
            return await self._release(before, entries[: error.position - before.position])
        after = Progress(position=before.position + len(entries), stopped_by=None, stopped_at=None)
        return await self._save(before, after, releases, records)

    async def _made(self, touched: Mapping[str, "_Touched"]) -> tuple[list[Released], list[Compiled]]:
        """The releases of these tenders, and what all of each come to. Raises StoppedError for the first one
        whose releases cannot be made."""
        releases, records = list[Released](), list[Compiled]()
        for ocid, tender in touched.items():
            try:
                new = [] if await self._goes_on(ocid, tender) else await self._new(ocid, tender.places)
                records += [await self._record(ocid, new)] if new else []
            except AWAY:
                raise
            except Exception as error:
                raise StoppedError(ocid, min(tender.places.values())) from error
            releases += new
        return releases, records

    async def _goes_on(self, ocid: str, tender: "_Touched") -> bool:
        """Whether all of these are outcomes of one opening, and the history has another one right after them.
        Bids appear together with the last outcome, so these complete nothing: an opening of many bids fills
        many batches, and is told once."""
        if len(tender.outcomes_of) > 1 or None in tender.outcomes_of:
            return False
        after = await load_entry(self._pool, id_of(ocid), max(tender.places) + 1)
        return after is not None and _line(after).outcome_of in tender.outcomes_of

    async def _stop(self, before: Progress, ocid: str) -> None:
        if before.stopped_by != ocid:
            stopped = Progress(position=before.position, stopped_by=ocid, stopped_at=self._procedure.now())
            await self._save(before, stopped)

    async def _new(self, ocid: str, places: Mapping[int, int]) -> list[Released]:
        """The tender's releases that entries complete whose log indexes are `places`, by their seq."""
        notice = (await self._procedure.tender(ocid)).notice
        return [
            Released(
                tender_id=id_of(ocid),
                seq=each.seq,
                position=places[each.seq],
                released_at=parse_moment(each.date),
                practice=notice.practice,
                body=each.body,
            )
            for each in await publication.releases(self._procedure, ocid)
            if each.seq in places
        ]

    async def _record(self, ocid: str, new: Sequence[Released]) -> Compiled:
        """What the tender's releases come to, those that stand here and the new ones."""
        newest = new[-1]
        releases = [*await store.load_releases(self._pool, newest.tender_id), *new]
        merged = [Release(seq=each.seq, date=moment(each.released_at), body=each.body) for each in releases]
        return Compiled(
            tender_id=newest.tender_id,
            ocid=ocid,
            position=newest.position,
            practice=newest.practice,
            changed_at=newest.released_at,
            body=await asyncio.to_thread(ocds.compiled, merged),
        )

    async def _save(
        self,
        before: Progress,
        after: Progress,
        releases: Sequence[Released] = (),
        records: Sequence[Compiled] = (),
    ) -> None:
        """All of it, or, where another process was faster, nothing."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await store.claim(connection) == before:
                await store.add_releases(connection, releases)
                await store.save_compiled(connection, records)
                await store.move(connection, after)


class _Line(msgspec.Struct, frozen=True):
    """Of a log entry what tells whether it is a tender's, where in its history it stands, and of which part's
    opening it is an outcome."""

    t: str
    tender: str = ""
    seq: int = 0
    part: str | None = None

    @property
    def outcome_of(self) -> str | None:
        """None where it is something else."""
        return self.part if self.t in BID_EVENTS else None


class _Touched(NamedTuple):
    """The entries of one tender: by their seq their log indexes, and of what they are outcomes."""

    places: dict[int, int]
    outcomes_of: set[str | None]


def _line(entry: bytes) -> _Line:
    return msgspec.json.decode(entry, type=_Line)


def _touched(entries: Sequence[bytes], first: int) -> dict[str, _Touched]:
    """By ocid, in the order of the log; of a seq that stands there twice the lowest log index. `entries`
    stand from index `first` on."""
    found: dict[str, _Touched] = {}
    for index, line in enumerate(map(_line, entries), start=first):
        if line.t in _OF_TENDERS:
            tender = found.setdefault(line.tender, _Touched({}, set()))
            tender.places.setdefault(line.seq, index)
            tender.outcomes_of.add(line.outcome_of)
    return found
