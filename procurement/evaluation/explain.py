"""Evaluations and rules in words: explanation lines as sentences, reasons, and every parameter of a rule set.

A line keeps codes and figures only; the words are chosen when somebody reads, so a signed result does not
depend on a translation. The words are in `words_en`, `words_ko` and `words_es`; a language is one more file.
"""

import re
from collections.abc import Iterator
from typing import Literal

from procurement.evaluation import (
    KrNegotiation,
    KrPriceFloor,
    LifeCycleCost,
    LowestPrice,
    LowestPrice2,
    MultiAward,
    QualityPrice,
    Rules,
    TwoEnvelope,
    words_en,
    words_es,
    words_ko,
)
from procurement.evaluation.examination import Examination
from procurement.evaluation.panel import Criterion
from procurement.evaluation.reserve_prices import Committed
from procurement.evaluation.values import Line, Reason, line
from procurement.evaluation.weighing import WeightedCriterion
from procurement.money import grouped

Language = Literal["en", "ko", "es"]
Facts = list[tuple[str, str]]
"""Labels with what is stated under each."""

REASONS: dict[Language, dict[Reason, str]] = {
    "en": words_en.REASONS,
    "ko": words_ko.REASONS,
    "es": words_es.REASONS,
}
SENTENCES: dict[Language, dict[str, str]] = {
    "en": words_en.SENTENCES,
    "ko": words_ko.SENTENCES,
    "es": words_es.SENTENCES,
}
FACTS: dict[Language, dict[str, tuple[str, str]]] = {
    "en": words_en.FACTS,
    "ko": words_ko.FACTS,
    "es": words_es.FACTS,
}

UNITS: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("{} day", "{} days"),
        ("{} hour", "{} hours"),
        ("{} minute", "{} minutes"),
        ("{} second", "{} seconds"),
    ),
    "ko": (("{}일", "{}일"), ("{}시간", "{}시간"), ("{}분", "{}분"), ("{}초", "{}초")),
    "es": (
        ("{} día", "{} días"),
        ("{} hora", "{} horas"),
        ("{} minuto", "{} minutos"),
        ("{} segundo", "{} segundos"),
    ),
}
"""Days, hours, minutes and seconds: of one, and of several."""
_SIZES = (86400, 3600, 60, 1)
_BETWEEN: dict[Language, str] = {"en": ", ", "ko": " ", "es": ", "}
_NOTHING: dict[Language, str] = {"en": "none", "ko": "없음", "es": "ninguno"}
_SPANS = {"documentsWithin", "supplementWithin"}
_NAMES = {"title", "bidders", "evaluator", "criterion", "cost"}
_SUM = re.compile(r"[1-9][0-9]{3,14}(\.[0-9]{1,8})?")


def language_of(notice: str) -> Language:
    """The language in which a notice in this one (ISO 639-1) is explained: its own, or English."""
    return next((each for each in SENTENCES if each == notice), "en")


def sentence(line: Line, language: Language) -> str:
    """The line in words, thousands separated. Raises KeyError for a line that no rule set writes."""
    return SENTENCES[language][line.code].format_map(_readable(line))


def reason(code: Reason, language: Language) -> str:
    """The reason in words; in Korean as KONEPS words it."""
    return REASONS[language][code]


def rules_in_words(rules: Rules, currency: str, language: Language = "en") -> Facts:
    """Every parameter of a rule set."""
    facts = []
    for each in _parameters(rules):
        label, text = FACTS[language][each.code]
        spans = {
            name: duration(int(value), language) for name, value in each.values.items() if name in _SPANS
        }
        figures = {**_readable(each), **spans, "currency": currency}
        facts.append((label.format_map(figures), text.format_map(figures)))
    return facts


def duration(seconds: int, language: Language = "en") -> str:
    """A length of time in words, in full."""
    words = []
    for (one, many), size in zip(UNITS[language], _SIZES, strict=True):
        count, seconds = divmod(seconds, size)
        if count:
            words.append((one if count == 1 else many).format(count))
    return _BETWEEN[language].join(words) or _NOTHING[language]


def _parameters(rules: Rules) -> Iterator[Line]:
    """What the rules state, as lines whose words are in `FACTS`."""
    yield line(str(rules.__struct_config__.tag))
    match rules:
        case LowestPrice():
            yield _optional("ceiling", ceiling=rules.ceiling)
        case LowestPrice2():
            yield _optional("ceiling", ceiling=rules.ceiling)
            figures = {"abnormalBelow": rules.abnormal_below, "abnormalFrom": str(rules.abnormal_from)}
            yield line("abnormally-low", **figures)
        case KrPriceFloor():
            yield from _price_floor(rules)
        case KrNegotiation():
            yield from _negotiation(rules)
        case QualityPrice() | TwoEnvelope():
            yield from _weighing(rules)
        case LifeCycleCost():
            yield from _life_cycle_cost(rules)
        case MultiAward():
            yield line("winners", winners=str(rules.winners))
            yield from _parameters(rules.rules)


def _price_floor(rules: KrPriceFloor) -> Iterator[Line]:
    yield line("base", base=rules.base)
    yield line("range", basisPoints=str(rules.basis_points))
    if isinstance(rules.preliminary_prices, Committed):
        yield line("prices-committed", digest=rules.preliminary_prices.digest)
    else:
        yield line("prices-derived")
    yield line(f"steps-of-{rules.unit}")
    yield line("floor-by-table") if rules.floor is None else line("floor", floor=rules.floor)
    yield _optional("estimated-price", estimatedPrice=rules.estimated_price)
    yield line(rules.authority)
    yield line("statutory-costs", statutoryCosts=rules.statutory_costs)
    yield _optional("net-construction-cost", netConstructionCost=rules.net_construction_cost)
    yield from _examination(rules.examination)


def _examination(examination: Examination | None) -> Iterator[Line]:
    """What the first in line is examined by."""
    if examination is None:
        yield line("no-examination")
        return
    yield line("examination", passMark=examination.pass_mark)
    yield line("examination-price-points")
    for each in examination.criteria:
        yield line("capability", **_criterion(each))
    within, more = str(examination.documents_within), str(examination.supplement_within)
    yield line("examination-periods", documentsWithin=within, supplementWithin=more)


def _negotiation(rules: KrNegotiation) -> Iterator[Line]:
    yield line("budget", budget=rules.budget)
    yield line("price-points", pricePoints=rules.price_points)
    yield line("technical-points", technicalPoints=rules.technical_points)
    for each in rules.criteria:
        yield line("criterion", **_criterion(each))
    yield _pass_mark("technical-pass-mark", rules.pass_mark)
    yield line("extremes", dropExtremesFrom=str(rules.drop_extremes_from))
    yield line("negotiation") if rules.negotiation else line("no-negotiation")


def _weighing(rules: QualityPrice | TwoEnvelope) -> Iterator[Line]:
    for each in rules.criteria:
        yield from _weighted(each)
    if rules.price_weight is None:
        yield line("price-alone")
    else:
        yield line("price-weight", priceWeight=rules.price_weight)
    yield _pass_mark("quality-pass-mark", rules.pass_mark)
    yield line("extremes", dropExtremesFrom=str(rules.drop_extremes_from))
    yield _optional("ceiling", ceiling=rules.ceiling)


def _weighted(criterion: WeightedCriterion) -> Iterator[Line]:
    yield line("weighted-criterion", **_criterion(criterion), weight=criterion.weight)
    if criterion.threshold is not None:
        figures = {"threshold": criterion.threshold, "points": criterion.points}
        yield line("threshold", criterion=criterion.id, **figures)


def _life_cycle_cost(rules: LifeCycleCost) -> Iterator[Line]:
    for each in rules.costs:
        yield line(each.due, cost=each.id, title=each.title)
    yield line("years", years=str(rules.years))
    yield line("discount-rate", rate=rules.rate)
    yield _optional("ceiling", ceiling=rules.ceiling)


def _criterion(criterion: Criterion) -> dict[str, str]:
    return {"criterion": criterion.id, "title": criterion.title, "points": criterion.points}


def _pass_mark(code: str, mark: str | None) -> Line:
    return line("no-pass-mark") if mark is None else line(code, passMark=mark)


def _optional(code: str, **figures: str | None) -> Line:
    """The line, or the one that says that there is no such thing."""
    stated = {name: figure for name, figure in figures.items() if figure is not None}
    return line(code, **stated) if stated else line(f"no-{code}")


def _readable(line: Line) -> dict[str, str]:
    """The figures with the thousands of sums apart; what people wrote stays as it is."""
    return {
        name: value if name in _NAMES else ", ".join(map(_grouped, value.split(", ")))
        for name, value in line.values.items()
    }


def _grouped(figure: str) -> str:
    return grouped(figure) if len(figure) > 3 and _SUM.fullmatch(figure) else figure
