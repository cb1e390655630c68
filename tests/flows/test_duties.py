"""Four eyes on publication and award; nobody does two things on a tender; who has a conflict steps back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bids.client import RefusedError, ServiceError
from crypto.certificates import Role, SigningKey
from crypto.encoding import encode, moment
from crypto.statements import Statement, sign
from procurement import store
from procurement.awards import Award, ConflictDeclaration, Countersignature, IntendedAward
from procurement.client import read_notice
from procurement.registry import applicant
from procurement.registry.statements import Reason
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town, signed_anyhow
from tests.flows.test_consortium import represented
from tests.flows.test_life import NEGOTIATION
from tests.flows.test_refusals import Stage, problem

SKIPS = True
"""Nothing here is about how time passes."""
LONG = 600.0
"""Seconds to a deadline that does not come."""


class Draft:
    """A notice that its officer has posted, and nobody has countersigned."""

    def __init__(self, town: Town, tender: PracticeTender) -> None:
        self.town, self.tender = town, tender

    @classmethod
    async def post(cls, town: Town, officer: SigningKey | None = None, **changes: Any) -> "Draft":
        key = officer or town.officer
        notice = town.notice(a_lot(), lead=LONG, signer=key.fingerprint, **changes)
        draft = cls(town, PracticeTender(town, notice, sign(notice, key)))
        answer = await draft.send()
        assert answer.status_code == 202, answer.text
        assert answer.json() == {"tender": draft.tender.ocid, "notice": draft.tender.notice_id}
        return draft

    async def send(self) -> Any:
        return await self.town.http.post("/api/v1/tenders", content=self.tender.statement)

    def word(self, officer: SigningKey, **fields: Any) -> bytes:
        """The officer's countersignature; not what it should be where a test says so."""
        about = self.tender.about(officer) | {"statement": self.tender.notice_id}
        return signed_anyhow(encode(about | fields), Countersignature.PURPOSE, officer)

    async def refuses(self, word: bytes, status: int, code: str) -> None:
        before = await self.town.rows(self.tender.ocid)
        problem(await self.tender.post("countersignatures", word), status, code)
        assert await self.town.rows(self.tender.ocid) == before

    async def waiting(self) -> list[str]:
        """Ids of what waits for a second officer under this ocid, as an officer would be shown them."""
        connection = await asyncpg.connect(self.town.dsn)
        found = await store.list_drafts(connection, datetime.now(UTC) - timedelta(minutes=5))
        await connection.close()
        return [each.id for each in found if each.ocid == self.tender.ocid]


async def renewed(town: Town, key: SigningKey) -> SigningKey:
    """The same person under another certificate."""
    return await applicant.renew(town.line(), key, ec.generate_private_key(ec.SECP256R1()))


async def revoke(town: Town, key: SigningKey) -> None:
    await applicant.revoke(town.line(), town.registrar, key.fingerprint, Reason.KEY_COMPROMISE)


# ── publication ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_notice_is_nowhere_to_be_seen_until_a_second_officer_countersigns_it(town: Town) -> None:
    logged = len(await town.verify_log())
    draft = await Draft.post(town)
    tender = draft.tender
    assert await draft.waiting() == [tender.notice_id]
    for route in ("timeline", "entries/0", f"statements/{tender.notice_id}", ""):
        problem(await tender.get(route.rstrip("/")), 404, "no-such-tender")
    assert tender.ocid not in (await town.http.get("/api/v1/tenders")).text
    bid = tender.seal(await town.bidder("Early"))
    problem(await tender.post("bids", bid), 404, "no-such-tender")
    new = (await town.verify_log())[logged:]
    assert not any(tender.ocid.encode() in entry or tender.notice_id.encode() in entry for entry in new)

    word = draft.word(town.second)
    answer = await tender.post("countersignatures", word)
    assert (answer.status_code, answer.json()) == (201, {"statement": Statement(word).id})
    assert await tender.happened() == ["tender:published", "tender:countersigned"]
    entries = [await tender.office.logged(f"{tender.path}/entries/{seq}") for seq in (0, 1)]
    assert [each.statement.id for each in entries] == [tender.notice_id, Statement(word).id]
    assert entries[1].index == entries[0].index + 1
    assert await draft.waiting() == []
    page = (await town.http.get(f"/tenders/{tender.ocid}")).text
    assert "countersigned by a second officer" in page
    assert town.second.certificate.name in page


async def test_a_countersignature_by_who_may_not_give_it_is_refused(town: Town) -> None:
    draft = await Draft.post(town)
    dismissed = await town.enrol(Role.OFFICER, "Dismissed")
    await revoke(town, dismissed)
    member = town.members[0].key.certificate.registration
    for key, status, code in (
        (town.officer, 409, "four-eyes"),
        (await renewed(town, town.officer), 409, "four-eyes"),
        (await town.enrol(Role.OFFICER, "Also a member", member), 409, "conflicting-roles"),
        (town.evaluator, 403, "certificate-invalid"),
        (await town.bidder("Bidder"), 403, "certificate-invalid"),
        (dismissed, 403, "certificate-revoked"),
    ):
        await draft.refuses(draft.word(key), status, code)
    assert await draft.waiting() == [draft.tender.notice_id]
    await draft.tender.countersign(draft.tender.notice_id)


async def test_a_countersignature_of_something_else_is_refused(town: Town) -> None:
    draft, other = await Draft.post(town), await Draft.post(town)
    published = await town.publish(a_lot(), lead=LONG)
    for fields, status, code in (
        ({"tender": other.tender.ocid}, 409, "another-tender"),
        ({"notice": other.tender.notice_id}, 409, "another-tender"),
        ({"statement": "0" * 64}, 404, "no-such-statement"),
        ({"statement": other.tender.notice_id}, 404, "no-such-statement"),
        ({"statement": published.notice_id}, 404, "no-such-statement"),
    ):
        await draft.refuses(draft.word(town.second, **fields), status, code)
    problem(await other.tender.post("countersignatures", draft.word(town.second)), 404, "no-such-statement")


async def test_what_changed_between_notice_and_countersignature_counts(town: Town) -> None:
    officer = await town.enrol(Role.OFFICER, "Officer")
    evaluator = await town.enrol(Role.EVALUATOR, "Evaluator")
    convened = await town.convene()
    lots, panel = (a_lot(NEGOTIATION),), (evaluator.fingerprint,)
    committee: dict[str, Any] = {"committee": convened.committee, "transcript": convened.transcript}
    by_officer = await Draft.post(town, officer)
    scored = await Draft.post(town, lots=lots, evaluators=panel)
    opened = await Draft.post(town, **committee)
    for key in (officer, evaluator, convened.members[0].key):
        await revoke(town, key)
    for draft in (by_officer, scored, opened):
        await draft.refuses(draft.word(town.second), 403, "certificate-revoked")


async def test_nobody_is_revoked_while_a_notice_that_names_them_is_published(town: Town) -> None:
    """Else the tender would stand, and nobody could verify it."""
    for _ in range(6):
        evaluator = await town.enrol(Role.EVALUATOR, "Evaluator for a while")
        draft = await Draft.post(town, lots=(a_lot(NEGOTIATION),), evaluators=(evaluator.fingerprint,))
        word = draft.word(town.second)
        answer, _ = await asyncio.gather(
            draft.tender.post("countersignatures", word), revoke(town, evaluator)
        )
        if answer.status_code == 201:
            await read_notice(town.line(), draft.tender.ocid)
        else:
            problem(answer, 403, "certificate-revoked")


async def test_a_notice_is_countersigned_once(town: Town) -> None:
    third = await town.enrol(Role.OFFICER, "Third officer")
    draft = await Draft.post(town)
    words = [draft.word(key) for key in (town.second, third) for _ in range(3)]
    answers = await asyncio.gather(*(draft.tender.post("countersignatures", each) for each in words))
    taken = {each.json()["statement"] for each in answers if each.status_code == 201}
    assert len(taken) == 1
    before = await town.rows(draft.tender.ocid)
    for word in words:
        answer = await draft.tender.post("countersignatures", word)
        if Statement(word).id in taken:
            assert (answer.status_code, answer.json()) == (201, {"statement": Statement(word).id})
        else:
            problem(answer, 409, "said-before")
    assert (await draft.send()).status_code == 202, "the officer's own answer may have been lost"
    assert await town.rows(draft.tender.ocid) == before


async def test_of_two_notices_under_one_ocid_the_first_countersigned_is_published(town: Town) -> None:
    first = await Draft.post(town)
    second = await Draft.post(town, tender=first.tender.ocid, title="Other desks")
    assert await first.waiting() == [first.tender.notice_id, second.tender.notice_id]
    words = first.word(town.second), second.word(town.second)
    answers = await asyncio.gather(*(first.tender.post("countersignatures", each) for each in words))
    assert sorted(each.status_code for each in answers) == [201, 409]
    assert {each.json().get("code") for each in answers} == {None, "ocid-taken"}
    assert await first.waiting() == []
    third = town.notice(a_lot(), lead=LONG, tender=first.tender.ocid, title="More desks")
    answer = await town.http.post("/api/v1/tenders", content=sign(third, town.officer))
    problem(answer, 409, "ocid-taken")


async def test_a_notice_that_gives_one_person_two_duties_is_refused(town: Town) -> None:
    number = town.officer.certificate.registration
    officer_again = await town.enrol(Role.EVALUATOR, "Officer as evaluator", number)
    member_again = await town.enrol(
        Role.EVALUATOR, "Member as evaluator", town.members[1].key.certificate.registration
    )
    evaluator_again = await renewed(town, town.evaluator)
    before = (await town.rows())["draft"]
    for panel, code in (
        ([officer_again], "conflicting-roles"),
        ([town.evaluator, member_again], "conflicting-roles"),
        ([town.evaluator, evaluator_again], "panel-repeats"),
    ):
        fingerprints = tuple(each.fingerprint for each in panel)
        notice = town.notice(a_lot(NEGOTIATION), lead=LONG, evaluators=fingerprints)
        answer = await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))
        problem(answer, 409, code)
    assert (await town.rows())["draft"] == before
    seconded = await Draft.post(town, lots=(a_lot(NEGOTIATION),), evaluators=(town.evaluator.fingerprint,))
    second = await town.enrol(Role.OFFICER, "Evaluator as officer", town.evaluator.certificate.registration)
    await seconded.refuses(seconded.word(second), 409, "conflicting-roles")


async def test_a_notice_whose_officer_is_not_certified_at_its_time_is_refused_at_once(town: Town) -> None:
    """It would wait in vain."""
    start = datetime.now(UTC) + timedelta(days=366)
    network = town.trust.networks[0]
    times: dict[str, Any] = {
        "published": moment(start),
        "deadline": moment(start + timedelta(days=1)),
        "round": str(network.round_at(start + timedelta(days=2))),
    }
    notice = town.notice(a_lot(), **times)
    answer = await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))
    problem(answer, 403, "certificate-invalid")


async def test_no_official_of_a_tender_bids_in_it_under_any_certificate(town: Town) -> None:
    evaluators = (town.evaluator.fingerprint,)
    tender = await town.publish(a_lot(NEGOTIATION), lead=LONG, evaluators=evaluators)
    before = await town.rows(tender.ocid)
    for key in (town.officer, town.second, town.evaluator, town.members[2].key):
        number = key.certificate.registration
        with pytest.raises(RefusedError) as refused:
            await tender.submit(tender.seal(await town.bidder("Side business", number)))
        assert refused.value.code == "conflicting-roles"
        assert number in refused.value.refusal.detail
    assert await town.rows(tender.ocid) == before
    await tender.submit(tender.seal(await town.bidder("Auditor", town.auditor.certificate.registration)))


# ── conflicts of interest, award ─────────────────────────────────────────────────────────────────────────


async def to_technical(town: Town, *panel: SigningKey) -> tuple[PracticeTender, str, str]:
    """A tender whose proposals are open, with the envelopes of two bidders."""
    evaluators = tuple(each.fingerprint for each in panel)
    tender = await town.publish(a_lot(NEGOTIATION), lead=3, margin=2, evaluators=evaluators)
    first = await tender.bid(await town.bidder("First"), "90000000")
    second = await tender.bid(await town.bidder("Second"), "95000000")
    await tender.close()
    await tender.order("technical")
    await tender.opened("technical")
    return tender, first, second


async def to_ranking(town: Town, bidder: SigningKey | None = None) -> PracticeTender:
    """A tender with one bid that is ranked."""
    tender = await town.publish(a_lot(), lead=3, margin=1.5)
    await tender.bid(bidder or await town.bidder("Bidder"), "700")
    await tender.close()
    await tender.order("bid")
    await tender.evaluated()
    return tender


async def test_an_evaluator_with_a_conflict_steps_back_and_the_others_decide(town: Town) -> None:
    lee, choi = [await town.enrol(Role.EVALUATOR, name) for name in ("Evaluator Lee", "Evaluator Choi")]
    stranger = await town.enrol(Role.EVALUATOR, "Evaluator of another tender")
    tender, good, better = await to_technical(town, lee, choi)
    stage = Stage(tender)

    opening = await tender.opening_id()

    def declaration(key: SigningKey, *, conflict: bool) -> bytes:
        explanation = "The bidder's owner is a cousin of mine."
        about = tender.about(key) | {"opening": opening}
        said = ConflictDeclaration(**about, conflict=conflict, explanation=explanation)
        return sign(said, key)

    def sheet(key: SigningKey) -> bytes:
        return sign(tender.sheet({good: "30", better: "45"}, key), key)

    await stage.refuses("conflict-declarations", declaration(stranger, conflict=False), 409, "not-on-panel")
    await stage.refuses("score-sheets", sheet(lee), 409, "conflict-undeclared")
    assert (await tender.post("conflict-declarations", declaration(choi, conflict=True))).status_code == 201
    await stage.refuses("score-sheets", sheet(choi), 409, "conflict-declared")
    choi_renewed = await renewed(town, choi)
    await stage.refuses("score-sheets", sheet(choi_renewed), 409, "conflict-declared")
    changed_mind = declaration(choi_renewed, conflict=False)
    await stage.refuses("conflict-declarations", changed_mind, 409, "said-before")

    await tender.declare(lee)
    lee_renewed = await renewed(town, lee)
    assert (await tender.post("score-sheets", sheet(lee_renewed))).status_code == 201
    await stage.refuses("score-sheets", sheet(lee), 409, "said-before")
    await stage.refuses("conflict-declarations", declaration(lee, conflict=True), 409, "said-before")

    await tender.order("price")
    ranking = (await tender.evaluated())["1"].ranking
    assert [(each.bid, each.rank, each.technical_score) for each in ranking] == [
        (better, 1, "90.0000"),
        (good, 2, "60.0000"),
    ]
    await tender.intend()
    await tender.award()
    await tender.verified_record()


async def test_a_tender_whose_whole_panel_steps_back_says_so_and_goes_no_further(town: Town) -> None:
    choi = await town.enrol(Role.EVALUATOR, "Evaluator Choi")
    tender, *_ = await to_technical(town, town.evaluator, choi)
    await tender.declare(town.evaluator, conflict=True)
    assert await tender.status() == "opening"
    await tender.declare(choi, conflict=True)
    assert await tender.status() == "recused"
    assert (await town.http.get(tender.path)).json()["status"] == "recused"
    assert "Nobody is left" in (await town.http.get(f"/tenders/{tender.ocid}")).text
    bids = (await tender.get("bids")).json()["bids"]
    order = Stage(tender).order("price", price_of=bids[0]["bid"])
    await Stage(tender).refuses("opening-partials", order, 409, "recused")


async def test_the_second_officer_takes_over_from_one_with_a_conflict(town: Town) -> None:
    kim, park = town.officer, town.second
    third, fourth = [await town.enrol(Role.OFFICER, name) for name in ("Third officer", "Fourth officer")]
    bidder = await represented(town, "Acme", "insider")
    tender = await to_ranking(town, bidder)
    acme = await town.enrol(Role.OFFICER, "Bidder as officer", bidder.certificate.registration)
    insider = await town.enrol(Role.OFFICER, "Bidder's representative as officer", "insider")
    member = town.members[0].key.certificate.registration
    opener = await town.enrol(Role.OFFICER, "Member as officer", member)
    stage = Stage(tender)
    awards = tender.intention().awards

    def intention(key: SigningKey) -> bytes:
        return stage.by_officer(IntendedAward, key, evaluation=tender.evaluation_id, awards=awards)

    await tender.declare(kim, conflict=True)
    assert await tender.status() == "evaluation"
    await stage.refuses("award-intentions", intention(kim), 409, "conflict-declared")
    await stage.refuses("award-intentions", intention(park), 409, "conflict-undeclared")
    await tender.declare(park)
    await tender.declare(third)
    await stage.refuses("award-intentions", intention(third), 409, "another-officer")
    intended = intention(park)
    assert (await tender.post("award-intentions", intended)).status_code == 201

    def award(key: SigningKey) -> bytes:
        return stage.by_officer(Award, key, intention=Statement(intended).id, awards=awards)

    await stage.refuses("awards", award(kim), 409, "conflict-declared")
    await stage.refuses("awards", award(third), 409, "another-officer")
    made = award(await renewed(town, park))
    answers = [await tender.post("awards", made) for _ in range(2)]
    assert {(each.status_code, each.json()["statement"]) for each in answers} == {(202, Statement(made).id)}
    assert await tender.status() == "standstill"
    problem(await tender.get(f"statements/{Statement(made).id}"), 404, "no-such-statement")
    problem(await tender.get("record"), 404, "not-yet")

    def word(key: SigningKey, **fields: Any) -> bytes:
        return stage.by_officer(Countersignature, key, **({"statement": Statement(made).id} | fields))

    for key in (acme, insider, opener):
        await tender.declare(key)
    for said, status, code in (
        (word(park), 409, "four-eyes"),
        (word(kim), 409, "conflict-declared"),
        (word(fourth), 409, "conflict-undeclared"),
        (word(acme), 409, "conflicting-roles"),
        (word(insider), 409, "conflicting-roles"),
        (word(opener), 409, "conflicting-roles"),
        (word(third, notice="0" * 64), 409, "another-tender"),
        (word(third, statement=Statement(intended).id), 404, "no-such-statement"),
    ):
        await stage.refuses("countersignatures", said, status, code)

    await tender.declare(fourth)
    words = [word(key) for key in (third, fourth)]
    answers = await asyncio.gather(*(tender.post("countersignatures", each) for each in words))
    assert sorted(each.status_code for each in answers) == [201, 409]
    assert {each.json().get("code") for each in answers} == {None, "said-before"}
    assert (await tender.happened())[-2:] == ["award:countersigned", "award:made"]
    await tender.verified_record()


async def test_the_other_officer_awards_what_one_intended_who_is_gone(town: Town) -> None:
    tender = await to_ranking(town)
    await tender.intend()
    await tender.declare(town.second)
    third = await town.enrol(Role.OFFICER, "Officer from next door")
    await tender.declare(third)
    stage, awards = Stage(tender), tender.intention().awards
    made = stage.by_officer(Award, town.second, intention=tender.intention_id, awards=awards)
    assert (await tender.post("awards", made)).status_code == 202
    word = stage.by_officer(Countersignature, third, statement=Statement(made).id)
    assert (await tender.post("countersignatures", word)).status_code == 201
    await tender.verified_record()


async def test_a_conflict_is_declared_by_who_has_seen_who_bids(town: Town) -> None:
    tender = await to_ranking(town)
    about = tender.about(town.officer) | {"opening": "0" * 64}
    early = sign(ConflictDeclaration(**about, conflict=False, explanation=""), town.officer)
    problem(await tender.post("conflict-declarations", early), 409, "wrong-opening")
    await tender.declare(town.officer)


async def test_with_both_officers_conflicted_a_ranking_says_that_nobody_can_award(town: Town) -> None:
    tender = await to_ranking(town)
    for key in (town.officer, town.second):
        await tender.declare(key, conflict=True)
    assert await tender.status() == "recused"
    assert "Nobody is left" in (await town.http.get(f"/tenders/{tender.ocid}")).text


async def test_an_award_whose_officer_is_revoked_before_the_countersignature_does_not_come_about(
    town: Town,
) -> None:
    town_officer = town.officer
    town.officer = await town.enrol(Role.OFFICER, "Officer for a while", "for-a-while")
    try:
        tender = await to_ranking(town)
        await tender.intend()
        award = await tender.say("awards", tender.final_award(), town.officer)
        await revoke(town, town.officer)
        await tender.declare(town.second)
        with pytest.raises(ServiceError) as refused:
            await tender.countersign(award)
        assert refused.value.code == "certificate-revoked"
        assert "award:made" not in await tender.happened()

        town.officer = await town.enrol(Role.OFFICER, "Officer again", "for-a-while")
        await tender.award()
        assert await tender.status() == "complete"
        await tender.verified_record()
    finally:
        town.officer = town_officer
