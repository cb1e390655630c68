"""What happens to a tender before its deadline: questions, amendments, outages, an end without an award."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from bids.client import RefusedError
from bids.receipts import Closing
from crypto.certificates import Role, SigningKey
from crypto.encoding import encode, from_base64, moment
from crypto.statements import Statement, sign
from procurement import record
from procurement.authorities import local_beacon, log_key
from procurement.awards import Termination
from procurement.client import read_closing, read_notice, verify_orders
from procurement.clocks import Spread
from procurement.editions import Extension
from procurement.enquiries import Answer, Enquiry
from procurement.errors import TenderError
from procurement.login import client
from procurement.service import House, embedded_witness, witness_process, working
from procurement.tenders import OutageRule, Previous
from procurement.timekeeping import Clock
from tests.builders import a_lot, panel_rules
from tests.flows.people import PracticeTender, Town, signed_anyhow, wait_until

ORIGIN = "http://localhost"

Life = Callable[[Town], Coroutine[Any, Any, None]]


async def code_of(tender: PracticeTender, route: str, body: bytes) -> tuple[int, str]:
    answer = await tender.post(route, body)
    return answer.status_code, answer.json().get("code", "")


async def refused(tender: PracticeTender, envelope: bytes) -> str:
    with pytest.raises(RefusedError) as error:
        await tender.submit(envelope)
    return error.value.code


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────


def an_enquiry(tender: PracticeTender, key: SigningKey, question: str = "Which wood?") -> Enquiry:
    return Enquiry(**tender.about(key), question=question, salt=secrets.token_hex(32))


async def test_a_question_is_answered_for_all_and_nobody_learns_who_asked(town: Town) -> None:
    soon = moment(datetime.now(UTC) + timedelta(seconds=50))
    tender = await town.publish(a_lot(), lead=60, enquiries_until=soon)
    asker = await town.bidder("Curious Carpenters")
    asked = sign(an_enquiry(tender, asker), asker)
    assert (await tender.post("enquiries", asked)).status_code == 201
    assert (await tender.post("enquiries", asked)).json() == {"statement": Statement(asked).id}
    [shown] = (await tender.get("enquiries")).json()["enquiries"]
    assert shown.keys() == {"enquiry", "asked"}, "until it is answered, not even what was asked is told"
    assert shown["enquiry"] == Statement(asked).id
    assert (await tender.get(f"statements/{Statement(asked).id}")).json()["code"] == "no-such-statement"

    about = tender.about(town.officer)
    answer = Answer(**about, enquiry=Statement(asked).id, question="Which wood?", answer="Oak.")
    assert (await code_of(tender, "answers", sign(answer, town.officer)))[0] == 201
    [shown] = (await tender.get("enquiries")).json()["enquiries"]
    assert (shown["question"], shown["answer"]) == ("Which wood?", "Oak.")
    assert (await tender.get(f"statements/{shown['statement']}")).status_code == 200

    everything = [await tender.get(route) for route in ("enquiries", "timeline", "")]
    everything.append(await town.http.get(f"/tenders/{tender.ocid}"))
    for page in everything:
        assert "Curious" not in page.text
        assert asker.certificate.registration not in page.text
    assert "Oak." in everything[-1].text
    again = Answer(**about, enquiry=Statement(asked).id, question="Which wood?", answer="Pine.")
    assert await code_of(tender, "answers", sign(again, town.officer)) == (409, "said-before")


async def test_the_officers_of_the_tender_read_what_was_asked_and_nobody_else(town: Town) -> None:
    soon = moment(datetime.now(UTC) + timedelta(seconds=50))
    tender = await town.publish(a_lot(), lead=60, enquiries_until=soon)
    asker = await town.bidder("Asker")
    asked = sign(an_enquiry(tender, asker, "Is ash wood good enough?"), asker)
    await tender.post("enquiries", asked)
    third = await town.enrol(Role.OFFICER, "Officer of another tender")
    answers = {}
    for who in (town.officer, town.second, town.auditor, third, asker):
        code = (await client.log_in(town.line(), who, ORIGIN)).code
        async with client.session(town.http, code, ORIGIN):
            answers[who] = await town.http.get(f"{tender.path}/questions")
    assert [answers[who].status_code for who in (town.officer, town.second, town.auditor)] == [200] * 3
    [shown] = answers[town.officer].json()["questions"]
    assert Statement(from_base64(shown["statement"])).read(Enquiry).question == "Is ash wood good enough?"
    assert answers[third].json()["code"] == "another-officer"
    assert answers[asker].json()["code"] == "role-not-admitted"


async def a_question_is_refused_where_none_are_taken_late_too_often_or_by_others(town: Town) -> None:
    asker = await town.bidder("Asker")
    silent = await town.publish(a_lot(), lead=60)
    assert await code_of(silent, "enquiries", sign(an_enquiry(silent, asker), asker)) == (
        409,
        "no-enquiries",
    )
    until = datetime.now(UTC) + timedelta(seconds=6 * town.pace)
    tender = await town.publish(a_lot(), lead=60, enquiries_until=moment(until))
    officers = encode(an_enquiry(tender, town.officer))
    officers = signed_anyhow(officers, Enquiry.PURPOSE, town.officer)
    assert (await code_of(tender, "enquiries", officers))[0] == 403
    other = Answer(**tender.about(town.officer), enquiry="00" * 32, question="?", answer="!")
    assert await code_of(tender, "answers", sign(other, town.officer)) == (409, "no-such-enquiry")
    first = sign(an_enquiry(tender, asker), asker)
    assert (await tender.post("enquiries", first)).status_code == 201
    foreign = Answer(**tender.about(asker), enquiry=Statement(first).id, question="?", answer="!")
    answered = signed_anyhow(encode(foreign), Answer.PURPOSE, asker)
    assert (await code_of(tender, "answers", answered))[0] == 403
    await wait_until(until + timedelta(seconds=0.1))
    late = sign(an_enquiry(tender, asker), asker)
    assert await code_of(tender, "enquiries", late) == (409, "enquiries-over")
    assert (await tender.post("enquiries", first)).status_code == 201, "what was taken stays taken"


# ── amendments ───────────────────────────────────────────────────────────────────────────────────────────


async def an_amendment_lets_bids_stand_and_later_ones_come_under_the_new_terms(town: Town) -> None:
    early, late = await town.bidder("Early"), await town.bidder("Late")
    tender = await town.publish(a_lot(), lead=15, margin=6)
    old = tender.terms
    first = await tender.bid(early, "300")
    stale = tender.seal(late, "250")
    amended = await tender.amend(title="School desks of oak", standstill=1)
    assert await refused(tender, stale) == "wrong-terms"
    second = await tender.bid(late, "200")
    view = (await tender.get("")).json()
    assert view["notice"]["title"] == "School desks of oak"
    assert [(each["statement"], each["changes"]) for each in view["amendments"]] == [
        (amended, ["title", "standstill"])
    ]
    closed = await tender.close()
    assert closed.closing.terms == (old.terms, tender.terms.terms)
    assert closed.closing.counted() == (first, second)
    data = await tender.awarded()
    verdict = record.verify(data, town.trust)
    assert any("amended by Officer Kim" in each for each in verdict.steps[2].findings)
    assert verdict.clean
    page = (await town.http.get(f"/tenders/{tender.ocid}")).text
    assert "The drawings were wrong." in page
    assert "tenderAmendment" in data.decode("latin-1")


async def test_an_envelope_from_before_an_amendment_still_gets_its_receipt_when_sent_again(
    town: Town,
) -> None:
    tender = await town.publish(a_lot(), lead=30)
    bidder = await town.bidder("Whose answer was lost")
    envelope = tender.seal(bidder, "300")
    before = (await tender.post("bids", envelope)).json()
    await tender.amend(description="Four legs each.")
    answers = [await tender.post("bids", envelope) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201]
    assert {each.json()["receipt"] for each in answers} == {before["receipt"]}


async def bids_that_do_not_stand_are_listed_and_never_opened(town: Town) -> None:
    silent, again = await town.bidder("Never came back"), await town.bidder("Sealed anew")
    tender = await town.publish(a_lot(), lead=15, margin=6)
    lost = await tender.bid(silent, "100")
    replaced = await tender.bid(again, "150")
    await tender.amend(stand=False, description="Of oak, not of pine.")
    anew = await tender.bid(again, "250", previous=replaced)
    closed = await tender.close()
    assert closed.closing.superseded == (lost,)
    assert closed.closing.counted() == (anew,)
    data = await tender.awarded()
    assert f"bids/{lost}".encode() not in data
    verdict = record.verify(data, town.trust)
    assert any("do not count" in each for each in verdict.reservations)


async def a_deadline_that_moves_past_the_round_leaves_bids_under_an_order_of_their_own(
    town: Town,
) -> None:
    early, late = await town.bidder("Early"), await town.bidder("Late")
    tender = await town.publish(a_lot(), lead=15, margin=2, extension_margin=3)
    first = await tender.bid(early, "300")
    old = tender.terms.round
    await tender.amend(deadline=moment(tender.notice.opens + timedelta(seconds=3)))
    assert int(tender.terms.round) > int(old)
    second = await tender.bid(late, "200")
    closed = await tender.close()
    assert set(closed.closing.counted()) == {first, second}
    data = await tender.awarded()
    verdict = record.verify(data, town.trust)
    assert any(f"bid {first} was sealed for round {old}" in each for each in verdict.reservations)
    partials = (await tender.happened()).count("order:partial")
    assert partials == 4, "two members for each of two rounds"
    await tender.verified_record()


async def a_deadline_that_moves_past_the_round_has_bids_sealed_anew_where_the_notice_says_so(
    town: Town,
) -> None:
    tender = await town.publish(
        a_lot(panel_rules()), lead=15, margin=2, extension_margin=3, on_extension="reseal"
    )
    bidder, silent = await town.bidder("Comes back"), await town.bidder("Does not")
    first, lost = await tender.bid(bidder, "300"), await tender.bid(silent, "100")
    later = moment(tender.notice.opens + timedelta(seconds=3))
    standing = sign(tender.amendment(deadline=later), town.officer)
    assert await code_of(tender, "amendments", standing) == (409, "reseal")
    await tender.amend(stand=False, deadline=later)
    anew = await tender.bid(bidder, "310", previous=first)
    closed = await tender.close()
    assert (closed.closing.counted(), closed.closing.superseded) == ((anew,), (lost,))
    await tender.round()
    await tender.order("technical")
    assert set(await tender.opened("technical")) == {anew}
    await tender.score({anew: "80"})
    await tender.order("price")
    await tender.evaluated()
    await tender.intend()
    await tender.award()
    await tender.verified_record()


async def test_what_an_amendment_may_not_do_is_refused_and_changes_nothing(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=40)
    before = await town.rows(tender.ocid)
    other = a_lot(panel_rules())
    wrong: dict[str, dict[str, Any]] = {
        "fixed": {"lots": (other,)},
        "fixed ": {"number": "2026-0002"},
        "fixed  ": {"standstill": 5, "practice": False},
        "nothing-amended": {},
        "deadline-earlier": {"deadline": moment(tender.notice.closes - timedelta(seconds=1))},
    }
    for code, changed in wrong.items():
        body = sign(tender.amendment(**changed), town.officer)
        assert (await code_of(tender, "amendments", body))[1] == code.strip(), code
    unknown = tender.amendment(standstill=3)
    later = replace(unknown.amended, round=str(int(tender.notice.round) + 5))
    third = await town.enrol(Role.OFFICER, "Officer of another tender")
    for code, other_one, key in (
        ("wrong-round", replace(unknown, amended=later), town.officer),
        ("not-latest", replace(unknown, previous="00" * 32), town.officer),
        ("another-officer", replace(unknown, signer=third.fingerprint), third),
    ):
        assert (await code_of(tender, "amendments", sign(other_one, key)))[1] == code
    assert await town.rows(tender.ocid) == before

    mine = sign(unknown, town.officer)
    assert (await code_of(tender, "amendments", mine))[0] == 202
    own = tender.countersignature(Statement(mine).id, town.officer)
    assert await code_of(tender, "countersignatures", own) == (409, "four-eyes")
    assert "tender:amended" not in await tender.happened()


async def test_two_amendments_of_one_edition_do_not_both_come_about(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=40)
    first = await tender.say("amendments", tender.amendment(standstill=3), town.officer)
    second = await tender.say("amendments", tender.amendment(standstill=4), town.officer)
    await tender.countersign(first)
    word = tender.countersignature(second, town.second)
    assert (await code_of(tender, "countersignatures", word))[1] == "not-latest"
    assert (await tender.happened()).count("tender:amended") == 1
    tender.follow(await read_notice(town.line(), tender.ocid))
    assert tender.notice.standstill == 3


async def nothing_is_amended_after_the_deadline(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=8)
    waiting = sign(tender.amendment(standstill=3), town.officer)
    await tender.post("amendments", waiting)
    await tender.deadline(0.1)
    word = tender.countersignature(Statement(waiting).id, town.second)
    assert (await code_of(tender, "countersignatures", word))[1] == "deadline-passed"
    late = sign(tender.amendment(standstill=4), town.officer)
    assert (await code_of(tender, "amendments", late))[1] == "deadline-passed"
    await tender.close()
    await tender.awarded()


async def bids_and_amendments_at_the_same_time_agree_on_who_stands(town: Town) -> None:
    bidders = [await town.bidder(f"Rusher {i}") for i in range(12)]
    tender = await town.publish(a_lot(), lead=15, margin=6)
    envelopes = [tender.seal(each, str(100 + i)) for i, each in enumerate(bidders)]

    async def rush(envelope: bytes) -> str:
        await asyncio.sleep(secrets.randbelow(1000) / 1000)
        answer = await tender.post("bids", envelope)
        return "taken" if answer.is_success else str(answer.json()["code"])

    async def amend() -> None:
        await asyncio.sleep(0.4)
        await tender.amend(stand=False, description="Of oak.")

    *outcomes, _ = await asyncio.gather(*map(rush, envelopes), amend())
    assert set(outcomes) <= {"taken", "wrong-terms"}
    taken = {Statement(e).id for e, each in zip(envelopes, outcomes, strict=True) if each == "taken"}
    closed = await tender.close()
    assert set(closed.closing.superseded) == taken
    assert closed.closing.counted() == ()
    await tender.awarded()


# ── outages ──────────────────────────────────────────────────────────────────────────────────────────────


async def the_service_was_down(town: Town, start: datetime, end: datetime) -> None:
    """Written into the ledger as its processes would have: up until `start`, and again from `end` on."""
    connection = await asyncpg.connect(town.dsn)
    try:
        await connection.execute("DELETE FROM intake_up")
        await connection.execute(
            "INSERT INTO intake_up VALUES ($1, $2), ($3, clock_timestamp())",
            start - timedelta(hours=1),
            start,
            end,
        )
    finally:
        await connection.close()


@pytest.mark.parametrize("on_extension", ["stand", "reseal"])
async def test_an_outage_before_the_deadline_moves_it_by_the_published_rule(
    town: Town, on_extension: str
) -> None:
    rule = OutageRule(window=3600, least=60, short=7200, short_extension=60, long_extension=3600)
    bidder, other = await town.bidder("In time"), await town.bidder("Because of it")
    tender = await town.publish(
        a_lot(), lead=5, margin=2, extension_margin=3, outage=rule, on_extension=on_extension
    )
    deadline = tender.notice.closes
    first = await tender.bid(bidder, "300")
    now = datetime.now(UTC)
    await the_service_was_down(town, now - timedelta(minutes=3), now - timedelta(minutes=1))
    await tender.until("tender:extended")
    tender.follow(await read_notice(town.line(), tender.ocid))
    assert tender.notice.closes == deadline + timedelta(seconds=60)
    [amendment] = (await tender.get("")).json()["amendments"]
    assert (amendment["type"], amendment["stand"]) == ("tender:extended", on_extension == "stand")
    ledger = (await town.http.get("/api/v1/outages")).json()["outages"]
    said = Statement((await tender.get(f"statements/{amendment['statement']}")).content).read(Extension)
    assert [(each.start, each.end) for each in said.gaps] == [(each["start"], each["end"]) for each in ledger]
    assert "tender:extended" in await tender.happened()
    second = await tender.bid(other, "200")
    situation = (await tender.get("timeline")).json()
    assert situation["status"] == "active"
    assert first != second


async def test_an_outage_that_is_too_short_or_of_a_notice_without_a_rule_moves_nothing(town: Town) -> None:
    rule = OutageRule(window=3600, least=300, short=7200, short_extension=60, long_extension=3600)
    with_rule = await town.publish(a_lot(), lead=4, outage=rule)
    without = await town.publish(a_lot(), lead=4)
    now = datetime.now(UTC)
    await the_service_was_down(town, now - timedelta(minutes=3), now - timedelta(minutes=1))
    for tender in (with_rule, without):
        await tender.close()
        assert "tender:extended" not in await tender.happened()


# ── an end without an award ──────────────────────────────────────────────────────────────────────────────


async def test_a_cancelled_tender_takes_no_bid_lists_those_it_has_and_opens_none(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=60)
    bidder = await town.bidder("Bidder")
    first = await tender.bid(bidder, "300")
    await tender.terminate()
    late = tender.seal(await town.bidder("Late"), "200")
    assert await refused(tender, late) == "terminated"
    await tender.until("tender:closed")
    events = (await tender.get("timeline")).json()
    assert events["status"] == "terminated"
    logged = await tender.office.logged(f"{tender.path}/closing")
    said = logged.statement.read(Closing)
    assert [each.statement for each in said.commitments] == [first]
    line = town.line()
    closed = await read_closing(line, await read_notice(line, tender.ocid))
    assert (closed.ended, closed.closing) == (True, said)
    assert (await tender.get(f"statements/{first}")).json()["code"] == "no-such-statement"
    assert (await tender.get("bids")).json()["code"] == "not-yet"
    page = (await town.http.get(f"/tenders/{tender.ocid}")).text
    assert "Nobody wants it any more." in page
    answer = await tender.post("bids", tender.seal(bidder, "100", previous=first))
    assert answer.json()["code"] in ("terminated", "not-latest")

    again = await town.publish(
        a_lot(), lead=60, previous=Previous(tender=tender.ocid, notice=tender.notice_id)
    )
    assert tender.ocid in (await town.http.get(f"/tenders/{again.ocid}")).text


async def test_a_tender_ends_by_two_officers_of_it_and_once(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=60)
    about = tender.about(town.officer)
    word = sign(Termination(**about, outcome="unsuccessful", reason="No budget."), town.officer)
    assert (await code_of(tender, "terminations", word))[0] == 202
    own = tender.countersignature(Statement(word).id, town.officer)
    assert await code_of(tender, "countersignatures", own) == (409, "four-eyes")
    assert (await tender.get("timeline")).json()["status"] == "active"
    await tender.countersign(Statement(word).id)
    again = sign(Termination(**about, outcome="cancelled", reason="Once more."), town.officer)
    assert await code_of(tender, "terminations", again) == (409, "concluded")


async def test_a_re_tender_names_one_that_is_over(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=60)
    for previous, code in (
        (Previous(tender=tender.ocid, notice=tender.notice_id), "previous-not-over"),
        (Previous(tender=tender.ocid, notice="00" * 32), "wrong-previous"),
        (Previous(tender="ocds-0s3al1-none", notice="00" * 32), "no-such-tender"),
    ):
        notice = town.notice(a_lot(), lead=60, previous=previous)
        answer = await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))
        assert answer.json()["code"] == code


async def nothing_is_opened_of_a_tender_that_has_ended_without_an_award(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=8)
    await tender.bid(await town.bidder("Sealed for good"), "300")
    closed = await tender.close()
    await tender.terminate()
    await tender.round()
    line = town.line()
    with pytest.raises(TenderError, match="ended without an award"):
        await verify_orders(line, await read_notice(line, tender.ocid), "bid")
    for member in town.members:
        partial = member.sign_order(closed.tender.terms, "bid", None, datetime.now(UTC), secrets.token_bytes)
        answer = await code_of(tender, "opening-partials", sign(partial, member.key))
        assert answer == (409, "terminated")
    assert (await tender.happened())[-1] == "tender:terminated"


async def nothing_is_awarded_once_a_tender_has_ended_without_an_award(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=8)
    await tender.bid(await town.bidder("First in line"), "300")
    await tender.close()
    await tender.round()
    await tender.order("bid")
    await tender.evaluated()
    await tender.intend()
    waiting = await tender.say("awards", tender.final_award(), town.officer)
    await tender.declare(town.second)
    await tender.terminate("unsuccessful")
    word = tender.countersignature(waiting, town.second)
    assert await code_of(tender, "countersignatures", word) == (409, "terminated")
    assert (await tender.happened())[-1] == "tender:terminated"
    assert await tender.status() == "terminated"


# ── deadlines that are spread ────────────────────────────────────────────────────────────────────────────


async def test_a_full_slot_takes_no_other_deadline_until_one_of_its_own_moves_or_ends(
    dsn: str, house: House
) -> None:
    with witness_process(house, log_key(house.keys)) as url:
        spread = Spread(1, 24 * 3600)
        async with (
            working(
                house, dsn, embedded_witness(house, url), local_beacon(house.keys, 1), Clock(), spread=spread
            ) as app,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http,
        ):
            town = await Town.settle(http, house, dsn)
            tomorrow = spread.slot(datetime.now(UTC)) + timedelta(days=1, hours=1)
            lead = (tomorrow - datetime.now(UTC)).total_seconds() / town.pace
            first = await town.publish(a_lot(), lead=lead)
            await first.amend(title="What stays in its slot is not asked whether there is room")
            same: dict[str, Any] = {"deadline": first.notice.deadline, "round": first.notice.round}
            second = sign(town.notice(a_lot(), **same), town.officer)
            answer = await http.post("/api/v1/tenders", content=second)
            assert answer.json()["code"] == "slot-full"
            assert moment(spread.slot(tomorrow) + timedelta(days=1)) in answer.json()["detail"]
            await first.terminate()
            await town.publish(a_lot(), **same)


# ── those that wait for a deadline, all at once ──────────────────────────────────────────────────────────

LIVES: list[Life] = [
    a_question_is_refused_where_none_are_taken_late_too_often_or_by_others,
    an_amendment_lets_bids_stand_and_later_ones_come_under_the_new_terms,
    bids_that_do_not_stand_are_listed_and_never_opened,
    a_deadline_that_moves_past_the_round_leaves_bids_under_an_order_of_their_own,
    a_deadline_that_moves_past_the_round_has_bids_sealed_anew_where_the_notice_says_so,
    nothing_is_amended_after_the_deadline,
    bids_and_amendments_at_the_same_time_agree_on_who_stands,
    nothing_is_opened_of_a_tender_that_has_ended_without_an_award,
    nothing_is_awarded_once_a_tender_has_ended_without_an_award,
]


@pytest.fixture(scope="module")
async def under_way(town: Town) -> AsyncIterator[dict[Life, asyncio.Task[None]]]:
    """All of them, begun at the same time."""
    tasks = {life: asyncio.create_task(life(town)) for life in LIVES}
    yield tasks
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
async def test_a_tender_whose_terms_change(life: Life, under_way: dict[Life, asyncio.Task[None]]) -> None:
    await under_way[life]
