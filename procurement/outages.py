"""When bids were taken, and when not: kept by the processes that take them, for as long as they do.

Each of them says so every few seconds; a longer time without such a word is an outage. That tells what
happened to the service, and nothing of the lines that lead to it.
"""

import asyncio
from contextlib import suppress
from typing import Any

from procurement import database, store
from procurement.reception import Pushback, Reception
from procurement.timekeeping import Clock, Watch

BEAT = 5.0  # seconds


class Heartbeat:
    """One process's word that it takes bids, by the database's clock."""

    def __init__(self, reception: Reception, pool: Any, *, clock: Clock, watch: Watch) -> None:
        self._reception, self._pool, self._clock, self._watch = reception, pool, clock, watch

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What keeps bids out keeps this word back, too."""
        while not stop.is_set():
            with suppress(Pushback, *database.AWAY):
                await self._beat()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BEAT)

    async def _beat(self) -> None:
        await self._reception.check_log()
        at = await self._clock.at(self._pool)
        if self._watch.check(at) is None:  # a clock that jumps would make outages that there were not
            await store.beat(self._pool, at)
