"""Publishes files of open data: of each day that is over, each month, and all; one after the other.

A process beside this one makes the files. Then one transaction has all of it, or nothing: the row by which
they are found, and the log's entry with the SHA-256 of their list.

Whoever publishes holds a claim, which goes with its connection, and commits by that connection only: so
nobody else's files are taken for such as were left.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from bids.uploads import Depot
from crypto.encoding import encode, sha256
from procurement.bulk import store
from procurement.bulk.listing import DataPublished, Kind, Period, day_of, listed, next_due
from procurement.bulk.maker import Job, Made, Setting, folder_of
from procurement.bulk.spool import spooled
from procurement.bulk.store import Published
from procurement.database import AWAY
from procurement.embedded import die_with_parent
from procurement.procedure import Procedure
from procurement.troubles import Troubles

LOOK = 1.0  # seconds between looks whether something is due
RETRY = 60.0  # seconds of rest where it could not be published
KEPT = 2
"""Of the files of all: the newest, and those before, which somebody may still be reading."""
SWEPT = 30
"""Of the superseded ones of all: so many times the folder of each is cleared, if once it could not be."""

_ORDER: tuple[Kind, ...] = ("day", "month", "all")
_LONGEST_LINE = 1 << 20  # bytes of what the maker says
_LOGGER = logging.getLogger(__name__)


class MakerError(Exception):
    """The process that makes files has ended, by itself or as the lead was lost; the message has its exit
    status."""


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
                await self._attempt(stop, leading)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._rest)

    async def publish(self, leading: asyncio.Event) -> None:
        """Everything that is due by now, if all of the log up to then is released, and no other process is
        at it. Raises MakerError."""
        self._rest = RETRY
        due = await self._due()
        if due is not None and await self._is_settled(due):
            async with self._claimed() as connection:
                if connection is not None:
                    await self._publish_all(connection, leading)
        self._rest = LOOK

    async def _attempt(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Whatever is half done at the end is left, and made anew another time."""
        attempt = self._troubles.attempt("published files", partial(self.publish, leading))
        publishing = asyncio.create_task(attempt)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([publishing, stopping], return_when=asyncio.FIRST_COMPLETED)
        for each in (publishing, stopping):
            each.cancel()
        await asyncio.gather(publishing, stopping, return_exceptions=True)

    @asynccontextmanager
    async def _claimed(self) -> AsyncIterator[Any]:
        """The connection that holds the claim to publish; None while another one does."""
        async with self._pool.acquire() as connection:
            try:
                yield connection if await store.claim_publishing(connection) else None
            finally:
                with suppress(*AWAY):  # it is lost already
                    connection.terminate()  # the claim is to go, whatever state the connection is in

    async def _publish_all(self, connection: Any, leading: asyncio.Event) -> None:
        async with _a_maker(self._setting) as maker:
            while leading.is_set() and (due := await self._due()):
                await self._depot.clear(f"data/{due.period.path}/")  # by a maker that was killed
                await self._publish(connection, due, await maker.make(_job(due), leading))

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

    async def _publish(self, connection: Any, due: Due, made: Made) -> None:
        """The files are there, and durable; the connection holds the claim."""
        if made.surplus:
            _LOGGER.warning("in no table: %s", ", ".join(made.surplus))
        after = due.before.position if due.before else 0
        contents = listed(due.period, made.position, after, made.files, made.absent)
        async with connection.transaction():
            at = await self._procedure.clock.at(connection)
            published = _published(due.period, made, contents, at)
            if new := await store.add_publication(connection, published):
                entry = encode(DataPublished(sha256=published.sha256.hex()))
                await self._procedure.log.append(connection, [entry])
                if due.period.kind == "all":
                    await store.supersede(connection, "all", due.period.practice, KEPT, at)
        if new:
            self._procedure.log.appended.set()
            await self._sweep(published)
        else:  # it is there already
            await self._depot.clear(f"{folder_of(due.period.path, made.room)}/")

    async def _sweep(self, published: Published) -> None:
        """Files that nobody finds any more: of makers that were killed, and superseded ones, those too that
        an earlier sweep did not come to."""
        await self._depot.clear(f"data/{published.path}/", but=published.room)
        for path in await store.list_superseded(self._pool, published.kind, published.practice, SWEPT):
            await self._depot.clear(f"data/{path}/")


class _Maker:
    """The process that makes files."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._to = cast(asyncio.StreamWriter, process.stdin)
        self._from = cast(asyncio.StreamReader, process.stdout)

    async def make(self, job: Job, leading: asyncio.Event) -> Made:
        """The process is killed when the lead is lost: what waits for it then ends by itself. Raises
        MakerError."""
        self.tell(job)
        reading = asyncio.create_task(self._from.readline())
        while not reading.done():
            if not leading.is_set():
                self.kill()
            await asyncio.wait([reading], timeout=LOOK)
        if line := await reading:
            return msgspec.json.decode(line, type=Made)
        raise MakerError(f"the process that makes files ended: {await self._process.wait()}")

    def kill(self) -> None:
        """Where it is there still."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def tell(self, value: Job | Setting) -> None:
        self._to.write(msgspec.json.encode(value) + b"\n")


@asynccontextmanager
async def _a_maker(setting: Setting) -> AsyncIterator[_Maker]:
    """It dies with this process, at once; its setting is not for process lists."""
    with spooled(Path(setting.spool)) as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "procurement.bulk.maker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
            limit=_LONGEST_LINE,
        )
        maker = _Maker(process)
        try:
            maker.tell(msgspec.structs.replace(setting, spool=str(folder)))
            yield maker
        finally:
            maker.kill()
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
