"""The people of practice tenders, acting over HTTP: what they do is one line each in a test.

Everybody has a key, a certificate and a view of the log of their own, and verifies what a real client
verifies. After every step of a tender the whole log is verified from its tiles alone.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar

import asyncpg
import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from litestar import Litestar
from litestar.di import Provide
from obstore.store import LocalStore

from bids.client import Service, read_trust
from bids.envelope import Part, Section, SubmissionTerms, compose, entropy_size
from bids.orders import Member
from bids.receipts import Receipt
from crypto.certificates import PrivateKey, Role, Signer, SigningKey
from crypto.checkpoint import VerifyingKey
from crypto.committee import Committee
from crypto.encoding import encode, moment, sha256, to_base64
from crypto.statements import PAYLOAD_TYPE, Payload, Statement, pae, sign
from crypto.trust import Trust
from procurement import publication, record, store
from procurement.awards import (
    Award,
    Chosen,
    ConflictDeclaration,
    Countersignature,
    CriterionScore,
    IntendedAward,
    LateClosing,
    LotAward,
    RevealedPrices,
    SignedScores,
    Termination,
    first_in_line,
)
from procurement.client import (
    Announced,
    Closed,
    path_of,
    read_bids,
    read_closing,
    read_evaluation,
    read_notice,
    read_selection,
    sign_orders,
)
from procurement.editions import Amendment, next_round
from procurement.evaluation import CommittedPrices, Evaluation, criteria
from procurement.notices import DocumentOffer, TenderDocument
from procurement.ocds import Release
from procurement.panels import DrawRequest, PanelDraw
from procurement.practice import Convened, convene
from procurement.procedure import Procedure
from procurement.registry import applicant
from procurement.selection import (
    ExaminationDocuments,
    ExaminationRequest,
    ExaminationResult,
    NegotiationResult,
    Selection,
    SupplementRequest,
)
from procurement.service import House
from procurement.tenders import (
    Bid,
    Contact,
    Lot,
    LotOffer,
    Notice,
    Organisation,
    Proposal,
    by_section,
    padded,
    terms,
)
from tests.builders import evidence, figured
from tests.logcheck import verify_from_tiles

LEAD = 3.0
"""Seconds from publication to the deadline, on a quiet machine."""
MARGIN = 2.0
"""Seconds, at least, from the deadline to the round of the time lock, on a quiet machine."""
QUIET, SLOWEST = 0.6, 5.0
"""Seconds that settling takes on a quiet machine, and how many times as slow it is taken for at most."""

P = ParamSpec("P")
T = TypeVar("T")


RESTLESS = {
    *("log_queue", "log_entry", "log_node", "log_head", "log_checkpoint", "log_trouble"),
    *("intake_up", "release", "compiled_release", "released"),
    *("award_record", "awards_seen", "publication"),
}
"""Tables that change although nothing is said: the log takes up what was said before and tells its troubles,
it is released, award records and files are made of it, the service beats."""


class Town:
    """A running service and the people who use it: a registrar, two officers, an evaluator, an auditor, a
    committee of 2 in 3."""

    registrar: SigningKey
    officer: SigningKey
    second: SigningKey
    auditor: SigningKey
    evaluator: SigningKey
    committee: Committee
    transcript: tuple[str, ...]
    members: list[Member]

    def __init__(self, http: httpx.AsyncClient, house: House, dsn: str, trust: Trust) -> None:
        self.http, self.house, self.dsn, self.trust = http, house, dsn, trust
        self.pace = 1.0
        """How slow the machine was when they settled: whatever has its seconds gets as many times more."""

    @property
    def procedure(self) -> Procedure:
        """The one behind the running service."""
        transport = self.http._transport
        assert isinstance(transport, httpx.ASGITransport)
        assert isinstance(transport.app, Litestar)
        given = transport.app.dependencies["procedure"]
        assert isinstance(given, Provide)
        procedure = given.dependency()
        assert isinstance(procedure, Procedure)
        return procedure

    @classmethod
    async def settle(cls, http: httpx.AsyncClient, house: House, dsn: str) -> Self:
        """Everybody gets a certificate; the committee makes its key."""
        town, began = cls(http, house, dsn, await read_trust(http)), time.monotonic()
        town.registrar = await town.invited("Registrar Jang")
        town.officer = await town.enrol(Role.OFFICER, "Officer Kim")
        town.second = await town.enrol(Role.OFFICER, "Officer Park")
        town.auditor = await town.enrol(Role.AUDITOR, "Auditor Yoon")
        town.evaluator = await town.enrol(Role.EVALUATOR, "Evaluator Lee")
        town.committee, town.transcript, town.members = await town.convene()
        town.pace = min(SLOWEST, max(1.0, (time.monotonic() - began) / QUIET))
        await town.line().get("/log/checkpoint")  # on a busy machine the log begins later than the service
        return town

    async def convene(self) -> Convened:
        """A new committee of three, two of whom open."""
        keys = [await self.enrol(Role.COMMITTEE, f"Member {i}") for i in (1, 2, 3)]
        return convene(self.officer, keys, 2, datetime.now(UTC), secrets.token_bytes)

    async def invited(self, name: str) -> SigningKey:
        """A registrar who comes by a one-time code from the service's folder."""
        key, number = ec.generate_private_key(ec.SECP256R1()), f"registrar-{secrets.token_hex(6)}"
        code = self.house.invitation.make()
        return await applicant.enrol(self.line(), key, Role.REGISTRAR, name, number, code=code)

    async def enrol(
        self, role: Role, name: str, registration: str | None = None, key: PrivateKey | None = None
    ) -> SigningKey:
        """A key with a certificate, applied for and approved."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        number = registration or f"{role}-{secrets.token_hex(6)}"
        return await applicant.enrol(self.line(), key, role, name, number, registrar=self.registrar)

    async def bidder(self, name: str, registration: str | None = None) -> SigningKey:
        """A business."""
        return await self.enrol(Role.BUSINESS, name, registration)

    def line(self) -> Service:
        """A new party's own view of the service."""
        return Service(self.http, self.trust)

    def notice(self, *lots: Lot, lead: float = LEAD, margin: float = MARGIN, **changes: Any) -> Notice:
        """A notice that could be published now."""
        now, network = datetime.now(UTC), self.trust.networks[0]
        deadline = now + timedelta(seconds=lead * self.pace)
        values: dict[str, Any] = {
            "signer": self.officer.fingerprint,
            "tender": f"ocds-0s3al1-{secrets.token_hex(6)}",
            "number": "2026-0001",
            "title": "School desks",
            "practice": True,
            "procuring_entity": Organisation(id="KR-1234", name="Village school board"),
            "contact": Contact(name="Officer Kim"),
            "currency": "KRW",
            "lots": lots,
            "published": moment(now),
            "deadline": moment(deadline),
            "standstill": 0,
            "network": network,
            "round": str(network.round_at(deadline + timedelta(seconds=margin * self.pace))),
            "committee": self.committee,
            "transcript": self.transcript,
            "witnesses": self.trust.witnesses,
            "evaluators": (self.evaluator.fingerprint,) if any(criteria(lot.rules) for lot in lots) else (),
        }
        return Notice(**(values | changes))

    async def hand_in(self, ocid: str, data: bytes, id: str = "spec") -> TenderDocument:
        """A file for a notice that is still to be published, from the officer."""
        digest = sha256(data).hex()
        answer = await self.http.put(
            f"{path_of(ocid)}/files/{digest}", content=data, headers=self.offered(ocid, digest, len(data))
        )
        assert answer.status_code in (200, 201), answer.text
        return TenderDocument(
            id=id,
            document_type="technicalSpecifications",
            title="The desks, drawn",
            format="application/pdf",
            language="ko",
            sha256=digest,
            size=len(data),
        )

    def offered(self, ocid: str, digest: str, size: int, key: SigningKey | None = None) -> dict[str, str]:
        """The headers with which somebody hands in a file."""
        key, time = key or self.officer, moment(datetime.now(UTC))
        offer = DocumentOffer(signer=key.fingerprint, tender=ocid, sha256=digest, size=size, time=time)
        statement = signed_anyhow(encode(offer), offer.PURPOSE, key)
        return {"Openseal-Statement": to_base64(statement), "Content-Type": "application/octet-stream"}

    async def publish(self, *lots: Lot, lead: float = LEAD, **changes: Any) -> "PracticeTender":
        """A tender that the officer publishes now."""
        notice = self.notice(*lots, lead=lead, **changes)
        tender = PracticeTender(self, notice, sign(notice, self.officer))
        await tender.publish()
        return tender

    async def verify_log(self) -> list[bytes]:
        """All entries of the log, once every published object agrees with the signed checkpoint."""
        return await verify_from_tiles(LocalStore(self.house.objects), VerifyingKey.parse(self.trust.log))

    async def rows(self, ocid: str | None = None) -> dict[str, list[str]]:
        """Every row of every table, or of what was said of one tender, as text with bytes in hex."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return {
                table["name"]: [row[0] for row in await connection.fetch(_rows_of(table, ocid))]
                for table in await connection.fetch(_TABLES)
                if ocid is None or (table["of_tenders"] and table["name"] not in RESTLESS)
            }
        finally:
            await connection.close()

    async def kept(self) -> dict[str, list[str]]:
        """Every row of what was said, and of what came of it; not of what the service does by itself."""
        return {table: rows for table, rows in (await self.rows()).items() if table not in RESTLESS}


def step(
    act: Callable[Concatenate["PracticeTender", P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["PracticeTender", P], Coroutine[Any, Any, T]]:
    """A step after which the whole log must still hold."""

    @wraps(act)
    async def acted(self: "PracticeTender", /, *args: P.args, **kwargs: P.kwargs) -> T:
        result = await act(self, *args, **kwargs)
        await self.town.verify_log()
        return result

    return acted


class PracticeTender:
    """One tender, and what its people do about it."""

    def __init__(self, town: Town, notice: Notice, statement: bytes) -> None:
        self.town, self.notice, self.statement = town, notice, statement
        self.ocid = notice.tender
        self.path = path_of(self.ocid)
        self.notice_id = Statement(statement).id
        self.terms = terms(notice, self.notice_id)
        self.latest = self.notice_id
        self.office = town.line()
        self.chosen: Chosen = {}
        self._released: list[Release] = []
        self._said: dict[tuple[str, str, str], bytes] = {}

    @step
    async def publish(self) -> None:
        """The officer posts the notice, the second officer countersigns it."""
        await self.office.post("/api/v1/tenders", self.statement)
        await self.countersign(self.notice_id)

    @step
    async def amend(self, /, *, stand: bool = True, **changed: Any) -> str:
        """The officer amends the terms, the second officer countersigns; later steps go by the new terms."""
        amendment = self.amendment(stand=stand, **changed)
        id = await self.say("amendments", amendment, self.town.officer)
        await self.countersign(id)
        self.follow(await read_notice(self.town.line(), self.ocid))
        return id

    def amendment(self, *, stand: bool = True, **changed: Any) -> Amendment:
        """With the round that follows from the deadline."""
        amended = msgspec.structs.replace(self.notice, **changed)
        amended = msgspec.structs.replace(amended, round=next_round(amended, amended.closes))
        about = self.about(self.town.officer) | {"previous": self.latest}
        return Amendment(**about, amended=amended, bids_stand=stand, reason="The drawings were wrong.")

    def follow(self, tender: Announced) -> None:
        """The terms as somebody has verified them."""
        self.notice, self.terms, self.latest = tender.notice, tender.terms, tender.editions[-1].statement

    @step
    async def terminate(self, outcome: Literal["cancelled", "unsuccessful"] = "cancelled") -> str:
        """The officer ends the tender without an award, the second officer countersigns."""
        about, reason = self.about(self.town.officer), "Nobody wants it any more."
        word = Termination(**about, outcome=outcome, reason=reason)
        id = await self.say("terminations", word, self.town.officer)
        await self.countersign(id)
        return id

    # ── bidders ──────────────────────────────────────────────────────────────────────────────────────

    def contents(
        self, amount: str, picks: tuple[int, int] | None = None, lots: Sequence[str] | None = None
    ) -> dict[Section, bytes]:
        """What a bidder seals: the same amount for each of the lots, all of them by default."""
        names = lots or [lot.id for lot in self.notice.lots]
        offers = [LotOffer(lot=lot, amount=amount, picks=picks) for lot in names]
        prices = by_section(offers, self.notice).items()
        found: dict[Section, bytes] = {name: padded(Bid(offers=each)) for name, each in prices}
        if self.notice.parts == ("bid",):
            return found
        return {"technical": padded(Proposal(proposal="We have done this before.")), **found}

    def seal(
        self,
        bidder: SigningKey,
        amount: str = "1000000",
        *,
        picks: tuple[int, int] | None = None,
        contents: Mapping[Section, bytes] | None = None,
        previous: str | None = None,
        under: SubmissionTerms | None = None,
    ) -> bytes:
        """An envelope; `under` other terms than the tender's where a test wants them."""
        found = contents or self.contents(amount, picks)
        under = under or self.terms
        return compose(dict(found), under, bidder, secrets.token_bytes(entropy_size(under)), previous)

    @step
    async def submit(self, envelope: bytes) -> Receipt:
        """The receipt, verified as a bidder does: signature, time, commitment, log. Or RefusedError."""
        return await self.town.line().submit(envelope, self.terms, self.notice.deadline)

    async def bid(self, bidder: SigningKey, amount: str, **how: Any) -> str:
        """Seal and submit; the envelope's id."""
        return (await self.submit(self.seal(bidder, amount, **how))).statement

    async def post(self, route: str, body: bytes) -> httpx.Response:
        """Whatever the service answers."""
        return await self.town.http.post(f"{self.path}/{route}", content=body)

    # ── what anyone can see ──────────────────────────────────────────────────────────────────────────

    async def get(self, route: str) -> httpx.Response:
        return await self.town.http.get(f"{self.path}/{route}")

    async def status(self) -> str:
        return str((await self.get("timeline")).json()["status"])

    async def happened(self) -> list[str]:
        """Types of the events so far."""
        return [event["type"] for event in (await self.get("timeline")).json()["events"]]

    async def released(self) -> list[Release]:
        """The OCDS releases of what has happened so far: those of before, and more."""
        before, self._released = self._released, await publication.releases(self.town.procedure, self.ocid)
        assert self._released[: len(before)] == before
        return self._released

    async def opening_id(self) -> str:
        """The id of the first opening; zeros while there is none."""
        events = (await self.get("timeline")).json()["events"]
        return next((each["statement"] for each in events if each["type"] == "tender:opened"), "0" * 64)

    async def deadline(self, offset: float = 0) -> None:
        """Wait for the deadline, or for `offset` seconds after it."""
        await wait_until(self.notice.closes + timedelta(seconds=offset))

    async def round(self) -> None:
        """Wait for the round of the time lock."""
        await wait_until(self.notice.opens)

    # ── officer, committee, panel ────────────────────────────────────────────────────────────────────

    @step
    async def close(self) -> Closed:
        """The closing, waited for and verified; the officer answers for one that was witnessed late."""
        closed = await read_closing(self.office, await read_notice(self.office, self.ocid))
        if closed.witnessed >= self.notice.opens:
            late = LateClosing(
                **self.about(self.town.officer), closing=closed.closing_id, reason="A slow machine."
            )
            await self.say("late-closings", late, self.town.officer)
        return closed

    @step
    async def order(self, part: Part, members: Sequence[Member] | None = None) -> None:
        """Each member looks for itself, then signs; two of three by default."""
        for member in members or self.town.members[:2]:
            line = self.town.line()
            await sign_orders(line, await read_notice(line, self.ocid), member, part)

    @step
    async def opened(self, part: Part) -> dict[str, dict[str, Any]]:
        """What came out of `part` of each envelope, waited for: by envelope id content or reason."""
        await self.until("tender:opened", len(self.notice.parts[: self.notice.parts.index(part) + 1]))
        return {
            bid.envelope: msgspec.json.decode(each.content) if each.content else {"reason": each.reason}
            for bid in await read_bids(self.office, self.ocid)
            for each in bid.parts
            if each.part == part
        }

    @step
    async def draw_panel(self, ahead: float = 12.0) -> list[str]:
        """The officer fixes a round so many seconds ahead; the pool's certificates in the order it draws."""
        await self.say("draw-requests", self.draw_request(ahead), self.town.officer)
        await self.until("panel:drawn")
        events = (await self.get("timeline")).json()["events"]
        [drawn] = [each["statement"] for each in events if each["type"] == "panel:drawn"]
        draw = Statement((await self.get(f"statements/{drawn}")).content).read(PanelDraw)
        return [each.certificate for each in draw.tickets]

    def draw_request(self, ahead: float) -> DrawRequest:
        round = self.notice.network.round_at(datetime.now(UTC) + timedelta(seconds=ahead))
        return DrawRequest(**self.about(self.town.officer), round=str(round))

    @step
    async def score(self, points: Mapping[str, str], evaluator: SigningKey | None = None) -> str:
        """A panel member's sheet: the same points for every criterion of an envelope."""
        key = evaluator or self.town.evaluator
        await self.declare(key)
        return await self.say("score-sheets", self.sheet(points, key), key)

    def sheet(self, points: Mapping[str, str], evaluator: SigningKey) -> SignedScores:
        scores = tuple(
            CriterionScore(bid=bid, lot=lot.id, criterion=criterion.id, score=score)
            for bid, score in points.items()
            for lot in self.notice.lots
            for criterion in criteria(lot.rules)
        )
        return SignedScores(**self.about(evaluator), scores=scores, salt=secrets.token_hex(32))

    async def reveal(self, prices: CommittedPrices) -> str:
        """The officer reveals what the notice committed to for its one lot."""
        about = self.about(self.town.officer) | msgspec.structs.asdict(prices)
        return await self.say("reserve-prices", RevealedPrices(**about, lot="1"), self.town.officer)

    @step
    async def evaluated(self) -> dict[str, Evaluation]:
        """The evaluation of each lot, waited for, its signature verified."""
        tender = await read_notice(self.office, self.ocid)
        self.evaluation_id, self.evaluation = await read_evaluation(self.office, tender)
        return {each.lot: each.evaluation for each in self.evaluation.lots}

    @step
    async def intend(self) -> tuple[LotAward, ...]:
        """The officer names the first in line of each lot, of those who passed where that is asked for."""
        await self.declare(self.town.officer)
        self.chosen = (await self.selection()).chosen()
        self.intention_id = await self.say("award-intentions", self.intention(), self.town.officer)
        return self.winners

    @property
    def winners(self) -> tuple[LotAward, ...]:
        return first_in_line(self.evaluation, self.chosen)

    async def selection(self) -> Selection:
        """What was done about those in line, as the officer's machine finds it in the log."""
        return await read_selection(self.office, await read_notice(self.office, self.ocid))

    def asking(self, selection: Selection, bid: str) -> ExaminationRequest:
        now = datetime.now(UTC)
        about = self.about(self.town.officer) | {"time": moment(now)}
        about |= {"evaluation": self.evaluation_id, "lot": "1", "bid": bid, "documents": "Proof of works"}
        return ExaminationRequest(**about, due=selection.due_at("1", now))

    @step
    async def ask(self, bid: str) -> str:
        """The officer asks a candidate for documents; the request's id."""
        await self.declare(self.town.officer)
        request = self.asking(await self.selection(), bid)
        return await self.say("examination-requests", request, self.town.officer)

    @step
    async def ask_more(self, request: str) -> str:
        """The officer asks for a supplement; the id of that request."""
        now, selection = datetime.now(UTC), await self.selection()
        about = self.about(self.town.officer) | {"time": moment(now), "request": request}
        due = selection.due_at("1", now, supplement=True)
        more = SupplementRequest(**about, documents="The second page", due=due)
        return await self.say("supplement-requests", more, self.town.officer)

    @step
    async def hand_in(self, request: str, bidder: SigningKey, *titles: str) -> str:
        """The candidate names what it has handed in."""
        files = tuple(map(evidence, titles or ("Works",)))
        documents = ExaminationDocuments(**self.about(bidder), request=request, files=files)
        return await self.say("examination-documents", documents, bidder)

    @step
    async def examine(self, request: str, *scores: str) -> str:
        """The officer scores the criteria in their order, and the figures follow."""
        result = self.result(await self.selection(), request, *scores)
        return await self.say("examination-results", result, self.town.officer)

    def result(self, selection: Selection, request: str, *scores: str) -> ExaminationResult:
        figures = figured(selection, self.notice, request, scores)
        return ExaminationResult(**self.about(self.town.officer), **figures)

    @step
    async def negotiate(self, bid: str, outcome: Literal["agreed", "failed"]) -> str:
        """The officer negotiates with one of those in line."""
        await self.declare(self.town.officer)
        about = self.about(self.town.officer) | {"evaluation": self.evaluation_id, "lot": "1", "bid": bid}
        result = NegotiationResult(**about, outcome=outcome, reason="As the minutes say")
        return await self.say("negotiation-results", result, self.town.officer)

    def intention(self) -> IntendedAward:
        awards = self.winners
        return IntendedAward(**self.about(self.town.officer), evaluation=self.evaluation_id, awards=awards)

    @step
    async def award(self) -> None:
        """The officer awards when the standstill is over, and the second officer countersigns."""
        await asyncio.sleep(self.notice.standstill)
        award = await self.say("awards", self.final_award(), self.town.officer)
        await self.declare(self.town.second)
        await self.countersign(award)

    def final_award(self) -> Award:
        awards = self.winners
        return Award(**self.about(self.town.officer), intention=self.intention_id, awards=awards)

    @step
    async def awarded(self) -> bytes:
        """All steps from the round to the award, where all is in one part: the award record, verified."""
        await self.round()
        await self.order("bid")
        await self.opened("bid")
        await self.evaluated()
        await self.intend()
        await self.award()
        return await self.verified_record()

    async def verified_record(self) -> bytes:
        """The award record; verified under the trust file."""
        data = await self.office.wait_for(f"{self.path}/record")
        verdict = await asyncio.to_thread(record.verify, data, self.town.trust)
        assert verdict.outcome == "verified", verdict.steps[-1]
        return data

    async def countersign(self, id: str, officer: SigningKey | None = None) -> str:
        """The second officer's word, or another's, for a notice or award; the same however often."""
        word = self.countersignature(id, officer or self.town.second)
        await self.office.post(f"{self.path}/countersignatures", word)
        return Statement(word).id

    def countersignature(self, id: str, officer: SigningKey) -> bytes:
        word = Countersignature(**self.about(officer), statement=id)
        return self.said_once(word, officer, about=id)

    async def declare(self, key: SigningKey, *, conflict: bool = False) -> str:
        """An official's word on conflicts of interest: what they said first, however often."""
        about = self.about(key) | {"opening": await self.opening_id()}
        declaration = ConflictDeclaration(**about, conflict=conflict, explanation="")
        statement = self.said_once(declaration, key)
        await self.office.post(f"{self.path}/conflict-declarations", statement)
        return Statement(statement).id

    def said_once(self, payload: Payload, key: SigningKey, about: str = "") -> bytes:
        """What this person said of this kind before, or now."""
        kind = payload.PURPOSE, key.certificate.registration, about
        return self._said.setdefault(kind, sign(payload, key))

    def about(self, key: SigningKey) -> dict[str, Any]:
        """The fields that all statements about the tender have."""
        now = moment(datetime.now(UTC))
        return {"signer": key.fingerprint, "tender": self.ocid, "notice": self.notice_id, "time": now}

    async def say(self, route: str, payload: Payload, key: SigningKey) -> str:
        """Sign and send; the statement's id."""
        statement = sign(payload, key)
        await self.office.post(f"{self.path}/{route}", statement)
        return Statement(statement).id

    async def until_known(self) -> None:
        """Wait until the service has the tender."""
        for _ in range(2400):
            if (await self.get("timeline")).is_success:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the tender was not published")

    async def until_shown(self, route: str, holds: Callable[[Any], bool]) -> None:
        """Wait until what is shown there is as it should be."""
        for _ in range(400):
            if holds((await self.get(route)).json()):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{route} does not show it")

    async def until(self, event: str, times: int = 1) -> None:
        """Wait until `event` has happened so many times."""
        for _ in range(2400):
            if (await self.happened()).count(event) >= times:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{event} has not happened {times} times")


_TABLES = """
    SELECT table_name AS name, bool_or(column_name = 'tender_id') AS of_tenders
    FROM information_schema.columns WHERE table_schema = 'public' GROUP BY 1 ORDER BY 1
"""


def _rows_of(table: Mapping[str, Any], ocid: str | None) -> str:
    where = f"WHERE tender_id = '{store.id_of(ocid)}'" if ocid else ""
    return f"SELECT row::text FROM {table['name']} AS row {where} ORDER BY 1"  # noqa: S608  # names of ours


def timeless(page: bytes) -> bytes:
    """What a page says whenever it is looked at: without the service's time, and how long it still is."""
    return re.sub(rb'data-now="[^"]*"|(?<=data-until=")[^<]*', b"", page)


async def until(look: Callable[[], Coroutine[Any, Any, T]], holds: Callable[[T], bool]) -> None:
    """Returns once what is looked at is as it should be."""
    for _ in range(600):
        if holds(await look()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it has not come to that")


async def wait_until(at: datetime) -> None:
    await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))


def signed_anyhow(payload: bytes, purpose: str, key: Signer, keyid: str | None = None) -> bytes:
    """A DSSE envelope with a right signature over whatever bytes, in whatever role."""
    payload_type = PAYLOAD_TYPE.format(purpose=purpose)
    signature = to_base64(key.sign(pae(payload_type, payload)))
    return encode(
        {
            "payload": to_base64(payload),
            "payloadType": payload_type,
            "signatures": [{"keyid": keyid or key.fingerprint, "sig": signature}],
        }
    )
