"""Steps that some tenders have: a panel that is drawn from a pool, examinations of those in line,
negotiations with them. What may be said between ranking and intended award, `Selection` decides.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from crypto.certificates import SigningKey
from crypto.encoding import encode, parse_moment
from crypto.log import Log
from crypto.merkle import leaf_hash
from crypto.relays import Rounds
from crypto.trust import Trust
from procurement.awards import Evaluated
from procurement.chronicle import Situation, one
from procurement.clocks import Spread
from procurement.errors import TenderError
from procurement.files import Files
from procurement.history import SELECTION_EVENTS, Entry, EventType
from procurement.panels import DrawRequest, PanelDraw, check_request, check_unknown, tickets
from procurement.registry.standings import Standings
from procurement.selection import SAID, Selection, check_may_say
from procurement.tender_period import TenderPeriod, check_about, check_in_charge
from procurement.tenders import Notice
from procurement.timekeeping import Clock, Watch

SOONEST = timedelta(seconds=10)
"""From the request of a draw to its round, at least: witnesses have to see the request before."""
_SUBJECTS: dict[EventType, Callable[[Any], str]] = {
    EventType.EXAMINATION_REQUESTED: lambda said: f"examination/{said.lot}/{said.bid}",
    EventType.SUPPLEMENT_REQUESTED: lambda said: f"supplement/{said.request}",
    EventType.EXAMINATION_DOCUMENTED: lambda said: f"documents/{said.request}",
    EventType.EXAMINED: lambda said: f"examined/{said.request}",
    EventType.NEGOTIATED: lambda said: f"negotiation/{said.lot}/{said.bid}",
}
"""What each kind of statement says once."""


class Proceedings(TenderPeriod):
    """These steps, for one service."""

    def __init__(
        self,
        pool: Any,
        log: Log,
        *,
        key: SigningKey,
        trust: Trust,
        standings: Standings,
        beacon: Rounds,
        clock: Clock,
        watch: Watch,
        spread: Spread,
        files: Files,
    ) -> None:
        """`beacon` gives the rounds of the network that notices must name."""
        super().__init__(
            pool,
            log,
            key=key,
            trust=trust,
            standings=standings,
            clock=clock,
            watch=watch,
            spread=spread,
            files=files,
        )
        self.beacon = beacon

    # ── the panel ────────────────────────────────────────────────────────────────────────────────────

    async def request_draw(self, ocid: str, data: bytes) -> str:
        """An officer in charge fixes the round that draws the panel, after the closing, once."""
        statement, request, officer = await self._genuine(data, DrawRequest)
        async with self._step(ocid) as (connection, situation, now):
            check_in_charge(situation, request, officer)
            if situation.heard(statement):
                return statement.id
            _check_goes_on(situation)
            one(situation, EventType.CLOSED)
            if situation.has(EventType.SCORED):
                raise TenderError("scored", "the bids are evaluated")
            check_request(situation.tender.notice, request, now)
            _check_witnessable(situation.tender.notice, request, now)
            await self._say_once(connection, situation, EventType.DRAW_REQUESTED, statement, "draw", now)
        return statement.id

    async def draw_panel(self, ocid: str) -> bool:
        """The panel's order, once the round has come whose request had been witnessed before."""
        situation = await self.situation(ocid)
        requested = situation.of(EventType.DRAW_REQUESTED)
        if not requested or situation.has(EventType.PANEL_DRAWN):
            return False
        request = await self.said(self.pool, situation, requested[0], DrawRequest)
        notice = situation.tender.notice
        if self.now() < notice.network.time_of(int(request.round)):
            return False
        check_unknown(notice, request, await self.reached(situation, requested[0]))
        beacon = await self._round(notice, request.round)
        drawn = tickets(notice, situation.tender.notice_id, beacon)
        async with self._step(ocid) as (connection, situation, now):
            if situation.has(EventType.PANEL_DRAWN) or situation.has(EventType.SCORED):
                return False
            _check_goes_on(situation)
            draw = PanelDraw(
                **self._about(situation, now),
                request=requested[0].statement,
                round=request.round,
                beacon=beacon,
                tickets=drawn,
            )
            await self._sign(connection, situation, EventType.PANEL_DRAWN, draw, now)
        return True

    # ── those in line ────────────────────────────────────────────────────────────────────────────────

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

    async def reached(self, situation: Situation, entry: Entry) -> datetime:
        """When the quorum had co-signed an entry. Raises TenderError while it has not."""
        return situation.tender.notice.witnesses.reached(await self.witnessed(entry))

    async def witnessed(self, entry: Entry) -> str:
        """The first checkpoint with an entry in it that the quorum co-signed. Raises TenderError while there
        is none."""
        index = await self.log.index_of(leaf_hash(encode(entry)))
        note = await self.log.witnessed(index + 1) if index is not None else None
        if note is None:
            raise TenderError("not-witnessed", f"{entry.t} is not witnessed yet")
        return note

    async def _round(self, notice: Notice, round: str) -> str:
        """The signature of a round, in hex. Raises BeaconError while it is not to be had."""
        if notice.network != self.beacon.network:
            raise TenderError("other-beacon", f"set OPENSEAL_BEACON to {notice.network.chain_hash} again")
        return (await self.beacon.round(int(round))).signature.hex()

    async def _proceed(self, ocid: str, data: bytes, type_: EventType) -> str:
        """One more statement, if it fits to those before it. The same again changes nothing."""
        statement, said, signer = await self._genuine(data, SAID[type_])
        async with self._step(ocid) as (connection, situation, now):
            check_about(situation, said, signer)
            if situation.heard(statement):
                return statement.id
            _check_goes_on(situation)
            selection = await self.selection(connection, situation)
            if situation.has(EventType.INTENDED):
                raise TenderError("intended", "the intended award has been named")
            check_may_say(said, signer.registration, situation.officials, situation.declared)
            selection.hear(statement.id, said, now, signer.registration)
            await self._say_once(connection, situation, type_, statement, _SUBJECTS[type_](said), now)
        return statement.id


def _check_witnessable(notice: Notice, request: DrawRequest, now: datetime) -> None:
    """Witnesses are likely to see the request before its round comes: a draw has no second one. Raises
    TenderError."""
    if notice.network.time_of(int(request.round)) < now + SOONEST:
        raise TenderError("round-too-soon", "the round comes before witnesses can have seen the request")


def _check_goes_on(situation: Situation) -> None:
    """The tender has not ended without an award. Raises TenderError."""
    if situation.has(EventType.TERMINATED):
        raise TenderError("terminated", "the tender has ended without an award")
