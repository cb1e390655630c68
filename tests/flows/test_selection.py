"""Examinations and negotiations over HTTP, from the ranking to the verified record."""

import asyncio

import msgspec
import pytest

from crypto.certificates import SigningKey
from crypto.encoding import moment
from crypto.statements import Payload, Statement, sign
from procurement.awards import LotAward
from procurement.evaluation import KrPriceFloor, Rules
from procurement.selection import EvidenceFile, ExaminationDocuments
from tests.builders import MILLION, a_lot, examined_floor, panel_rules
from tests.flows.people import PracticeTender, Town

SKIPS = True
"""Nothing here is about how time passes."""
EXAMINED = examined_floor(documents_within=10, supplement_within=10)
NEGOTIATED = msgspec.structs.replace(panel_rules(budget="1000000"), negotiation=True)


async def ranked(
    town: Town, rules: Rules, *amounts: str
) -> tuple[PracticeTender, list[str], dict[str, SigningKey]]:
    """An evaluated tender, its envelopes by rank, and whose they are."""
    tender = await town.publish(a_lot(rules))
    picks = (1, 2) if isinstance(rules, KrPriceFloor) else None
    bidders = {}
    for number, amount in enumerate(amounts, start=1):
        bidder = await town.bidder(f"Bidder {number}")
        bidders[await tender.bid(bidder, amount, picks=picks)] = bidder
    await tender.close()
    if isinstance(rules, KrPriceFloor):
        await tender.order("bid")
        await tender.opened("bid")
        await tender.reveal(MILLION)
    else:
        await tender.order("technical")
        await tender.opened("technical")
        await tender.score(dict.fromkeys(bidders, "80"))
        await tender.order("price")
    ranking = (await tender.evaluated())["1"].ranking
    return tender, [each.bid for each in ranking if each.rank], bidders


async def refused(tender: PracticeTender, route: str, said: Payload, key: SigningKey, code: str) -> None:
    """Nothing comes of it."""
    before = await tender.happened()
    answer = await tender.post(route, sign(said, key))
    assert (answer.status_code in (404, 409, 422), answer.json()["code"]) == (True, code), answer.json()
    assert await tender.happened() == before


async def test_the_next_in_line_is_examined_until_one_passes(town: Town) -> None:
    """The first hands in nothing in time, the second too little, the third after a supplement enough."""
    officer = town.officer
    tender, line, bidders = await ranked(town, EXAMINED, "897500", "898000", "900000", "905000")
    early = await tender.selection()
    await refused(
        tender, "examination-requests", tender.asking(early, line[0]), officer, "conflict-undeclared"
    )
    await tender.declare(officer)
    await refused(tender, "examination-requests", tender.asking(early, line[1]), officer, "not-next-in-line")
    await refused(tender, "award-intentions", tender.intention(), officer, "not-selected")

    first = await tender.ask(line[0])
    selection = await tender.selection()
    await refused(
        tender, "examination-results", tender.result(selection, first), officer, "documents-awaited"
    )
    foreign = ExaminationDocuments(
        **tender.about(bidders[line[1]]),
        request=first,
        files=(EvidenceFile(title="Mine", sha256="0" * 64, size=1),),
    )
    await refused(tender, "examination-documents", foreign, bidders[line[1]], "another-candidate")
    await town.wait_until(selection.asked(first).due)
    await refused(
        tender,
        "examination-documents",
        msgspec.structs.replace(foreign, signer=bidders[line[0]].fingerprint),
        bidders[line[0]],
        "documents-late",
    )
    await tender.examine(first)

    second = await tender.ask(line[1])
    await tender.hand_in(second, bidders[line[1]])
    selection = await tender.selection()
    right = tender.result(selection, second, "10", "0")
    score, other = right.scores
    for wrong, code in (
        ({"scores": (msgspec.structs.replace(score, score="15"), other)}, "figures-wrong"),
        ({"scores": (msgspec.structs.replace(score, evidence=()), other)}, "evidence-missing"),
        ({"scores": (msgspec.structs.replace(score, score="15.1"), other)}, "scores-invalid"),
        ({"outcome": "passed"}, "outcome-wrong"),
    ):
        lie = msgspec.structs.replace(right, **wrong)
        await refused(tender, "examination-results", lie, officer, code)
    await tender.examine(second, "10", "0")
    again = msgspec.structs.replace(right, time=moment(town.now()))
    await refused(tender, "examination-results", again, officer, "examined")

    third = await tender.ask(line[2])
    await tender.hand_in(third, bidders[line[2]], "Works")
    more = await tender.ask_more(third)
    await tender.hand_in(more, bidders[line[2]], "More works")
    await tender.examine(third, "15", "5")
    late = tender.asking(await tender.selection(), line[3])
    await refused(tender, "examination-requests", late, officer, "not-next-in-line")

    skipped = msgspec.structs.replace(tender.intention(), awards=(award_to(line[0], bidders),))
    await refused(tender, "award-intentions", skipped, officer, "not-first-in-line")
    assert await tender.intend() == (award_to(line[2], bidders),)
    await refused(tender, "examination-requests", late, officer, "intended")
    page = (await town.http.get(f"/tenders/{tender.ocid}")).text
    assert page.count("Candidate examined") == 3
    page = (await town.http.get(f"/tenders/{tender.ocid}/lots/1")).text
    for said in ("Handed in nothing in time", "Below the pass mark", "and 95 are needed: passed."):
        assert said in page
    await tender.award()
    assert f'"relatedBid":"{line[2]}/1"'.encode() in await tender.verified_record()
    happened = await tender.happened()
    assert happened[happened.index("evaluation:scored") :] == [
        "evaluation:scored",
        "conflict:declared",
        "examination:requested",
        "examination:scored",
        "examination:requested",
        "examination:documented",
        "examination:scored",
        "examination:requested",
        "examination:documented",
        "supplement:requested",
        "examination:documented",
        "examination:scored",
        "award:intended",
        "conflict:declared",
        "award:countersigned",
        "award:made",
    ]


def award_to(bid: str, bidders: dict[str, SigningKey]) -> LotAward:
    return LotAward(lot="1", bid=bid, supplier=bidders[bid].certificate.registration)


async def test_of_two_results_at_the_same_moment_one_is_heard(town: Town) -> None:
    tender, line, bidders = await ranked(town, EXAMINED, "897500")
    request = await tender.ask(line[0])
    await tender.hand_in(request, bidders[line[0]])
    selection = await tender.selection()
    results = [sign(tender.result(selection, request, score, "5"), town.officer) for score in ("15", "0")]
    answers = await asyncio.gather(*(tender.post("examination-results", each) for each in results * 4))
    heard = {answer.json()["statement"] for answer in answers if answer.status_code == 201}
    assert len(heard) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} == {"examined"}
    assert (await tender.happened()).count("examination:scored") == 1
    [stands] = [each for each in results if Statement(each).id in heard]
    assert (await tender.post("examination-results", stands)).status_code == 201
    await tender.intend()
    await tender.award()
    await tender.verified_record()


async def test_negotiations_go_in_the_order_of_the_ranks_until_there_is_an_agreement(town: Town) -> None:
    tender, line, bidders = await ranked(town, NEGOTIATED, "900000", "950000", "990000")
    await tender.declare(town.officer)
    await refused(tender, "award-intentions", tender.intention(), town.officer, "not-selected")
    failed = await tender.negotiate(line[0], "failed")
    said = Statement((await tender.get(f"statements/{failed}")).content)
    assert b'"outcome":"failed"' in said.payload
    with pytest.raises(Exception, match="not this candidate's turn"):
        await tender.negotiate(line[2], "agreed")
    await tender.negotiate(line[1], "agreed")
    with pytest.raises(Exception, match="not this candidate's turn"):
        await tender.negotiate(line[2], "agreed")
    assert await tender.intend() == (award_to(line[1], bidders),)
    page = (await town.http.get(f"/tenders/{tender.ocid}/lots/1")).text
    assert 'No agreement in the negotiation: <span lang="en">As the minutes say</span>' in page
    await tender.award()
    await tender.verified_record()


async def test_without_any_agreement_the_lot_is_unsuccessful(town: Town) -> None:
    tender, line, _ = await ranked(town, NEGOTIATED, "900000")
    await tender.negotiate(line[0], "failed")
    assert await tender.intend() == (LotAward(lot="1"),)
    await tender.award()
    await tender.verified_record()
