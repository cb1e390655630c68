"""What a tender's rules will do, shown on made-up bids: for whoever writes them, before anybody bids.

The bids lie around the ceiling, budget or base amount that the rules state: at it, below, two alike, far
below, above. A panel scores them where the rules have criteria.
Everything follows from the lot, so the same lot always shows the same. Prices that the officer committed to
are nobody else's to know: derived ones stand in for them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from crypto.draws import PublicRandomness
from crypto.encoding import Value, encode, sha256
from crypto.errors import VerificationError
from procurement import evaluation, money
from procurement.errors import OfferError
from procurement.evaluation import (
    Derived,
    Evaluation,
    LifeCycleCost,
    Offer,
    Rules,
    ScoreSheet,
    Unpriced,
)
from procurement.evaluation.explain import Language, reason, sentence
from procurement.tenders import Lot

WITHOUT_REFERENCE = Decimal(1_000_000)
"""What bids lie around where the rules state no amount."""
REFERENCES = ("ceiling", "budget", "base")
"""The parameters that state one, of whatever rule set."""
FEWEST = 3
"""Evaluators where the notice names none yet."""


class MadeUp(NamedTuple):
    """A bid: its price in per cent of the reference, and how good a panel finds it, in per cent."""

    name: str
    price: Decimal
    quality: int
    about: str


BIDS = (
    MadeUp("Bidder A", Decimal("100"), 90, "exactly the amount that the rules state"),
    MadeUp("Bidder B", Decimal("97.5"), 85, "a little below it"),
    MadeUp("Bidder C", Decimal("93"), 95, "clearly below it"),
    MadeUp("Bidder D", Decimal("93"), 95, "just as C in price and quality"),
    MadeUp("Bidder E", Decimal("88.5"), 70, "low"),
    MadeUp("Bidder F", Decimal("60"), 40, "far too low, and poor"),
    MadeUp("Bidder G", Decimal("103"), 88, "above it"),
)
HARSH = (0, -4, 3, -8, 5)
"""Per cent by which evaluators differ, in turn."""


class LotPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A lot's made-up bids with what came of them; where the rules cannot be asked, `trouble` says why."""

    lot: str
    title: str
    bids: tuple[tuple[MadeUp, Decimal], ...]
    unread: tuple[MadeUp, ...]
    """Those that the rules could not read: as bids they would not open."""
    evaluation: Evaluation | None = None
    trouble: str | None = None


def preview(lots: Sequence[Lot], currency: str, published: datetime, panel: int = FEWEST) -> list[LotPreview]:
    """Every lot, by its rule set and the tables of that day, scored by so many evaluators where it is.

    Raises MalformedError for a currency that is not kept here.
    """
    return [_lot(lot, currency, published, panel) for lot in lots]


def in_words(found: LotPreview, currency: str, language: Language = "en") -> list[str]:
    """The lot's preview as lines: the bids, who would win, and every line of the explanation."""
    lines = [f"Lot {found.lot}: {found.title}"]
    lines += [f"  {each.name}: {_money(amount, currency)}, {each.about}" for each, amount in found.bids]
    lines += [f"  {each.name} ({each.about}): the rules cannot read such a bid" for each in found.unread]
    if found.evaluation is None:
        return [*lines, f"  the rules cannot be tried: {found.trouble}"]
    lines += [f"  {sentence(line, language)}" for line in found.evaluation.lines]
    places = found.evaluation.winners or 1
    winners = [each.bidder for each in found.evaluation.ranking if each.rank and each.rank <= places]
    lines.append(f"  would win: {', '.join(winners) or 'nobody'}")
    for each in found.evaluation.ranking:
        place = f"{each.rank}." if each.rank else f"out ({reason(each.reason, language)})"
        price = _money(Decimal(each.amount), currency) if each.amount else "price not opened"
        lines.append(f"  {place} {each.bidder}, {price}")
        lines += [f"      {sentence(line, language)}" for line in each.lines]
    return lines


def _lot(lot: Lot, currency: str, published: datetime, panel: int) -> LotPreview:
    rules, bids, unread, offers = _derived(lot.rules), [], [], []
    reference = _reference(rules)
    for number, each in enumerate(BIDS):
        offer = _offer(rules, each, number, reference, money.places_of(currency))
        if offer is None:
            unread.append(each)
        else:
            bids.append((each, offer.amount))
            offers.append(offer)
    told = LotPreview(lot=lot.id, title=lot.title, bids=tuple(bids), unread=tuple(unread))
    try:
        found = _evaluated(lot, rules, offers, published, panel)
    except VerificationError as error:
        return msgspec.structs.replace(told, trouble=str(error))
    return msgspec.structs.replace(told, evaluation=found)


def _evaluated(
    lot: Lot, rules: Rules, offers: Sequence[Offer], published: datetime, panel: int
) -> Evaluation:
    """What becomes of the offers. Raises VerificationError's kinds for rules that cannot be published."""
    evaluation.check(rules, published=published)
    sheets = [_sheet(rules, each, offers) for each in range(panel)] if evaluation.criteria(rules) else []
    priced = evaluation.to_price(rules, [each.envelope_id for each in offers], sheets)
    return evaluation.evaluate(
        rules,
        [each for each in offers if each.envelope_id in priced],
        unpriced=[
            Unpriced(envelope_id=each.envelope_id, bidder=each.bidder)
            for each in offers
            if each.envelope_id not in priced
        ],
        sheets=sheets,
        randomness=_randomness(lot),
        published=published,
    )


def _offer(rules: Rules, made: MadeUp, number: int, reference: Decimal, places: int) -> Offer | None:
    """The bid as an offer; with picks where the rules want them, None where they read it in no way."""
    amount = money.half_up(Fraction(reference) * Fraction(made.price) / 100, places)
    id = sha256(b"made-up", made.name.encode()).hex()
    costs = _costs(rules, amount, number, places)
    for picks in ((), (number % 15 + 1, (number * 4 + 7) % 15 + 1)):
        offer = Offer(envelope_id=id, bidder=made.name, amount=amount, picks=picks, costs=costs)
        try:
            evaluation.check_offer(rules, offer)
        except OfferError:
            continue
        return offer
    return None


def _costs(rules: Rules, amount: Decimal, number: int, places: int) -> tuple[tuple[str, Decimal], ...]:
    """Where the rules ask for running costs: some per cent of the price, more of a lower one."""
    single = evaluation.single(rules)
    if not isinstance(single, LifeCycleCost):
        return ()
    share = Fraction(5 + number, 100)
    return tuple((each.id, money.half_up(Fraction(amount) * share, places)) for each in single.costs)


def _sheet(rules: Rules, evaluator: int, offers: Sequence[Offer]) -> ScoreSheet:
    quality = {each.name: each.quality + HARSH[evaluator % len(HARSH)] for each in BIDS}
    scores = {
        offer.envelope_id: {
            each.id: money.half_up(Fraction(Decimal(each.points)) * quality[offer.bidder] / 100, 2)
            for each in evaluation.criteria(rules)
        }
        for offer in offers
    }
    return ScoreSheet(evaluator=f"Evaluator {evaluator + 1}", scores=scores)


def _reference(rules: Rules) -> Decimal:
    stated = (value for name, value in _parameters(rules) if name in REFERENCES and isinstance(value, str))
    return next(map(Decimal, stated), WITHOUT_REFERENCE)


def _parameters(value: Value) -> Iterator[tuple[str, object]]:
    """All parameters, with those of rules within rules."""
    for name in value.__struct_fields__:
        stated = getattr(value, name)
        for each in stated if isinstance(stated, tuple) else (stated,):
            yield name, each
            if isinstance(each, Value):
                yield from _parameters(each)


def _derived(rules: Rules) -> Rules:
    """The rules with prices that follow from the opening, whoever committed to which."""
    single = evaluation.single(rules)
    if "preliminary_prices" not in single.__struct_fields__:
        return rules
    derived = msgspec.structs.replace(single, preliminary_prices=Derived())
    return derived if single is rules else msgspec.structs.replace(rules, rules=derived)


def _randomness(lot: Lot) -> PublicRandomness:
    """What a real tender takes from signatures that do not exist yet."""
    seed = sha256(b"preview", encode(lot))
    return PublicRandomness(
        tender="preview", lot=lot.id, notice=seed, beacon=seed + seed[:16], mandate=seed + seed[:16]
    )


def _money(amount: Decimal, currency: str) -> str:
    return f"{money.grouped(money.text(amount))} {currency}"
