"""Time stamps by an authority elsewhere (RFC 3161), for the moment that counts: each closing as it was
witnessed. Such a checkpoint binds the whole past of the log with it.

Nothing waits for them: an authority that is away is asked again and again, until the award.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import httpx

from crypto.errors import StampError
from crypto.stamps import LONGEST_TOKEN, REQUEST_TYPE, Token, request
from procurement import store
from procurement.clocks import DOUBTED
from procurement.procedure import Procedure
from procurement.settings import Stamping
from procurement.troubles import Troubles

LOOK = 1.0  # seconds between looks at what is not stamped yet
TIMEOUT = 10.0  # seconds

_LOGGER = logging.getLogger(__name__)


class StampingAuthority:
    """The authority that is set, over HTTP."""

    def __init__(self, stamping: Stamping, client: httpx.AsyncClient) -> None:
        self._url, self._roots, self._client = stamping.url, stamping.authorities(), client
        self.away = False
        """Whether the last thing it was asked for did not come."""

    async def stamp(self, message: bytes, now: datetime) -> bytes:
        """Its token about `message`, verified as a verifier will, by a clock that agrees with ours. Raises
        StampError."""
        self.away = True
        try:
            async with asyncio.timeout(TIMEOUT):
                data = await self._ask(request(message))
        except (httpx.HTTPError, TimeoutError) as error:
            raise StampError(f"no answer: {type(error).__name__}") from error
        token = Token(data)
        token.verify(message, self._roots)
        if (apart := abs(token.time - now)) > DOUBTED:
            raise StampError(f"the authority's clock is {apart // timedelta(seconds=1)} s from ours")
        self.away = False
        return data

    async def _ask(self, query: bytes) -> bytes:
        headers = {"content-type": REQUEST_TYPE}
        async with self._client.stream("POST", self._url, content=query, headers=headers) as answer:
            if answer.status_code != 200:
                raise StampError(f"answered {answer.status_code}")
            data = b""
            async for chunk in answer.aiter_bytes():
                data += chunk
                if len(data) > LONGEST_TOKEN:
                    raise StampError("its answer has no end")
        return data


class Stamper:
    """Has every closing stamped that is witnessed and not awarded yet."""

    def __init__(self, procedure: Procedure, authority: StampingAuthority) -> None:
        self._procedure, self._authority = procedure, authority
        self._troubles = Troubles(_LOGGER)

    async def run(self, stop: asyncio.Event, leading: asyncio.Event) -> None:
        """Until `stop` is set, while this process is `leading`."""
        while not stop.is_set():
            if leading.is_set():
                await self._troubles.attempt("time stamps", self._stamp_all)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)

    async def _stamp_all(self) -> None:
        """Where the authority is away, one is enough to know it."""
        self._authority.away = False
        for ocid in await store.list_unstamped(self._procedure.pool):
            await self._troubles.attempt(f"the time stamp of {ocid}", partial(self._stamp, ocid))
            if self._authority.away:
                return

    async def _stamp(self, ocid: str) -> None:
        note = await self._procedure.witnessed_closing(ocid)
        if note is not None:
            token = await self._authority.stamp(note.encode(), self._procedure.now())
            await self._procedure.keep_stamp(ocid, token)
