"""Fifteen preliminary prices, and the draw of four by the bidders' picks."""

import hashlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.draws import Draw
from crypto.errors import MalformedError
from procurement.errors import OfferError, ReservePricesError, RulesError
from procurement.evaluation.reserve_prices import (
    Bands,
    Committed,
    CommittedPrices,
    Unit,
    check_picks,
    commitment,
    count_picks,
    derive,
    draw_numbers,
    expected_price,
    verify,
)
from tests.core.evaluation_builders import FACTS, public_randomness

BANDS = Bands(base=Decimal(404282000), basis_points=200, unit=100)
SALT = "5a" * 32


def test_the_derived_prices_are_those_computed_by_others() -> None:
    facts = FACTS["derived"]
    prices = derive(BANDS, public_randomness().draw("reserve-prices"))
    assert public_randomness().seed("reserve-prices").hex() == facts["seed"]
    assert [str(price) for price in prices] == facts["prices"]
    assert sum(price > BANDS.base for price in prices) == facts["aboveBase"]


@given(
    st.integers(10**7, 10**14),
    st.integers(50, 1000),
    st.sampled_from([1, 100]),
    st.binary(min_size=32, max_size=32),
)
def test_one_price_lies_in_each_band_and_seven_or_eight_above_the_base(
    base: int, basis_points: int, unit: Unit, seed: bytes
) -> None:
    bands = Bands(base=Decimal(base), basis_points=basis_points, unit=unit)
    prices = sorted(derive(bands, Draw(seed)))
    steps = 100 if unit == 1 else 1
    for k, price in enumerate(prices):
        assert bands.edge(k) < price * steps <= bands.edge(k + 1)
        assert price * steps % unit == 0
    assert sum(price > base for price in prices) in (7, 8)
    assert bands.lowest <= prices[0]
    assert prices[-1] <= bands.highest


def test_unit_prices_have_two_decimals() -> None:
    bands = Bands(base=Decimal("1234.56"), basis_points=300, unit=1)
    prices = derive(bands, Draw(bytes(32)))
    assert all(price.as_tuple().exponent == -2 for price in prices)
    assert bands.lowest == Decimal("1197.52")


def test_a_base_too_small_for_fifteen_prices_is_refused() -> None:
    small = Bands(base=Decimal(30000), basis_points=200, unit=100)
    with pytest.raises(RulesError):
        derive(small, Draw(bytes(32)))


def revealed(*prices: str) -> CommittedPrices:
    return CommittedPrices(salt=SALT, prices=prices or tuple(FACTS["koneps"]["prices"]))


def committed_to(prices: CommittedPrices) -> Committed:
    return Committed(digest=commitment(prices))


def test_the_digest_is_over_the_salt_and_the_canonical_list_of_prices() -> None:
    listed = '["' + '","'.join(FACTS["koneps"]["prices"]) + '"]'
    assert commitment(revealed()) == hashlib.sha256(bytes.fromhex(SALT) + listed.encode()).hexdigest()


def test_revealed_prices_that_fit_the_notice_are_used() -> None:
    prices = verify(revealed(), committed_to(revealed()), BANDS)
    assert [str(price) for price in prices] == FACTS["koneps"]["prices"]


def test_prices_swapped_after_the_notice_are_refused() -> None:
    swapped = revealed(*reversed(FACTS["koneps"]["prices"]))
    with pytest.raises(ReservePricesError):
        verify(swapped, committed_to(revealed()), BANDS)
    other_salt = CommittedPrices(salt="00" * 32, prices=revealed().prices)
    with pytest.raises(ReservePricesError):
        verify(other_salt, committed_to(revealed()), BANDS)


@pytest.mark.parametrize("count", [0, 14, 16])
def test_another_number_of_prices_than_fifteen_is_refused(count: int) -> None:
    prices = CommittedPrices(salt=SALT, prices=("404282000",) * count)
    with pytest.raises(ReservePricesError):
        verify(prices, committed_to(prices), BANDS)


@pytest.mark.parametrize("price", ["396196300", "396196359", "412367641", "412367700"])
def test_the_range_is_the_stated_one_rounded_outward_to_the_unit(price: str) -> None:
    prices = revealed(*[price] * 15)
    inside = BANDS.lowest <= Decimal(price) <= BANDS.highest
    assert inside
    assert verify(prices, committed_to(prices), BANDS) == (Decimal(price),) * 15


@pytest.mark.parametrize("price", ["396196299", "412367701", "0"])
def test_a_committed_price_outside_the_stated_range_is_refused(price: str) -> None:
    prices = revealed(*FACTS["koneps"]["prices"][:14], price)
    with pytest.raises(ReservePricesError):
        verify(prices, committed_to(prices), BANDS)


def test_a_committed_price_with_more_decimals_than_the_unit_is_refused() -> None:
    prices = revealed(*["404282000.5"] * 15)
    with pytest.raises(MalformedError):
        verify(prices, committed_to(prices), BANDS)


@pytest.mark.parametrize("picks", [(), (1,), (1, 2, 3), (4, 4), (0, 1), (15, 16), (-1, 1)])
def test_a_bid_picks_two_different_numbers_of_one_to_fifteen(picks: tuple[int, ...]) -> None:
    with pytest.raises(OfferError):
        check_picks(picks)
    check_picks((15, 1))


def test_the_lower_number_comes_first_among_equally_often_picked_ones() -> None:
    counts = count_picks([4, 6, 8, 8, 8, 10, 12, 12, 13, 15])
    assert counts == (0, 0, 0, 1, 0, 1, 0, 3, 0, 1, 0, 2, 1, 0, 1)
    assert draw_numbers(counts) == (4, 6, 8, 12)


@pytest.mark.parametrize(
    ("picks", "drawn"),
    [
        ((), (1, 2, 3, 4)),
        ((9, 14), (1, 2, 9, 14)),
        ((2, 9, 9, 14), (1, 2, 9, 14)),
        ((1, 2, 3, 15), (1, 2, 3, 15)),
    ],
)
def test_remaining_places_are_filled_in_ascending_number(
    picks: tuple[int, ...], drawn: tuple[int, ...]
) -> None:
    assert draw_numbers(count_picks(picks)) == drawn


@given(st.lists(st.integers(1, 15), max_size=60))
def test_no_number_left_out_was_picked_more_often_than_one_drawn(picks: list[int]) -> None:
    counts = count_picks(picks)
    drawn = draw_numbers(counts)
    others = set(range(1, 16)) - set(drawn)
    assert len(set(drawn)) == 4
    assert max(counts[n - 1] for n in others) <= min(counts[n - 1] for n in drawn)


def test_the_mean_is_rounded_up_to_one_won_or_to_a_hundredth() -> None:
    won = [Decimal(price) for price in (100, 100, 100, 101, *[0] * 11)]
    assert str(expected_price(won, (1, 2, 3, 4), 100)) == "101"
    hundredths = [Decimal(price) for price in ("1.00", "1.00", "1.00", "1.01", *["0"] * 11)]
    assert str(expected_price(hundredths, (1, 2, 3, 4), 1)) == "1.01"
    assert str(expected_price([Decimal(400)] * 15, (1, 2, 3, 4), 100)) == "400"
