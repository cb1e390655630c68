"""The practice ground, over HTTP: a stranger learns to bid, alone, from application to award record."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from bids.client import RefusedError, Service, ServiceError, read_trust
from bids.envelope import compose, entropy_size
from crypto.certificates import PrivateKey, Role, Signer, SigningKey, request
from crypto.encoding import decode, moment, parse_moment
from crypto.statements import Statement, sign
from procurement import record
from procurement.authorities import local_beacon
from procurement.client import path_of, read_notice, submit_bid
from procurement.enquiries import Enquiry
from procurement.errors import TenderError
from procurement.notices import LegalBasis
from procurement.numbers import practice_number
from procurement.registry import applicant
from procurement.registry.errors import PracticeFullError
from procurement.registry.practice import RATES, PracticeRegistrar, Rate
from procurement.registry.statements import Approval, CertificateIssued, Reason, Representative
from procurement.sandbox.offer import DECLARED, GUIDE, Pace
from procurement.sandbox.people import Casts
from procurement.service import House, embedded_witness, working
from procurement.tenders import Bid, LotOffer, Notice, padded
from procurement.timekeeping import Clock
from tests.builders import a_lot
from tests.conftest import fresh_database
from tests.flows.conftest import a_town, running
from tests.flows.doomed import DoomedService, Point, doomed_service
from tests.flows.people import PracticeTender, Town, wait_until
from tests.flows.test_consortium import a_word
from tests.flows.test_registry import Elsewhere, logged

MANY = (Rate(1000, timedelta(hours=1)),)
FEW = (Rate(3, timedelta(minutes=30)),)
QUICK = Pace(newcomers=MANY, lead=12, shared=9, grace=1, margin=4, standstill=1)
LONG = Pace(newcomers=MANY, lead=900, shared=600)
NAME = "Haenam apples / 해남 사과"


def in_a_town(pace: Pace | None) -> Any:
    @pytest.fixture(scope="module")
    async def town(
        postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[Town]:
        async with a_town(postgres, migrated, tmp_path_factory.mktemp("town"), pace) as town:
            yield town

    return town


town = in_a_town(LONG)
quick = in_a_town(QUICK)
bare = in_a_town(None)
crowded = in_a_town(msgspec.structs.replace(LONG, newcomers=FEW))


def a_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


async def practising(line: Service, key: PrivateKey | None = None, name: str = NAME) -> SigningKey:
    """Somebody who applies for the number of their own key, and is certified in the same breath."""
    key = key or a_key()
    return await applicant.enrol(line, key, Role.BUSINESS, name, practice_number(key.public_key()))


async def asked(http: httpx.AsyncClient, status: int = 201) -> dict[str, Any]:
    answer = await http.post("/api/v1/practice-tenders")
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def until_award(http: httpx.AsyncClient, ocid: str) -> None:
    for _ in range(1200):
        if (await http.get(f"{path_of(ocid)}/timeline")).json().get("status") in ("complete", "terminated"):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the practice tender did not come to its end")


async def verified(http: httpx.AsyncClient, ocid: str) -> record.Verdict:
    await until_award(http, ocid)
    service = Service(http, await read_trust(http))
    data = await service.wait_for(f"{path_of(ocid)}/record")
    verdict = await asyncio.to_thread(record.verify, data, service.trust)
    assert verdict.outcome == "verified", verdict.steps[-1]
    return verdict


def a_bid(apples: str = "1000000") -> Mapping[Any, bytes]:
    bid = Bid(offers=(LotOffer(lot="apples", amount=apples),), declarations=(DECLARED,))
    return {"bid": padded(bid)}


# ── a stranger practises ─────────────────────────────────────────────────────────────────────────────────


async def test_a_stranger_bids_and_the_tender_comes_to_a_verified_award_by_itself(quick: Town) -> None:
    line = quick.line()
    key = await practising(line)
    ocid = (await asked(quick.http))["tender"]
    tender = await read_notice(quick.line(), ocid)
    assert tender.notice.practice
    guide = await quick.http.get(f"{path_of(ocid)}/documents/guide")
    assert guide.content == GUIDE
    receipt = await submit_bid(line, tender, key, a_bid("1"))
    assert receipt.bidder == key.certificate.registration
    verdict = await verified(quick.http, ocid)
    bids = (await quick.http.get(f"{path_of(ocid)}/bids")).json()["bids"]
    names = {each["bidder"] for each in bids}
    assert names == {NAME, "Practice rival 1 / 연습 경쟁자 1", "Practice rival 2 / 연습 경쟁자 2"}
    assert all(each["registration"].startswith("practice-") for each in bids)
    assert f"lot apples: {key.certificate.registration}" in verdict.steps[11].findings


async def test_nobody_stops_an_award_in_practice_by_naming_its_officer_as_their_own(quick: Town) -> None:
    line, key = quick.line(), a_key()
    learner = await practising(line, key)
    ocid = (await quick.http.post("/api/v1/practice-tenders")).json()["tender"]
    tender = await read_notice(quick.line(), ocid)
    await submit_bid(line, tender, learner, a_bid("1"))
    ours = Representative(name="Ours", person=tender.officials.second)
    holder = Signer(key, request(key, Role.BUSINESS, NAME, learner.certificate.registration))
    again = applicant.application(holder, line.now(), representatives=(ours,))
    with refused("practice-number"):
        await line.post("/api/v1/registrations", again.data)
    await verified(quick.http, ocid)


async def test_every_question_is_answered_for_all(quick: Town) -> None:
    key = await practising(quick.line())
    ocid = (await asked(quick.http, 201))["tender"]
    tender = await read_notice(quick.line(), ocid)
    enquiry = Enquiry(
        signer=key.fingerprint,
        tender=ocid,
        notice=tender.notice_id,
        question="How heavy is a box?",
        salt=secrets.token_hex(32),
        time=moment(datetime.now(UTC)),
    )
    await quick.line().post(f"{path_of(ocid)}/enquiries", sign(enquiry, key))
    for _ in range(1200):
        [told] = (await quick.http.get(f"{path_of(ocid)}/enquiries")).json()["enquiries"]
        if "answer" in told:
            break
        await asyncio.sleep(0.1)
    assert "officer answers" in told["answer"]
    assert "heavy" not in str(told)
    await verified(quick.http, ocid)


async def test_a_tender_in_which_nobody_bids_ends_unsuccessful(
    postgres: str, migrated: str, open_folder: Path
) -> None:
    """The rivals' certificates are revoked, so that not even they bid."""
    house = House.below(open_folder)
    async with (
        fresh_database(postgres, f"town_{uuid4().hex}", migrated) as dsn,
        running(dsn, house, pace=QUICK) as http,
    ):
        town = await Town.settle(http, house, dsn)
        for rival in casts(house).now.rivals:
            fingerprint = rival.key.fingerprint
            await applicant.revoke(town.line(), town.registrar, fingerprint, Reason.SUPERSEDED)
        ocid = (await asked(http))["tender"]
        await until_award(http, ocid)
        timeline = (await http.get(f"{path_of(ocid)}/timeline")).json()
        assert [each["type"] for each in timeline["events"]][-2:] == [
            "termination:countersigned",
            "tender:terminated",
        ]


def casts(house: House) -> Casts:
    return decode((house.keys / "practice").read_bytes(), Casts, limit=1 << 20)


# ── one tender for all ───────────────────────────────────────────────────────────────────────────────────


async def test_whoever_asks_at_the_same_time_shares_one_tender(town: Town) -> None:
    answers = await asyncio.gather(*(town.http.post("/api/v1/practice-tenders") for _ in range(20)))
    assert sorted(each.status_code for each in answers)[:19] == [200] * 19
    assert len({each.json()["tender"] for each in answers}) == 1
    found = answers[0].json()
    assert (await asked(town.http, 200)) == found
    listed = (await town.http.get("/api/v1/practice-tenders")).json()["tenders"]
    assert listed == [found]
    [everywhere] = [
        each
        for each in (await town.http.get("/api/v1/tenders")).json()["tenders"]
        if each["tender"] == found["tender"]
    ]
    assert everywhere["practice"] is True


async def test_a_new_tender_comes_when_too_little_is_left_of_the_one_before(quick: Town) -> None:
    first = (await quick.http.post("/api/v1/practice-tenders")).json()
    await wait_until(parse_moment(first["deadline"]) - timedelta(seconds=QUICK.shared - 0.5))
    second = await asked(quick.http)
    assert first["tender"] != second["tender"]
    assert first["deadline"] < second["deadline"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_without_a_ground_that_is_said(bare: Town, method: str) -> None:
    answer = await bare.http.request(method, "/api/v1/practice-tenders")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-practice-ground")
    with refused("no-practice-ground"):
        await practising(bare.line())


# ── killed at any point ──────────────────────────────────────────────────────────────────────────────────

UNHURRIED = Pace(lead=25, shared=20, grace=1, margin=5, standstill=2, newcomers=MANY)
SEEN = ("tender:published", "tender:closed", "order:partial", "conflict:declared", "award:intended")


@pytest.fixture
async def doomed(dsn: str, house: House) -> AsyncIterator[DoomedService]:
    async with doomed_service(house, dsn, UNHURRIED) as service:
        yield service


@asynccontextmanager
async def line_to(service: DoomedService) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=service.url, timeout=60, limits=limits, trust_env=False) as http:
        yield http


async def until_seen(dsn: str, event: str) -> None:
    connection = await asyncpg.connect(dsn)
    for _ in range(6000):
        if await connection.fetchval("SELECT EXISTS (SELECT FROM event WHERE type = $1)", event):
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError(f"{event} has not happened")
    await connection.close()


async def test_a_practice_tender_goes_on_wherever_its_service_is_killed(
    dsn: str, doomed: DoomedService
) -> None:
    async with line_to(doomed) as http:
        ocid = (await asked(http))["tender"]
        for event in SEEN:
            await until_seen(dsn, event)
            doomed.kill()
            await doomed.start()
        verdict = await verified(http, ocid)
        assert "2 envelopes, 2 bidders" in verdict.steps[3].findings


async def test_an_award_that_waits_for_the_second_officer_is_made_again_after_a_crash(
    dsn: str, doomed: DoomedService
) -> None:
    async with line_to(doomed) as http:
        ocid = (await asked(http))["tender"]
        async with doomed.held_at(Point("INSERT ON draft", at_commit=True)) as held:
            await held()
            doomed.kill()
        await doomed.start()
        await verified(http, ocid)


async def test_whoever_asks_again_after_a_crash_gets_a_tender(doomed: DoomedService) -> None:
    async with line_to(doomed) as http:
        async with doomed.held_at(Point("INSERT ON draft", at_commit=True)) as held:
            asking = asyncio.create_task(http.post("/api/v1/practice-tenders"))
            await held()
            doomed.kill()
        with pytest.raises(httpx.TransportError):
            await asking
        await doomed.start()
        found = await asked(http)
        assert (await asked(http, 200))["tender"] == found["tender"]


async def test_a_restart_changes_nobody_on_the_ground(doomed: DoomedService) -> None:
    before = casts(doomed.house)
    doomed.kill()
    await doomed.start()
    assert casts(doomed.house) == before


async def test_who_counts_no_more_is_replaced_at_a_start_and_ends_what_is_under_way(
    dsn: str, doomed: DoomedService
) -> None:
    async with line_to(doomed) as http:
        town, before = await Town.settle(http, doomed.house, dsn), casts(doomed.house).now
        ocid = (await asked(http))["tender"]
        learner, tender = await practising(town.line()), await read_notice(town.line(), ocid)
        await submit_bid(town.line(), tender, learner, a_bid())
        for rival in before.rivals:
            fingerprint = rival.key.fingerprint
            await applicant.revoke(town.line(), town.registrar, fingerprint, Reason.SUPERSEDED)
        doomed.kill()
        await doomed.start()
        after = casts(doomed.house)
        assert after.before == before
        old, new = ({each.seed for each in cast.everybody} for cast in (before, after.now))
        assert not old & new
        await verified(http, ocid)
        await verified(http, (await asked(http))["tender"])


@pytest.mark.parametrize("role", [Role.REGISTRAR, Role.OFFICER, Role.COMMITTEE, Role.BUSINESS])
async def test_where_people_are_certified_elsewhere_there_is_no_ground(
    dsn: str, house: House, tmp_path: Path, role: Role
) -> None:
    elsewhere = Elsewhere(tmp_path / "roots", role)
    witnesses, beacon = embedded_witness(house, "http://127.0.0.1:1"), local_beacon(house.keys, 1)
    async with (
        working(house, dsn, witnesses, beacon, Clock(), elsewhere.folder, pace=LONG) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http,
    ):
        answer = await http.post("/api/v1/practice-tenders")
        assert (answer.status_code, answer.json()["code"]) == (404, "no-practice-ground")
        assert "certified elsewhere" in answer.json()["detail"]
    assert not (house.keys / "practice").exists()


# ── practice is practice ─────────────────────────────────────────────────────────────────────────────────


def refused(code: str) -> "pytest.RaisesExc[ServiceError]":
    return pytest.RaisesExc(ServiceError, check=lambda error: error.code == code)


async def test_a_practice_business_is_turned_away_from_a_real_tender(town: Town) -> None:
    tender = await a_real_tender(town)
    key = await practising(town.line())
    announced = await read_notice(town.line(), tender.ocid)
    with pytest.raises(TenderError, match="is a practice number"):
        await submit_bid(town.line(), announced, key, tender.contents("1000000"))
    before = await town.kept()
    with pytest.raises(RefusedError, match="is a practice number") as turned:
        await town.line().submit(tender.seal(key), tender.terms, tender.notice.deadline)
    assert (turned.value.refusal.reason, turned.value.status) == ("practice-only", 403)
    assert await town.kept() == before


async def test_a_practice_business_is_nobodys_partner_in_a_real_tender(town: Town) -> None:
    tender = await a_real_tender(town)
    lead, partner = await town.bidder("Hanbit"), await practising(town.line())
    announced = await read_notice(town.line(), tender.ocid)
    with pytest.raises(TenderError, match="is a practice number"):
        await submit_bid(town.line(), announced, lead, tender.contents("1000000"), [partner])
    entropy = secrets.token_bytes(entropy_size(tender.terms))
    envelope = compose(
        dict(tender.contents("1000000")), tender.terms, lead, entropy, None, (partner.fingerprint,)
    )
    word = a_word(tender, partner, Statement(envelope).id)
    answer = await tender.post("co-signatures", word)
    assert (answer.status_code, answer.json()["code"]) == (403, "practice-only")
    with pytest.raises(RefusedError) as turned:
        await town.line().submit(envelope, tender.terms, tender.notice.deadline)
    assert turned.value.refusal.reason == "practice-only"


async def test_a_practice_business_asks_nothing_in_a_real_tender(town: Town) -> None:
    tender = await a_real_tender(town)
    key = await practising(town.line())
    enquiry = Enquiry(**tender.about(key), question="What is it?", salt=secrets.token_hex(32))
    answer = await tender.post("enquiries", sign(enquiry, key))
    assert (answer.status_code, answer.json()["code"]) == (403, "practice-only")


async def test_a_practice_officer_publishes_no_real_tender_and_countersigns_none(town: Town) -> None:
    cast = casts(town.house).now
    officer, second = cast.officer.key, cast.second.key
    notice = a_real_notice(town, signer=officer.fingerprint)
    answer = await town.http.post("/api/v1/tenders", content=sign(notice, officer))
    assert (answer.status_code, answer.json()["code"]) == (403, "practice-only")
    notice = a_real_notice(town)
    statement = sign(notice, town.officer)
    await town.line().post("/api/v1/tenders", statement)
    waiting = PracticeTender(town, notice, statement)
    with refused("practice-only"):
        await waiting.countersign(waiting.notice_id, second)


async def test_a_practice_member_is_on_no_committee_of_a_real_tender(town: Town) -> None:
    cast = casts(town.house).now
    notice = a_real_notice(town, committee=cast.committee, transcript=cast.transcript)
    answer = await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))
    assert (answer.status_code, answer.json()["code"]) == (403, "practice-only")


def a_real_notice(town: Town, **changes: Any) -> Notice:
    """One that is held under a law, for twenty days."""
    legal = LegalBasis(jurisdiction="kr-national", procedure="small-value")
    lead = timedelta(days=20).total_seconds() / town.pace
    real: dict[str, Any] = {
        "practice": False,
        "legal": legal,
        "category": "goods",
        "estimated_value": "10000000",
    }
    return town.notice(a_lot(), lead=lead, **(real | changes))


async def a_real_tender(town: Town) -> PracticeTender:
    notice = a_real_notice(town)
    tender = PracticeTender(town, notice, sign(notice, town.officer))
    await tender.publish()
    return tender


# ── practice numbers ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [a_key, ed25519.Ed25519PrivateKey.generate])
async def test_whoever_practises_is_certified_at_once_by_a_signed_and_logged_approval(
    town: Town, make: Callable[[], PrivateKey]
) -> None:
    key = await practising(town.line(), make())
    [entry] = [each for each in await logged(town) if key.fingerprint.encode() in each]
    issued = decode(entry, CertificateIssued)
    answer = await town.http.get(f"/api/v1/registry-statements/{issued.statement}")
    registrar = casts(town.house).now.registrar.key.certificate
    Statement(answer.content).verify(Approval, registrar)


@pytest.mark.parametrize(
    ("role", "number"),
    [
        (Role.BUSINESS, "practice-0123456789abcdef"),
        (Role.BUSINESS, "practice-1"),
        (Role.BUSINESS, "PRACTICE-{own}"),
        (Role.BUSINESS, "practice-{own}0"),
        (Role.OFFICER, "practice-{own}"),
        (Role.COMMITTEE, "practice-{own}"),
        (Role.REGISTRAR, "practice-{own}"),
    ],
)
async def test_no_other_number_is_given_out_for_practice(town: Town, role: Role, number: str) -> None:
    key = a_key()
    own = practice_number(key.public_key()).removeprefix("practice-")
    before = await town.kept()
    with refused("practice-number"):
        await applicant.enrol(town.line(), key, role, NAME, number.format(own=own))
    assert await town.kept() == before


async def test_a_practice_number_is_not_taken_by_another_key_nor_renewed(town: Town) -> None:
    key = await practising(town.line())
    with refused("practice-number"):
        await applicant.enrol(town.line(), a_key(), Role.BUSINESS, NAME, key.certificate.registration)
    with refused("practice-number"):
        await applicant.renew(town.line(), key, a_key())


async def test_a_practice_number_represents_no_real_business(town: Town) -> None:
    key, person = a_key(), Representative(name="Hong", person="practice-0123456789abcdef")
    asked_for = request(key, Role.BUSINESS, "Hanbit", f"KR-{secrets.token_hex(6)}")
    statement = applicant.application(Signer(key, asked_for), datetime.now(UTC), representatives=[person])
    with refused("practice-number"):
        await applicant.apply(town.line(), statement)


async def test_the_practice_registrar_decides_about_practice_numbers_only(town: Town) -> None:
    registrar = casts(town.house).now.registrar.key
    key = a_key()
    asked_for = request(key, Role.OFFICER, "Officer Choi", f"O-{secrets.token_hex(6)}")
    statement = applicant.application(Signer(key, asked_for), datetime.now(UTC))
    await applicant.apply(town.line(), statement)
    with refused("practice-only"):
        await applicant.approve(town.line(), registrar, statement.id)
    with refused("practice-only"):
        await applicant.reject(town.line(), registrar, statement.id, "No.")
    with refused("practice-only"):
        await applicant.revoke(town.line(), registrar, town.officer.fingerprint, Reason.SUPERSEDED)


async def test_any_registrar_may_end_somebodys_practice(town: Town) -> None:
    key = await practising(town.line())
    await applicant.revoke(town.line(), town.registrar, key.fingerprint, Reason.PRIVILEGE_WITHDRAWN)
    ocid = (await town.http.post("/api/v1/practice-tenders")).json()["tender"]
    tender = await read_notice(town.line(), ocid)
    with pytest.raises(RefusedError, match="revoked"):
        await submit_bid(town.line(), tender, key, a_bid())


async def test_whoever_comes_when_too_many_came_is_told_when_to_come_back(crowded: Town) -> None:
    """The ground's rivals have taken two places."""
    await practising(crowded.line())
    key = a_key()
    asked_for = request(key, Role.BUSINESS, NAME, practice_number(key.public_key()))
    persons = [Representative(name=NAME)]
    statement = applicant.application(Signer(key, asked_for), datetime.now(UTC), representatives=persons)
    before = await crowded.kept()
    answer = await crowded.http.post("/api/v1/registrations", content=statement.data)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
    assert 1700 < int(answer.headers["Retry-After"]) <= 1801
    assert await crowded.kept() == before


def test_so_many_are_let_in_within_a_minute_and_within_an_hour() -> None:
    registrar = PracticeRegistrar(key=None, rates=RATES)  # type: ignore[arg-type]  # asks for no signature
    now = datetime(2026, 12, 1, tzinfo=UTC)
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    registrar.check_room([now - timedelta(seconds=each) for each in (50, 40, 30, 20)], now)
    with pytest.raises(PracticeFullError) as full:
        registrar.check_room([now - timedelta(seconds=each) for each in (50, 40, 30, 20, 10)], now)
    assert full.value.seconds == 11
    registrar.check_room([now - hour, *(now - minute * (1 + each) for each in range(58, -1, -1))], now)
    with pytest.raises(PracticeFullError) as full:
        registrar.check_room([now - minute * (1 + each) / 2 for each in range(118, -2, -2)], now)
    assert full.value.seconds == 31
