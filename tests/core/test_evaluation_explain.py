"""Every figure of an evaluation is explained, in every language, and the result signs as it stands."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
import rfc8785

from crypto.encoding import decode, encode
from procurement.evaluation import (
    Committed,
    CommittedPrices,
    Evaluation,
    Examined,
    KrPriceFloor,
    Line,
    LowestPrice,
    MultiAward,
    Offer,
    Ranked,
    Reason,
    Rules,
    Unpriced,
    explain,
)
from procurement.evaluation.reserve_prices import commitment
from tests.builders import examined_floor
from tests.core.evaluation_builders import (
    CRITERIA,
    a_life_cycle,
    a_negotiation,
    a_price_floor,
    a_quality,
    a_sheet,
    an_exclusion,
    costed,
    evaluated,
    offers_of,
    one_sheet,
    two_envelopes,
)
from tests.core.test_evaluation_examination import examined
from tests.core.test_evaluation_kr_negotiation import panel
from tests.core.test_evaluation_kr_price_floor import koneps_offers

REVEALED = CommittedPrices(salt="07" * 32, prices=("1000000",) * 15)
HALF = "50"
LANGUAGES: tuple[explain.Language, ...] = get_args(explain.Language)
FLAT = a_price_floor(
    base="1000000",
    preliminary_prices=Committed(digest=commitment(REVEALED)),
    floor=None,
    estimated_price="5",
    net_construction_cost="950000",
)


def evaluations() -> Iterator[Evaluation]:
    """Between them they write every line there is."""
    yield evaluated(LowestPrice(), offers_of("5", "5", "7"))
    yield evaluated(LowestPrice(ceiling="6"), offers_of("5", "7"))
    yield evaluated(a_price_floor(), koneps_offers())
    offers = offers_of("1", "880000", "940000", "940000", "2000000", picks=(1, 2))
    yield evaluated(FLAT, offers, committed=REVEALED)
    offers = offers_of("100000000", "90000000", "50000000", "120000000", "110000000")
    sheets = one_sheet(offers, "80", "70.5", "90", "90", "10")
    yield evaluated(a_negotiation(pass_mark=HALF), offers, sheets=sheets)
    (offer,) = offers_of("100000000")
    yield evaluated(a_negotiation(), [offer], sheets=panel(offer, "1", "2", "3", "4"))
    yield evaluated(an_exclusion(ceiling="102"), offers_of("60", "98", "100", "101", "101", "103"))
    yield evaluated(an_exclusion(), offers_of("60"))
    yield evaluated(a_life_cycle(), costed(("1000", "200", "50"), ("1500", "100", "0")))
    yield evaluated(MultiAward(rules=LowestPrice(), winners=2), offers_of("5", "6", "7"))
    yield from weighed()


def weighed() -> Iterator[Evaluation]:
    """With a panel: thresholds, extremes, and every way in which a result can hang on somebody."""
    strict = (msgspec.structs.replace(CRITERIA[0], threshold="30"), CRITERIA[1])
    offers = offers_of("100", "50", "40", "300")
    sheets = one_sheet(offers, "80", "20", "70", "85")
    yield evaluated(a_quality(criteria=strict, pass_mark="85", ceiling="250"), offers, sheets=sheets)
    offers = offers_of("100", "50")
    one, two = (offer.envelope_id for offer in offers)
    four = [a_sheet(f"e{n}", {one: str(80 + n), two: str(78 - n)}) for n in range(4)]
    yield evaluated(a_quality(), offers, sheets=four)
    equal = [a_sheet("e", {one: "60", two: "60"}), a_sheet("f", {one: "90", two: "5"})]
    yield evaluated(a_quality(), offers, sheets=equal)
    yield evaluated(a_quality(), offers, sheets=one_sheet(offers, "62", "60"))
    yield evaluated(a_quality(pass_mark="50"), offers[:1], sheets=panel(offers[0], "90", "10"))
    closed = Unpriced(envelope_id=two, bidder="two")
    split = [a_sheet("hard", {one: "90", two: "0"}), a_sheet("soft", {one: "77", two: "90"})]
    yield evaluated(two_envelopes(), offers[:1], unpriced=[closed], sheets=split)


def examinations() -> Iterator[Examined]:
    """On each of the three stretches of the price score, passed and failed."""
    yield from (examined(amount) for amount in ("897500", "950000", "800000"))


def lines_of(evaluation: Evaluation) -> Iterator[Line]:
    yield from evaluation.lines
    yield from evaluation.sensitivity.lines if evaluation.sensitivity else ()
    for result in evaluation.ranking:
        yield from result.lines


def test_every_line_there_is_has_been_written_and_no_other() -> None:
    written = {line.code for evaluation in evaluations() for line in lines_of(evaluation)}
    written |= {line.code for each in examinations() for line in each.lines}
    assert written == set(explain.SENTENCES["en"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence_reason_and_parameter(language: explain.Language) -> None:
    for words in (explain.SENTENCES, explain.REASONS, explain.FACTS):
        assert list(words[language]) == list(words["en"])
        assert all(words[language].values())


def test_a_notice_is_explained_in_its_language_or_in_english() -> None:
    assert [explain.language_of(each) for each in ("en", "ko", "es", "fr")] == ["en", "ko", "es", "en"]


def test_every_reason_is_worded_and_met() -> None:
    met = {result.reason for evaluation in evaluations() for result in evaluation.ranking}
    assert met == set(get_args(Reason)) == set(explain.REASONS["en"])
    assert [explain.reason("below-floor", language) for language in LANGUAGES] == [
        "Below the floor amount",
        "낙찰하한선 미달",
        "Inferior al importe mínimo",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sentence_uses_all_figures_of_its_line(language: explain.Language) -> None:
    lines = [line for evaluation in evaluations() for line in lines_of(evaluation)]
    for line in (*lines, *(line for each in examinations() for line in each.lines)):
        template = explain.SENTENCES[language][line.code]
        assert set(re.findall(r"{(\w+)}", template)) == set(line.values)
        sentence = explain.sentence(line, language).replace(",", "")
        assert "{" not in sentence
        assert all(value.replace(",", "") in sentence for value in line.values.values())


def test_sums_are_grouped_and_hashes_are_not() -> None:
    line = Line(code="expected-price", values={"prices": "1000, 2000.50", "expectedPrice": "123"})
    assert (
        explain.sentence(line, "en") == "The mean of 1,000, 2,000.50, rounded up, is the expected price 123."
    )
    digest = Line(code="prices-committed", values={"digest": "1" * 64})
    assert "1" * 64 in explain.sentence(digest, "ko")


FIGURES: dict[type[msgspec.Struct], tuple[str, ...]] = {
    Evaluation: ("expectedPrice", "floorAmount", "drawnNumbers", "winners"),
    Ranked: ("rank", "rate", "technicalScore", "priceScore", "total"),
}


def explained(value: Evaluation | Ranked, lines: Iterable[Line]) -> bool:
    """Each figure stands in a line under its own name with its own digits."""
    fields = decode(encode(value), dict[str, Any])
    figures = {name: fields[name] for name in FIGURES[type(value)] if name in fields}
    texts = {
        name: ", ".join(map(str, figure)) if isinstance(figure, list) else str(figure)
        for name, figure in figures.items()
    }
    return all(any(line.values.get(name) == text for line in lines) for name, text in texts.items())


def test_every_figure_of_the_result_stands_in_a_line() -> None:
    for evaluation in evaluations():
        assert explained(evaluation, evaluation.lines)
        assert all(explained(result, result.lines) for result in evaluation.ranking)
        listed = [line.values for line in evaluation.lines if line.code == "preliminary-price"]
        assert listed == [
            {"number": str(price.number), "price": price.price, "picks": str(price.picks)}
            for price in evaluation.preliminary_prices or ()
        ]


def test_every_move_and_every_evaluator_of_a_sensitivity_stands_in_a_line() -> None:
    for evaluation in evaluations():
        if found := evaluation.sensitivity:
            said = [line.values for line in found.lines]
            moves = [(each.weight, way.by) for each in found.weights for way in (each.up, each.down) if way]
            assert moves == [(values["weight"], values["by"]) for values in said if "by" in values]
            named = {values["evaluator"] for values in said if "evaluator" in values}
            assert named == {each.evaluator for each in found.evaluators}


def test_no_field_of_the_result_was_forgotten_by_these_tests() -> None:
    words = {"bid", "bidder", "amount", "reason", "lines", "ruleSet", "ranking", "preliminaryPrices"}
    words |= {"sensitivity"}  # which has lines of its own
    for struct, figures in FIGURES.items():
        assert {field.encode_name for field in msgspec.structs.fields(struct)} - words == set(figures)


def test_a_bid_that_is_out_is_told_by_a_line_with_its_reason() -> None:
    for evaluation in evaluations():
        for result in evaluation.ranking:
            assert (result.reason in [line.code for line in result.lines]) == (result.rank is None)


def test_a_result_has_one_canonical_form_and_reads_back() -> None:
    for evaluation in evaluations():
        body = encode(evaluation)
        assert decode(body, Evaluation) == evaluation
        assert rfc8785.dumps(msgspec.json.decode(body)) == body


def test_a_bidder_cannot_write_into_the_explanation() -> None:
    offer = Offer(envelope_id="ab" * 32, bidder="{amount.__class__}", amount=Decimal(5))
    (result,) = evaluated(LowestPrice(ceiling="6"), [offer]).ranking
    assert all("class" not in explain.sentence(line, "en") for line in result.lines)


# ── rules in words ───────────────────────────────────────────────────────────────────────────────────

STATED: list[Rules] = [
    LowestPrice(),
    LowestPrice(ceiling="123456"),
    an_exclusion(ceiling="5", abnormal_below="81.5", abnormal_from=7),
    a_price_floor(),
    FLAT,
    KrPriceFloor(
        base="1000.50",
        basis_points=200,
        unit=1,
        preliminary_prices=a_price_floor().preliminary_prices,
        authority="local",
        estimated_price="999",
    ),
    a_negotiation(pass_mark=HALF),
    a_negotiation(),
    a_negotiation(negotiation=True),
    examined_floor(documents_within=86401, supplement_within=3602),
    a_quality(criteria=(msgspec.structs.replace(CRITERIA[0], threshold="31"), CRITERIA[1])),
    two_envelopes(ceiling="77"),
    two_envelopes(price_weight="12.5"),
    a_life_cycle(ceiling="9"),
    MultiAward(rules=a_quality(), winners=3),
]


def figures_of(value: Any) -> Iterator[str]:
    """Every number and every free text in the rules."""
    match value:
        case dict():
            for each in value.values():
                yield from figures_of(each)
        case list():
            for each in value:
                yield from figures_of(each)
        case str() | int() if not isinstance(value, bool):  # which is said in words of its own
            yield str(value)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_parameter_of_every_rule_set_is_put_into_words(language: explain.Language) -> None:
    said_otherwise = {"national", "local", "derived", "committed", "yearly", "end", "1", "100", "True"}
    for rules in STATED:
        facts = explain.rules_in_words(rules, "KRW", language)
        words = " ".join(f"{label} {text}" for label, text in facts).replace(",", "")
        assert "{" not in words
        for figure in set(figures_of(decode(encode(rules), dict[str, Any]))) - said_otherwise:
            span = explain.duration(int(figure), language) if figure in ("86401", "3602") else figure
            assert span.replace(",", "") in words, figure


def test_every_way_to_put_a_parameter_is_used() -> None:
    used = {line.code for rules in STATED for line in explain._parameters(rules)}
    assert used == set(explain.FACTS["en"])
