"""`kr-price-floor/1`: expected price by draw, floor amount, who is first in line, and the dated tables."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from procurement.errors import OfferError, ReservePricesError, RulesError
from procurement.evaluation import (
    Committed,
    CommittedPrices,
    Evaluation,
    KrPriceFloor,
    Offer,
    check,
    check_offer,
    explain,
)
from procurement.evaluation.floor_tables import bracket_of, price_score, table_of
from procurement.evaluation.reserve_prices import commitment
from tests.core.evaluation_builders import (
    FACTS,
    PUBLISHED,
    a_price_floor,
    an_offer,
    by_amount,
    evaluated,
    offers_of,
)

KONEPS = FACTS["koneps"]
REVEALED = CommittedPrices(salt="07" * 32, prices=tuple(KONEPS["prices"]))
COMMITTED = a_price_floor(preliminary_prices=Committed(digest=commitment(REVEALED)))
PICKS = (1, 2)


def koneps_offers() -> list[Offer]:
    return [
        an_offer(number, bid["amount"], tuple(bid["picks"]))
        for number, bid in enumerate(KONEPS["bids"], start=1)
    ]


def replayed(offers: list[Offer]) -> Evaluation:
    return evaluated(COMMITTED, offers, committed=REVEALED)


def test_the_koneps_opening_is_recomputed_to_the_won() -> None:
    result = replayed(koneps_offers())
    assert result.expected_price == KONEPS["expectedPrice"]
    assert list(result.drawn_numbers or ()) == KONEPS["drawn"]
    assert [price.picks for price in result.preliminary_prices or ()] == KONEPS["picks"]
    assert result.floor_amount == "354629096"
    found = by_amount(result)
    for bid in KONEPS["bids"]:
        ours = found[bid["amount"]]
        remark = explain.reason(ours.reason, "ko")
        assert (ours.rate, ours.rank, remark) == (bid["rate"], bid["rank"], bid["remark"])


def test_rates_of_bids_that_are_out_are_published_too() -> None:
    result = by_amount(replayed(koneps_offers()))
    assert result["354629095"].rate == "87.744"
    assert result["405000000"].rate == "100.208"


def test_derived_prices_need_nothing_but_the_two_signatures() -> None:
    result = evaluated(a_price_floor(), offers_of("380000000", picks=(3, 12)))
    assert [price.price for price in result.preliminary_prices or ()] == FACTS["derived"]["prices"]
    assert result.drawn_numbers == (1, 2, 3, 12)
    assert result.expected_price == "406748925"


def test_prices_are_revealed_exactly_where_the_notice_committed_to_them() -> None:
    with pytest.raises(ReservePricesError):
        evaluated(COMMITTED, koneps_offers())
    with pytest.raises(ReservePricesError):
        evaluated(a_price_floor(), koneps_offers(), committed=REVEALED)


def test_picks_count_of_bids_that_are_out_as_well() -> None:
    out = an_offer(9, "1", (14, 15))
    assert evaluated(a_price_floor(), [out]).drawn_numbers == (1, 2, 14, 15)


def flat(**changes: Any) -> tuple[KrPriceFloor, CommittedPrices]:
    """Rules under which the expected price is 1,000,000 whatever is picked."""
    prices = CommittedPrices(salt="00" * 32, prices=("1000000",) * 15)
    committed = Committed(digest=commitment(prices))
    return a_price_floor(base="1000000", preliminary_prices=committed, **changes), prices


@pytest.mark.parametrize(
    ("changes", "floor_amount"),
    [
        ({"floor": "87.745"}, "877450"),
        ({"floor": "79.995"}, "799950"),
        ({"floor": "100"}, "1000000"),
        ({"floor": "33.333", "statutory_costs": "1"}, "333331"),
        ({"floor": "87.745", "statutory_costs": "123457"}, "892580"),
    ],
)
def test_the_floor_amount_leaves_the_statutory_costs_out_and_is_rounded_up(
    changes: dict[str, Any], floor_amount: str
) -> None:
    rules, prices = flat(**changes)
    result = evaluated(rules, [], committed=prices)
    assert result.floor_amount == floor_amount
    costs = Fraction(changes.get("statutory_costs", "0"))
    exact = (1_000_000 - costs) * Fraction(changes["floor"]) / 100 + costs
    assert 0 <= int(floor_amount) - exact < 1


def test_the_bounds_themselves_are_inside() -> None:
    rules, prices = flat()
    found = by_amount(
        evaluated(rules, offers_of("877449", "877450", "1000000", "1000001", picks=PICKS), committed=prices)
    )
    assert {amount: result.reason for amount, result in found.items()} == {
        "877449": "below-floor",
        "877450": "valid",
        "1000000": "valid",
        "1000001": "above-expected-price",
    }


def test_a_price_under_98_percent_of_the_net_construction_cost_is_out() -> None:
    rules, prices = flat(net_construction_cost="950001")
    offers = offers_of("931000", "931001", "870000", picks=PICKS)
    found = by_amount(evaluated(rules, offers, committed=prices))
    assert [found[offer].reason for offer in ("931000", "931001", "870000")] == [
        "below-net-cost",
        "valid",
        "below-floor",
    ]


def test_unit_price_tenders_count_in_hundredths_of_a_won() -> None:
    prices = CommittedPrices(salt="00" * 32, prices=("10.01", "10.02", *["10.00"] * 13))
    committed = Committed(digest=commitment(prices))
    rules = a_price_floor(base="10", unit=1, preliminary_prices=committed, floor="88")
    result = evaluated(rules, offers_of("8.81", "8.82", "10.01", "10.02", picks=PICKS), committed=prices)
    assert (result.expected_price, result.floor_amount) == ("10.01", "8.81")
    assert [(r.amount, r.rank) for r in result.ranking] == [
        ("8.81", 1),
        ("8.82", 2),
        ("10.01", 3),
        ("10.02", None),
    ]
    with pytest.raises(OfferError):
        check_offer(a_price_floor(), an_offer(1, "8.81", PICKS))


def test_equal_prices_are_ordered_by_their_public_tickets() -> None:
    ids = FACTS["tieBreak"]["ascending"]
    offers = [
        Offer(envelope_id=id, bidder=id, amount=Decimal(390_000_000), picks=PICKS) for id in sorted(ids)
    ]
    assert [r.bid for r in evaluated(a_price_floor(), offers).ranking] == ids


def test_nobody_none_valid_all_above_and_all_below_have_a_result() -> None:
    nobody = evaluated(a_price_floor(), [])
    assert (nobody.ranking, nobody.drawn_numbers) == ((), (1, 2, 3, 4))
    for amounts, reason in (
        (("900000000", "500000000"), "above-expected-price"),
        (("1", "300000000"), "below-floor"),
    ):
        ranking = evaluated(a_price_floor(), offers_of(*amounts, picks=PICKS)).ranking
        assert [(r.rank, r.reason) for r in ranking] == [(None, reason)] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"base": "30000"},
        {"base": "0"},
        {"base": "999999999999999"},
        {"floor": "0"},
        {"floor": "100.001"},
        {"floor": None},
        {"floor": None, "estimated_price": "10000000000"},
        {"statutory_costs": "396196400"},
        {"net_construction_cost": "0"},
    ],
)
def test_rules_that_could_end_without_a_result_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        check(a_price_floor(**changes), published=PUBLISHED)


@pytest.mark.parametrize(
    "changes", [{"base": "1.5"}, {"base": "-1"}, {"floor": "NaN"}, {"statutory_costs": "1e3"}]
)
def test_parameters_that_are_no_amounts_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        check(a_price_floor(**changes), published=PUBLISHED)


def test_a_time_without_a_zone_chooses_no_table() -> None:
    rules = a_price_floor(floor=None, estimated_price="5")
    with pytest.raises(RulesError):
        check(rules, published=PUBLISHED.replace(tzinfo=None))


def test_rules_are_read_from_a_notice_by_name() -> None:
    body = (
        b'{"base":"404282000","basisPoints":200,"floor":"87.745","preliminaryPrices":{"kind":"derived"},'
        b'"ruleSet":"kr-price-floor/1","unit":100}'
    )
    assert decode(body, KrPriceFloor) == a_price_floor()
    assert encode(a_price_floor()) == body


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"floor/1", b"floor/2"),
        (b"floor/1", b"Floor/1"),
        (b'"unit":100', b'"unit":10'),
        (b'"unit":100', b'"unit":"100"'),
        (b'"basisPoints":200', b'"basisPoints":0'),
        (b'"basisPoints":200', b'"basisPoints":10000'),
        (b"derived", b"picked"),
        (b'"base"', b'"aBase":"1","base"'),
        (b'"87.745"', b"87.745"),
        (b'"87.745"', b'"087.745"'),
    ],
)
def test_unknown_names_versions_fields_and_values_are_refused(old: bytes, new: bytes) -> None:
    body = encode(a_price_floor())
    assert old in body
    with pytest.raises(MalformedError):
        decode(body.replace(old, new), KrPriceFloor)


# The dated tables

LAST_DAY_OF_88 = datetime(2026, 1, 29, 14, 59, 59, tzinfo=UTC)  # 23:59:59 in Korea
FIRST_DAY_OF_90 = datetime(2026, 1, 29, 15, 0, tzinfo=UTC)
BRACKETS = [
    ("299999999", "87.745", "89.745", "85"),
    ("300000000", "87.745", "89.745", "75"),
    ("1000000000", "86.745", "88.745", "65"),
    ("9999999999", "85.495", "87.495", "45"),
]


@pytest.mark.parametrize(("estimated", "before", "after", "needed"), BRACKETS)
def test_the_floor_follows_the_day_of_publication_in_korea(
    estimated: str, before: str, after: str, needed: str
) -> None:
    rules, prices = flat(floor=None, estimated_price=estimated)
    for published, floor in ((LAST_DAY_OF_88, before), (FIRST_DAY_OF_90, after)):
        result = evaluated(rules, [], committed=prices, published=published)
        assert result.floor_amount == str(int(Decimal(floor) * 10_000))


def test_local_governments_moved_earlier() -> None:
    rules, prices = flat(floor=None, estimated_price="5", authority="local")
    days = (datetime(2025, 6, 30, 14, 59, tzinfo=UTC), datetime(2025, 6, 30, 15, 0, tzinfo=UTC))
    amounts = [evaluated(rules, [], committed=prices, published=day).floor_amount for day in days]
    assert amounts == ["877450", "897450"]


def test_a_floor_that_the_notice_states_wins_over_the_table() -> None:
    rules, prices = flat(floor="77.995", estimated_price="5")
    assert evaluated(rules, [], committed=prices).floor_amount == "779950"


@pytest.mark.parametrize(("estimated", "before", "after", "needed"), BRACKETS)
def test_a_price_at_the_floor_gets_the_score_that_the_pass_mark_needs(
    estimated: str, before: str, after: str, needed: str
) -> None:
    for published, floor in ((LAST_DAY_OF_88, before), (FIRST_DAY_OF_90, after)):
        at_floor = int(Decimal(floor) * 10_000)
        assert score(published, estimated, at_floor) == Decimal(needed)
        assert score(published, estimated, at_floor - 100) < Decimal(needed)


@pytest.mark.parametrize(("estimated", "before", "after", "needed"), BRACKETS)
def test_the_price_score_peaks_at_the_centre_and_stays_level_above_the_plateau(
    estimated: str, before: str, after: str, needed: str
) -> None:
    bracket = bracket_of(table_of("national", FIRST_DAY_OF_90), Decimal(estimated))
    assert score(FIRST_DAY_OF_90, estimated, 900_000) == bracket.points
    for amount in (900_000 + int(bracket.plateau * 10_000), 950_000, 1_000_000):
        assert score(FIRST_DAY_OF_90, estimated, amount) == Decimal(needed)
    assert score(FIRST_DAY_OF_90, estimated, 1) == 2


def test_the_price_ratio_is_half_up_to_four_decimals_without_statutory_costs() -> None:
    table = table_of("national", FIRST_DAY_OF_90)
    bracket = bracket_of(table, Decimal(300_000_000))
    score_of = price_score(
        table,
        bracket,
        amount=Decimal(998_450),
        expected_price=Decimal(1_100_000),
        statutory_costs=Decimal(100_000),
    )
    assert score_of == Decimal("77.0")  # r = 0.89845, half-up 0.8985: 80 − 20 × 0.15


def score(published: datetime, estimated: str, amount: int) -> Decimal:
    table = table_of("national", published)
    return price_score(
        table,
        bracket_of(table, Decimal(estimated)),
        amount=Decimal(amount),
        expected_price=Decimal(1_000_000),
        statutory_costs=Decimal(0),
    )


# Properties

PRICES = st.integers(340_000_000, 412_000_000)
BIDS = st.lists(
    st.tuples(PRICES, st.permutations(range(1, 16)).map(lambda p: tuple(p[:2]))), min_size=1, max_size=12
)
Bids = list[tuple[int, tuple[int, ...]]]


def offers_from(bids: Bids) -> list[Offer]:
    return [an_offer(number, str(amount), picks) for number, (amount, picks) in enumerate(bids, start=1)]


@given(BIDS, st.data())
def test_the_result_does_not_depend_on_the_order_of_bids(bids: Bids, data: st.DataObject) -> None:
    offers = offers_from(bids)
    assert replayed(data.draw(st.permutations(offers))) == replayed(offers)


@given(BIDS)
def test_those_in_line_lie_between_the_bounds_and_all_others_outside(bids: Bids) -> None:
    result = replayed(offers_from(bids))
    floor, expected = int(result.floor_amount or 0), int(result.expected_price or 0)
    for each in result.ranking:
        inside = floor <= int(each.amount or 0) <= expected
        assert (each.rank is not None) == (each.reason == "valid") == inside
    in_line = [each for each in result.ranking if each.rank]
    assert [each.rank for each in in_line] == list(range(1, len(in_line) + 1))
    assert result.ranking[: len(in_line)] == tuple(in_line)


@given(BIDS, st.data())
def test_a_lower_price_that_keeps_the_floor_never_has_a_worse_rank(bids: Bids, data: st.DataObject) -> None:
    before = replayed(offers_from(bids))
    floor = int(before.floor_amount or 0)
    who = data.draw(st.integers(0, len(bids) - 1))
    amount, picks = bids[who]
    lower = data.draw(st.integers(min(floor, amount), amount))
    after = replayed(offers_from([*bids[:who], (lower, picks), *bids[who + 1 :]]))
    bid = f"{who + 1:064x}"
    assert rank_of(after, bid) <= rank_of(before, bid)


@given(BIDS, st.data())
def test_a_loser_who_leaves_changes_the_winner_only_by_changing_the_draw(
    bids: Bids, data: st.DataObject
) -> None:
    offers = offers_from(bids)
    whole = replayed(offers)
    left = data.draw(st.sampled_from(whole.ranking[1:])).bid if len(bids) > 1 else ""
    rest = replayed([offer for offer in offers if offer.envelope_id != left])
    if rest.drawn_numbers == whole.drawn_numbers and whole.ranking[0].rank:
        assert rest.ranking[0].bid == whole.ranking[0].bid


def test_a_loser_who_leaves_can_change_the_winner_because_picks_count() -> None:
    low, next_ = an_offer(1, "352500000", (3, 8)), an_offer(2, "380000000", (3, 8))
    loser = an_offer(3, "999000000", (11, 13))
    with_loser, without = replayed([low, next_, loser]), replayed([low, next_])
    assert (with_loser.drawn_numbers, with_loser.floor_amount) == ((3, 8, 11, 13), "349908437")
    assert (without.drawn_numbers, without.floor_amount) == ((1, 2, 3, 8), "354661035")
    assert [e.ranking[0].bid for e in (with_loser, without)] == [low.envelope_id, next_.envelope_id]


def rank_of(evaluation: Evaluation, bid: str) -> float:
    return next(r.rank or float("inf") for r in evaluation.ranking if r.bid == bid)


def test_five_thousand_bids_are_ranked() -> None:
    offers = [
        an_offer(n, str(340_000_000 + n * 10_007), (n % 15 + 1, (n + 7) % 15 + 1)) for n in range(1, 5001)
    ]
    result = evaluated(a_price_floor(), offers)
    assert len(result.ranking) == 5000
