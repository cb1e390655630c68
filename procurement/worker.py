"""What is due without anybody asking: publication at its time, closing, opening, evaluation."""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from crypto.errors import BeaconError
from procurement import store
from procurement.chronicle import Situation
from procurement.errors import TenderError
from procurement.history import EventType
from procurement.procedure import Procedure
from procurement.registry.office import Office
from procurement.tenders import LONGEST_WINDOW, PROMPT
from procurement.troubles import Troubles
from procurement.uploads import Uploads

TICK = 0.2  # seconds between looks at what is due

_LOGGER = logging.getLogger(__name__)


class Worker:
    """Takes each tender as far as it can go at the moment. Any step can be killed and run again."""

    def __init__(
        self,
        procedure: Procedure,
        office: Office,
        uploads: Uploads,
        leading: asyncio.Event,
        released: bytes,
    ) -> None:
        """`leading` is set while this process is the one that does what is due; `released` is the entry that
        says which scripts the site has."""
        self._procedure = procedure
        self._office = office
        self._uploads = uploads
        self._leading = leading
        self._unsaid = [released]
        self._troubles = Troubles(_LOGGER)
        self._made_good: datetime | None = None
        """The beginning of the time without outages before which deadlines have been moved."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. A tender in trouble does not end it, nor does a database that is away."""
        while not stop.is_set():
            if self._leading.is_set():
                await self._do_all()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK)

    async def _do_all(self) -> None:
        await self._troubles.attempt("the scripts' release", self._say_once)
        await self._troubles.attempt("the certificate status", self._office.refresh)
        await self._troubles.attempt("the notices", self._publish_all)
        await self._troubles.attempt("outages", self._make_good)
        await self._troubles.attempt("the tenders", self._look_at_all)

    async def _say_once(self) -> None:
        """The log gives no second place to an entry that it has."""
        if self._unsaid:
            async with self._procedure.pool.acquire() as connection:
                await self._procedure.log.append(connection, self._unsaid)
            self._unsaid = []

    async def step(self, ocid: str) -> str | None:
        """Do the next thing that is due; its name, or None where nothing is."""
        procedure = self._procedure
        situation = await procedure.situation(ocid)
        if situation.row.shut_at is None:
            if await procedure.extend(ocid):
                return "extend"
            return "shut" if await procedure.shut(ocid) else None
        if not situation.has(EventType.CLOSED):
            return "close" if await procedure.close(ocid) else None
        if situation.has(EventType.TERMINATED):
            return None
        if await self._draw_panel(situation):
            return "draw panel"
        for part in situation.tender.notice.parts:
            if not situation.has(EventType.OPENED, part):
                return f"open {part}" if await procedure.open(ocid, part) else None
        if situation.has(EventType.SCORED):
            return None
        return "evaluate" if await procedure.evaluate(ocid) else None

    async def _draw_panel(self, situation: Situation) -> bool:
        """Whether a panel was drawn now. One that cannot be, yet or ever, keeps no bid from being opened."""
        if situation.has(EventType.DRAW_REQUESTED) and not situation.has(EventType.PANEL_DRAWN):
            with suppress(TenderError, BeaconError):
                return await self._procedure.draw_panel(situation.row.ocid)
        return False

    async def _publish_all(self) -> None:
        """A notice that was countersigned early and could not be published in time never is."""
        procedure, now = self._procedure, self._procedure.now()
        for draft in await store.list_scheduled(procedure.pool, now - PROMPT, now):
            await self._troubles.attempt(f"notice {draft.id}", partial(procedure.publish_scheduled, draft))

    async def _make_good(self) -> None:
        """As soon as an outage is over it moves the deadlines that are still to come: bidders learn of it at
        once."""
        procedure = self._procedure
        up = await store.last_up(procedure.pool)
        if up is None or up == self._made_good:
            return
        now = procedure.now()
        until = now + timedelta(seconds=LONGEST_WINDOW)
        for ocid in await store.list_open(procedure.pool, now, until):
            await self._troubles.attempt(f"tender {ocid}", partial(self._extend, ocid))
        self._made_good = up

    async def _extend(self, ocid: str) -> None:
        await self._procedure.extend(ocid)

    async def _look_at_all(self) -> None:
        for ocid in await store.list_due(self._procedure.pool, self._procedure.now()):
            await self._troubles.attempt(f"tender {ocid}", partial(self._advance, ocid))

    async def _advance(self, ocid: str) -> None:
        while await self.step(ocid):
            pass
        await self._uploads.sweep(ocid)
