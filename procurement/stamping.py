"""Time stamps by an authority elsewhere (RFC 3161), for the moment that counts: each closing as it was
witnessed. Such a checkpoint binds the whole past of the log with it.

Nothing waits for them: an authority that is away is asked again and again, until the award.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial

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

_LOGGER = logging.getLogger(__name__)


class Stamper:
    """Has every closing stamped that is witnessed and not awarded yet."""

    def __init__(self, procedure: Procedure, authority: Stamping, client: httpx.AsyncClient) -> None:
        self._procedure, self._client = procedure, client
        self._url, self._roots = authority.url, authority.authorities()
        self._troubles = Troubles(_LOGGER)
        self._away = False

    async def run(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Until `stop` is set, while this process is `leading`."""
        while not stop.is_set():
            if leading.is_set():
                await self._troubles.attempt("time stamps", self._stamp_all)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)

    async def _stamp_all(self) -> None:
        """Where the authority is away, one is enough to know it."""
        self._away = False
        for ocid in await store.list_unstamped(self._procedure.pool):
            await self._troubles.attempt(f"the time stamp of {ocid}", partial(self._stamp, ocid))
            if self._away:
                return

    async def _stamp(self, ocid: str) -> None:
        note = await self._procedure.witnessed_closing(ocid)
        if note is None:
            return
        self._away = True
        token = await stamp(note.encode(), self._url, self._roots, self._client)
        if (apart := abs(Token(token).time - self._procedure.now())) > DOUBTED:
            raise StampError(f"the authority's clock is {apart // timedelta(seconds=1)} s from ours")
        self._away = False
        await self._procedure.keep_stamp(ocid, token)
