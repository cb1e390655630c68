"""When bids were taken, and when not: kept by the processes that take them, for as long as they do.

Each of them says so every few seconds; a longer time without such a word is an outage. That tells what
happened to the service, and nothing of the lines that lead to it.
"""

import asyncio
from contextlib import suppress

from procurement import database
from procurement.reception import Pushback, Reception

BEAT = 5.0  # seconds


class Heartbeat:
    """The word of one process that bids come in, given again and again."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What keeps bids out keeps this word back, too."""
        while not stop.is_set():
            with suppress(Pushback, *database.AWAY):
                await self._reception.beat()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BEAT)
