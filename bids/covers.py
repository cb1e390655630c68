"""Commitments to nothing, among those to bids: how many bids came, the log's length bounds and does not tell.

They come at random, a given number per hour on average, and look alike. Once nobody can use the number any
more, a day's covers are revealed by a signed statement, each of them once.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import asyncpg

from bids import store
from bids.receipts import ZERO, CommittedCover, CoversEntry, RevealedCovers, commitment, commitment_entry
from bids.store import StoredCover
from crypto.certificates import SigningKey
from crypto.encoding import encode, moment, rounded_down
from crypto.errors import LogError
from crypto.log import Log
from crypto.merkle import leaf_hash
from crypto.statements import Statement, sign

LOOK = 60.0  # seconds between looks whether a day can be revealed
PATIENCE = 10.0  # seconds to wait for the log

_LOGGER = logging.getLogger(__name__)


class Covers:
    """Makes and reveals them, for one service: its database, log, key, clock and dice."""

    def __init__(
        self,
        pool: Any,
        log: Log,
        *,
        key: SigningKey,
        at: Callable[[Any], Awaitable[datetime]],
        settled: Callable[[Any, datetime], Awaitable[bool]],
        per_hour: int,
        entropy: Callable[[int], bytes],
    ) -> None:
        """`at` is the database's clock, `settled` whether every tender is closed that was published before
        then: both by a connection. `per_hour` are made on average."""
        self._pool = pool
        self._log = log
        self._key = key
        self._at = at
        self._settled = settled
        self._per_hour = per_hour
        self._entropy = entropy

    async def run(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Until `stop` is set, while this process is `leading`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self.reveal, lambda: LOOK, stop, leading))
            if self._per_hour:
                tasks.create_task(self._repeat(self.add, self._pause, stop, leading))

    async def add(self) -> None:
        """One more. Its day is not one that was revealed, wherever a clock has gone."""
        async with self._pool.acquire() as connection, connection.transaction():
            await store.lock_covers(connection)
            at = await self._at(connection)
            if (last := await store.last_revealed(connection)) is not None:
                at = max(at, _end(last))
            cover = StoredCover(salt=self._entropy(32).hex(), made_at=rounded_down(at))
            await store.add_cover(connection, cover)
            await self._log.append(connection, [cover_entry(cover)])
        self._log.appended.set()

    async def reveal(self) -> date | None:
        """The oldest day that is over, once all tenders are closed that were published by its end; None where
        there is none. Killed at any point, it is done again, and nothing of it twice."""
        oldest = await store.oldest_cover(self._pool)
        if oldest is None or not await self._is_over(self._pool, oldest.date()):
            return None
        day = oldest.date()
        hidden = await store.load_covers(self._pool, _start(day), _end(day))
        leaves = {each.salt: leaf_hash(cover_entry(each)) for each in hidden}
        indexes = await self._log.wait_for(leaves.values(), PATIENCE)
        covers = [_committed(each, indexes[leaves[each.salt]]) for each in hidden]
        async with self._pool.acquire() as connection, connection.transaction():
            await store.lock_covers(connection)
            if await store.load_covers(connection, _start(day), _end(day)) != hidden:
                return None  # another process has revealed them
            await self._say(connection, day, covers)
        self._log.appended.set()
        return day

    async def _say(self, connection: Any, day: date, covers: Sequence[CommittedCover]) -> None:
        said = RevealedCovers(
            signer=self._key.fingerprint,
            day=day.isoformat(),
            covers=tuple(sorted(covers, key=lambda each: each.index)),
            time=moment(await self._at(connection)),
        )
        statement = Statement(sign(said, self._key))
        await store.add_covers_statement(connection, day, statement.id, statement.data)
        await store.mark_revealed(connection, _start(day), _end(day), day)
        await self._log.append(connection, [revealed_entry(statement.id)])

    async def _is_over(self, connection: Any, day: date) -> bool:
        """Open tenders that took no bid on that day hold it up, too: else its covers would tell just that."""
        return await self._at(connection) >= _end(day) and await self._settled(connection, _end(day))

    def _pause(self) -> float:
        """Seconds to the next one: exponential, so that having seen one tells nothing of the next."""
        uniform = (int.from_bytes(self._entropy(8), "big") + 1) / (1 << 64)
        return -math.log(uniform) * 3600 / self._per_hour

    async def _repeat(
        self,
        act: Callable[[], Awaitable[object]],
        pause: Callable[[], float],
        stop: asyncio.Event,
        leading: asyncio.Event,
    ) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause())
                return
            try:
                if leading.is_set():
                    await act()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, LogError, OSError, TimeoutError) as error:
                _LOGGER.warning("covers: %s", error)


def cover_entry(cover: StoredCover) -> bytes:
    """The log entry of a commitment to nothing."""
    return commitment_entry(commitment("cover", ZERO, moment(cover.made_at), cover.salt, ZERO))


def revealed_entry(statement: str) -> bytes:
    """The log entry that names a statement by which covers are revealed."""
    return encode(CoversEntry(statement=statement))


def _committed(cover: StoredCover, index: int) -> CommittedCover:
    return CommittedCover(index=index, time=moment(cover.made_at), salt=cover.salt)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end(day: date) -> datetime:
    return _start(day) + timedelta(days=1)
