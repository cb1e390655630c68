"""What becomes of practice tenders: the ground's people do, each as a client of the service's own interface,
what people do by hand elsewhere.

What is to be done next follows from the tender's history, so whoever takes over after a crash goes on where
it stands. Closing, opening and evaluation are the service's, as always.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import httpx

import bids.store as box
from bids.client import Service
from bids.orders import OpeningPartial
from crypto.certificates import SigningKey
from crypto.encoding import moment, parse_moment
from crypto.statements import Payload, Statement, sign
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    IntendedAward,
    LateClosing,
    Termination,
    first_in_line,
)
from procurement.chronicle import Situation, one
from procurement.client import (
    path_of,
    read_closing,
    read_evaluation,
    read_notice,
    sign_orders,
    submit_bid,
)
from procurement.enquiries import Answer
from procurement.history import Entry, EventType
from procurement.sandbox.ground import Ground
from procurement.sandbox.offer import rival_bid
from procurement.sandbox.people import Cast
from procurement.tenders import padded
from procurement.troubles import Troubles

LOOK = 1.0  # seconds between looks at what is to be done

ASKED = (
    "A question about this practice tender. / 연습 입찰에 관한 질문입니다."
    " / Una pregunta sobre esta práctica."
)
ANSWERED = (
    "In earnest an officer answers here, for everybody. / 실제로는 담당관이 여기에 모두를 위해 답합니다."
    " / En serio, aquí responde un funcionario, para todos."
)
LATE = "The machine was too slow to have the closing of this practice tender witnessed in time."
NOBODY_BID = "Nobody has bid in practice. / 연습 입찰에 아무도 투찰하지 않았습니다. / Nadie ha ofertado."

P = TypeVar("P", bound=Payload)

_LOGGER = logging.getLogger(__name__)


class Keeper:
    """Takes each of the ground's tenders as far as it can go at the moment, all at the same time."""

    def __init__(
        self, ground: Ground, http: httpx.AsyncClient, relays: Sequence[str], leading: asyncio.Event
    ) -> None:
        """`http` has the service's address as its base URL, `relays` are those of a public beacon; `leading`
        is set while this process is the one that does what is due."""
        self._ground, self._http, self._relays, self._leading = ground, http, relays, leading
        self._troubles = Troubles(_LOGGER)
        self._acting: dict[str, asyncio.Task[bool]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                if self._leading.is_set():
                    await self._troubles.attempt("the practice ground", lambda: self._look(tasks))
                else:
                    self._leave()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK)
            self._leave()

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        for situation, cast in await self._ground.unfinished():
            ocid = situation.row.ocid
            if ocid not in self._acting:
                act = self._troubles.attempt(f"tender {ocid}", partial(self._act, ocid, cast))
                self._acting[ocid] = tasks.create_task(act)
                self._acting[ocid].add_done_callback(partial(self._done, ocid))

    async def _act(self, ocid: str, cast: Cast) -> None:
        situation = await self._ground.procedure.situation(ocid)  # as it is by now
        await _Life(self._ground, self._http, self._relays, situation, cast).advance()

    def _done(self, ocid: str, _: "asyncio.Task[bool]") -> None:
        del self._acting[ocid]

    def _leave(self) -> None:
        for each in self._acting.values():
            each.cancel()


class _Life:
    """One tender, as it stands, and what its people do next."""

    def __init__(
        self,
        ground: Ground,
        http: httpx.AsyncClient,
        relays: Sequence[str],
        situation: Situation,
        cast: Cast,
    ) -> None:
        self._procedure, self._situation = ground.procedure, situation
        self._http, self._relays = http, relays
        self._notice = situation.tender.notice
        self._path = path_of(situation.row.ocid)
        self._cast = cast
        self._officer, self._second = cast.officer.key, cast.second.key
        self._office = self._line()

    async def advance(self) -> None:
        """Whatever is to be done now."""
        has = self._situation.has
        if has(EventType.TERMINATED):
            return
        if self._situation.row.shut_at is None:
            await self._while_open()
        elif has(EventType.CLOSED) and not has(EventType.OPENED):
            await self._open()
        elif has(EventType.SCORED) and not has(EventType.INTENDED):
            await self._intend()
        elif has(EventType.INTENDED):
            await self._award()

    # ── until the deadline ───────────────────────────────────────────────────────────────────────────

    async def _while_open(self) -> None:
        if self._procedure.now() >= self._notice.closes:
            return
        for each in self._cast.rivals:
            await self._bid(each.key)
        for enquiry in await self._unanswered():
            answer = Answer(**self._about(self._officer), enquiry=enquiry, question=ASKED, answer=ANSWERED)
            await self._say("answers", answer, self._officer)

    async def _bid(self, rival: SigningKey) -> None:
        """A made-up price, sealed like everybody's, unless there is one."""
        number, tender_id = rival.certificate.registration, self._situation.row.tender_id
        if await box.load_envelopes_of(self._procedure.pool, tender_id, number):
            return
        line = self._line()
        tender = await read_notice(line, self._notice.tender)
        bid = rival_bid(secrets.token_bytes(2 * len(self._notice.lots)))
        await submit_bid(line, tender, rival, {"bid": padded(bid)})

    async def _unanswered(self) -> list[str]:
        """Ids of questions that nobody has answered."""
        asked, answers = self._situation.of(EventType.ENQUIRED), self._situation.of(EventType.ANSWERED)
        if len(asked) == len(answers):
            return []
        answered = {(await self._said(each, Answer)).enquiry for each in answers}
        return [each.statement for each in asked if each.statement not in answered]

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────

    async def _open(self) -> None:
        """As many members as it takes verify and sign; where nobody has bid there is nothing to open."""
        if not await self._procedure.counted(self._procedure.pool, self._situation):
            about = self._about(self._officer)
            ended = Termination(**about, outcome="unsuccessful", reason=NOBODY_BID)
            await self._countersign(await self._say("terminations", ended, self._officer))
        elif self._procedure.now() >= self._notice.opens:
            await self._answer_for_closing()
            await self._order()

    async def _answer_for_closing(self) -> None:
        """An officer's word, where the closing was witnessed too late."""
        closed = await read_closing(self._office, await read_notice(self._office, self._notice.tender))
        if closed.witnessed >= self._notice.opens and not self._situation.has(EventType.LATE):
            late = LateClosing(**self._about(self._officer), closing=closed.closing_id, reason=LATE)
            await self._say("late-closings", late, self._officer)

    async def _order(self) -> None:
        entries = self._situation.of(EventType.PARTIAL)
        signed = {(await self._said(each, OpeningPartial)).member for each in entries}
        for member in self._cast.opening():
            if member.share.member not in signed:
                line = self._line()
                await sign_orders(line, await read_notice(line, self._notice.tender), member, "bid")

    # ── award ────────────────────────────────────────────────────────────────────────────────────────

    async def _intend(self) -> None:
        """The first officer follows the evaluation. Nobody here has an interest of their own."""
        for each in (self._officer, self._second):
            await self._declare(each)
        tender = await read_notice(self._office, self._notice.tender)
        evaluation, evaluated = await read_evaluation(self._office, tender)
        awards = first_in_line(evaluated)
        intended = IntendedAward(**self._about(self._officer), evaluation=evaluation, awards=awards)
        await self._say("award-intentions", intended, self._officer)

    async def _declare(self, key: SigningKey) -> None:
        if key.certificate.registration in self._situation.declared:
            return
        opening = one(self._situation, EventType.OPENED).statement
        declaration = ConflictDeclaration(**self._about(key), opening=opening, conflict=False, explanation="")
        await self._say("conflict-declarations", declaration, key)

    async def _award(self) -> None:
        """What was intended, once the standstill is over; the second officer countersigns."""
        entry = one(self._situation, EventType.INTENDED)
        over = parse_moment(entry.time) + timedelta(seconds=self._notice.standstill)
        if self._procedure.now() < over:
            return
        intended = await self._said(entry, IntendedAward)
        about = self._about(self._officer)
        award = Award(**about, intention=entry.statement, awards=intended.awards)
        await self._countersign(await self._say("awards", award, self._officer))

    # ── how it is said ───────────────────────────────────────────────────────────────────────────────

    def _line(self) -> Service:
        """Somebody's own view of the service, without anything seen before."""
        return Service(self._http, self._procedure.trust, self._procedure.now, self._relays)

    async def _countersign(self, statement: str) -> None:
        word = Countersignature(**self._about(self._second), statement=statement)
        await self._say("countersignatures", word, self._second)

    async def _say(self, route: str, payload: Payload, key: SigningKey) -> str:
        statement = sign(payload, key)
        await self._office.post(f"{self._path}/{route}", statement)
        return Statement(statement).id

    async def _said(self, entry: Entry, type_: type[P]) -> P:
        return await self._procedure.said(self._procedure.pool, self._situation, entry, type_)

    def _about(self, key: SigningKey) -> dict[str, Any]:
        return {
            "signer": key.fingerprint,
            "tender": self._notice.tender,
            "notice": self._situation.row.notice_id,
            "time": moment(self._procedure.now()),
        }
