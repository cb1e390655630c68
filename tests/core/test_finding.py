"""What tenders are found by, and how an address says what is looked for."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.evaluation import LowestPrice
from procurement.finding.lexemes import LONGEST, MOST, lexemes, query
from procurement.finding.listing import listed, status_at
from procurement.finding.search import Cursor, SearchError, begins, read
from procurement.finding.store import planned_rows
from procurement.history import Entry, EventType
from procurement.notices import Classification, Eligibility, TranslatedItem, TranslatedLot, Translation
from procurement.tenders import Item, Lot
from tests.builders import a_lot, a_notice, the_world

TERM = re.compile(r"'((?:[^']|'')*)'(:\*)?")


def finds(asked: str, text: str) -> bool:
    """Whether the query finds the text, as PostgreSQL has it: all terms, each exact or a beginning."""
    have = lexemes([text])
    terms = [(term.replace("''", "'"), prefix) for term, prefix in TERM.findall(query(asked))]
    return bool(terms) and all(
        any(each.startswith(term) if prefix else each == term for each in have) for term, prefix in terms
    )


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("책상", "초등학교 책상 구매"),
        ("학교책상", "초등학교 책상 구매"),
        ("학교 책상", "초등학교책상구매"),
        ("책", "새 책상"),
        ("매", "책상 구매"),
        ("책상", "\u110e\u1162\u11a8\u1109\u1161\u11bc"),
        ("desk", "Twelve school DESKS"),
        ("LICITACION", "Licitación pública"),
        ("licitación", "LICITACION"),
        ("led조명", "LED 조명등 교체"),
        ("Ａ４", "a4용지"),
        ("2026-0001", "2026-0001"),
        ("ocds-0s3al1-te", "ocds-0s3al1-tender-1"),
        ("life-cycle cost", "Life-cycle costs"),
        ("straße", "STRASSE"),
    ],
)
def test_a_text_is_found_by(asked: str, text: str) -> None:
    assert finds(asked, text)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("의자", "초등학교 책상 구매"),
        ("esk", "desks"),
        ("d", "desk"),
        ("책걸상", "책상"),
        ("ocd-0s3", "ocds-0s3al1-1"),
    ],
)
def test_a_text_is_not_found_by(asked: str, text: str) -> None:
    assert not finds(asked, text)


@given(st.text(max_size=300))
def test_every_text_is_found_by_itself_or_has_nothing_to_be_found_by(text: str) -> None:
    assert finds(text, text) or not lexemes([text])


@given(st.lists(st.text(max_size=200), max_size=20))
def test_lexemes_are_short_and_have_no_signs(texts: list[str]) -> None:
    found = lexemes(texts)
    assert len(set(found)) == len(found) <= MOST
    assert all(0 < len(each) <= LONGEST and each.isalnum() for each in found)


def test_of_very_many_words_a_bounded_number_is_kept() -> None:
    assert len(lexemes(f"word{i}" for i in range(MOST * 2))) == MOST


GIVEN = st.dictionaries(
    st.sampled_from(
        [
            *("text", "stage", "entity", "procedure", "classification", "reserved", "currency", "least"),
            *("most", "since", "until", "published_since", "practice", "order", "after", "before", "nothing"),
        ]
    ),
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(["open", "only", "newest", "KRW", "100", "2026-02-30", "2026-12-01", "KR-1234"]),
        st.from_regex(r"(newest|closing-first)\.[0-9]{1,18}\.[0-9a-f]{32}", fullmatch=True),
    ),
)


@given(GIVEN)
def test_whatever_an_address_says_is_a_search_or_not_as_it_has_to_be(parameters: dict[str, str]) -> None:
    wrong: tuple[str, ...] = ()
    try:
        search = read(parameters)
    except SearchError as error:
        wrong = error.fields
    assert set(wrong) <= {*parameters, "currency", "before"}
    assert wrong or search.text == (parameters.get("text", "").strip() or None)


def test_every_parameter_that_is_wrong_is_named() -> None:
    with pytest.raises(SearchError) as caught:
        read({"stage": "soon", "since": "1 May", "least": "-1", "text": "desks", "currency": "XXXX"})
    assert set(caught.value.fields) == {"stage", "since", "least", "currency"}
    with pytest.raises(SearchError) as caught:
        read({"most": "100"})
    assert caught.value.fields == ("currency",)


def test_a_search_says_what_its_address_says() -> None:
    search = read(
        {"classification": "CPV 391", "least": "1,000", "currency": "KRW", "since": "2026-12-01", "text": " "}
    )
    assert search.classification == ("CPV", "391")
    assert (search.least, search.text, search.practice) == (Decimal(1000), None, "hidden")
    assert search.since is not None
    assert begins(search.since) == datetime(2026, 11, 30, 15, tzinfo=UTC)
    assert read({"stage": "open"}).order == "closing-first"
    assert read({"stage": "awarded"}).order == "newest"
    assert read({"stage": "open", "order": "newest"}).order == "newest"
    assert read({}, "shown", "closing-last").order == "closing-last"


@given(st.integers(0, 10**17 - 1), st.uuids())
def test_a_cursor_is_read_as_it_was_written_and_goes_with_its_order_only(since: int, id: UUID) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=since)
    cursor = Cursor(order="closing-first", at=at, tender_id=id)
    assert read({"after": str(cursor), "order": "closing-first"}).after == cursor
    with pytest.raises(SearchError):
        read({"after": str(cursor), "order": "newest"})
    with pytest.raises(SearchError):
        read({"after": str(cursor), "before": str(cursor), "order": "closing-first"})


def test_a_line_has_what_the_notice_says() -> None:
    code = Classification(scheme="UNSPSC", id="56101703", description="Desks")
    item = Item(id="1", description="Oak desk", classification=code)
    lots = (
        Lot(id="1", title="Desks", items=(item,), rules=LowestPrice(ceiling="1000")),
        a_lot(LowestPrice(ceiling="500.50"), id="2"),
    )
    translation = Translation(
        language="ko",
        title="책상 구매",
        lots=(
            TranslatedLot(id="1", title="책상", items=(TranslatedItem(id="1", description="참나무 책상"),)),
        ),
    )
    eligibility = Eligibility(regions=("Jeju",), reserved_for=("village",))
    notice = a_notice(
        the_world(), *lots, translations=(translation,), eligibility=eligibility, currency="EUR"
    )
    line = listed(UUID(int=1), notice, "bidding", (), None, ())
    assert (line.title, line.translations) == ("School desks", {"ko": "책상 구매"})
    assert (line.value, line.currency, line.buyer) == (Decimal("1500.50"), "EUR", "KR-1234")
    assert line.rule_sets == ("lowest-price/1",)
    assert line.classifications == ("UNSPSC:56101703",)
    assert {"c/56101703", "c/unspsc/56101703", "r/village", "jeju", "oak", "참나"} <= set(line.lexemes)
    assert (line.outcome, line.over, line.procedure) == (None, None, None)


def test_an_award_to_nobody_is_an_end_without_one() -> None:
    notice, zeros = a_notice(the_world()), "0" * 64
    about = {"tender": notice.tender, "notice": zeros, "statement": zeros, "prev": zeros, "status": zeros}
    made = Entry(t=EventType.AWARDED, time="2026-03-20T00:00:00.000Z", seq=2, **about)
    line = listed(UUID(int=1), notice, "complete", (made,), None, ())
    assert (line.outcome, line.over) == ("unsuccessful", datetime(2026, 3, 20, tzinfo=UTC))


def test_where_a_tender_is_follows_from_its_history_and_the_time() -> None:
    deadline = datetime(2026, 3, 16, 9, tzinfo=UTC)
    assert status_at("bidding", deadline, deadline - timedelta(microseconds=1)) == "active"
    assert status_at("bidding", deadline, deadline) == "closed"
    assert status_at("standstill", deadline, deadline - timedelta(days=1)) == "standstill"


@pytest.mark.parametrize(
    ("plan", "rows"),
    [
        ({"Node Type": "Append", "Plans": [{"Plan Rows": 1000}, {"Plan Rows": 0}]}, [1000.0, 1.0]),
        ({"Node Type": "Append", "Plans": [{"Plan Rows": 1000}]}, None),
        ({"Node Type": "Custom Scan", "Custom Plan Provider": "Citus Adaptive", "Plan Rows": 100000}, None),
    ],
)
def test_estimates_are_those_of_each_part_or_none(plan: dict[str, Any], rows: list[float] | None) -> None:
    assert planned_rows(json.dumps([{"Plan": plan}]), 2) == rows
