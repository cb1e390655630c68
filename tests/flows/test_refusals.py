"""Whatever is wrong gets a typed problem, and changes nothing."""

import asyncio
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

import asyncpg
import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bids.envelope import MOST_LOTS, Envelope, Part, bid_id
from bids.orders import OrderRefusal
from bids.receipts import Refusal
from crypto.certificates import BACKDATED, P256_ORDER, Authority, Role, SigningKey, request
from crypto.checkpoint import WITNESS
from crypto.checkpoint import SigningKey as Witness
from crypto.encoding import encode, from_base64, moment, sha256, to_base64
from crypto.errors import MalformedError
from crypto.statements import Payload, Statement, sign
from crypto.trust import WitnessPolicy
from procurement import record
from procurement.awards import (
    Award,
    ConflictDeclaration,
    IntendedAward,
    LateClosing,
    LotAward,
    RevealedPrices,
    first_in_line,
)
from procurement.client import Closed, read_closing, read_notice
from procurement.practice import convene
from procurement.registry import store as registry
from procurement.service import House
from tests.builders import a_lot
from tests.flows.conftest import running, running_with
from tests.flows.people import PracticeTender, Town, signed_anyhow
from tests.flows.test_life import NEGOTIATION, conclude

LONG = 600.0
PROBLEM = "application/problem+json"
STEPS = {
    "countersignatures": "countersignature",
    "opening-partials": "opening-partial",
    "conflict-declarations": "conflict-declaration",
    "score-sheets": "score-sheet",
    "reserve-prices": "reserve-prices",
    "late-closings": "late-closing",
    "award-intentions": "award-intention",
    "awards": "award",
}
"""What is posted where."""


class Case:
    """A tender that is open for bids, a bidder, and an envelope of this bidder's that would be taken."""

    def __init__(self, tender: PracticeTender, bidder: SigningKey, rival: SigningKey) -> None:
        self.tender, self.bidder, self.rival = tender, bidder, rival
        self.envelope = tender.seal(bidder)
        self.read = Statement(self.envelope).read(Envelope)
        self.payload = Statement(self.envelope).payload

    def signed(self, payload: bytes | Envelope, key: SigningKey | None = None, purpose: str = "bid") -> bytes:
        data = encode(payload) if isinstance(payload, Envelope) else payload
        return signed_anyhow(data, purpose, key or self.bidder)

    def under(self, **changes: Any) -> bytes:
        """Sealed and signed under other terms than the tender's."""
        return self.tender.seal(self.bidder, under=msgspec.structs.replace(self.tender.terms, **changes))

    def in_context(self, **changes: Any) -> bytes:
        context = msgspec.structs.replace(self.read.context, **changes)
        return self.signed(msgspec.structs.replace(self.read, context=context))

    def with_parts(self, *parts: Any) -> bytes:
        return self.signed(msgspec.structs.replace(self.read, parts=parts))

    def with_signature(self, change: Callable[[bytes], bytes]) -> bytes:
        dsse = msgspec.json.decode(self.envelope)
        signature = from_base64(dsse["signatures"][0]["sig"])
        dsse["signatures"][0]["sig"] = to_base64(change(signature))
        return encode(dsse)


@pytest.fixture(scope="module")
async def case(town: Town) -> Case:
    tender = await town.publish(a_lot(), lead=LONG)
    return Case(tender, await town.bidder("Bidder"), await town.bidder("Rival"))


def high_s(signature: bytes) -> bytes:
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return signature[:32] + s.to_bytes(32, "big")


MALFORMED: dict[str, Callable[[Case], bytes]] = {
    "nothing": lambda case: b"",
    "no JSON": lambda case: b"\x00\xff\xfe",
    "half a character": lambda case: b'{"payload":"\xc3"}',
    "NaN": lambda case: b"NaN",
    "a huge number": lambda case: b"9" * 5000,
    "a number beyond all floats": lambda case: b'{"payload":1e999}',
    "an array": lambda case: b"[]",
    "a deep array": lambda case: b"[" * 100_000,
    "a lone surrogate": lambda case: b'{"payload":"\\ud800"}',
    "the first half": lambda case: case.envelope[: len(case.envelope) // 2],
    "all but the last byte": lambda case: case.envelope[:-1],
    "a byte too much": lambda case: case.envelope + b"\n",
    "indented": lambda case: msgspec.json.format(case.envelope),
    "a key twice": lambda case: case.envelope.replace(b'{"payload":', b'{"payload":"AA==","payload":', 1),
    "a field too much": lambda case: case.envelope.replace(b'{"payload":', b'{"a":"b","payload":', 1),
    "a bare payload": lambda case: case.payload,
    "no signature": lambda case: changed(case.envelope, signatures=[]),
    "two signatures": lambda case: changed(case.envelope, twice=True),
    "another keyid": lambda case: signed_anyhow(
        case.payload, "bid", case.bidder, keyid=case.rival.fingerprint
    ),
    "base64 with stray bits": lambda case: changed(case.envelope, payload="e31="),
    "a statement of another kind": lambda case: case.signed(case.payload, purpose="score-sheet"),
    "a signed key twice": lambda case: case.signed(b'{"a":"b",' + case.payload[1:]),
    "a signed field too much": lambda case: case.signed(case.payload[:-1] + b',"z":"b"}'),
    "a signed NaN": lambda case: case.signed(case.payload[:-1] + b',"z":NaN}'),
    "a signed huge number": lambda case: case.signed(case.payload[:-1] + b',"z":' + b"9" * 400 + b"}"),
    "signed null": lambda case: case.signed(case.payload[:-1] + b',"previous":null}'),
    "signed spaces": lambda case: case.signed(msgspec.json.format(case.payload)),
    "signed nothing": lambda case: case.signed(b""),
    "a part nobody knows": lambda case: case.signed(case.payload.replace(b'"part":"bid"', b'"part":"bib"')),
    "a part with an endless name": lambda case: case.signed(
        case.payload.replace(b'"part":"bid"', b'"part":"' + b"x" * 50_000 + b'"')
    ),
    "no parts": lambda case: case.with_parts(),
    "more parts than lots": lambda case: case.with_parts(*[case.read.parts[0]] * (2 + MOST_LOTS)),
    "capital hex": lambda case: case.with_parts(
        msgspec.structs.replace(case.read.parts[0], u=case.read.parts[0].u.upper())
    ),
    "another protocol": lambda case: case.signed(case.payload.replace(b"openseal/v1", b"openseal/v2")),
}

NOT_THE_SIGNERS: dict[str, Callable[[Case], bytes]] = {
    "a flipped bit": lambda case: case.with_signature(lambda s: bytes([s[0] ^ 1]) + s[1:]),
    "a high s": lambda case: case.with_signature(high_s),
    "s beyond the order": lambda case: case.with_signature(lambda s: s[:32] + b"\xff" * 32),
    "r of zero": lambda case: case.with_signature(lambda s: bytes(32) + s[32:]),
    "a short signature": lambda case: case.with_signature(lambda s: s[:-1]),
    "an empty signature": lambda case: case.with_signature(lambda s: b""),
    "another's signature": lambda case: signed_anyhow(
        case.payload, "bid", case.rival, keyid=case.bidder.fingerprint
    ),
    "a changed payload": lambda case: changed(
        case.envelope, payload=to_base64(case.payload.replace(b'"part":"bid"', b'"part":"price"'))
    ),
}

WRONG: dict[str, tuple[str, Callable[[Case], bytes]]] = {
    "another tender": ("wrong-tender", lambda case: case.under(tender="ocds-0s3al1-other")),
    "another notice": ("wrong-notice", lambda case: case.under(notice="0" * 64)),
    "other terms": ("wrong-terms", lambda case: case.under(terms="0" * 64)),
    "another round": ("wrong-round", lambda case: case.under(round=str(int(case.tender.terms.round) - 1))),
    "another committee": (
        "wrong-committee",
        lambda case: case.in_context(committee=case.tender.notice.committee.members[0].commitments[0]),
    ),
    "another beacon": ("wrong-chain", lambda case: case.in_context(chain="0" * 64)),
    "another's bid id": ("wrong-bid", lambda case: case.in_context(bid="0" * 32)),
    "another nonce": ("wrong-bid", lambda case: case.in_context(nonce="0" * 32)),
    "another's certificate": (
        "wrong-certificate",
        lambda case: case.in_context(certificate=case.rival.fingerprint),
    ),
    "a copy under another name": (
        "wrong-bid",
        lambda case: signed_anyhow(
            encode(msgspec.structs.replace(case.read, signer=case.rival.fingerprint)), "bid", case.rival
        ),
    ),
    "another part": (
        "wrong-parts",
        lambda case: case.with_parts(msgspec.structs.replace(case.read.parts[0], part="price")),
    ),
    "a part twice": ("wrong-parts", lambda case: case.with_parts(*case.read.parts * 2)),
    "no ciphertext": (
        "wrong-size",
        lambda case: case.with_parts(msgspec.structs.replace(case.read.parts[0], ciphertext="AA==")),
    ),
    "too much ciphertext": (
        "wrong-size",
        lambda case: case.with_parts(
            msgspec.structs.replace(case.read.parts[0], ciphertext=to_base64(bytes(64 * 1024 + 17)))
        ),
    ),
    "a document": (
        "too-many-documents",
        lambda case: case.signed(
            case.payload.replace(
                b'"parts":', b'"documents":[{"number":1,"sha256":"' + b"0" * 64 + b'","size":1}],"parts":'
            )
        ),
    ),
    "nothing to replace": (
        "not-latest",
        lambda case: case.signed(msgspec.structs.replace(case.read, previous="0" * 64)),
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_bid_of_no_form_is_refused(name: str, case: Case) -> None:
    await refused_bid(case, MALFORMED[name](case), 400, "malformed")


@pytest.mark.parametrize("name", NOT_THE_SIGNERS)
async def test_a_bid_that_its_signer_did_not_sign_is_refused(name: str, case: Case) -> None:
    await refused_bid(case, NOT_THE_SIGNERS[name](case), 403, "signature-invalid")


@pytest.mark.parametrize("name", WRONG)
async def test_a_bid_for_something_else_is_refused(name: str, case: Case) -> None:
    code, make = WRONG[name]
    await refused_bid(case, make(case), 422, code)


async def test_a_bid_under_a_certificate_that_does_not_hold_is_refused(case: Case, town: Town) -> None:
    now = datetime.now(UTC)
    own = Authority.load(Role.BUSINESS, (town.house.keys / "business.pem").read_bytes())
    foreign = Authority.create(Role.BUSINESS, now)
    year = timedelta(days=366)
    certified = {
        "another role's": town.officer,
        "the committee's": town.members[0].key,
        "unknown": certify(foreign, now),
        "foreign": await known(town, certify(foreign, now)),
        "expired": await known(town, certify(own, now - year)),
        "not yet valid": await known(town, certify(own, now + year)),
        "foreign, of another role": await known(town, certify(Authority.create(Role.OFFICER, now), now)),
    }
    for key in certified.values():
        context = msgspec.structs.replace(
            case.read.context,
            certificate=key.fingerprint,
            bid=bid_id(key.fingerprint, bytes.fromhex(case.read.context.nonce)),
        )
        envelope = msgspec.structs.replace(case.read, signer=key.fingerprint, context=context)
        await refused_bid(case, case.signed(envelope, key), 403, "certificate-invalid")


async def test_a_bid_for_a_tender_that_is_not_there_is_refused(case: Case) -> None:
    before = await case.tender.town.kept()
    answer = await case.tender.town.http.post("/api/v1/tenders/nothing/bids", content=case.envelope)
    assert problem(answer, 404, "no-such-tender")["refusal"]
    assert await case.tender.town.kept() == before


@pytest.mark.parametrize("route", ["", "/{ocid}/bids", *(f"/{{ocid}}/{step}" for step in STEPS)])
async def test_five_megabytes_are_refused_unread(route: str, case: Case, town: Town) -> None:
    path = "/api/v1/tenders" + route.format(ocid=case.tender.ocid)
    answer = await town.http.post(path, content=bytes(5 * 1024 * 1024))
    problem(answer, 413, "request-entity-too-large")


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_of_no_form_is_refused(step: str, case: Case, town: Town) -> None:
    before = await town.rows(case.tender.ocid)
    signers = {"opening-partials": town.members[0].key, "score-sheets": town.evaluator}
    for body in (b"", b"null", b"[]", b"{}", b"[" * 10_000, b'{"a":NaN}', b'{"a":"b","a":"b"}', case.payload):
        statement = signed_anyhow(body, STEPS[step], signers.get(step, town.officer))
        problem(await case.tender.post(step, statement), 400, "malformed")
    for name in MALFORMED:
        if "part" not in name:  # what is about parts of a bid
            data = MALFORMED[name](case)
            # What somebody signed who may not is not even read.
            refused = (403, "certificate-invalid") if is_statement(data) else (400, "malformed")
            problem(await case.tender.post(step, data), *refused)
    assert await town.rows(case.tender.ocid) == before


def is_statement(data: bytes) -> bool:
    """Whether it has the outer form of one, whatever is in it."""
    try:
        return bool(Statement(data).id)
    except MalformedError:
        return False


async def test_a_notice_whose_committee_was_not_certified_when_it_was_published_is_refused(
    town: Town,
) -> None:
    """Its award record would not verify."""
    issuer = Authority.load(Role.COMMITTEE, (town.house.keys / "committee.pem").read_bytes())
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    since_now = now + BACKDATED - timedelta(seconds=2)
    new = SigningKey(key, issuer.issue(request(key, Role.COMMITTEE, "Member 1", "new"), since_now))
    await known(town, new)
    others = [await town.enrol(Role.COMMITTEE, f"Member {number}") for number in (2, 3)]
    convened = convene(town.officer, [new, *others], 2, now, secrets.token_bytes)
    published = moment(now - timedelta(minutes=4))
    notice = town.notice(
        a_lot(), committee=convened.committee, transcript=convened.transcript, published=published
    )
    before = (await town.rows())["tender"]
    answer = await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))
    problem(answer, 403, "certificate-invalid")
    assert (await town.rows())["tender"] == before


async def test_a_member_who_refuses_before_the_closing_does_not_keep_the_others_from_opening(
    town: Town,
) -> None:
    tender = await town.publish(a_lot())
    third = town.members[2]
    refusal = OrderRefusal(**tender.about(third.key), part="bid", member=3, reason="No.")
    assert (await tender.post("order-refusals", sign(refusal, third.key))).is_success
    bid = await tender.bid(await town.bidder("Bidder"), "1000000")
    await tender.close()
    await tender.order("bid")
    assert list(await tender.opened("bid")) == [bid]


async def test_a_statement_whose_signers_certificate_ran_out_while_it_waited_is_refused(town: Town) -> None:
    """Its entry would have a time at which nobody was certified, and the award record would not verify."""
    issuer = Authority.load(Role.COMMITTEE, (town.house.keys / "committee.pem").read_bytes())
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    lifetime = timedelta(seconds=9 * town.pace)
    brief = SigningKey(key, issuer.issue(request(key, Role.COMMITTEE, "Member 1", "brief"), now, lifetime))
    await known(town, brief)
    others = [await town.enrol(Role.COMMITTEE, f"Member {number}") for number in (2, 3)]
    convened = convene(town.officer, [brief, *others], 2, now, secrets.token_bytes)
    tender = await town.publish(
        a_lot(), lead=3, margin=1, committee=convened.committee, transcript=convened.transcript
    )
    refusal = OrderRefusal(**tender.about(brief), part="bid", member=1, reason="No.")
    connection = await asyncpg.connect(town.dsn)
    async with connection.transaction():
        await connection.execute("SELECT FROM tender WHERE ocid = $1 FOR UPDATE", tender.ocid)
        waiting = asyncio.create_task(tender.post("order-refusals", sign(refusal, brief)))
        await asyncio.sleep((now + lifetime + timedelta(seconds=1.1) - datetime.now(UTC)).total_seconds())
        assert not waiting.done()
    await connection.close()
    problem(await waiting, 403, "certificate-invalid")
    assert "order:refused" not in await tender.happened()


async def test_a_committee_whose_certificates_end_before_the_round_is_refused(town: Town) -> None:
    """Nobody could open what was sealed for it."""
    notice = town.notice(a_lot(), lead=366 * 24 * 3600)
    answer = await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))
    problem(answer, 403, "certificate-invalid")


async def test_a_notice_that_contradicts_itself_or_the_service_is_refused(town: Town) -> None:
    now, network = datetime.now(UTC), town.trust.networks[0]
    other_network = msgspec.structs.replace(network, genesis=network.genesis - 1)
    stranger = Witness("stranger.example/w", WITNESS, secrets.token_bytes(32)).verifier.encode()
    other_witness = WitnessPolicy(keys=(stranger,), quorum=1)
    convened = await town.convene()
    bidder = await town.bidder("Bidder")
    wrong: list[tuple[int, str, dict[str, Any]]] = [
        (422, "beacon-invalid", {"network": other_network}),
        (422, "beacon-invalid", {"round": "9" * 19}),
        (409, "other-witnesses", {"witnesses": other_witness}),
        (409, "opening-too-early", {"round": str(network.round_at(now) + 1)}),
        (409, "deadline-passed", {"deadline": moment(now - timedelta(seconds=1))}),
        (409, "deadline-passed", {"deadline": moment(now), "published": moment(now - timedelta(seconds=2))}),
        (409, "publication-time-wrong", {"published": moment(now - timedelta(minutes=6))}),
        (400, "malformed", {"published": "2026-02-30T00:00:00.000Z"}),
        (409, "panel-missing", {"evaluators": (town.evaluator.fingerprint,)}),
        (409, "lots-repeat", {"lots": (a_lot(), a_lot())}),
        (409, "panel-missing", {"lots": (a_lot(), a_lot(NEGOTIATION, id="2"))}),
        (403, "certificate-invalid", {"transcript": convened.transcript}),
        (422, "committee-invalid", {"transcript": town.transcript[:2]}),
        (403, "certificate-invalid", {"transcript": (town.transcript[0],) * 3}),
        (400, "malformed", {"title": "a\x00b"}),
        (400, "malformed", {"tender": "no/slash"}),
    ]
    before = await town.rows()
    for status, code, changes in wrong:
        notice = town.notice(a_lot(), lead=LONG, **changes)
        body = signed_anyhow(msgspec.json.encode(notice, order="sorted"), "notice", town.officer)
        problem(await town.http.post("/api/v1/tenders", content=body), status, code)
    body = sign(town.notice(a_lot(NEGOTIATION), evaluators=(bidder.fingerprint,)), town.officer)
    problem(await town.http.post("/api/v1/tenders", content=body), 403, "certificate-invalid")
    rows = await town.rows()
    assert all(rows[table] == before[table] for table in ("draft", "tender", "statement", "event"))


async def test_a_notice_is_published_once_and_an_ocid_is_taken_once(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    before = await town.rows(tender.ocid)
    answers = await asyncio.gather(
        *(town.http.post("/api/v1/tenders", content=tender.statement) for _ in range(5))
    )
    assert {answer.json()["notice"] for answer in answers} == {tender.notice_id}
    assert {answer.status_code for answer in answers} == {202}
    second = sign(msgspec.structs.replace(tender.notice, title="Other desks"), town.officer)
    problem(await town.http.post("/api/v1/tenders", content=second), 409, "ocid-taken")
    assert await town.rows(tender.ocid) == before


class Stage:
    """A tender at some point of its life, where whoever is named says something that does not fit."""

    def __init__(self, tender: PracticeTender) -> None:
        self.tender, self.town = tender, tender.town

    async def refuses(self, route: str, said: bytes, status: int, code: str) -> None:
        before = await self.town.rows(self.tender.ocid)
        problem(await self.tender.post(route, said), status, code)
        assert await self.town.rows(self.tender.ocid) == before

    def order(
        self, part: Part = "technical", holder: int = 0, price_of: str | None = None, **changes: Any
    ) -> bytes:
        """A member's order, with other fields than it should have where a test says so."""
        member = self.town.members[holder]
        given = member.sign_order(self.tender.terms, part, price_of, datetime.now(UTC), secrets.token_bytes)
        return sign(msgspec.structs.replace(given, **changes), member.key)

    def by_officer(self, type_: type[Payload], officer: SigningKey | None = None, **fields: Any) -> bytes:
        key = officer or self.town.officer
        return sign(type_(**(self.tender.about(key) | fields)), key)


class Course(NamedTuple):
    """A tender with two bids and a panel on its way; `other` is another tender, `stranger` and `juror` have
    no duty on either."""

    tender: PracticeTender
    other: PracticeTender
    bid: str
    rival: str
    stranger: SigningKey
    juror: SigningKey

    @property
    def town(self) -> Town:
        return self.tender.town

    @property
    def stage(self) -> Stage:
        return Stage(self.tender)

    def sheet(self) -> bytes:
        return sign(
            self.tender.sheet({self.bid: "40", self.rival: "30"}, self.town.evaluator), self.town.evaluator
        )

    async def bids(self) -> dict[str, str]:
        """By envelope id the ids in opening orders."""
        return {each["envelope"]: each["bid"] for each in (await self.tender.get("bids")).json()["bids"]}


async def test_steps_out_of_order_or_by_others_are_refused(town: Town) -> None:
    stranger = await town.enrol(Role.OFFICER, "Another officer")
    juror = await town.enrol(Role.EVALUATOR, "Another evaluator")
    other = await town.publish(a_lot(NEGOTIATION), lead=LONG)
    standstill = ceil(3 * town.pace)  # within which an award is refused
    tender = await town.publish(a_lot(NEGOTIATION), lead=4, margin=3, standstill=standstill)
    bid = await tender.bid(await town.bidder("Bidder"), "100000000")
    rival = await tender.bid(await town.bidder("Rival"), "90000000")
    course = Course(tender, other, bid, rival, stranger, juror)
    await refused_before_the_deadline(course)
    closed = await tender.close()
    await refused_before_the_round(course, closed)
    await tender.round()
    await refused_before_the_technical_parts_open(course)
    await tender.order("technical", town.members[1:2])
    await tender.opened("technical")
    await refused_before_the_panel_has_scored(course)
    await refused_before_the_prices_open(course)
    await tender.order("price")
    await tender.evaluated()
    await refused_before_an_award_is_intended(course)
    await tender.intend()
    await refused_before_the_award(course)
    await tender.award()
    await refused_after_the_award(course)
    await tender.verified_record()


async def refused_before_the_deadline(course: Course) -> None:
    """Nothing is opened, scored or awarded yet, and no price revealed."""
    stage = course.stage
    prices, nobody = ("100000000",) * 15, (LotAward(lot="1"),)
    await stage.refuses("opening-partials", stage.order(), 409, "too-early")
    await stage.refuses("score-sheets", course.sheet(), 409, "not-opened")
    reveal = stage.by_officer(RevealedPrices, lot="1", salt="0" * 64, prices=prices)
    await stage.refuses("reserve-prices", reveal, 409, "not-opened")
    late = stage.by_officer(LateClosing, closing="0" * 64, reason="None.")
    await stage.refuses("late-closings", late, 404, "not-yet")
    intention = stage.by_officer(IntendedAward, evaluation="0" * 64, awards=nobody)
    await stage.refuses("award-intentions", intention, 404, "not-yet")
    await stage.refuses("awards", stage.by_officer(Award, intention="0" * 64, awards=nobody), 404, "not-yet")
    declaration = stage.by_officer(ConflictDeclaration, opening="0" * 64, conflict=False, explanation="")
    await stage.refuses("conflict-declarations", declaration, 409, "not-opened")


async def refused_before_the_round(course: Course, closed: Closed) -> None:
    """The box is closed in time; its locks hold."""
    stage = course.stage
    await stage.refuses("opening-partials", stage.order(), 409, "too-early")
    late = stage.by_officer(LateClosing, closing=closed.closing_id, reason="Because.")
    await stage.refuses("late-closings", late, 409, "not-late")


async def refused_before_the_technical_parts_open(course: Course) -> None:
    """An order is signed by each member, once, and about this tender."""
    town, tender, stage = course.town, course.tender, course.stage
    for wrong in (
        stage.order(bid="0" * 32),
        stage.order(tender=course.other.ocid),
        stage.order(notice=course.other.notice_id),
        stage.order("bid"),
    ):
        await stage.refuses("opening-partials", wrong, 422, "committee-invalid")
    other_round = stage.order(round=str(int(tender.terms.round) + 1))
    await stage.refuses("opening-partials", other_round, 409, "no-such-round")
    for number in (2, 3, 4, 15):
        await stage.refuses("opening-partials", stage.order(member=number), 422, "committee-invalid")
    await stage.refuses("opening-partials", stage.order(signature="c0" + "00" * 47), 422, "committee-invalid")
    await stage.refuses("opening-partials", Stage(course.other).order(), 409, "no-such-round")
    await tender.order("technical", town.members[:1])
    again = stage.order(time=moment(datetime.now(UTC) + timedelta(seconds=1)))
    await stage.refuses("opening-partials", again, 409, "said-before")
    assert await tender.status() == "opening"
    await stage.refuses("score-sheets", course.sheet(), 409, "not-opened")


async def refused_before_the_panel_has_scored(course: Course) -> None:
    """Prices stay closed; a sheet is complete, by the panel, and given once."""
    town, tender, stage = course.town, course.tender, course.stage
    bids = await course.bids()
    await stage.refuses("opening-partials", stage.order(holder=2), 409, "opened")
    await stage.refuses(
        "opening-partials", stage.order("price", price_of=bids[course.bid]), 409, "not-scored"
    )
    await stage.refuses("score-sheets", course.sheet(), 409, "conflict-undeclared")
    await tender.declare(town.evaluator)
    for scores, key, status, code in (
        ({course.bid: "40", course.rival: "30"}, course.juror, 409, "not-on-panel"),
        ({course.bid: "40"}, town.evaluator, 409, "sheet-incomplete"),
        ({course.bid: "40", course.rival: "30", "0" * 64: "1"}, town.evaluator, 409, "sheet-incomplete"),
        ({course.bid: "40", course.rival: "45.1"}, town.evaluator, 422, "scores-invalid"),
    ):
        await stage.refuses("score-sheets", sign(tender.sheet(scores, key), key), status, code)
    await stage.refuses(
        "score-sheets",
        sign(course.other.sheet({course.bid: "1"}, town.evaluator), town.evaluator),
        409,
        "another-tender",
    )
    await tender.score({course.bid: "40", course.rival: "30"})
    changed_mind = tender.sheet({course.bid: "30", course.rival: "40"}, town.evaluator)
    await stage.refuses("score-sheets", sign(changed_mind, town.evaluator), 409, "said-before")


async def refused_before_the_prices_open(course: Course) -> None:
    """A price order names a bid that counts."""
    town, stage = course.town, course.stage
    await stage.refuses("opening-partials", stage.order("price", price_of="0" * 32), 409, "no-such-bid")
    bids = await course.bids()
    unnamed = stage.order("price", price_of=bids[course.bid])
    unnamed = signed_anyhow(
        Statement(unnamed).payload.replace(b'"bid":"' + bids[course.bid].encode() + b'",', b""),
        "opening-partial",
        town.members[0].key,
    )
    await stage.refuses("opening-partials", unnamed, 400, "malformed")


async def refused_before_an_award_is_intended(course: Course) -> None:
    """Only an officer in charge intends, and names the first in line."""
    town, tender, stage = course.town, course.tender, course.stage
    nobody = (LotAward(lot="1"),)
    right = first_in_line(tender.evaluation)
    for fields, officer, code in (
        ({"evaluation": "0" * 64, "awards": right}, None, "wrong-evaluation"),
        ({"evaluation": tender.evaluation_id, "awards": nobody}, None, "not-first-in-line"),
        (
            {"evaluation": tender.evaluation_id, "awards": (LotAward(lot="1", bid=course.rival),)},
            None,
            "not-first-in-line",
        ),
        ({"evaluation": tender.evaluation_id, "awards": right}, course.stranger, "another-officer"),
        (
            {"evaluation": tender.evaluation_id, "awards": right, "tender": course.other.ocid},
            None,
            "another-tender",
        ),
    ):
        await stage.refuses("award-intentions", stage.by_officer(IntendedAward, officer, **fields), 409, code)
    await stage.refuses(
        "award-intentions", sign(tender.intention(), town.officer), 409, "conflict-undeclared"
    )
    in_advance = stage.by_officer(Award, intention=tender.evaluation_id, awards=right)
    await stage.refuses("awards", in_advance, 404, "not-yet")


async def refused_before_the_award(course: Course) -> None:
    """What was intended is awarded, by an officer without a conflict, after the standstill."""
    town, tender, stage = course.town, course.tender, course.stage
    await stage.refuses("awards", sign(tender.final_award(), town.officer), 409, "standstill")
    other_time = msgspec.structs.replace(tender.intention(), time=tender.notice.published)
    await stage.refuses("award-intentions", sign(other_time, town.officer), 409, "said-before")
    await asyncio.sleep(tender.notice.standstill)
    right, nobody = first_in_line(tender.evaluation), (LotAward(lot="1"),)
    for fields, officer, code in (
        ({"intention": "0" * 64, "awards": right}, None, "not-as-intended"),
        ({"intention": tender.intention_id, "awards": nobody}, None, "not-as-intended"),
        ({"intention": tender.intention_id, "awards": right}, course.stranger, "another-officer"),
        ({"intention": tender.intention_id, "awards": right}, town.second, "conflict-undeclared"),
    ):
        await stage.refuses("awards", stage.by_officer(Award, officer, **fields), 409, code)


async def refused_after_the_award(course: Course) -> None:
    """Whatever was said may be said again, and nothing else."""
    town, tender, stage = course.town, course.tender, course.stage
    before = await town.rows(tender.ocid)
    events = (await tender.get("timeline")).json()["events"]
    for seq, route, status in (
        (1, "countersignatures", 201),
        (3, "opening-partials", 201),
        (8, "conflict-declarations", 201),
        (9, "score-sheets", 201),
        (-4, "award-intentions", 201),
        (-2, "countersignatures", 201),
        (-1, "awards", 202),
    ):
        statement = (await tender.get(f"statements/{events[seq]['statement']}")).content
        assert (await tender.post(route, statement)).status_code == status, events[seq]
    assert await town.rows(tender.ocid) == before
    right = first_in_line(tender.evaluation)
    await stage.refuses(
        "awards", stage.by_officer(Award, intention=tender.intention_id, awards=right), 409, "said-before"
    )
    said = {"opening": await tender.opening_id(), "conflict": True, "explanation": "Too late."}
    late = stage.by_officer(ConflictDeclaration, course.stranger, **said)
    await stage.refuses("conflict-declarations", late, 409, "awarded")


async def test_every_step_needs_its_own_role(case: Case, town: Town) -> None:
    stage, about = Stage(case.tender), case.tender.about(case.bidder)
    zeros = "0" * 64
    fields: dict[str, dict[str, Any]] = {
        "countersignatures": {"statement": case.tender.notice_id},
        "conflict-declarations": {"opening": zeros, "conflict": False, "explanation": ""},
        "opening-partials": {"part": "bid", "round": "1", "member": 1, "signature": "0" * 96},
        "score-sheets": {"scores": [{"bid": zeros, "lot": "1", "criterion": "a", "score": "1"}]},
        "reserve-prices": {"lot": "1", "salt": zeros, "prices": ["1"] * 15},
        "late-closings": {"closing": zeros, "reason": "None."},
        "award-intentions": {"evaluation": zeros, "awards": []},
        "awards": {"intention": zeros, "awards": []},
    }
    for route, purpose in STEPS.items():
        said = signed_anyhow(encode(about | fields[route]), purpose, case.bidder)
        await stage.refuses(route, said, 403, "certificate-invalid")
    notice = msgspec.structs.replace(case.tender.notice, signer=case.bidder.fingerprint, tender="by-a-bidder")
    answer = await town.http.post(
        "/api/v1/tenders", content=signed_anyhow(encode(notice), "notice", case.bidder)
    )
    problem(answer, 403, "certificate-invalid")


async def test_nothing_opens_before_the_closing_is_witnessed_or_a_late_one_is_answered_for(
    dsn: str, house: House
) -> None:
    async with running_with("http://127.0.0.1:9", dsn, house) as http:  # nobody is there
        town = await Town.settle(http, house, dsn)
        tender = await town.publish(a_lot(), lead=2, margin=0)
        stage = Stage(tender)
        assert (await tender.post("bids", tender.seal(await town.bidder("Bidder")))).status_code == 201
        await tender.until("tender:closed")
        await tender.round()
        for route in ("closing", "entries/0", "entries/1"):
            problem(await tender.get(route), 404, "not-yet")
        await stage.refuses("opening-partials", stage.order("bid"), 409, "not-witnessed")
        closing = (await tender.get("timeline")).json()["events"][-1]["statement"]
        late = stage.by_officer(LateClosing, town.second, closing=closing, reason="No witness.")
        await stage.refuses("late-closings", late, 409, "not-witnessed")

    async with running(dsn, house) as town.http:
        tender.office = town.line()
        closed = await read_closing(tender.office, await read_notice(tender.office, tender.ocid))
        assert closed.witnessed >= tender.notice.opens
        await stage.refuses("opening-partials", stage.order("bid"), 409, "not-witnessed")
        stranger = await town.enrol(Role.OFFICER, "Another officer")
        for fields, officer, code in (
            ({"closing": closing}, stranger, "another-officer"),
            ({"closing": tender.notice_id}, None, "wrong-closing"),
        ):
            wrong = stage.by_officer(LateClosing, officer, reason="No witness.", **fields)
            await stage.refuses("late-closings", wrong, 409, code)
        assert (await tender.post("late-closings", late)).status_code == 201
        await tender.order("bid")
        data = await conclude(tender)
    verdict = record.verify(data, town.trust)
    assert not verdict.clean
    assert "No witness." in verdict.reservations[0]


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
IN_PATHS = (
    "x",
    "0" * 64,
    "-1",
    "9" * 30,
    "1.5",
    "%00",
    "%0A",
    "..%2f..%2fkeys",
    "%ff%fe",
    "null",
    "'; DROP TABLE tender; --",
    "<script>",
    "x" * 3000,
    "{ocid}%0A",
    "%EB%B3%B4%EB%A6%AC",
)
BODIES = (
    b"",
    b"\x00\xff",
    b"{}",
    b"[]",
    b"null",
    b"[" * 60_000,
    b'{"role":"officer","request":NaN}',
    b'{"role":"officer","request":"AAAA"}',
    b'{"role":"mayor","request":"AAAA"}',
    b'{"role":1e999,"request":{"a":' + b"9" * 5000 + b"}}",
)


UNHEARD = {"log_head", "log_checkpoint", "intake_up", "challenge", "access_journal", "handover"}
"""Tables that change although nothing is said, once the log rests: whoever knocks gets a challenge, what
fails is noted, the service beats, and what is handed over is ciphertext, so any bytes."""


async def test_garbage_at_any_address_by_any_method_is_a_problem_and_no_accident(
    case: Case, town: Town
) -> None:
    spec = (await town.http.get("/api/openapi.json")).json()
    await sequenced(town)
    paths = {
        *spec["paths"],
        "/",
        "/tenders",
        "/tenders/{ocid}",
        "/assets/{file}",
        "/api/{anything}",
        "/log/tile/{path}",
    }
    before = await town.rows()
    for template in sorted(paths):
        for method in METHODS:
            await garbage(town, method, filled(template, case.tender.ocid, case.tender.ocid))
        for filling in IN_PATHS if "{" in template else ():
            for method in ("GET", "POST"):
                await garbage(town, method, filled(template, filling, case.tender.ocid))
        for body in BODIES:
            await garbage(town, "POST", filled(template, case.tender.ocid, case.tender.ocid), body)
    after = await town.rows()
    for table in set(before) - UNHEARD:
        assert after[table] == before[table], table


async def sequenced(town: Town) -> None:
    """Returns once everything that was said has its place in the log."""
    for _ in range(400):
        rows = await town.rows()
        if not rows["log_queue"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the log does not come to rest")


async def garbage(town: Town, method: str, path: str, body: bytes | None = None) -> None:
    headers = {"Content-Type": "application/json", "Accept": "image/png;q=x", "Range": "bytes=9-"}
    answer = await town.http.request(method, path, content=body, headers=headers)
    assert answer.status_code < 500, (method, path, body and body[:40], answer.text)
    if answer.status_code >= 400 and method != "HEAD":
        said = answer.json()
        problem(answer, answer.status_code, said["code"])
        assert re.fullmatch("[a-z][a-z0-9-]+", said["code"])


def filled(template: str, filling: str, ocid: str) -> str:
    return re.sub(r"\{[^}]*\}", lambda _: filling.replace("{ocid}", ocid), template)


async def test_an_address_with_a_newline_is_no_address(case: Case, town: Town) -> None:
    path = f"{case.tender.path}%0A"
    for answer in (await town.http.get(path), await town.http.post(f"{path}/bids", content=case.envelope)):
        assert "refusal" not in problem(answer, 400, "validation")


def app_of(http: httpx.AsyncClient) -> Any:
    """The application behind a client."""
    transport = http._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app


async def refused_bid(case: Case, body: bytes, status: int, code: str) -> None:
    """A typed problem and a signed refusal of these very bytes; nothing else has happened."""
    before = await case.tender.town.rows(case.tender.ocid)
    answer = problem(await case.tender.post("bids", body), status, code)
    statement = Statement(from_base64(answer["refusal"]))
    refusal = await case.tender.office.verified_unless_revoked(statement, Refusal, datetime.now(UTC))
    assert (refusal.reason, refusal.tender) == (code, case.tender.ocid)
    assert refusal.received == sha256(body).hex()
    assert await case.tender.town.rows(case.tender.ocid) == before


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a problem (RFC 9457) with that code."""
    assert answer.headers["content-type"].split(";")[0] == PROBLEM, answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert (body["status"], body["type"]) == (status, f"urn:openseal:problem:{code}")
    assert set(body) - {"refusal"} == {"type", "title", "status", "detail", "code"}
    assert len(body["detail"]) < 1000
    return body


def changed(envelope: bytes, twice: bool = False, **fields: Any) -> bytes:
    """The envelope with other DSSE fields."""
    dsse = msgspec.json.decode(envelope) | fields
    return encode(dsse | {"signatures": dsse["signatures"] * 2} if twice else dsse)


def certify(authority: Authority, now: datetime) -> SigningKey:
    key = ec.generate_private_key(ec.SECP256R1())
    return SigningKey(key, authority.issue(request(key, authority.role, "Somebody", "123"), now))


async def known(town: Town, key: SigningKey) -> SigningKey:
    """The certificate as a row in the database, however it came there."""
    connection = await asyncpg.connect(town.dsn)
    await registry.add_certificate(connection, key.certificate)
    await connection.close()
    return key
