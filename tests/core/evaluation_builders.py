"""Builders for evaluation tests: valid by default, one thing changed per call."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from crypto.draws import PublicRandomness
from procurement.evaluation import (
    CommittedPrices,
    CostItem,
    Criterion,
    Derived,
    Evaluation,
    KrNegotiation,
    KrPriceFloor,
    LifeCycleCost,
    LowestPrice2,
    Offer,
    QualityPrice,
    Ranked,
    Rules,
    ScoreSheet,
    TwoEnvelope,
    Unpriced,
    WeightedCriterion,
    evaluate,
)

FACTS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "reserve_prices.json").read_text(encoding="utf-8")
)
PUBLISHED = datetime(2025, 6, 20, tzinfo=UTC)


def public_randomness(beacon: bytes | None = None) -> PublicRandomness:
    facts = FACTS["randomness"]
    return PublicRandomness(
        tender=facts["tender"],
        notice=bytes.fromhex(facts["notice"]),
        beacon=beacon or bytes.fromhex(facts["beacon"]),
        mandate=bytes.fromhex(facts["mandate"]),
    )


def an_offer(number: int, amount: str, picks: tuple[int, ...] = ()) -> Offer:
    return Offer(envelope_id=f"{number:064x}", bidder=f"bidder {number}", amount=Decimal(amount), picks=picks)


def offers_of(*amounts: str, picks: tuple[int, ...] = ()) -> list[Offer]:
    return [an_offer(number, amount, picks) for number, amount in enumerate(amounts, start=1)]


def a_price_floor(**changes: Any) -> KrPriceFloor:
    rules = KrPriceFloor(
        base="404282000", basis_points=200, unit=100, preliminary_prices=Derived(), floor="87.745"
    )
    return msgspec.structs.replace(rules, **changes)


def a_negotiation(**changes: Any) -> KrNegotiation:
    rules = KrNegotiation(
        technical_points="90",
        price_points="10",
        budget="110000000",
        criteria=(
            Criterion(id="plan", title="Plan", points="60"),
            Criterion(id="team", title="Team", points="30"),
        ),
    )
    return msgspec.structs.replace(rules, **changes)


CRITERIA = (
    WeightedCriterion(id="plan", title="Plan", points="60", weight="60"),
    WeightedCriterion(id="team", title="Team", points="30", weight="30"),
)
"""As those of `a_negotiation`: a bid gets the points that the panel gives it."""


def a_quality(**changes: Any) -> QualityPrice:
    return msgspec.structs.replace(QualityPrice(criteria=CRITERIA, price_weight="10"), **changes)


def two_envelopes(**changes: Any) -> TwoEnvelope:
    return msgspec.structs.replace(TwoEnvelope(criteria=CRITERIA, pass_mark="85"), **changes)


def a_life_cycle(**changes: Any) -> LifeCycleCost:
    costs = (
        CostItem(id="energy", title="Energy"),
        CostItem(id="disposal", title="Taking back", due="end"),
    )
    return msgspec.structs.replace(LifeCycleCost(costs=costs, years=10, rate="5"), **changes)


def an_exclusion(**changes: Any) -> LowestPrice2:
    return msgspec.structs.replace(LowestPrice2(abnormal_below="80"), **changes)


def costed(*bids: tuple[str, str, str]) -> list[Offer]:
    """Offers of (price, energy a year, disposal)."""
    return [
        msgspec.structs.replace(
            an_offer(number, amount),
            costs=(("energy", Decimal(energy)), ("disposal", Decimal(disposal))),
        )
        for number, (amount, energy, disposal) in enumerate(bids, start=1)
    ]


def a_sheet(evaluator: str, totals: Mapping[str, str]) -> ScoreSheet:
    """A sheet that gives each envelope this total of 90: at most 30 for the team, the rest for the plan."""
    return ScoreSheet(
        evaluator=evaluator,
        scores={
            envelope: {"team": min(Decimal(total), Decimal(30)), "plan": max(Decimal(total) - 30, Decimal(0))}
            for envelope, total in totals.items()
        },
    )


def one_sheet(offers: Sequence[Offer], *totals: str) -> list[ScoreSheet]:
    """A panel of one, with the offers' totals in their order."""
    ids = [offer.envelope_id for offer in offers]
    return [a_sheet("panel-1", dict(zip(ids, totals, strict=True)))]


def evaluated(
    rules: Rules,
    offers: Sequence[Offer],
    *,
    unpriced: Sequence[Unpriced] = (),
    sheets: Sequence[ScoreSheet] = (),
    committed: CommittedPrices | None = None,
    published: datetime = PUBLISHED,
) -> Evaluation:
    return evaluate(
        rules,
        offers,
        unpriced=unpriced,
        sheets=sheets,
        committed=committed,
        randomness=public_randomness(),
        published=published,
    )


def by_amount(evaluation: Evaluation) -> dict[str, Ranked]:
    return {result.amount or "": result for result in evaluation.ranking}
