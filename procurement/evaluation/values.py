"""What goes into an evaluation and what comes out of it.

Inputs are plain values made from opened bids and signed score sheets. The output is a `Value`: it goes
into a signed statement as it stands, numbers as strings with the decimals their rule rounds to. Every
figure in it is explained by a `Line` that carries the same figure under the same name.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from crypto.encoding import Hex32, Identifier, Text, Value
from procurement import money
from procurement.errors import OfferError
from procurement.money import Amount

PLACES = 2
"""Decimals of a price under rules for any currency; the currency itself may have fewer (`tenders`)."""

Reason = Literal[
    "valid",
    "above-ceiling",
    "above-expected-price",
    "below-floor",
    "below-net-cost",
    "below-pass-mark",
    "below-threshold",
    "abnormally-low",
]
"""Why a bid is in line, or the first of its rule's conditions that it misses."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one opened bid offers."""

    envelope_id: str
    """Id of the envelope's statement, 64 hex digits; the tie-break ticket is drawn with it."""
    bidder: str
    amount: Decimal
    """The price, in the currency of the notice."""
    picks: tuple[int, ...] = ()
    """Two different numbers of 1..15 where the rule set draws preliminary prices, else none."""
    costs: tuple[tuple[str, Decimal], ...] = ()
    """The running costs that the bid states, by the ids that the rule set gives them, else none."""


class Unpriced(msgspec.Struct, frozen=True, kw_only=True):
    """A bid that the panel has scored and whose price stays closed."""

    envelope_id: str
    bidder: str


class ScoreSheet(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluator's signed scores of one tender."""

    evaluator: str
    scores: Mapping[str, Mapping[str, Decimal]]
    """Envelope id → criterion id → points."""


class Line(Value, frozen=True, kw_only=True):
    """One step of an explanation: which sentence (`explain.sentence`), and the figures in it."""

    code: str
    values: dict[str, str]


class PreliminaryPrice(Value, frozen=True, kw_only=True):
    """One of the fifteen preliminary prices and how many bidders' picks fell on it."""

    number: int
    price: Amount
    picks: int


class Ranked(Value, frozen=True, kw_only=True):
    """One bid's result. `rank` is absent when the bid is out; scores are absent where the rule has none."""

    bid: Hex32
    """The envelope id."""
    bidder: Text
    amount: Amount | None = None
    """Absent where the price stays closed."""
    rank: int | None = None
    reason: Reason
    rate: str | None = None
    """The amount in per cent of the expected price, budget or ceiling, truncated at three decimals."""
    technical_score: str | None = None
    price_score: str | None = None
    total: str | None = None
    lines: tuple[Line, ...]


class Shift(Value, frozen=True, kw_only=True):
    """The least move of a weight, four decimals, by which other bids win: `winners` in their order."""

    by: str
    winners: tuple[Hex32, ...]


class WeightMoves(Value, frozen=True, kw_only=True):
    """How far one weight is from another result, all others fixed. A direction in which no move changes the
    winners is absent."""

    criterion: Identifier | None = None
    """Absent: the price's weight."""
    weight: str
    up: Shift | None = None
    down: Shift | None = None


class WithoutEvaluator(Value, frozen=True, kw_only=True):
    """What would come out if this evaluator's sheet were not there."""

    evaluator: Text
    winners: tuple[Hex32, ...] | None = None
    """Absent where the same bids win."""
    passing: tuple[Hex32, ...] = ()
    """Bids whose price stays closed, and would not."""


class Sensitivity(Value, frozen=True, kw_only=True):
    """How much of the result hangs on one evaluator or one weight (`procurement.evaluation.sensitivity`)."""

    evaluators: tuple[WithoutEvaluator, ...] = ()
    """All of them, by id; none where there is one only."""
    weights: tuple[WeightMoves, ...] = ()
    """Of the criteria in their order, then of the price; none where prices alone rank."""
    lines: tuple[Line, ...]


class Evaluation(Value, frozen=True, kw_only=True):
    """The result of one evaluation: those in line by rank, then those out by envelope id."""

    rule_set: str
    expected_price: Amount | None = None
    """The expected price (예정가격), or the budget where that stands in for it."""
    floor_amount: Amount | None = None
    drawn_numbers: tuple[int, ...] | None = None
    preliminary_prices: tuple[PreliminaryPrice, ...] | None = None
    winners: int | None = None
    """How many are awarded at most. Absent: one."""
    lines: tuple[Line, ...]
    ranking: tuple[Ranked, ...]
    sensitivity: Sensitivity | None = None
    """Where a panel scores."""


def line(code: str, **values: str) -> Line:
    """A line with its figures; their names are as on the wire."""
    return Line(code=code, values=values)


def judged(
    offer: Offer,
    reason: Reason,
    *lines: Line,
    reference: Decimal | None = None,
    technical_score: Decimal | None = None,
    price_score: Decimal | None = None,
    total: Decimal | None = None,
) -> Ranked:
    """A priced bid's result before it has a rank, with its rate in per cent of `reference`."""
    rate = None if reference is None else money.percent_of(offer.amount, reference)
    return Ranked(
        bid=offer.envelope_id,
        bidder=offer.bidder,
        amount=money.text(offer.amount),
        reason=reason,
        rate=_text(rate),
        technical_score=_text(technical_score),
        price_score=_text(price_score),
        total=_text(total),
        lines=(*lines, *_rate_lines(offer.amount, reference, rate)),
    )


def judged_unpriced(bid: Unpriced, reason: Reason, *lines: Line, technical_score: Decimal) -> Ranked:
    """The result of a bid whose price stays closed: it is out."""
    return Ranked(
        bid=bid.envelope_id,
        bidder=bid.bidder,
        reason=reason,
        technical_score=money.text(technical_score),
        lines=lines,
    )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else money.text(number)


def _rate_lines(amount: Decimal, reference: Decimal | None, rate: Decimal | None) -> tuple[Line, ...]:
    if reference is None or rate is None:
        return ()
    figures = {"amount": amount, "reference": reference, "rate": rate}
    return (Line(code="rate", values={name: money.text(figure) for name, figure in figures.items()}),)


def check_price(offer: Offer, *, places: int) -> None:
    """A price is above zero, below 10^15 and has at most `places` decimals. Raises OfferError."""
    if not money.is_plain(offer.amount, places=places):
        raise OfferError(f"the price is not a plain amount with at most {places} decimals")
    if not offer.amount:
        raise OfferError("the price is zero")


def check_price_alone(offer: Offer, *, places: int = PLACES) -> None:
    """A price as `check_price` has it, no picks and no costs. Raises OfferError."""
    check_price(offer, places=places)
    check_no_picks(offer)
    check_no_costs(offer)


def check_no_picks(offer: Offer) -> None:
    """Raises OfferError where numbers are picked."""
    if offer.picks:
        raise OfferError("this rule set draws no preliminary prices")


def check_no_costs(offer: Offer) -> None:
    """Raises OfferError where costs are stated."""
    if offer.costs:
        raise OfferError("this rule set asks for no costs beside the price")


def check_distinct(offers: Sequence[Offer | Unpriced]) -> None:
    """Each envelope is named once, by 64 hex digits. Raises OfferError."""
    ids = {offer.envelope_id for offer in offers}
    if len(ids) != len(offers):
        raise OfferError("an envelope is offered twice")
    if any(len(id) != 64 or not set(id) <= set("0123456789abcdef") for id in ids):
        raise OfferError("an envelope id is 64 lower-case hex digits")
