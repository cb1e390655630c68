"""Past tenders of KONEPS: what is read, and what is compared with what was published."""

import json
from contextlib import suppress
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import VerificationError
from procurement import case as cases
from procurement.awards import LotEvaluation
from procurement.case import Case, CaseError, Difference, Figure, Result
from procurement.evaluation import Evaluation, Offer, Ranked, ScoreSheet, evaluate
from procurement.koneps import BID_FIGURES, CRITERION, LOT, PRICE_FIGURES, TENDER_FIGURES
from tests.core.evaluation_builders import PUBLISHED, public_randomness
from tests.past_tenders import (
    NEGOTIATION,
    PRICE_FLOOR,
    Files,
    answer,
    blanked,
    changed,
    files_of,
    read_case,
    the_case,
    with_field,
)

BOTH = (NEGOTIATION, PRICE_FLOOR)


def evaluated(case: Case) -> Evaluation:
    """The case by the rule set it names, all bids opened."""
    ids = {bid.registration: f"{bid.position:064x}" for bid in case.bids}
    offers = [
        Offer(
            envelope_id=ids[bid.registration],
            bidder=bid.registration,
            amount=Decimal(offer.amount),
            picks=offer.picks or (),
        )
        for bid in case.bids
        for offer in bid.offers
    ]
    scores = {
        ids[bid.registration]: {CRITERION: Decimal(bid.technical_score)}
        for bid in case.bids
        if bid.technical_score is not None
    }
    return evaluate(
        case.lots[0].rules,
        offers,
        sheets=[ScoreSheet(evaluator="evaluator", scores=scores)] if scores else (),
        committed=case.committed,
        randomness=public_randomness(),
        published=PUBLISHED,
    )


def compare(case: Case, result: Evaluation) -> tuple[Difference, ...]:
    return cases.compare(case, [LotEvaluation(lot=LOT, evaluation=result)])


def results(case: Case, result: Evaluation) -> list[Result]:
    return cases.results(case, [LotEvaluation(lot=LOT, evaluation=result)])


def differences(files: Files) -> list[tuple[str, str, str]]:
    case = read_case(files)
    return [(each.field, each.published, each.computed) for each in compare(case, evaluated(case))]


@pytest.mark.parametrize("number", BOTH)
def test_every_published_figure_comes_out_again(number: str) -> None:
    case = the_case(number)
    assert len(case.published) > 30
    assert compare(case, evaluated(case)) == ()


@pytest.mark.parametrize("number", BOTH)
def test_with_every_result_blank_the_same_figures_are_computed(number: str) -> None:
    whole, blank = the_case(number), read_case(blanked(files_of(number)))
    assert {each.field for each in blank.published} <= {"techEvlVal", "bssamt", "bssamtBssUpNum"}
    assert results(blank, evaluated(blank)) == results(whole, evaluated(whole))
    assert evaluated(blank) == evaluated(whole)
    assert compare(blank, evaluated(blank)) == ()


@pytest.mark.parametrize("number", BOTH)
def test_an_absent_result_field_is_like_a_blank_one(number: str) -> None:
    files = blanked(files_of(number))
    for name, data in files.items():
        items = json.loads(data)["response"]["body"]["items"]
        files[name] = answer(*({k: v for k, v in item.items() if v} for item in items))
    assert read_case(files) == read_case(blanked(files_of(number)))


@pytest.mark.parametrize("number", BOTH)
def test_every_published_figure_that_is_altered_is_named(number: str) -> None:
    case = the_case(number)
    result = evaluated(case)
    for figure in case.published:
        wrong = msgspec.structs.replace(figure, published=altered(figure))
        published = tuple(wrong if each is figure else each for each in case.published)
        found = compare(msgspec.structs.replace(case, published=published), result)
        assert [(each.field, each.position, each.number) for each in found] == [
            (figure.field, figure.position, figure.number)
        ]
        assert figure.field in str(found[0])
        assert altered(figure) in str(found[0])


def altered(figure: Figure) -> str:
    swaps = {"Y": "N", "N": "Y", "정상": "예가초과", "낙찰하한선 미달": "정상", "예가초과": "정상"}
    return swaps.get(figure.published) or str(Decimal(figure.published) + Decimal("0.001"))


def test_a_difference_names_the_bidder_and_both_figures() -> None:
    case = read_case(with_field(files_of(PRICE_FLOOR), "bids.json", "bidprcrt", "87.746", at=1))
    (found,) = compare(case, evaluated(case))
    assert str(found) == "bidder 02: rate (bidprcrt) 87.746 published, 87.744 computed"
    assert msgspec.to_builtins(found) == {
        "figure": "rate",
        "field": "bidprcrt",
        "published": "87.746",
        "computed": "87.744",
        "position": 2,
        "bidder": "bidder 02",
    }


def test_an_expected_price_that_was_altered_everywhere_is_one_difference() -> None:
    def raise_it(items: list[dict[str, str]]) -> None:
        for item in items:
            item["plnprc"] = "404158751"

    files = changed(files_of(PRICE_FLOOR), "prices.json", raise_it)
    assert differences(files) == [("plnprc", "404158751", "404158750")]


@pytest.mark.parametrize("rate", ["87.745", "87.7450", "087.745", " 87.745 "])
def test_rates_are_compared_as_numbers(rate: str) -> None:
    assert differences(with_field(files_of(PRICE_FLOOR), "bids.json", "bidprcrt", rate)) == []


def test_a_rate_that_was_rounded_instead_of_cut_off_differs() -> None:
    files = with_field(files_of(NEGOTIATION), "bids.json", "bidprcrt", "89.091", at=1)
    assert differences(files) == [("bidprcrt", "89.091", "89.090")]


def test_a_bidder_who_is_out_has_no_rank_and_koneps_words_for_it() -> None:
    case = the_case(PRICE_FLOOR)
    listed = results(case, evaluated(case))
    assert [each.rank for each in listed] == [1, 2, 3, None, None]
    assert [(each.bidder, each.reason) for each in listed[2:]] == [
        ("bidder 03", "valid 정상"),
        ("bidder 02", "below-floor 낙찰하한선 미달"),
        ("bidder 04", "above-expected-price 예가초과"),
    ]


def test_a_rank_published_of_a_bidder_who_is_out_differs() -> None:
    files = with_field(files_of(PRICE_FLOOR), "bids.json", "opengRank", "4", at=1)
    assert differences(files) == [("opengRank", "4", "none")]


def test_padded_picks_are_read_as_numbers() -> None:
    assert the_case(PRICE_FLOOR).bids[0].offers[0].picks == (8, 12)


def test_of_equal_bids_any_of_their_ranks_agrees() -> None:
    def make_equal(items: list[dict[str, str]]) -> None:
        items[2].update(bidprcAmt="355500000", bidprcrt="87.960", opengRank="2")
        items[4].update(opengRank="3")

    files = changed(files_of(PRICE_FLOOR), "bids.json", make_equal)
    assert differences(files) == []
    assert differences(with_field(files, "bids.json", "opengRank", "3", at=2)) == []
    assert [each[:2] for each in differences(with_field(files, "bids.json", "opengRank", "1", at=2))] == [
        ("opengRank", "1")
    ]


def test_items_are_matched_by_the_tender_number_alone() -> None:
    def mix(items: list[dict[str, str]]) -> None:
        for item in items:
            item["bidNtceOrd"] = "007"
        items.insert(0, {**items[0], "bidNtceNo": "R25BK09999999", "bidprcAmt": "1"})

    assert read_case(changed(files_of(PRICE_FLOOR), "bids.json", mix)) == the_case(PRICE_FLOOR)


def test_the_latest_order_of_a_notice_counts() -> None:
    def amend(items: list[dict[str, str]]) -> None:
        items.insert(0, {**items[0], "bidNtceOrd": "001", "bidNtceNm": "as amended"})

    assert read_case(changed(files_of(PRICE_FLOOR), "notice.json", amend)).title == "as amended"


def test_bidders_of_one_name_have_registration_numbers_of_their_own() -> None:
    files = with_field(files_of(PRICE_FLOOR), "bids.json", "prcbdrNm", "bidder 02", at=0)
    bids = read_case(files).bids
    assert bids[0].name == bids[1].name
    assert bids[0].registration != bids[1].registration
    assert differences(files) == []


def test_unit_prices_keep_their_decimals() -> None:
    def divide(items: list[dict[str, str]]) -> None:
        for item in items:
            for field in ("bssamt", "bsisPlnprc", "bidprcAmt"):
                if field in item:
                    item[field] = str(Decimal(item[field]) / 100)

    files = blanked(files_of(PRICE_FLOOR))
    for name in files:
        files = changed(files, name, divide)
    result = evaluated(read_case(files))
    assert result.expected_price == "4041587.50"
    assert result.drawn_numbers == (4, 6, 8, 12)


def test_a_ranking_of_other_bidders_is_not_compared() -> None:
    case = the_case(NEGOTIATION)
    result = evaluated(case)
    ranking: tuple[Ranked, ...] = result.ranking[1:]
    with pytest.raises(CaseError, match="not of all the bidders"):
        compare(case, msgspec.structs.replace(result, ranking=ranking))


WRONG = [
    (NEGOTIATION, "bids.json", "techEvlVal", "", r"bids.json: bid 1 \(.*\): techEvlVal is missing"),
    (NEGOTIATION, "bids.json", "techEvlVal", "high", "techEvlVal is not a number: high"),
    (NEGOTIATION, "bids.json", "bidprcAmt", "", "bidprcAmt is missing"),
    (NEGOTIATION, "bids.json", "bidprcAmt", "-5", "bidprcAmt is not of the expected form: -5"),
    (NEGOTIATION, "bids.json", "bidprcAmt", "1e9", "bidprcAmt is not a number: 1e9"),
    (NEGOTIATION, "bids.json", "bidprcAmt", "9" * 2000, "bidprcAmt is not a number: 9"),
    (NEGOTIATION, "bids.json", "bidprcAmt", "0", "the price is zero"),
    (NEGOTIATION, "bids.json", "bidprcAmt", "10.50", "at most 0 decimals"),
    (NEGOTIATION, "bids.json", "prcbdrNm", "", "prcbdrNm is not of the expected form"),
    (NEGOTIATION, "notice.json", "bidPrceEvlRt", "", "notice.json: bidPrceEvlRt is missing"),
    (NEGOTIATION, "notice.json", "techAbltEvlRt", "", "says how it was decided"),
    (NEGOTIATION, "notice.json", "bidNtceNo", "", "not about one tender"),
    (NEGOTIATION, "notice.json", "bidNtceNo", "R25BK1", "bids.json: nothing about tender R25BK1"),
    (PRICE_FLOOR, "notice.json", "bssamt", "", "notice.json: bssamt is missing"),
    (PRICE_FLOOR, "notice.json", "sucsfbidLwltRate", "140", "sucsfbidLwltRate is not of the expected form"),
    (PRICE_FLOOR, "notice.json", "rsrvtnPrceRngBgnRate", "", "give no range"),
    (PRICE_FLOOR, "notice.json", "rsrvtnPrceRngBgnRate", "-3", "not even on both sides"),
    (PRICE_FLOOR, "bids.json", "drwtNo1", "", "drwtNo1 is missing"),
    (PRICE_FLOOR, "bids.json", "drwtNo1", "16", "picks 2 different numbers"),
    (PRICE_FLOOR, "bids.json", "drwtNo1", " 12", "picks 2 different numbers"),
    (PRICE_FLOOR, "bids.json", "drwtNo1", "eight", "drwtNo1 is not a number: eight"),
    (PRICE_FLOOR, "prices.json", "bsisPlnprc", "", "prices.json: bsisPlnprc is missing"),
    (PRICE_FLOOR, "prices.json", "bsisPlnprc", "4057456000", "outside the range"),
    (PRICE_FLOOR, "prices.json", "compnoRsrvtnPrceSno", "2", "each once"),
]


@pytest.mark.parametrize(("number", "name", "field", "figure", "said"), WRONG)
def test_what_cannot_be_replayed_is_said_in_one_line(
    number: str, name: str, field: str, figure: str, said: str
) -> None:
    with pytest.raises(CaseError, match=said) as caught:
        read_case(with_field(files_of(number), name, field, figure))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["notice.json", "bids.json", "prices.json"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "is missing"),
        (b"", "not an answer"),
        (b"<html>", "not an answer"),
        (b"[]", "not an answer"),
        (b'{"response":{"body":{"items":""}}}', "not an answer"),
        (b'{"response":{"body":{}}}', "not an answer"),
        (b"[" * 100_000, "not an answer"),
        (answer(), "no items"),
    ],
)
def test_a_file_that_is_no_answer_is_named(name: str, data: bytes | None, said: str) -> None:
    files = files_of(PRICE_FLOOR)
    del files[name]
    if data is not None:
        files[name] = data
    with pytest.raises(CaseError, match=f"{name}.*{said}"):
        read_case(files)


FIELDS = [*BID_FIGURES, *PRICE_FIGURES, *TENDER_FIGURES, "bidprcAmt", "drwtNo1", "bsisPlnprc", "prcbdrNm"]
FIGURES = st.one_of(st.text(max_size=30), st.integers(), st.floats(), st.none(), st.booleans())


@given(
    number=st.sampled_from(BOTH),
    name=st.sampled_from(["notice.json", "bids.json", "prices.json"]),
    changes=st.dictionaries(st.sampled_from([*FIELDS, "bidNtceNo", "techAbltEvlRt"]), FIGURES, min_size=1),
)
def test_whatever_stands_in_a_field_it_is_a_case_or_said_to_be_none(
    number: str, name: str, changes: dict[str, object]
) -> None:
    files = files_of(number)
    name = name if name in files else "bids.json"
    with suppress(VerificationError):
        case = read_case(changed(files, name, lambda items: items[0].update(changes)))
        compare(case, evaluated(case))
