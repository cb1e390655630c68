"""Every figure of an evaluation is explained, in English and Korean, and the result signs as it stands."""

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
    Line,
    LowestPrice,
    Offer,
    Ranked,
    Reason,
    explain,
)
from procurement.evaluation.reserve_prices import commitment
from tests.core.evaluation_builders import a_negotiation, a_price_floor, evaluated, offers_of, one_sheet
from tests.core.test_evaluation_examination import examined
from tests.core.test_evaluation_kr_negotiation import panel
from tests.core.test_evaluation_kr_price_floor import koneps_offers

REVEALED = CommittedPrices(salt="07" * 32, prices=("1000000",) * 15)
HALF = "50"
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


def examinations() -> Iterator[Examined]:
    """On each of the three stretches of the price score, passed and failed."""
    yield from (examined(amount) for amount in ("897500", "950000", "800000"))


def lines_of(evaluation: Evaluation) -> Iterator[Line]:
    yield from evaluation.lines
    for result in evaluation.ranking:
        yield from result.lines


def test_every_line_there_is_has_been_written_and_no_other() -> None:
    written = {line.code for evaluation in evaluations() for line in lines_of(evaluation)}
    written |= {line.code for each in examinations() for line in each.lines}
    assert written == set(explain.SENTENCES)


def test_every_reason_is_worded_and_met() -> None:
    met = {result.reason for evaluation in evaluations() for result in evaluation.ranking}
    assert met == set(get_args(Reason)) == set(explain.KONEPS_REMARKS) == set(explain.REASONS)
    assert [explain.reason("below-floor", language) for language in ("en", "ko")] == [
        "Below the floor amount",
        "낙찰하한선 미달",
    ]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_each_sentence_uses_all_figures_of_its_line(language: explain.Language) -> None:
    lines = [line for evaluation in evaluations() for line in lines_of(evaluation)]
    for line in (*lines, *(line for each in examinations() for line in each.lines)):
        template = explain.SENTENCES[line.code][language]
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
    Evaluation: ("expectedPrice", "floorAmount", "drawnNumbers"),
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


def test_no_field_of_the_result_was_forgotten_by_these_tests() -> None:
    words = {"bid", "bidder", "amount", "reason", "lines", "ruleSet", "ranking", "preliminaryPrices"}
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
