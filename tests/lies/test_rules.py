"""A record under each rule set is verified, and what can be lied about under them is refused at its step."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.encoding import decode, encode
from crypto.trust import Trust
from procurement import archive
from procurement.awards import Award, Evaluated, IntendedAward
from procurement.evaluation import (
    CostItem,
    Evaluation,
    LifeCycleCost,
    LowestPrice,
    LowestPrice2,
    MultiAward,
    QualityPrice,
    Ranked,
    Rules,
    TwoEnvelope,
    WeightedCriterion,
)
from procurement.history import EventType
from procurement.record import verify
from procurement.scoring import Chosen
from procurement.tenders import Bid, LotOffer, StatedCost
from tests.builders import Life, a_bidder, a_lot, a_notice, packed, the_world
from tests.lies.catalogue import Files, Lie, Who, check_refused, lies_into
from tests.lies.test_life import Liar, evaluated_as

PANEL = tuple(each.fingerprint for each in the_world().panel)
QUALITY = WeightedCriterion(id="quality", title="Quality", points="90", weight="70")
TWO = TwoEnvelope(criteria=(QUALITY,), pass_mark="60")
SEVERAL = MultiAward(rules=LowestPrice(), winners=2)
ENERGY = CostItem(id="energy", title="Energy")
RULES: dict[str, Rules] = {
    "lowest-price/2": LowestPrice2(abnormal_below="80", abnormal_from=3),
    "quality-price/1": QualityPrice(criteria=(QUALITY,), price_weight="30"),
    "two-envelope/1": TWO,
    "two-envelope/1, weighed": msgspec.structs.replace(TWO, price_weight="30"),
    "life-cycle-cost/1": LifeCycleCost(costs=(ENERGY,), years=3, rate="4.5"),
    "multi-award/1": SEVERAL,
    "multi-award/1 of two-envelope/1": MultiAward(rules=TWO, winners=3),
}
PRICES = ("960000", "930000", "500000")
POINTS = ("80", "70", "10")
"""Of 90: the third bid, with the lowest price, fails a pass mark of 60 %."""


def begun(life: Life) -> Life:
    """Three bids, the last the cheapest and the worst."""
    for number, amount in enumerate(PRICES, start=1):
        costs = tuple(
            StatedCost(id="energy", amount=str(number * 1000))
            for lot in life.notice.lots
            if isinstance(lot.rules, LifeCycleCost)
        )
        bid = encode(Bid(offers=(LotOffer(lot="1", amount=amount, costs=costs),)))
        contents = life.contents_for(amount, None, ["1"])
        life.submit(a_bidder(life.world, number), contents=contents | {life.notice.parts[-1]: bid})
    return life


def a_life(rules: Rules, life: type[Life] = Life, **how: Any) -> Life:
    evaluators = PANEL if a_notice(the_world(), a_lot(rules)).evaluators else ()
    return begun(life(notice=a_notice(the_world(), a_lot(rules), evaluators=evaluators), **how))


def scored(life: Life) -> Life:
    """Closed, and the technical parts opened and scored by the whole panel, where there are such parts."""
    life.close()
    if "technical" in life.notice.parts:
        life.open("technical")
        points = dict(zip([each.id for each in life.counted], POINTS, strict=True))
        for evaluator in life.panel():
            life.score_sheet(points, evaluator)
    return life


def concluded(life: Life) -> Files:
    life.evaluate()
    life.award()
    return life.files()


def all_of(life: Life) -> Files:
    scored(life).open(life.notice.parts[-1])
    return concluded(life)


# ── honest records ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rules", RULES)
def test_a_life_under_each_rule_set_is_verified(rules: str) -> None:
    life = a_life(RULES[rules])
    verdict = verify(packed(all_of(life)), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", True), verdict.steps[-1]
    assert verdict.steps[10].findings == (f"lot 1: {rules.partition(' ')[0].rstrip(',')}",)


def test_the_price_of_a_bid_that_failed_is_in_no_file_of_the_record() -> None:
    life = a_life(TWO)
    files = all_of(life)
    failed = life.counted[2]
    assert failed.bid is None
    assert f"contents/{failed.id}.technical.json" in files
    assert f"contents/{failed.id}.price.json" not in files
    assert not any(b"500000" in data for data in files.values())
    ranked = life.evaluated.lots[0].evaluation.ranking[-1]
    assert (ranked.bid, ranked.amount, ranked.reason) == (failed.id, None, "below-pass-mark")
    assert b'"status":"disqualified"' in files["ocds.json"]


def test_where_nobody_passes_no_price_is_opened_and_the_lot_is_unsuccessful() -> None:
    life = a_life(msgspec.structs.replace(TWO, pass_mark="100"))
    verdict = verify(packed(all_of(life)), the_world().trust)
    assert verdict.outcome == "verified"
    assert life.openings["price"].keys == ()
    assert verdict.steps[11].findings[0] == "lot 1: unsuccessful"


def test_several_winners_are_named_in_the_order_of_their_ranks() -> None:
    life = a_life(SEVERAL)
    verdict = verify(packed(all_of(life)), the_world().trust)
    assert verdict.steps[11].findings[:2] == ("lot 1: 123-45-00003", "lot 1: 123-45-00002")


def test_lots_with_and_without_a_panel_share_a_tender() -> None:
    lots = a_lot(RULES["quality-price/1"]), a_lot(LowestPrice(), id="2")
    life = Life(notice=a_notice(the_world(), *lots, evaluators=PANEL))
    for number, amount in enumerate(PRICES, start=1):
        life.submit(a_bidder(life.world, number), amount)
    all_of(life)
    verdict = verify(life.record(), the_world().trust)
    assert verdict.outcome == "verified"
    assert verdict.steps[10].findings == ("lot 1: quality-price/1", "lot 2: lowest-price/1")
    first, second = (each.evaluation for each in life.evaluated.lots)
    assert first.sensitivity is not None
    assert second.sensitivity is None
    assert second.ranking[0].amount == "500000"


def test_a_record_made_before_there_was_a_second_version_still_verifies() -> None:
    """The file was written by the code that knew `lowest-price/1` only, but for its open data; it names its
    own trust."""
    data = (Path(__file__).parents[1] / "vectors" / "lowest-price-1.zip").read_bytes()
    trust = decode(archive.unpack(data)["claims.json"], Trust)
    verdict = verify(data, trust)
    assert (verdict.outcome, verdict.clean) == ("verified", True), verdict.steps[-1]
    assert verdict.steps[10].findings == ("lot 1: lowest-price/1",)


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────────

LIES: list[Lie] = []
lie = lies_into(LIES)


class Curious(Life):
    """Orders and opens the prices of whomever it likes."""

    def __init__(self, whose: Sequence[int], **how: Any) -> None:
        super().__init__(**how)
        self.whose = whose

    def to_open(self, part: Any) -> list[Chosen]:
        if part != "price":
            return super().to_open(part)
        return [Chosen(self.counted[i], "price") for i in self.whose]


@lie(
    10,
    "an order was signed on a price that was to stay closed",
    "price of a failed bid opened",
    Who.SERVICE,
    "The price of a bid that failed on quality is opened all the same.",
)
def the_price_of_a_bid_that_failed_is_opened() -> Files:
    life = scored(a_life(TWO, Curious, whose=(0, 1, 2)))
    life.open("price")
    # What the rules refuse to rank is kept out of the ranking, as if nobody had looked.
    life.counted[2] = msgspec.structs.replace(life.counted[2], bid=None)
    return concluded(life)


@lie(10, "a price that was to stay closed")
def one_member_signs_the_order_of_a_bid_that_failed() -> Files:
    life = scored(a_life(TWO))
    partials = life.order("price")
    member, failed = life.world.members[0], life.counted[2].envelope.context.bid
    alone = member.sign_order(life.terms, "price", failed, life.now, life.world.entropy)
    life.say(EventType.PARTIAL, alone, member.key, "price")
    life.open("price", [*partials, alone])
    return concluded(life)


@lie(
    10,
    "not every price was opened that was to be",
    "price that stays shut",
    Who.SERVICE,
    "The price of a bid that passed is never opened.",
)
def the_price_of_a_bid_that_passed_stays_closed() -> Files:
    life = scored(a_life(TWO, Curious, whose=(1,)))
    life.open("price")
    life.counted, whole = [life.counted[1], life.counted[2]], life.counted
    life.evaluate()
    life.counted = whole
    life.award()
    return life.files()


def told(rules: Rules, change: Callable[[Evaluation], Evaluation]) -> Files:
    """An honest life but for the evaluation that the service publishes, and that the officer follows."""
    life = scored(a_life(rules))
    life.open(life.notice.parts[-1])
    return evaluated_as(life, change)


def with_last(evaluation: Evaluation, **changes: Any) -> Evaluation:
    *others, last = evaluation.ranking
    changed: Ranked = msgspec.structs.replace(last, **changes)
    return msgspec.structs.replace(evaluation, ranking=(*others, changed))


@lie(11, "come out differently")
def a_bid_that_failed_is_given_a_price() -> Files:
    return told(TWO, lambda evaluation: with_last(evaluation, amount="1"))


@lie(11, "come out differently")
def a_bid_that_is_abnormally_low_is_only_above_the_ceiling() -> Files:
    return told(RULES["lowest-price/2"], lambda found: with_last(found, reason="above-ceiling"))


@lie(11, "come out differently")
def the_sensitivity_is_left_out() -> Files:
    rules = RULES["quality-price/1"]
    return told(rules, lambda found: msgspec.structs.replace(found, sensitivity=None))


@lie(11, "come out differently")
def the_number_of_winners_is_changed() -> Files:
    return told(SEVERAL, lambda found: msgspec.structs.replace(found, winners=3))


def awarded_to(*places: int) -> Files:
    """Those of the ranking at `places` are awarded."""

    class Favouring(Liar):
        def signed(self, payload: Any, key: Any) -> bytes:
            if isinstance(payload, IntendedAward | Award):
                awards = tuple(self.all_awards(self.evaluated)[place] for place in places)
                payload = msgspec.structs.replace(payload, awards=awards)
            return super().signed(payload, key)

        def all_awards(self, evaluated: Evaluated) -> list[Any]:
            [lot] = self.intended.awards[:1]
            ranking = evaluated.lots[0].evaluation.ranking
            return [msgspec.structs.replace(lot, bid=each.bid, supplier=each.bidder) for each in ranking]

    return all_of(begun(Favouring(SEVERAL)))


@lie(12, "someone else than the first in line")
def the_second_winner_is_swapped_for_the_third_in_line() -> Files:
    return awarded_to(0, 2)


@lie(12, "someone else than the first in line")
def the_winners_change_places() -> Files:
    return awarded_to(1, 0)


@lie(12, "someone else than the first in line")
def one_of_two_winners_is_left_out() -> Files:
    return awarded_to(0)


@lie(
    12,
    "the intended award names someone else than the first in line",
    "winner too many",
    Who.OFFICER,
    "A third business is awarded where the notice says two.",
)
def a_third_winner_is_added() -> Files:
    return awarded_to(0, 1, 2)


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)
