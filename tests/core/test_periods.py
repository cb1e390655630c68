"""Legal periods: counted as the law counts, by the table of the day, from data that says where it is from."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import procurement
from crypto.encoding import moment
from procurement import periods, record
from procurement.errors import TenderError
from procurement.notices import LegalBasis
from procurement.periods import (
    Calendar,
    Days,
    Holiday,
    Purchase,
    calendar_of,
    earliest_deadline,
    jurisdictions,
    latest_answers,
    law_of,
    required,
    shortest_standstill,
    shortfalls,
)
from procurement.tenders import Notice, check_law_stated, check_notice, check_publication
from tests.builders import START, Life, a_bidder, a_notice, the_world

DAY = timedelta(days=1)
DATA = Path(procurement.__file__).parent
KOREAN_MORNING = datetime(2026, 12, 1, 0, 30, tzinfo=UTC)  # a Tuesday, 09:30 in Korea


def a_purchase(
    jurisdiction: str = "kr-national",
    procedure: str = "open",
    published: datetime = KOREAN_MORNING,
    category: Any = "goods",
    estimated_value: str | None = None,
    documents: bool = False,
    **legal: Any,
) -> Purchase:
    return Purchase(
        legal=LegalBasis(jurisdiction=jurisdiction, procedure=procedure, **legal),  # type: ignore[arg-type]
        published=published,
        category=category,
        estimated_value=estimated_value,
        documents=documents,
    )


# ── counting days ────────────────────────────────────────────────────────────────────────────────────

OFF = st.frozensets(st.dates(date(2026, 1, 1), date(2026, 6, 30)), max_size=40)


def a_calendar(off: frozenset[date], **changes: Any) -> Calendar:
    days = tuple(Holiday(day=each, name="off") for each in off)
    return Calendar(calendar="x", name="x", source="x", note="x", weekend=(6, 7), days=days, **changes)


def by_brute_force(event: date, days: int, off: frozenset[date], *, working: bool) -> date:
    """Every day in turn, as somebody with a calendar on the wall would cross them off."""
    crossed, day = 0, event
    while True:
        day += DAY
        free = day.strftime("%a") in ("Sat", "Sun") or day in off
        if not (working and free):
            crossed += 1
        if crossed >= days and not free:
            return day


@given(
    event=st.dates(date(2026, 1, 1), date(2026, 6, 30)),
    days=st.integers(1, 60),
    off=OFF,
    working=st.booleans(),
)
def test_a_period_ends_where_a_calendar_on_the_wall_says(
    event: date, days: int, off: frozenset[date], working: bool
) -> None:
    counted = Days(a_calendar(off), event).last(event, days, working=working)
    assert counted == by_brute_force(event, days, off, working=working)


@given(event=st.dates(date(2026, 1, 1), date(2026, 6, 30)), days=st.integers(1, 40), off=OFF)
def test_a_later_event_never_ends_a_period_earlier(event: date, days: int, off: frozenset[date]) -> None:
    counted = Days(a_calendar(off), event)
    assert counted.last(event, days) <= counted.last(event + DAY, days)
    assert counted.last(event, days) <= counted.last(event, days, working=True)


def test_a_year_that_the_calendar_does_not_name_is_refused() -> None:
    counted = Days(a_calendar(frozenset(), years=(2026,)), date(2026, 12, 1))
    assert counted.last(date(2026, 12, 20), 11) == date(2026, 12, 31)
    with pytest.raises(TenderError) as refused:
        counted.last(date(2026, 12, 20), 12)
    assert refused.value.code == "calendar-unknown"


def test_a_day_that_was_proclaimed_later_does_not_move_what_was_published_before() -> None:
    late = Holiday(day=date(2026, 3, 10), name="proclaimed", since=date(2026, 3, 3))
    calendar = replace(a_calendar(frozenset()), days=(late,))
    assert Days(calendar, date(2026, 3, 2)).works(date(2026, 3, 10))
    assert not Days(calendar, date(2026, 3, 3)).works(date(2026, 3, 10))


# ── what the laws ask ────────────────────────────────────────────────────────────────────────────────


def korean(year: int, month: int, day: int) -> datetime:
    """Midnight in Korea."""
    return datetime(year, month, day, tzinfo=UTC) - timedelta(hours=9)


@pytest.mark.parametrize(
    ("purchase", "days", "earliest"),
    [
        # Published on Tuesday 1 December: seven days end with Tuesday the 8th.
        (a_purchase(), 7, korean(2026, 12, 9)),
        (a_purchase(category="services"), 7, korean(2026, 12, 9)),
        # Five days end on Sunday the 6th, so with Monday.
        (a_purchase(urgency="A flood."), 5, korean(2026, 12, 8)),
        (a_purchase(retender=True), 5, korean(2026, 12, 8)),
        # The tenth of January 2027 is a Sunday.
        (a_purchase(procedure="negotiation"), 40, korean(2027, 1, 12)),
        (a_purchase(procedure="negotiation", urgency="A flood."), 10, korean(2026, 12, 12)),
        (a_purchase(international=True), 40, korean(2027, 1, 12)),
        (a_purchase(international=True, urgency="A flood."), 10, korean(2026, 12, 12)),
        (a_purchase(category="works", estimated_value="999999999"), 7, korean(2026, 12, 9)),
        (a_purchase(category="works", estimated_value="1000000000"), 15, korean(2026, 12, 17)),
        (a_purchase(category="works", estimated_value="5000000000"), 40, korean(2027, 1, 12)),
        (a_purchase(procedure="small-value"), 3, korean(2026, 12, 5)),
        # Wednesday 23 December 2026: Thursday, not Christmas, not the weekend, Monday, Tuesday.
        (
            a_purchase(procedure="small-value", published=datetime(2026, 12, 23, tzinfo=UTC)),
            3,
            korean(2026, 12, 30),
        ),
        (a_purchase("kr-local", "negotiation", estimated_value="99999999"), 10, korean(2026, 12, 12)),
        (a_purchase("kr-local", "negotiation", estimated_value="100000000"), 20, korean(2026, 12, 22)),
        (a_purchase("kr-local", "negotiation", estimated_value="1000000000"), 40, korean(2027, 1, 12)),
        # 30 days after 1 December: Thursday the 31st. Central European Time.
        (a_purchase("eu"), 30, datetime(2026, 12, 31, 23, tzinfo=UTC)),
        (a_purchase("eu", urgency="A flood."), 15, datetime(2026, 12, 16, 23, tzinfo=UTC)),
        (a_purchase("gpa"), 30, datetime(2027, 1, 1, tzinfo=UTC)),
        # 25 days end on Saturday the 26th, so with Monday.
        (a_purchase("gpa", documents=True), 25, datetime(2026, 12, 29, tzinfo=UTC)),
        (a_purchase("gpa", urgency="A flood."), 10, datetime(2026, 12, 12, tzinfo=UTC)),
    ],
    ids=str,
)
def test_the_table_of_the_day_says_how_long_bidders_have(
    purchase: Purchase, days: int, earliest: datetime
) -> None:
    [period] = [each for each in required(purchase) if each.kind == "tendering"]
    assert period.days == days
    assert earliest_deadline(purchase) == earliest
    assert not [each for each in shortfalls(purchase, earliest, 10**9) if each.deadline]
    [short] = shortfalls(purchase, earliest - timedelta(milliseconds=1), 10**9)
    assert (short.deadline, short.period) == (earliest, period)


def test_the_day_of_publication_is_the_laws_own_day() -> None:
    """15:30 in London is the next day in Korea."""
    purchase = a_purchase(published=datetime(2026, 11, 30, 15, 30, tzinfo=UTC))
    assert earliest_deadline(purchase) == korean(2026, 12, 9)


def test_the_union_asks_for_answers_in_time_and_for_a_standstill() -> None:
    purchase, deadline = a_purchase("eu"), datetime(2027, 1, 11, 11, tzinfo=UTC)
    assert latest_answers(purchase, deadline) == datetime(2027, 1, 4, 23, tzinfo=UTC)
    assert latest_answers(a_purchase(), deadline) is None
    # Ten days after the day of the decision, and where these end on a Saturday the Monday.
    assert shortest_standstill(purchase, deadline) == 13 * 24 * 3600
    assert shortest_standstill(a_purchase(), deadline) == 0
    [short] = shortfalls(purchase, deadline, 10 * 24 * 3600)
    assert (short.period.kind, short.standstill) == ("standstill", 13 * 24 * 3600)
    assert "2a(2)" in str(short)


@pytest.mark.parametrize(
    ("code", "purchase"),
    [
        ("jurisdiction-unknown", a_purchase("atlantis")),
        ("jurisdiction-unknown", a_purchase("..")),
        ("periods-unknown", a_purchase(published=datetime(2024, 2, 14, 14, 59, tzinfo=UTC))),
        ("periods-unknown", a_purchase(procedure="framework")),
        ("periods-unknown", a_purchase(category=None)),
        ("periods-unknown", a_purchase("kr-local", category="works", estimated_value="1")),
        ("estimated-value-missing", a_purchase(category="works")),
        ("calendar-unknown", a_purchase(published=datetime(2028, 12, 30, tzinfo=UTC))),
    ],
    ids=str,
)
def test_what_no_table_says_is_refused_and_never_guessed(code: str, purchase: Purchase) -> None:
    with pytest.raises(TenderError) as refused:
        earliest_deadline(purchase)
    assert refused.value.code == code


def test_a_table_holds_from_its_day_until_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    law = law_of("kr-national")
    [table] = law.tables
    [row] = [each for each in table.rows if each.category == "goods"]
    later = replace(table, since=date(2026, 12, 2), rows=(replace(row, days=9, rule="new"),))
    monkeypatch.setattr(periods, "law_of", lambda _: replace(law, tables=(later, table)))
    before = a_purchase(published=datetime(2026, 12, 1, 14, 59, tzinfo=UTC))
    after = a_purchase(published=datetime(2026, 12, 1, 15, tzinfo=UTC))
    assert [each.days for each in required(before)] == [7]
    assert [(each.days, each.rule) for each in required(after)] == [(9, "new")]


# ── the data ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", jurisdictions())
def test_a_law_says_where_it_is_from_and_what_rule_is_behind_each_row(name: str) -> None:
    law = law_of(name)
    assert law.jurisdiction == name
    assert set(law.name) == {"en", "ko", "es"}
    assert calendar_of(law.calendar).calendar == law.calendar
    assert len({table.since for table in law.tables}) == len(law.tables)
    for table in law.tables:
        assert table.source
        assert all(row.rule and row.days > 0 for row in table.rows)


def test_the_korean_calendar_names_each_holiday_of_its_years_once() -> None:
    calendar = calendar_of("kr")
    days = [each.day for each in calendar.days]
    assert days == sorted(set(days))
    assert {day.year for day in days} == set(calendar.years)
    for year in calendar.years:
        for month, day in ((1, 1), (3, 1), (5, 5), (6, 6), (8, 15), (10, 3), (10, 9), (12, 25)):
            assert date(year, month, day) in days
    assert {date(2026, 9, each) for each in (24, 25, 26)} <= set(days)  # Chuseok
    assert date(2026, 3, 2) in days  # for 1 March, a Sunday


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_garbage_is_no_law_and_no_calendar(data: bytes) -> None:
    for type_ in (periods.Law, Calendar):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            msgspec.json.decode(data, type=type_)


def test_the_data_files_are_what_the_code_reads() -> None:
    for path in [*DATA.glob("laws/*.json"), *DATA.glob("calendars/*.json")]:
        assert json.loads(path.read_text(encoding="utf-8"))
    assert {path.stem for path in DATA.glob("laws/*.json")} == set(jurisdictions())


# ── notices ──────────────────────────────────────────────────────────────────────────────────────────

LAW = LegalBasis(jurisdiction="kr-national", procedure="open")


def a_legal_notice(**changes: Any) -> Notice:
    """Published on Monday 2 March 2026, a holiday in Korea, with a deadline on the 16th."""
    return a_notice(the_world(), **({"legal": LAW, "category": "goods"} | changes))


def test_a_notice_with_time_enough_is_published() -> None:
    notice = a_legal_notice()
    check_notice(notice)
    check_publication(notice, START)
    check_law_stated(notice)


def test_a_notice_with_too_little_time_is_refused_with_the_rule_and_the_date() -> None:
    notice = a_legal_notice(deadline=moment(START + timedelta(days=7)))
    with pytest.raises(TenderError) as refused:
        check_publication(notice, START)
    assert refused.value.code == "period-too-short"
    assert "7 days (국가계약법 시행령 제35조제1항)" in str(refused.value)
    assert "from 2026-03-10T00:00+09:00 on" in str(refused.value)
    check_publication(replace(notice, deadline=moment(korean(2026, 3, 10))), START)


def test_practice_is_exempt() -> None:
    check_publication(a_legal_notice(deadline=moment(START + timedelta(days=1)), practice=True), START)


def test_a_notice_that_names_no_law_is_read_as_it_is_but_not_published_any_more() -> None:
    notice = a_notice(the_world())
    check_publication(notice, START)
    with pytest.raises(TenderError) as refused:
        check_law_stated(notice)
    assert refused.value.code == "periods-unstated"
    check_law_stated(a_notice(the_world(), practice=True))


# ── the record ───────────────────────────────────────────────────────────────────────────────────────


def verdict(notice: Notice) -> record.Verdict:
    life = Life(notice=notice)
    life.submit(a_bidder(life.world, 1), "900")
    return record.verify(life.to_award().record(), life.world.trust)


def test_the_record_says_which_period_was_kept() -> None:
    found = verdict(a_legal_notice())
    assert found.outcome == "verified"
    assert "legal period kept, tendering: 7 days (국가계약법 시행령 제35조제1항)" in found.steps[2].findings


def test_the_record_says_where_nobody_can_tell() -> None:
    found = verdict(a_notice(the_world()))
    assert (found.outcome, found.clean) == ("verified", True)
    assert "legal periods: not stated by the notice" in found.steps[2].findings
    assert record.PERIODS_UNSTATED in found.not_checked


def test_the_record_marks_practice() -> None:
    found = verdict(a_legal_notice(practice=True))
    assert "a practice tender, exempt from the legal periods" in found.steps[2].findings
    assert record.PERIODS_UNSTATED not in found.not_checked


def test_a_record_of_a_tender_with_too_little_time_is_refused() -> None:
    found = verdict(a_legal_notice(deadline=moment(START + timedelta(days=7, hours=1))))
    assert (found.outcome, found.steps[-1].title) == ("refused", "the tender's chain")
    assert "would be right from 2026-03-10T00:00+09:00" in found.steps[-1].findings[0]
