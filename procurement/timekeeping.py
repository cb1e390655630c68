"""What time it is: on this machine, and by the database, which decides about deadlines; and whether to
believe it."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from crypto.checkpoint import VerifyingKey, verify_cosignatures
from crypto.errors import BeaconError, VerificationError
from crypto.relays import Rounds
from procurement.clocks import Reading, doubt

LOOK = 2.0  # seconds between looks at the other clocks
ASK = 15.0  # seconds between questions to the beacon's relays
ROUNDABOUT = timedelta(seconds=15)
"""By how much what a co-signature says may be past when it is read: witness, log and database lie between."""

_OTHERS = """
    SELECT clock_timestamp() AS at, size, note FROM (VALUES (1)) AS one
    LEFT JOIN (SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT 1) AS last ON true
"""
_LOGGER = logging.getLogger(__name__)


class Clock:
    """The time on this machine, and the database's."""

    def __init__(self, ahead: Callable[[], timedelta] = timedelta) -> None:
        """`ahead` is by how much both are ahead of the real time: nothing, but where somebody turns them."""
        self._ahead = ahead

    def now(self) -> datetime:
        """The time on this machine, aware UTC."""
        return datetime.now(UTC) + self._ahead()

    def monotonic(self) -> float:
        """Seconds since some moment in the past, the same in all processes of this machine. Nobody can turn
        this one, and where the system has such a clock it goes on while the machine sleeps."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    async def at(self, connection: Any) -> datetime:
        """The database's time now, aware UTC: not that of the transaction's beginning."""
        at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return self.turned(at)

    def turned(self, at: datetime) -> datetime:
        """`at`, read from the database, by this clock."""
        return at.astimezone(UTC) + self._ahead()


class Sight(NamedTuple):
    """What a clock said, and when that was by the monotonic one (seconds)."""

    source: str
    time: datetime
    monotonic: float
    lag: timedelta | None = timedelta()

    def by(self, monotonic: float) -> Reading:
        """What it would say at another time."""
        since = timedelta(seconds=monotonic - self.monotonic)
        return Reading(self.source, self.time + since, self.lag)

    @classmethod
    def of(cls, clock: Clock) -> "Sight":
        """This machine's clock, now."""
        return cls("what it was before it was turned", clock.now(), clock.monotonic())


async def sights(clock: Clock, connection: Any) -> tuple[Sight, ...]:
    """What is known of the time when a service starts: this machine's clock, and that it is later than the
    log's last signature."""
    logged = await connection.fetchval("SELECT signed_at FROM log_head")
    return Sight.of(clock), Sight("the log's last signature", logged, clock.monotonic(), None)


class Watch:
    """Compares the clock that decides about deadlines with every other that it can find.

    The first of them is this machine's own as it was at the start, carried on by the clock that nobody can
    turn. Where the beacon or the witnesses, which are others', confirm what it says now, it was turned for
    good reason, and is carried on from here; nothing else ends a doubt but that the clock is set right, or
    that the service is started again.
    """

    def __init__(
        self,
        clock: Clock,
        since: tuple[Sight, ...],
        *,
        beacon: Rounds,
        witnesses: Sequence[VerifyingKey] = (),
    ) -> None:
        """`since` are the `sights` when the service started, whichever process of it this is; `witnesses`
        are those that are not the service's own."""
        self._clock = clock
        self._beacon = beacon
        self._witnesses = witnesses
        self._since = since
        self._seen: dict[str, Sight] = {}
        self._witnessed = self._round = -1
        self._asked = float("-inf")
        self.trouble: str | None = None
        """Why the clock was in doubt when it was last looked at."""

    def check(self, at: datetime) -> str | None:
        """Why the clock is in doubt, or None: `at` is the database's time, read just now."""
        now = self._clock.monotonic()
        machine = Reading("this machine's clock", self._clock.now())
        return doubt(at, [machine, *(each.by(now) for each in (*self._since, *self._seen.values()))])

    def steady(self) -> datetime:
        """The time on this machine, had nobody turned its clock since it was last taken for right."""
        return self._since[0].by(self._clock.monotonic()).time

    async def look(self, connection: Any) -> None:
        """Reads the other clocks. Raises what the database does; a beacon that is silent says nothing."""
        row = await connection.fetchrow(_OTHERS)
        at, now = self._clock.turned(row["at"]), self._clock.monotonic()
        with suppress(VerificationError):
            self._see_witnesses(row["size"], row["note"], now)
        await self._ask_beacon()
        self._confirm()
        self._tell(self.check(at))

    async def run(self, pool: Any, stop: asyncio.Event) -> None:
        """Looks from time to time until `stop`."""
        while not stop.is_set():
            with suppress(
                asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
            ):
                await self.look(pool)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)

    def _see_witnesses(self, size: int | None, note: str | None, now: float) -> None:
        """The middle one of the newest co-signatures: less than half of the witnesses decide nothing."""
        if note is None or size is None or size <= self._witnessed:
            return
        found = verify_cosignatures(note, self._witnesses, 0)
        fresh, self._witnessed = self._witnessed >= 0, size
        if found:
            lag = ROUNDABOUT if fresh else None
            self._seen["witnesses"] = Sight("the witnesses", found[len(found) // 2].time, now, lag)

    async def _ask_beacon(self) -> None:
        """The newest round; its time is past by a period at most, and by what the relays take. A network that
        stands still, or is hidden, says nothing: the last new round goes on saying what it said."""
        if self._clock.monotonic() < self._asked + ASK:
            return
        self._asked = self._clock.monotonic()
        with suppress(BeaconError):
            newest = await self._beacon.newest()
            if newest is not None and newest.round > self._round:
                self._round = newest.round
                network = self._beacon.network
                lag = timedelta(seconds=network.period) + ROUNDABOUT
                time = network.time_of(newest.round)
                self._seen["beacon"] = Sight("the beacon", time, self._clock.monotonic(), lag)

    def _confirm(self) -> None:
        now, at = self._clock.monotonic(), self._clock.now()
        others = [each.by(now) for each in self._seen.values()]
        if any(each.lag is not None for each in others) and doubt(at, others) is None:
            self._since = (Sight.of(self._clock),)

    def _tell(self, trouble: str | None) -> None:
        if trouble and not self.trouble:
            _LOGGER.warning("in doubt, nothing is closed or refused as late: %s", trouble)
        if self.trouble and not trouble:
            _LOGGER.warning("the clock is no longer in doubt")
        self.trouble = trouble
