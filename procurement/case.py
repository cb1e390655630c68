"""A past tender that is to live again: what was put in, and the figures that were published of what came out.

Whoever published it (`koneps`, `releases`), a case has one shape: lots with their rules, and what everybody
bid, make a tender of ours; the published figures are what its evaluation is compared with.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec

from crypto.encoding import Identifier
from crypto.errors import VerificationError
from procurement import evaluation, money
from procurement.awards import LotEvaluation
from procurement.evaluation import CommittedPrices, Evaluation, KrNegotiation, KrPriceFloor, Ranked
from procurement.evaluation.explain import language_of, reason
from procurement.money import Points
from procurement.notices import Language, Line
from procurement.tenders import Lot, LotOffer, Organisation

NOBODY = "nobody"
"""Who is awarded where nobody is."""
ENTITY = "Procuring entity of a past tender"
"""Its name where none is published."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_SPACE = re.compile(r"\s+")

Key = tuple[str, str | None, int | None, int | None]


class CaseError(VerificationError):
    """The files do not describe a past tender that can be replayed; one line says where they fail."""

    code = "case-invalid"


class PastBid(msgspec.Struct, frozen=True, kw_only=True):
    """What one bidder put in, or several jointly. `position` counts from 1, in the order of the file."""

    position: int
    names: tuple[str, ...]
    """The lead's first, then its partners'."""
    offers: tuple[LotOffer, ...]
    """Those that stood at the opening; none where the last was withdrawn."""
    withdrawn: tuple[tuple[LotOffer, ...], ...] = ()
    """What was offered before and taken back, the oldest first."""
    technical_score: Points | None = None

    @property
    def name(self) -> str:
        """Everybody's."""
        return " + ".join(self.names)

    @property
    def registration(self) -> str:
        """The lead's registration number, one of its own: published ones are left out, and names repeat."""
        return f"replay-{self.position:04}"

    @property
    def registrations(self) -> tuple[str, ...]:
        """Everybody's, in the order of the names."""
        partners = range(1, len(self.names))
        return (self.registration, *(f"{self.registration}-{number}" for number in partners))


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A published figure: of bidder `position`, of price `number`, or of the tender; of one `lot` where there
    are several."""

    figure: str
    field: str
    published: str
    lot: str | None = None
    position: int | None = None
    number: int | None = None


class Difference(Figure, frozen=True, kw_only=True, omit_defaults=True):
    """A published figure that does not come out again."""

    computed: str
    bidder: str | None = None

    def __str__(self) -> str:
        of_lot = f"lot {self.lot}" if self.lot else "tender"
        whose = self.bidder or (f"price {self.number}" if self.number else of_lot)
        return f"{whose}: {self.figure} ({self.field}) {self.published} published, {self.computed} computed"


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What a bidder came to. `reason` is our code and its wording; `lot` is absent where there is but one."""

    lot: str | None = None
    bidder: str
    amount: str
    rate: str | None
    price_score: str | None
    technical_score: str | None
    total: str | None
    rank: int | None
    reason: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A past tender: its inputs, and every figure that was published of its result."""

    publisher: str
    number: Identifier
    title: Line
    language: Language
    """Of its words; reasons are given in it where it is one that evaluations are explained in."""
    entity: Organisation
    buyer: Organisation | None = None
    currency: str
    lots: tuple[Lot, ...]
    bids: tuple[PastBid, ...]
    published: tuple[Figure, ...]
    committed: CommittedPrices | None = None
    """The fifteen preliminary prices, where the rules of the first lot commit to them."""
    notes: tuple[str, ...] = ()
    """What of the publication is not replayed, and why: a line each."""


def _lot_name(case: Case, lot: str) -> str | None:
    """How figures name the lot: not at all where the tender has no other."""
    return lot if len(case.lots) > 1 else None


def compare(case: Case, result: Sequence[LotEvaluation]) -> tuple[Difference, ...]:
    """Every published figure that the evaluation does not give again. Numbers are compared as numbers.

    Among equal bids a draw decided, theirs and ours: any of the ranks that they share agrees.
    Raises CaseError unless the evaluation is of the case's bids.
    """
    computed = {key: texts for lot in result for key, texts in _computed(case, lot)}
    return tuple(
        _difference(case, each, computed[_key(each)][0])
        for each in case.published
        if not any(_same(each.published, one) for one in computed[_key(each)])
    )


def results(case: Case, result: Sequence[LotEvaluation]) -> list[Result]:
    """Every bidder's result, lot by lot: by rank, and those who are out in the order of the case."""
    return [each for lot in result for each in _results(case, lot)]


def _results(case: Case, lot: LotEvaluation) -> Iterator[Result]:
    ranked = _by_bid(case, lot)
    order = sorted(ranked, key=lambda position: (ranked[position].rank or len(ranked), position))
    for position in order:
        yield _result(case, _lot_name(case, lot.lot), case.bids[position - 1], ranked[position])


def _computed(case: Case, lot: LotEvaluation) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """What may stand for each figure; more than one only where equal bids share it."""
    name, ranked = _lot_name(case, lot.lot), _by_bid(case, lot)
    for figure, texts in _of_lot(case, lot, ranked).items():
        yield (figure, name, None, None), texts
    for price in lot.evaluation.preliminary_prices or ():
        drawn = price.number in (lot.evaluation.drawn_numbers or ())
        yield ("drawn", name, None, price.number), ("Y" if drawn else "N",)
        yield ("picks", name, None, price.number), (str(price.picks),)
    ranks = _shared_ranks(lot.evaluation.ranking)
    for position, each in ranked.items():
        for figure, texts in _of_bid(case, each, ranks).items():
            yield (figure, name, position, None), texts


def _of_lot(case: Case, lot: LotEvaluation, ranked: dict[int, Ranked]) -> dict[str, tuple[str, ...]]:
    [rules] = [evaluation.single(each.rules) for each in case.lots if each.id == lot.lot]
    first = _first(ranked)
    base = _base(rules)
    return {
        "expectedPrice": (lot.evaluation.expected_price or "none",),
        "baseAmount": (base or "none",),
        "pricesAboveBase": (str(_prices_above(lot.evaluation, base)) if base else "none",),
        "awarded": tuple(case.bids[position - 1].name for position in first) or (NOBODY,),
        "awardedAmount": tuple(first.values())[:1] or ("none",),
    }


def _base(rules: evaluation.Single) -> str | None:
    match rules:
        case KrPriceFloor():
            return rules.base
        case KrNegotiation():
            return rules.budget
        case _:
            return None


def _of_bid(
    case: Case, ranked: Ranked, ranks: dict[tuple[str | None, ...], tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    scores = {
        "rate": ranked.rate,
        "priceScore": ranked.price_score,
        "technicalScore": ranked.technical_score,
        "total": ranked.total,
    }
    return {
        "rank": ranks[_merit(ranked)] if ranked.rank else ("none",),
        "remark": (reason(ranked.reason, language_of(case.language)),),
        **{figure: (score or "none",) for figure, score in scores.items()},
    }


def _first(ranked: dict[int, Ranked]) -> dict[int, str]:
    """Amounts by position of whoever may stand first: equal bids all may."""
    merits = {_merit(each) for each in ranked.values() if each.rank == 1}
    return {
        position: each.amount or "none"
        for position, each in sorted(ranked.items(), key=lambda item: item[1].rank or 0)
        if each.rank and _merit(each) in merits
    }


def _prices_above(result: Evaluation, base: str) -> int:
    limit = money.parse(base, places=2)
    return sum(money.parse(each.price, places=2) > limit for each in result.preliminary_prices or ())


def _difference(case: Case, figure: Figure, computed: str) -> Difference:
    bidder = case.bids[figure.position - 1].name if figure.position else None
    return Difference(**msgspec.structs.asdict(figure), computed=computed, bidder=bidder)


def _shared_ranks(ranking: Iterable[Ranked]) -> dict[tuple[str | None, ...], tuple[str, ...]]:
    ranks: dict[tuple[str | None, ...], tuple[str, ...]] = {}
    for each in ranking:
        if each.rank:
            ranks[_merit(each)] = (*ranks.get(_merit(each), ()), str(each.rank))
    return ranks


def _merit(ranked: Ranked) -> tuple[str | None, ...]:
    """Bids with the same are equal, and only a draw can rank them."""
    return (ranked.total, ranked.technical_score) if ranked.total else (ranked.amount,)


def _by_bid(case: Case, lot: LotEvaluation) -> dict[int, Ranked]:
    """The lot's ranking by the bidders' positions in the case. Raises CaseError unless all are there."""
    by_registration = {ranked.bidder: ranked for ranked in lot.evaluation.ranking}
    bids = [bid for bid in case.bids if any(offer.lot == lot.lot for offer in bid.offers)]
    if set(by_registration) != {bid.registration for bid in bids}:
        raise CaseError("the evaluation is not of all the bidders of the case")
    return {bid.position: by_registration[bid.registration] for bid in bids}


def _result(case: Case, lot: str | None, bid: PastBid, ranked: Ranked) -> Result:
    return Result(
        lot=lot,
        bidder=bid.name,
        amount=ranked.amount or "",
        rate=ranked.rate,
        price_score=ranked.price_score,
        technical_score=ranked.technical_score,
        total=ranked.total,
        rank=ranked.rank,
        reason=f"{ranked.reason} {reason(ranked.reason, language_of(case.language))}",
    )


def _key(figure: Figure) -> Key:
    return figure.figure, figure.lot, figure.position, figure.number


def _same(published: str, computed: str) -> bool:
    if _NUMBER.fullmatch(published) and _NUMBER.fullmatch(computed):
        return Decimal(published) == Decimal(computed)
    return _SPACE.sub("", published) == _SPACE.sub("", computed)
