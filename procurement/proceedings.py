"""The steps between ranking and intended award, for lots that take more than the first rank: examinations and
negotiations. What may be said when, `Selection` decides.
"""

from collections.abc import Callable
from typing import Any

from crypto.encoding import parse_moment
from procurement.awards import Evaluated
from procurement.chronicle import Chronicle, Situation, one
from procurement.errors import TenderError
from procurement.history import SELECTION_EVENTS, EventType
from procurement.selection import SAID, Selection, check_may_say

_SUBJECTS: dict[EventType, Callable[[Any], str]] = {
    EventType.EXAMINATION_REQUESTED: lambda said: f"examination/{said.lot}/{said.bid}",
    EventType.SUPPLEMENT_REQUESTED: lambda said: f"supplement/{said.request}",
    EventType.EXAMINATION_DOCUMENTED: lambda said: f"documents/{said.request}",
    EventType.EXAMINED: lambda said: f"examined/{said.request}",
    EventType.NEGOTIATED: lambda said: f"negotiation/{said.lot}/{said.bid}",
}
"""What each kind of statement says once."""


class Proceedings(Chronicle):
    """What is done about those in line, at one service."""

    async def request_examination(self, ocid: str, data: bytes) -> str:
        """An officer in charge asks the next in line for documents."""
        return await self._proceed(ocid, data, EventType.EXAMINATION_REQUESTED)

    async def request_supplement(self, ocid: str, data: bytes) -> str:
        """An officer in charge asks, once, for what is missing in them."""
        return await self._proceed(ocid, data, EventType.SUPPLEMENT_REQUESTED)

    async def hand_in(self, ocid: str, data: bytes) -> str:
        """The candidate names the files that it has handed in."""
        return await self._proceed(ocid, data, EventType.EXAMINATION_DOCUMENTED)

    async def score_examination(self, ocid: str, data: bytes) -> str:
        """An officer in charge scores the candidate's capability, which makes it pass or fail."""
        return await self._proceed(ocid, data, EventType.EXAMINED)

    async def conclude_negotiation(self, ocid: str, data: bytes) -> str:
        """An officer in charge says what the negotiation with the next in rank came to."""
        return await self._proceed(ocid, data, EventType.NEGOTIATED)

    async def selection(self, connection: Any, situation: Situation) -> Selection:
        """What was done about those in line so far. Raises TenderError before there is a ranking."""
        scored = one(situation, EventType.SCORED)
        evaluated = await self.said(connection, situation, scored, Evaluated)
        selection = Selection(situation.tender.notice, scored.statement, evaluated)
        entries = [entry for entry in situation.entries if entry.t in SELECTION_EVENTS]
        people = await self._signers(connection, situation.row.tender_id, entries)
        for entry, person in zip(entries, people, strict=True):
            said = await self.said(connection, situation, entry, SAID[entry.t])
            selection.hear(entry.statement, said, parse_moment(entry.time), person)
        return selection

    async def _proceed(self, ocid: str, data: bytes, type_: EventType) -> str:
        """One more statement, if it fits to those before it. The same again changes nothing."""
        statement, said, signer = await self._genuine(data, SAID[type_])
        async with self._step(ocid) as (connection, situation, now):
            if (said.tender, said.notice) != (ocid, situation.row.notice_id):
                raise TenderError("another-tender", "the statement is about another tender")
            if situation.heard(statement):
                return statement.id
            selection = await self.selection(connection, situation)
            if situation.has(EventType.INTENDED):
                raise TenderError("intended", "the intended award has been named")
            check_may_say(said, signer.registration, situation.officials, situation.declared)
            selection.hear(statement.id, said, now, signer.registration)
            await self._say_once(connection, situation, type_, statement, _SUBJECTS[type_](said), now)
        return statement.id
