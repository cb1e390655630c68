"""The people of practice tenders, acting over HTTP: what they do is one line each in a test.

Everybody has a key, a certificate and a view of the log of their own, and verifies what a real client
verifies. After every step of a tender the whole log is verified from its tiles alone.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import asyncpg
import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from obstore.store import LocalStore

from bids.client import Service, read_trust
from bids.envelope import Part, SubmissionTerms, compose, entropy_size
from bids.orders import Member
from bids.receipts import Receipt
from crypto.certificates import PrivateKey, Role, Signer, SigningKey
from crypto.checkpoint import VerifyingKey
from crypto.committee import Committee
from crypto.encoding import encode, moment, to_base64
from crypto.statements import PAYLOAD_TYPE, Payload, Statement, pae, sign
from crypto.trust import Trust
from procurement import record, store
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    CriterionScore,
    IntendedAward,
    LateClosing,
    LotAward,
    SignedScores,
    first_in_line,
)
from procurement.client import (
    Closed,
    path_of,
    read_bids,
    read_closing,
    read_evaluation,
    read_notice,
    sign_orders,
)
from procurement.evaluation import Evaluation, KrNegotiation
from procurement.practice import Convened, convene
from procurement.registry import applicant
from procurement.service import House
from procurement.tenders import (
    Bid,
    Contact,
    Lot,
    LotOffer,
    Notice,
    Organisation,
    Proposal,
    padded,
    terms,
)
from tests.logcheck import verify_from_tiles

LEAD = 3.0
"""Seconds from publication to the deadline, on a quiet machine."""
MARGIN = 2.0
"""Seconds, at least, from the deadline to the round of the time lock, on a quiet machine."""
QUIET, SLOWEST = 0.6, 5.0
"""Seconds that settling takes on a quiet machine, and how many times as slow it is taken for at most."""

P = ParamSpec("P")
T = TypeVar("T")


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
            "evaluators": (self.evaluator.fingerprint,) if isinstance(lots[0].rules, KrNegotiation) else (),
        }
        return Notice(**(values | changes))

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
        """Every row of every table, or of one tender's, as text with bytes in hex."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return {
                table["name"]: [row[0] for row in await connection.fetch(_rows_of(table, ocid))]
                for table in await connection.fetch(_TABLES)
                if ocid is None or table["of_tenders"]
            }
        finally:
            await connection.close()


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
        self.office = town.line()
        self._said: dict[tuple[str, str, str], bytes] = {}

    @step
    async def publish(self) -> None:
        """The officer posts the notice, the second officer countersigns it."""
        await self.office.post("/api/v1/tenders", self.statement)
        await self.countersign(self.notice_id)

    # ── bidders ──────────────────────────────────────────────────────────────────────────────────────

    def contents(
        self, amount: str, picks: tuple[int, int] | None = None, lots: Sequence[str] | None = None
    ) -> dict[Part, bytes]:
        """What a bidder seals: the same amount for each of the lots, all of them by default."""
        names = lots or [lot.id for lot in self.notice.lots]
        bid = padded(Bid(offers=tuple(LotOffer(lot=lot, amount=amount, picks=picks) for lot in names)))
        if self.notice.parts == ("bid",):
            return {"bid": bid}
        return {"technical": padded(Proposal(proposal="We have done this before.")), "price": bid}

    def seal(
        self,
        bidder: SigningKey,
        amount: str = "1000000",
        *,
        picks: tuple[int, int] | None = None,
        contents: Mapping[Part, bytes] | None = None,
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
            if isinstance(lot.rules, KrNegotiation)
            for criterion in lot.rules.criteria
        )
        return SignedScores(**self.about(evaluator), scores=scores, salt=secrets.token_hex(32))

    @step
    async def evaluated(self) -> dict[str, Evaluation]:
        """The evaluation of each lot, waited for, its signature verified."""
        tender = await read_notice(self.office, self.ocid)
        self.evaluation_id, self.evaluation = await read_evaluation(self.office, tender)
        return {each.lot: each.evaluation for each in self.evaluation.lots}

    @step
    async def intend(self) -> tuple[LotAward, ...]:
        """The officer names the first in line of each lot."""
        await self.declare(self.town.officer)
        self.intention_id = await self.say("award-intentions", self.intention(), self.town.officer)
        return first_in_line(self.evaluation)

    def intention(self) -> IntendedAward:
        awards = first_in_line(self.evaluation)
        return IntendedAward(**self.about(self.town.officer), evaluation=self.evaluation_id, awards=awards)

    @step
    async def award(self) -> None:
        """The officer awards when the standstill is over, and the second officer countersigns."""
        await asyncio.sleep(self.notice.standstill)
        award = await self.say("awards", self.final_award(), self.town.officer)
        await self.declare(self.town.second)
        await self.countersign(award)

    def final_award(self) -> Award:
        awards = first_in_line(self.evaluation)
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
