"""What no other rule set asks of a tender, over HTTP from the notice to a verified record: prices that are
never opened, a panel of several, several winners, costs beside the price."""

import secrets
from datetime import timedelta

import msgspec

from bids.envelope import Envelope
from crypto.encoding import encode, moment
from crypto.statements import Statement, sign
from procurement import archive
from procurement.evaluation import (
    CostItem,
    LifeCycleCost,
    LowestPrice,
    MultiAward,
    QualityPrice,
    TwoEnvelope,
    WeightedCriterion,
)
from procurement.tenders import Bid, LotOffer, StatedCost
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town
from tests.flows.test_life import conclude

SKIPS = True
"""Nothing here is about how time passes."""
TWO_ENVELOPES = TwoEnvelope(
    criteria=(
        WeightedCriterion(id="method", title="Method", points="45", weight="60"),
        WeightedCriterion(id="team", title="Team", points="45", weight="40"),
    ),
    pass_mark="70",
)
QUALITY = QualityPrice(criteria=TWO_ENVELOPES.criteria, price_weight="30")
COSTS = LifeCycleCost(costs=(CostItem(id="energy", title="Energy"),), years=5, rate="5")


async def test_the_price_of_a_bid_that_fails_is_never_opened_and_its_order_is_refused(town: Town) -> None:
    second = await town.enrol(town.evaluator.certificate.role, "Evaluator Park")
    panel = (town.evaluator.fingerprint, second.fingerprint)
    good, better, poor = [await town.bidder(name) for name in ("Good", "Better", "Poor")]
    tender = await town.publish(a_lot(TWO_ENVELOPES), lead=5, evaluators=panel, language="es")
    first = await tender.bid(good, "90000000")
    winner = await tender.bid(better, "80000000")
    sealed = tender.seal(poor, "12345678")
    failed = (await tender.submit(sealed)).statement

    await tender.close()
    await tender.order("technical")
    assert set(await tender.opened("technical")) == {first, winner, failed}
    points = {first: "45", winner: "40", failed: "10"}
    await tender.score(points)
    assert await orders_price(tender, sealed) == "not-scored"
    await tender.score(points, second)
    assert await orders_price(tender, sealed) == "no-such-bid"
    await tender.order("price")
    assert set(await tender.opened("price")) == {first, winner}
    assert await orders_price(tender, sealed) != "", "nor once the others are open"

    ranking = (await tender.evaluated())["1"].ranking
    assert [(each.bid, each.rank, each.amount) for each in ranking] == [
        (winner, 1, "80000000"),
        (first, 2, "90000000"),
        (failed, None, None),
    ]
    assert ranking[-1].reason == "below-pass-mark"
    files = archive.unpack(await conclude(tender))
    assert f"contents/{failed}.technical.json" in files
    assert not any(b"12345678" in data for data in files.values())
    assert (await tender.happened()).count("order:partial") == 2 + 2 * 2
    assert "price not opened" in (await town.http.get(f"/tenders/{tender.ocid}/lots/1")).text
    page = (await town.http.get(f"/tenders/{tender.ocid}/lots/1?lang=es")).text
    assert "precio sin abrir" in page
    assert "A quien no supera la fase técnica no se le abre el precio" in page
    assert "12,345,678" not in page
    assert "<dt>Puntuación mínima</dt><dd>70 % de los pesos de los criterios</dd>" in page
    address = f"/tenders/{tender.ocid}/lots/1/prices.svg"
    drawn = [await town.http.get(address, headers={"Cookie": f"lang={each}"}) for each in ("ko", "es")]
    assert drawn[0].text != drawn[1].text
    assert all("Accept-Language, Cookie" in each.headers["Vary"] for each in drawn), "caches keep both"


async def test_where_all_bids_of_an_earlier_round_fail_it_has_no_price_to_open(town: Town) -> None:
    """The record asks for the keys of every round that a bid was sealed for, even where there are none."""
    early, late = await town.bidder("Early"), await town.bidder("Late")
    tender = await town.publish(a_lot(TWO_ENVELOPES), lead=15, margin=2, extension_margin=3)
    failed = await tender.bid(early, "70000000")
    later, first = tender.notice.opens + timedelta(seconds=4), tender.notice.round
    await tender.amend(deadline=moment(later))
    assert tender.notice.round != first
    passed = await tender.bid(late, "80000000")
    await tender.close()
    await tender.round()
    await tender.order("technical")
    assert set(await tender.opened("technical")) == {failed, passed}
    await tender.score({failed: "10", passed: "40"})
    await tender.order("price")
    assert set(await tender.opened("price")) == {passed}
    ranking = (await tender.evaluated())["1"].ranking
    assert [(each.bid, each.rank, each.amount) for each in ranking] == [
        (passed, 1, "80000000"),
        (failed, None, None),
    ]
    await conclude(tender)


async def orders_price(tender: PracticeTender, sealed: bytes) -> str:
    """The code of the refusal that a member gets who orders the price of that envelope by hand."""
    member, bid = tender.town.members[0], Statement(sealed).read(Envelope).context.bid
    said = member.sign_order(tender.terms, "price", bid, tender.town.now(), secrets.token_bytes)
    answer = await tender.post("opening-partials", sign(said, member.key))
    return str(answer.json().get("code", ""))


async def test_a_panel_of_several_weighs_quality_and_price_and_what_hangs_on_whom_is_said(town: Town) -> None:
    role = town.evaluator.certificate.role
    others = [await town.enrol(role, f"Evaluator {name}") for name in ("Min", "Seo")]
    panel = [town.evaluator, *others]
    named = tuple(each.fingerprint for each in panel)
    fair, friend = await town.bidder("Fair"), await town.bidder("Friend")
    tender = await town.publish(a_lot(QUALITY), a_lot(id="2"), lead=5, evaluators=named, language="ko")
    first, second = await tender.bid(fair, "1000"), await tender.bid(friend, "1000")

    await tender.close()
    await tender.order("technical")
    await tender.opened("technical")
    for evaluator in panel[:2]:
        await tender.score({first: "40", second: "35"}, evaluator)
    await tender.score({first: "0", second: "45"}, panel[2])
    await tender.order("price")
    await tender.opened("price")
    lots = await tender.evaluated()
    assert [each.bid for each in lots["1"].ranking] == [second, first]
    assert lots["1"].sensitivity is not None
    changed = {each.evaluator: each.winners for each in lots["1"].sensitivity.evaluators if each.winners}
    assert changed == {panel[2].fingerprint: (first,)}
    assert lots["2"].sensitivity is None, "the second lot is priced beside the first, and nobody scores it"
    assert [each.amount for each in lots["2"].ranking] == ["1000", "1000"]
    await conclude(tender)
    page = (await town.http.get(f"/tenders/{tender.ocid}/lots/1?lang=ko")).text
    one, other = panel[2].certificate.name, fair.certificate.name
    assert f"평가위원 {one}을(를) 제외하면 낙찰자는 다음과 같다: {other}." in page


async def test_a_framework_is_awarded_to_the_best_two_of_three(town: Town) -> None:
    bidders = [await town.bidder(f"Bidder {n}") for n in range(3)]
    tender = await town.publish(a_lot(MultiAward(rules=LowestPrice(), winners=2)), a_lot(id="2"), lead=5)
    bids = [await tender.bid(bidder, str(900 - n)) for n, bidder in enumerate(bidders)]
    await tender.close()
    await tender.order("bid")
    await tender.opened("bid")
    assert (await tender.evaluated())["1"].winners == 2
    awards = await tender.intend()
    assert [(each.lot, each.bid) for each in awards] == [("1", bids[2]), ("1", bids[1]), ("2", bids[2])]
    await tender.award()
    assert await tender.status() == "complete"
    files = archive.unpack(await tender.verified_record())
    ocds = msgspec.json.decode(files["ocds.json"])["records"][0]["compiledRelease"]
    assert [(each["id"], each["relatedBid"]) for each in ocds["awards"]] == [
        ("1/1", f"{bids[2]}/1"),
        ("1/2", f"{bids[1]}/1"),
        ("2", f"{bids[2]}/2"),
    ]


async def test_running_costs_decide_where_the_rules_say_so(town: Town) -> None:
    cheap, thrifty, silent = [await town.bidder(name) for name in ("Cheap", "Thrifty", "Silent")]
    tender = await town.publish(a_lot(COSTS), lead=5)
    dear = await tender.bid(cheap, "1000", contents={"bid": costed("1000", "300")})
    winner = await tender.bid(thrifty, "1500", contents={"bid": costed("1500", "100")})
    mute = await tender.bid(silent, "1")
    await tender.close()
    await tender.order("bid")
    assert (await tender.opened("bid"))[mute] == {"reason": "offer-wrong"}
    ranking = (await tender.evaluated())["1"].ranking
    assert [(each.bid, each.total) for each in ranking] == [(winner, "1932.95"), (dear, "2298.84")]
    await conclude(tender)


def costed(amount: str, energy: str) -> bytes:
    """A bid under `COSTS`."""
    costs = (StatedCost(id="energy", amount=energy),)
    return encode(Bid(offers=(LotOffer(lot="1", amount=amount, costs=costs),)))
