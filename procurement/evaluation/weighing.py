"""Weighted criteria that a panel scores, beside a price: what `quality-price/1` and `two-envelope/1` share.

Of each criterion a bid gets `weight × mean ÷ points`, where `points` is the most that an evaluator can give
and the mean is that of the panel's marks, one highest and one lowest left out where the panel is large
enough. For the price it gets `price weight × lowest ÷ price`. Each mean and each score is rounded half-up to
four decimals before anything is done with it, so that whoever adds up what is published gets what is
published. The formula for prices is the proportional one of the World Bank's quality- and cost-based
selection and of many laws.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import lt
from typing import NamedTuple, Protocol

from crypto.draws import PublicRandomness
from procurement import money
from procurement.errors import RulesError
from procurement.evaluation.panel import (
    SCORE_PLACES,
    Criterion,
    check_criteria,
    complete,
    points_of,
    steps_of,
    total_line,
    written,
)
from procurement.evaluation.ranking import Entrant, Merit, leaders, ranked, tickets
from procurement.evaluation.sensitivity import Contender, Outcome, Weight, sensitivity
from procurement.evaluation.values import (
    PLACES,
    Evaluation,
    Line,
    Offer,
    Ranked,
    Reason,
    ScoreSheet,
    Sensitivity,
    Unpriced,
    judged,
    judged_unpriced,
    line,
)
from procurement.money import Amount, Percent, Points


class WeightedCriterion(Criterion, frozen=True, kw_only=True):
    """A criterion with what it counts for."""

    weight: Points
    """What a bid gets that has all its points."""
    threshold: Points | None = None
    """A bid whose mean is below it is out. Absent: none."""


class Weighing(Protocol):
    """The parameters of a rule set that weighs."""

    @property
    def criteria(self) -> tuple[WeightedCriterion, ...]: ...
    @property
    def price_weight(self) -> Points | None:
        """Absent: the price alone ranks those who are in line."""

    @property
    def pass_mark(self) -> Percent | None:
        """The share of the criteria's weights, in per cent, below which a bid is out. Absent: none."""

    @property
    def drop_extremes_from(self) -> int:
        """From this many evaluators on, each bid's highest and lowest mark of each criterion are left out."""

    @property
    def ceiling(self) -> Amount | None:
        """A price above it is out."""


class Quality(NamedTuple):
    """What the panel gives a bid, in steps of 0.0001: marks, means and scores by criterion."""

    marks: tuple[tuple[int, ...], ...]
    means: tuple[int, ...]
    scores: tuple[int, ...]
    reason: Reason
    """`valid`, or why it is out whatever its price."""

    @property
    def score(self) -> int:
        """All scores together."""
        return sum(self.scores)


class Assessor:
    """What a panel gives, by criteria as numbers; the sheets are read once, however often they are asked."""

    def __init__(self, rules: Weighing, bids: Iterable[str], panel: Sequence[ScoreSheet]) -> None:
        """`panel` by evaluator, each sheet with marks of all `bids` (envelope ids) for all criteria."""
        self.rules = rules
        self.points = [_steps(each.points) for each in rules.criteria]
        self.weights = [_steps(each.weight) for each in rules.criteria]
        self.thresholds = [_steps(each.threshold or "0") for each in rules.criteria]
        self.mark = pass_mark(rules)
        self.least = 0 if self.mark is None else self.mark * 10**SCORE_PLACES
        self.evaluators = [sheet.evaluator for sheet in panel]
        self._marks = {bid: self._read(bid, panel) for bid in bids}

    def quality(self, bid: str, without: str | None = None) -> Quality:
        """The quality of a bid by the whole panel, of one at least, or `without` one of its evaluators."""
        marks = self._marks[bid]
        if without is not None:
            out = self.evaluators.index(without)
            marks = tuple((*each[:out], *each[out + 1 :]) for each in marks)
        means = tuple(map(self._mean, marks))
        scores = tuple(map(_weighed, self.weights, means, self.points))
        return Quality(marks, means, scores, self._verdict(means, sum(scores)))

    def dropping(self, marks: Sequence[int]) -> bool:
        """Whether the highest and the lowest of these are left out."""
        return len(marks) >= self.rules.drop_extremes_from

    def _read(self, bid: str, panel: Sequence[ScoreSheet]) -> tuple[tuple[int, ...], ...]:
        sheets = [sheet.scores[bid] for sheet in panel]
        return tuple(tuple(steps_of(sheet[each.id]) for sheet in sheets) for each in self.rules.criteria)

    def _mean(self, marks: Sequence[int]) -> int:
        total, count = sum(marks), len(marks)
        if self.dropping(marks):
            total, count = total - max(marks) - min(marks), count - 2
        return money.quotient(total, count)

    def _verdict(self, means: Sequence[int], score: int) -> Reason:
        if any(map(lt, means, self.thresholds)):
            return "below-threshold"
        return "below-pass-mark" if score < self.least else "valid"


class Contest:
    """Priced bids compared by what the panel, or a panel without one evaluator, gives them."""

    def __init__(self, assessor: Assessor, offers: Sequence[Offer], without: str | None = None) -> None:
        self.assessor, self.rules = assessor, assessor.rules
        self.ceiling = _price(self.rules.ceiling)
        self.price_weight = None if self.rules.price_weight is None else _steps(self.rules.price_weight)
        self.quality = {each.envelope_id: assessor.quality(each.envelope_id, without) for each in offers}
        self.in_line = [each for each in offers if self.reason(each) == "valid"]
        self.lowest = min((each.amount for each in self.in_line), default=None)
        self._lowest = money.steps(self.lowest or Decimal(0), PLACES)

    def reason(self, offer: Offer) -> Reason:
        """Quality comes first, then the ceiling."""
        reason = self.quality[offer.envelope_id].reason
        above = self.ceiling is not None and offer.amount > self.ceiling
        return "above-ceiling" if above and reason == "valid" else reason

    def price_score(self, offer: Offer) -> int:
        """Of a bid in line where prices are weighed, in steps of 0.0001."""
        return money.quotient((self.price_weight or 0) * self._lowest, money.steps(offer.amount, PLACES))

    def merit(self, offer: Offer) -> Merit:
        """Of a bid in line. Equal ones: the higher quality comes first."""
        quality = self.quality[offer.envelope_id].score
        if self.price_weight is None:
            return offer.amount, -quality
        return -quality - self.price_score(offer), -quality

    def contender(self, offer: Offer) -> Contender:
        """A bid in line as sensitivity looks at it."""
        quality = self.quality[offer.envelope_id]
        shares = tuple(zip(quality.means, self.assessor.points, strict=True))
        price = self._lowest, money.steps(offer.amount, PLACES)
        return Contender(offer.envelope_id, quality.score + self.price_score(offer), (*shares, price))


def check(rules: Weighing) -> None:
    """The parameters are numbers above zero that fit each other. Raises RulesError, MalformedError."""
    check_criteria(rules.criteria)
    if not all(points_of(each.weight) for each in rules.criteria):
        raise RulesError("a criterion has no weight")
    for each in rules.criteria:
        if each.threshold is not None and not 0 < points_of(each.threshold) <= points_of(each.points):
            raise RulesError("a threshold is above 0 and at most the points of its criterion")
    if rules.price_weight is not None and not points_of(rules.price_weight):
        raise RulesError("the price has no weight")
    if rules.pass_mark is not None and not 0 < money.parse(rules.pass_mark, places=3) <= 100:
        raise RulesError("a pass mark is above 0 and at most 100 per cent")
    if _price(rules.ceiling) == 0:
        raise RulesError("the ceiling is zero")


def evaluate(
    rule_set: str,
    rules: Weighing,
    offers: Sequence[Offer],
    unpriced: Sequence[Unpriced],
    sheets: Sequence[ScoreSheet],
    randomness: PublicRandomness,
    winners: int,
) -> Evaluation:
    """Ranks descending by the sum of all scores, or ascending by price where that alone ranks; equal ones:
    the higher quality first, then a draw. Raises ScoresError for a wrong sheet and for a bid without a
    score."""
    bids: list[Offer | Unpriced] = [*offers, *unpriced]
    ids = [each.envelope_id for each in bids]
    panel = complete(rules.criteria, ids, sheets)
    assessor = Assessor(rules, ids, panel)
    contest = Contest(assessor, offers)
    placed = [*(_placed(contest, each) for each in offers), *(_shut_out(assessor, each) for each in unpriced)]
    ranking = ranked(placed, randomness)
    return Evaluation(
        rule_set=rule_set,
        lines=_tender_lines(contest),
        ranking=ranking,
        sensitivity=_sensitivity(contest, bids, ranking, randomness, winners) if panel else None,
    )


def passing(rules: Weighing, bids: Sequence[str], panel: Sequence[ScoreSheet]) -> tuple[str, ...]:
    """Those of `bids` (envelope ids) that are not out whatever their price."""
    assessor = Assessor(rules, bids, panel)
    return tuple(each for each in bids if assessor.quality(each).reason == "valid")


def pass_mark(rules: Weighing) -> Decimal | None:
    """In points of quality."""
    if rules.pass_mark is None:
        return None
    return _most(rules) * money.parse(rules.pass_mark, places=3) / 100


def _sensitivity(
    contest: Contest,
    bids: Sequence[Offer | Unpriced],
    ranking: Sequence[Ranked],
    randomness: PublicRandomness,
    winners: int,
) -> Sensitivity:
    offers = {each.envelope_id: each for each in bids if isinstance(each, Offer)}
    closed = sorted(each.envelope_id for each in bids if isinstance(each, Unpriced))
    assessor = contest.assessor
    drawn = tickets(randomness, offers)
    weights = [Weight(each.id, _steps(each.weight)) for each in contest.rules.criteria]
    in_line = [contest.contender(offers[each.bid]) for each in ranking if each.rank is not None]

    def outcome(without: str) -> Outcome:
        again = Contest(assessor, tuple(offers.values()), without)
        merits = {each.envelope_id: again.merit(each) for each in again.in_line}
        let_in = [each for each in closed if assessor.quality(each, without).reason == "valid"]
        return Outcome(leaders(merits, drawn, winners), tuple(let_in))

    return sensitivity(
        assessor.evaluators,
        outcome,
        [*weights, Weight(None, contest.price_weight)] if contest.price_weight is not None else (),
        in_line,
        winners,
        {each.envelope_id: each.bidder for each in bids},
    )


def _placed(contest: Contest, offer: Offer) -> Entrant:
    quality, reason = contest.quality[offer.envelope_id], contest.reason(offer)
    lines = (*_quality_lines(contest.assessor, quality), *_ceiling_lines(contest, offer, reason))
    technical = money.of_steps(quality.score, SCORE_PLACES)
    if reason != "valid":
        out = judged(offer, reason, *lines, reference=contest.ceiling, technical_score=technical)
        return Entrant((), out)
    weight, lowest = contest.rules.price_weight, contest.lowest
    if weight is None or lowest is None:
        result = judged(offer, "valid", *lines, reference=contest.ceiling, technical_score=technical)
        return Entrant(contest.merit(offer), result)
    price = money.of_steps(contest.price_score(offer), SCORE_PLACES)
    result = judged(
        offer,
        "valid",
        *lines,
        line(
            "price-score",
            pricePoints=weight,
            lowestPrice=money.text(lowest),
            amount=money.text(offer.amount),
            priceScore=money.text(price),
        ),
        total_line(technical, price),
        reference=contest.ceiling,
        technical_score=technical,
        price_score=price,
        total=technical + price,
    )
    return Entrant(contest.merit(offer), result)


def _shut_out(assessor: Assessor, bid: Unpriced) -> Entrant:
    quality = assessor.quality(bid.envelope_id)
    technical = money.of_steps(quality.score, SCORE_PLACES)
    lines = (*_quality_lines(assessor, quality), line("price-closed"))
    return Entrant((), judged_unpriced(bid, quality.reason, *lines, technical_score=technical))


def _quality_lines(assessor: Assessor, quality: Quality) -> tuple[Line, ...]:
    each = zip(assessor.rules.criteria, quality.marks, quality.means, quality.scores, strict=True)
    scores, score = ", ".join(map(written, quality.scores)), written(quality.score)
    lines = [_criterion_line(assessor, *given) for given in each]
    return (*lines, line("quality", scores=scores, technicalScore=score), *_verdict_lines(assessor, quality))


def _criterion_line(
    assessor: Assessor, criterion: WeightedCriterion, marks: Sequence[int], mean: int, score: int
) -> Line:
    figures = {
        "criterion": criterion.id,
        "marks": ", ".join(map(written, marks)),
        "mean": written(mean),
        "weight": criterion.weight,
        "points": criterion.points,
        "score": written(score),
    }
    if not assessor.dropping(marks):
        return line("criterion-score", **figures)
    extremes = {"highest": written(max(marks)), "lowest": written(min(marks))}
    return line("criterion-score-without-extremes", **figures, **extremes)


def _verdict_lines(assessor: Assessor, quality: Quality) -> tuple[Line, ...]:
    if quality.reason == "below-pass-mark" and assessor.mark is not None:
        figures = {"technicalScore": written(quality.score), "passMarkPoints": money.text(assessor.mark)}
        return (line("below-pass-mark", **figures),)
    return tuple(
        line("below-threshold", criterion=each.id, mean=written(mean), threshold=each.threshold)
        for each, mean, least in zip(assessor.rules.criteria, quality.means, assessor.thresholds, strict=True)
        if each.threshold is not None and mean < least
    )


def _ceiling_lines(contest: Contest, offer: Offer, reason: Reason) -> tuple[Line, ...]:
    ceiling = contest.rules.ceiling
    if ceiling is None or reason not in ("valid", "above-ceiling"):
        return ()
    code = "above-ceiling" if reason == "above-ceiling" else "under-ceiling"
    return (line(code, amount=money.text(offer.amount), ceiling=ceiling),)


def _tender_lines(contest: Contest) -> tuple[Line, ...]:
    rules = contest.rules
    lines = [
        line("threshold", criterion=each.id, threshold=each.threshold, points=each.points)
        for each in rules.criteria
        if each.threshold is not None
    ]
    mark = contest.assessor.mark
    if rules.pass_mark is not None and mark is not None:
        figures = {"technicalPoints": money.text(_most(rules)), "passMark": rules.pass_mark}
        lines.append(line("pass-mark", passMarkPoints=money.text(mark), **figures))
    if rules.ceiling is not None:
        lines.append(line("ceiling", ceiling=rules.ceiling))
    if contest.lowest is not None:
        lines.append(line("lowest-price", lowestPrice=money.text(contest.lowest)))
    return tuple(lines)


def _most(rules: Weighing) -> Decimal:
    """All weights of criteria together."""
    return sum((points_of(each.weight) for each in rules.criteria), Decimal(0))


def _price(amount: Amount | None) -> Decimal | None:
    return None if amount is None else money.parse(amount, places=PLACES)


def _weighed(weight: int, mean: int, points: int) -> int:
    return money.quotient(weight * mean, points)


def _steps(points: Points) -> int:
    return steps_of(points_of(points))
