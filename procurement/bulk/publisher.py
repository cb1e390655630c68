"""Publishes files of open data: of each day that is over, each month, and all; one after the other.

A process beside this one makes the files. Then one transaction has all of it, or nothing: the row by which
they are found, and the log's entry with the SHA-256 of their list.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec

from bids.uploads import Depot
from crypto.encoding import encode, sha256
from procurement.bulk import store
from procurement.bulk.listing import DataPublished, Kind, Period, day_of, listed, next_due
from procurement.bulk.maker import Job, Made, Setting
from procurement.bulk.store import Published
from procurement.embedded import die_with_parent
from procurement.procedure import Procedure
from procurement.troubles import Troubles

LOOK = 1.0  # seconds between looks whether something is due
RETRY = 60.0  # seconds of rest where it could not be published
KEPT = 2
"""Of the files of all: the newest, and those before, which somebody may still be reading."""

_ORDER: tuple[Kind, ...] = ("day", "month", "all")
_LONGEST_LINE = 1 << 20  # bytes of what the maker says
_LOGGER = logging.getLogger(__name__)


class MakerError(Exception):
    """The process that makes files has ended; the message has its exit status."""


class Due(NamedTuple):
    """A period to publish, and the publication of that kind before it."""

    period: Period
    before: Published | None


class DataPublisher:
    """Publishes the files of one service."""

    def __init__(self, procedure: Procedure, depot: Depot, setting: Setting) -> None:
        self._procedure = procedure
        self._pool = procedure.pool
        self._depot = depot
        self._setting = setting
        self._troubles = Troubles(_LOGGER)
        self._rest = LOOK
        self._awaited: tuple[Period, int] | None = None
        """What is due, and how long the log was when that was found."""

    async def run(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Until `stop` is set, while this process is `leading`."""
        while not stop.is_set():
            if leading.is_set():
                await self._attempt(stop)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._rest)

    async def publish(self) -> None:
        """Everything that is due by now, if all of the log up to then is released. Raises MakerError."""
        self._rest = RETRY
        due = await self._due()
        if due is not None and await self._is_settled(due):
            async with _a_maker(self._setting) as maker:
                while due is not None:
                    await self._publish(due, await maker.make(_job(due)))
                    due = await self._due()
        self._rest = LOOK

    async def _attempt(self, stop: asyncio.Event) -> None:
        """Whatever is half done at the end is left, and made anew another time."""
        publishing = asyncio.create_task(self._troubles.attempt("published files", self.publish))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([publishing, stopping], return_when=asyncio.FIRST_COMPLETED)
        for each in (publishing, stopping):
            each.cancel()
        await asyncio.gather(publishing, stopping, return_exceptions=True)

    async def _due(self) -> Due | None:
        now, first = await self._procedure.clock.at(self._pool), await store.first_release(self._pool)
        if first is None or self._procedure.watch.check(now):  # by a clock in doubt no day is over
            return None
        for kind in _ORDER:
            for practice in (False, True):
                before = await store.newest(self._pool, kind, practice)
                newest = before.last_day if before else None
                if period := next_due(kind, practice, newest, day_of(first), now):
                    return Due(period, before)
        return None

    async def _is_settled(self, due: Due) -> bool:
        """Whether all is released that the log had when this was first found to be due."""
        if self._awaited is None or self._awaited[0] != due.period:
            size, _ = await self._procedure.log.head()
            self._awaited = due.period, size
        return await store.load_position(self._pool) >= self._awaited[1]

    async def _publish(self, due: Due, made: Made) -> None:
        """The files are there, and durable."""
        if made.surplus:
            _LOGGER.warning("in no table: %s", ", ".join(made.surplus))
        after = due.before.position if due.before else 0
        contents = listed(due.period, made.position, after, made.files, made.absent)
        async with self._pool.acquire() as connection, connection.transaction():
            at = await self._procedure.clock.at(connection)
            published = _published(due.period, made, contents, at)
            if not await store.add_publication(connection, published):
                return  # another process was faster
            entry = encode(DataPublished(sha256=published.sha256.hex()))
            await self._procedure.log.append(connection, [entry])
            superseded = await self._supersede(connection, due.period, at)
        self._procedure.log.appended.set()
        await self._sweep(published, superseded)

    async def _supersede(self, connection: Any, period: Period, at: datetime) -> list[Published]:
        if period.kind != "all":
            return []
        return await store.supersede(connection, "all", period.practice, KEPT, at)

    async def _sweep(self, published: Published, superseded: Iterable[Published]) -> None:
        """Files that nobody finds any more: of makers that were killed, and superseded ones."""
        await self._depot.clear(f"data/{published.path}/", but=published.room)
        for each in superseded:
            await self._depot.clear(f"data/{each.path}/")


class _Maker:
    """The process that makes files."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._to = cast(asyncio.StreamWriter, process.stdin)
        self._from = cast(asyncio.StreamReader, process.stdout)

    async def make(self, job: Job) -> Made:
        """Raises MakerError."""
        self.tell(job)
        if line := await self._from.readline():
            return msgspec.json.decode(line, type=Made)
        raise MakerError(f"the process that makes files ended: {await self._process.wait()}")

    def tell(self, value: Job | Setting) -> None:
        self._to.write(msgspec.json.encode(value) + b"\n")


@asynccontextmanager
async def _a_maker(setting: Setting) -> AsyncIterator[_Maker]:
    """It dies with this process, at once; its setting is not for process lists."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "procurement.bulk.maker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGKILL),
        limit=_LONGEST_LINE,
    )
    try:
        maker = _Maker(process)
        maker.tell(setting)
        yield maker
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _job(due: Due) -> Job:
    """All never gets less: what was too much for a workbook stays so."""
    before = due.before
    full = before is not None and due.period.kind == "all" and _without_workbook(before)
    after = before.position if before else 0
    return Job(
        kind=due.period.kind,
        last=due.period.last,
        practice=due.period.practice,
        after=after,
        workbook=not full,
    )


def _without_workbook(published: Published) -> bool:
    return "xlsx" in {each.kind for each in published.contents.absent}


def _published(period: Period, made: Made, contents: bytes, at: datetime) -> Published:
    return Published(
        path=period.path,
        kind=period.kind,
        practice=period.practice,
        last_day=period.last,
        position=made.position,
        list=contents,
        sha256=sha256(contents),
        room=made.room,
        published_at=at,
    )
