"""`multi-award/1`: the best m of those in line, by any other rule set."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from procurement.awards import Evaluated, LotAward, LotEvaluation, first_in_line
from procurement.errors import OfferError, RulesError
from procurement.evaluation import (
    Evaluation,
    LowestPrice,
    MultiAward,
    Rules,
    check,
    check_offer,
    criteria,
    single,
)
from tests.core.evaluation_builders import (
    PUBLISHED,
    a_life_cycle,
    a_negotiation,
    a_price_floor,
    a_quality,
    an_exclusion,
    an_offer,
    costed,
    evaluated,
    offers_of,
    one_sheet,
    two_envelopes,
)
from tests.core.test_evaluation_kr_negotiation import KONEPS

SINGLE: list[Rules] = [
    LowestPrice(),
    an_exclusion(),
    a_price_floor(),
    a_negotiation(),
    a_quality(),
    two_envelopes(),
    a_life_cycle(),
]


def best(rules: Any, winners: int = 2) -> MultiAward:
    return MultiAward(rules=rules, winners=winners)


def awards(evaluation: Evaluation) -> tuple[LotAward, ...]:
    lots = (LotEvaluation(lot="1", evaluation=evaluation),)
    return first_in_line(Evaluated(signer="", tender="", notice="", lots=lots, time=""))


def test_the_best_three_of_a_published_opening_win_in_their_order() -> None:
    """KONEPS R25BK01027145: 91.0894, 90.0959, 87.9 and three more."""
    offers = offers_of(*(amount for amount, *_ in KONEPS))
    sheets = one_sheet(offers, *(technical for _, technical, *_ in KONEPS))
    result = evaluated(best(a_negotiation(), 3), offers, sheets=sheets)
    assert (result.rule_set, result.winners) == ("multi-award/1", 3)
    assert [award.bid for award in awards(result)] == [r.bid for r in result.ranking[:3]]
    assert [r.total for r in result.ranking[:3]] == ["91.0894", "90.0959", "87.9000"]
    assert result.lines[-1].values == {"ruleSet": "kr-negotiation/1", "winners": "3"}


@pytest.mark.parametrize("rules", SINGLE, ids=lambda rules: rules.__struct_config__.tag)
def test_bids_are_ranked_as_the_nested_rules_rank_them(rules: Any) -> None:
    offers = (
        costed(("5", "1", "1"), ("6", "0", "0")) if rules == SINGLE[-1] else offers_of("5", "6", picks=())
    )
    if rules == SINGLE[2]:
        offers = offers_of("360000000", "365000000", picks=(1, 2))
    sheets = one_sheet(offers, "80", "90") if criteria(rules) else []
    alone, several = evaluated(rules, offers, sheets=sheets), evaluated(best(rules), offers, sheets=sheets)
    assert several.ranking == alone.ranking
    assert several.lines[:-1] == alone.lines
    assert alone.winners is None


@pytest.mark.parametrize("rules", SINGLE, ids=lambda rules: rules.__struct_config__.tag)
def test_the_parameters_of_any_rule_set_nest_and_read_back(rules: Any) -> None:
    both = best(rules)
    check(both, published=PUBLISHED)
    assert decode(encode(both), MultiAward) == both
    assert single(both) == rules
    assert criteria(both) == criteria(rules)


def test_several_do_not_nest_in_several() -> None:
    body = encode(best(LowestPrice()))
    nested = b'{"ruleSet":"multi-award/1","rules":' + body + b',"winners":2}'
    with pytest.raises(MalformedError):
        decode(nested, MultiAward)


@pytest.mark.parametrize("winners", [0, 1, 101])
def test_one_winner_is_no_framework(winners: int) -> None:
    with pytest.raises(MalformedError):
        decode(encode(best(LowestPrice())).replace(b":2}", b":%d}" % winners), MultiAward)


def test_what_the_nested_rules_refuse_is_refused() -> None:
    with pytest.raises(RulesError):
        check(best(LowestPrice(ceiling="0")), published=PUBLISHED)
    with pytest.raises(OfferError):
        check_offer(best(LowestPrice()), an_offer(1, "5", (1, 2)))


def test_fewer_bids_than_places_all_win_and_nobody_is_unsuccessful() -> None:
    one = evaluated(best(LowestPrice(ceiling="6"), 3), offers_of("5", "7"))
    assert awards(one) == (LotAward(lot="1", bid=one.ranking[0].bid, supplier="bidder 1"),)
    assert awards(evaluated(best(LowestPrice()), [])) == (LotAward(lot="1"),)
    above = evaluated(best(LowestPrice(ceiling="1")), offers_of("5", "7"))
    assert awards(above) == (LotAward(lot="1"),)


def test_a_tie_at_the_last_place_is_drawn_apart() -> None:
    result = evaluated(best(LowestPrice()), offers_of("5", "7", "7"))
    assert len(awards(result)) == 2
    assert all("tie-draw" in [line.code for line in r.lines] for r in result.ranking[1:])


PRICES = st.lists(st.integers(1, 30), min_size=1, max_size=12)


@given(PRICES, st.integers(2, 5), st.data())
def test_the_result_does_not_depend_on_order_and_a_loser_who_leaves_changes_no_winner(
    prices: list[int], winners: int, data: st.DataObject
) -> None:
    offers = offers_of(*map(str, prices))
    whole = evaluated(best(LowestPrice(), winners), offers)
    assert evaluated(best(LowestPrice(), winners), data.draw(st.permutations(offers))) == whole
    won = {award.bid for award in awards(whole)}
    assert len(won) == min(winners, len(prices))
    if losers := [offer for offer in offers if offer.envelope_id not in won]:
        left = data.draw(st.sampled_from(losers))
        rest = [offer for offer in offers if offer is not left]
        assert awards(evaluated(best(LowestPrice(), winners), rest)) == awards(whole)
