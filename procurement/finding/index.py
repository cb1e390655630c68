"""The index is kept in the transaction of the step that changes a tender, from what then stands there."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import bids.store as box
from bids.envelope import Envelope
from crypto.statements import Payload, Statement
from procurement import store
from procurement.awards import Award, Evaluated, IntendedAward, Termination
from procurement.finding import store as lines
from procurement.finding.listing import Phase, Supplier, Won, listed, winners
from procurement.history import Entry, EventType
from procurement.registry.standings import Standings
from procurement.tenders import Notice

P = TypeVar("P", bound=Payload)


class Index:
    """Makes the lines of tenders; `standings` knows who is behind a certificate."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    async def keep(
        self, connection: Any, tender_id: UUID, notice: Notice, phase: Phase, entries: Sequence[Entry]
    ) -> None:
        """The line of the tender whose notice reads so now, and whose whole history these entries are."""
        last = {each.t: each for each in entries}
        termination, won = None, tuple[Won, ...]()
        if entry := last.get(EventType.TERMINATED):
            termination = await self._said(connection, tender_id, entry, Termination)
        elif entry := last.get(EventType.AWARDED, last.get(EventType.INTENDED)):
            won = await self._won(connection, tender_id, last[EventType.SCORED], entry)
        listing = listed(tender_id, notice, phase, entries, termination, won)
        await lines.save(connection, listing)
        await lines.save_entity(connection, listing)

    async def _won(self, connection: Any, tender_id: UUID, scored: Entry, entry: Entry) -> tuple[Won, ...]:
        kind: type[Award | IntendedAward] = Award if entry.t is EventType.AWARDED else IntendedAward
        awards = (await self._said(connection, tender_id, entry, kind)).awards
        evaluated = await self._said(connection, tender_id, scored, Evaluated)
        bids = {each.bid for each in awards if each.bid is not None}
        behind = {each: await self._behind(connection, tender_id, each) for each in bids}
        return winners(awards, evaluated, behind, entry)

    async def _behind(self, connection: Any, tender_id: UUID, bid: str) -> list[Supplier]:
        """Whose bid the envelope is: its signer, then the partners."""
        stored = await box.load_envelope(connection, tender_id, bid)
        if stored is None:
            raise LookupError(f"an award names envelope {bid}, which is not there")
        envelope = Statement(stored.body).read(Envelope)
        people = [
            await self._standings.certificate(connection, each)
            for each in (envelope.signer, *envelope.consortium)
        ]
        return [Supplier(registration=each.registration, name=each.name) for each in people]

    async def _said(self, connection: Any, tender_id: UUID, entry: Entry, kind: type[P]) -> P:
        found = await store.load_statements(connection, tender_id, [entry.statement])
        return Statement(found[entry.statement]).read(kind)
