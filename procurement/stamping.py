"""Time stamps by an authority elsewhere (RFC 3161), for the moment that counts: each closing as it was
witnessed. Such a checkpoint binds the whole past of the log with it.

Nothing waits for them: an authority that is away or refuses is asked again, more and more rarely, until
the award.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import httpx

from crypto.errors import StampError
from crypto.stamping import stamp
from crypto.stamps import Token
from procurement import store
from procurement.clocks import DOUBTED
from procurement.procedure import Procedure
from procurement.settings import Stamping
from procurement.troubles import Troubles

LOOK = 1.0  # seconds between looks at what is not stamped yet
LONGEST_REST = 300.0  # seconds after which the authority is asked again, at the latest

_LOGGER = logging.getLogger(__name__)


class Rest(NamedTuple):
    """Nothing is asked `until` then, by the loop's clock, nor for `next` seconds after another failure."""

    until: float = 0.0
    next: float = LOOK

    def longer(self, now: float) -> "Rest":
        """After a failure `now`."""
        return Rest(now + self.next, min(2 * self.next, LONGEST_REST))


class Stamper:
    """Has every closing stamped that is witnessed and not awarded yet."""

    def __init__(self, procedure: Procedure, authority: Stamping, client: httpx.AsyncClient) -> None:
        self._procedure, self._client = procedure, client
        self._url, self._roots = authority.url, authority.authorities()
        self._troubles = Troubles(_LOGGER)
        self._rests: dict[str, Rest] = {}

    async def run(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Until `stop` is set, while this process is `leading`."""
        while not stop.is_set():
            if leading.is_set():
                await self._troubles.attempt("time stamps", partial(self._stamp_all, stop))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)

    async def _stamp_all(self, stop: asyncio.Event) -> None:
        """Each closing by itself: what is wrong with one says nothing of the next."""
        unstamped, clock = await store.list_unstamped(self._procedure.pool), asyncio.get_running_loop().time
        self._rests = {ocid: self._rests.get(ocid, Rest()) for ocid in unstamped}
        for ocid in unstamped:
            if stop.is_set():
                return
            if clock() >= self._rests[ocid].until and not await self._troubles.attempt(
                f"the time stamp of {ocid}", partial(self._stamp, ocid)
            ):
                self._rests[ocid] = self._rests[ocid].longer(clock())

    async def _stamp(self, ocid: str) -> None:
        note = await self._procedure.witnessed_closing(ocid)
        if note is None:
            return
        token = await stamp(note.encode(), self._url, self._roots, self._client)
        if (apart := abs(Token(token).time - self._procedure.now())) > DOUBTED:
            raise StampError(f"the authority's clock is {apart // timedelta(seconds=1)} s from ours")
        await self._procedure.keep_stamp(ocid, token)
