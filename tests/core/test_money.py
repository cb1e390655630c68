"""Decimals on the wire are bounded strings, and each rounding says its direction and places."""

import json
from decimal import Decimal, getcontext, localcontext
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import Value, decode
from crypto.errors import MalformedError
from procurement import money


class Priced(Value, frozen=True, kw_only=True):
    price: money.Amount


GARBAGE = [
    "", " 1", "1 ", "1\n", "-1", "+1", "-0", "01", "1.", ".5", "1.234", "1,000", "1e3", "1E+1000000",
    "NaN", "sNaN", "Infinity", "１２", "٣", "1_000", "0x10", "1" * 16, "1" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_is_no_amount_to_the_parser_nor_on_the_wire(text: str) -> None:
    with pytest.raises(MalformedError):
        money.parse(text, places=2)
    with pytest.raises(MalformedError):
        decode(msgspec.json.encode({"price": text}), Priced)


def test_a_number_on_the_wire_is_no_amount() -> None:
    for body in (b'{"price":1}', b'{"price":1.5}', b'{"price":null}', b'{"price":1E+1000000}'):
        with pytest.raises(MalformedError):
            decode(body, Priced)


@given(st.integers(0, 10**15 - 1), st.integers(0, 2))
def test_an_amount_is_written_as_it_was_read(whole: int, places: int) -> None:
    text = f"{whole}.{'09'[:places]}" if places else str(whole)
    assert money.text(money.parse(text, places=places)) == text
    assert decode(msgspec.json.encode({"price": text}), Priced).price == text


@given(st.text())
def test_any_text_parses_or_is_refused_by_type(text: str) -> None:
    try:
        number = money.parse(text, places=4)
    except MalformedError:
        return
    assert money.is_plain(number, places=4)
    assert money.text(number) == text


def test_more_decimals_than_the_currency_has_are_refused() -> None:
    assert money.parse("1.50", places=money.places_of("EUR")) == Decimal("1.5")
    with pytest.raises(MalformedError):
        money.parse("1.5", places=money.places_of("KRW"))
    with pytest.raises(MalformedError):
        money.places_of("XXX")


PLACES = {"KRW": 0, "JPY": 0, "CLP": 0, "XOF": 0, "PYG": 0, "USD": 2, "EUR": 2, "UAH": 2, "MDL": 2, "NGN": 2}


@pytest.mark.parametrize(("currency", "places"), PLACES.items())
def test_a_currency_has_the_decimals_of_its_standard(currency: str, places: int) -> None:
    assert money.places_of(currency) == places


@pytest.mark.parametrize(("currency", "places"), [("KWD", 3), ("TND", 3), ("CLF", 4)])
def test_a_currency_with_more_decimals_than_amounts_have_is_refused(currency: str, places: int) -> None:
    with pytest.raises(MalformedError, match=f"amounts in {currency} have {places} decimals"):
        money.places_of(currency)


def test_every_currency_stands_in_the_list_once() -> None:
    table = json.loads(Path(money.__file__).with_name("currencies.json").read_bytes())["minorUnits"]
    known = [each for codes in table.values() for each in codes]
    assert len(known) == len(set(known)) == 170
    assert all(len(each) == 3 and each.isascii() and each.isupper() for each in known)
    assert "XAU" not in known


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-1", "-0", "1E+2", "1E+1000000", "0.001"])
def test_numbers_that_the_parser_never_gives_are_not_plain(number: str) -> None:
    assert not money.is_plain(Decimal(number), places=2)


def test_each_rounding_goes_its_own_way() -> None:
    half = Fraction(12345, 10000)
    assert [str(rounded(half, 3)) for rounded in (money.truncated, money.half_up, money.up)] == [
        "1.234",
        "1.235",
        "1.235",
    ]
    assert str(money.half_up(Fraction(12344999, 10**7), 3)) == "1.234"
    assert str(money.up(Fraction(5), 0)) == "5"
    assert str(money.up(Fraction(5) + Fraction(1, 10**30), 0)) == "6"


@given(st.fractions(min_value=0, max_value=10**17), st.integers(0, 4))
def test_roundings_bracket_the_exact_number(number: Fraction, places: int) -> None:
    step = Fraction(1, 10**places)
    low, near, high = (Fraction(f(number, places)) for f in (money.truncated, money.half_up, money.up))
    assert low <= number <= high
    assert high - low in (0, step)
    assert -step / 2 < number - near <= step / 2 or number - near == -step / 2
    assert near in (low, high)
    assert money.up(number, places).as_tuple().exponent == -places


def test_rounding_does_not_depend_on_the_decimal_context() -> None:
    with localcontext() as context:
        context.prec = 3
        assert str(money.half_up(Fraction(404158750 * 3, 7), 4)) == "173210892.8571"
    assert getcontext().prec > 3


def test_the_published_rate_is_cut_off_not_rounded() -> None:
    assert str(money.percent_of(Decimal(14433930), Decimal(16025300))) == "90.069"
