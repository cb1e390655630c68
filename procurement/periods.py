"""Legal minimum periods: what the law of a notice's day asks of its calendar.

Laws and calendars are dated data files (`laws/`, `calendars/`), each with its sources. The day of
publication, by the law's own clock, chooses the table; of its rows the first that fits counts. What was
published stays: a change is a table with a later day, and nobody ever edits a row, since verifiers need one
answer for ever.

Days are counted whole: the first day of a period is the one after the event, and a period that would end on a
Saturday, Sunday or holiday ends with the next working day (민법 제157조, 제161조; Regulation 1182/71,
Article 3). A year that a calendar does not name is refused, never guessed.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from procurement import money
from procurement.errors import TenderError
from procurement.notices import Category, LegalBasis, ProcedureName

Kind = Literal["tendering", "answers", "standstill"]
"""From the notice to the deadline, from the last answers to it, from the intended award to the award."""

DAY = timedelta(days=1)
LOOK_AHEAD = 366
"""Days after the deadline among which an intended award may begin a standstill."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A minimum period. Conditions that are absent fit everything; `below` is an estimated value."""

    period: Kind
    procedures: tuple[ProcedureName, ...]
    days: int
    rule: str
    working: bool = False
    """Whether only working days count."""
    urgent: bool | None = None
    retender: bool | None = None
    international: bool | None = None
    documents: bool | None = None
    """Whether the tender documents come with the notice."""
    category: Category | None = None
    below: str | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rows that hold for notices published from that day on, until the next table's."""

    since: date
    source: str
    rows: tuple[Row, ...]


class Law(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A jurisdiction: its names by language, hours ahead of UTC, its calendar, how it counts."""

    jurisdiction: str
    name: dict[str, str]
    offset: int
    calendar: str
    counting: str
    tables: tuple[Table, ...]

    @property
    def zone(self) -> timezone:
        return timezone(timedelta(hours=self.offset))


class Holiday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day off; where it has `since`, only for notices published from that day on."""

    day: date
    name: str
    since: date = date.min


class Calendar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The days off of the years that it names, or of all years; `weekend` are ISO weekdays."""

    calendar: str
    name: str
    source: str
    note: str
    weekend: tuple[int, ...]
    days: tuple[Holiday, ...]
    years: tuple[int, ...] = ()


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """What the periods of a notice depend on."""

    legal: LegalBasis
    published: datetime
    category: Category | None = None
    estimated_value: str | None = None
    documents: bool = False


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A minimum period that a notice has to keep, and the rule behind it."""

    kind: Kind
    days: int
    working: bool
    rule: str

    def __str__(self) -> str:
        days = "working days" if self.working else "days"
        return f"{self.kind}: {self.days} {days} ({self.rule})"


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """A period that is too short, and the deadline, or the standstill in seconds, that would be right."""

    period: Period
    deadline: datetime | None = None
    standstill: int | None = None

    def __str__(self) -> str:
        if self.deadline:
            right = f"the deadline would be right from {self.deadline.isoformat(timespec='minutes')} on"
        else:
            right = (
                f"a standstill of {self.standstill} seconds would be right, which covers days off at its end"
            )
        return f"{self.period} is not kept: {right}"


class Days:
    """A calendar as it was known on one day, the day of a notice."""

    def __init__(self, calendar: Calendar, known: date) -> None:
        self._calendar = calendar
        self._off = {each.day for each in calendar.days if each.since <= known}

    def works(self, day: date) -> bool:
        """Whether it is a working day. Raises TenderError for a year that the calendar does not name."""
        if self._calendar.years and day.year not in self._calendar.years:
            raise TenderError(
                "calendar-unknown",
                f"the calendar {self._calendar.calendar} does not name the year {day.year}",
            )
        return day.isoweekday() not in self._calendar.weekend and day not in self._off

    def last(self, event: date, days: int, *, working: bool = False) -> date:
        """The last day of a period of so many days after the day of the event."""
        last = self._after(event, days) if working else event + days * DAY
        while not self.works(last):
            last += DAY
        return last

    def _after(self, event: date, days: int) -> date:
        last = event
        while days:
            last += DAY
            days -= self.works(last)
        return last


def required(purchase: Purchase) -> tuple[Period, ...]:
    """The periods that the notice has to keep, of each kind one at most.

    Raises TenderError where no table says how long its tendering period has to be.
    """
    law = law_of(purchase.legal.jurisdiction)
    day = purchase.published.astimezone(law.zone).date()
    rows = [row for row in _table(law, day).rows if _fits(row, purchase)]
    found: dict[Kind, Period] = {}
    for row in rows:
        if row.period not in found and _is_below(row, purchase):
            found[row.period] = Period(kind=row.period, days=row.days, working=row.working, rule=row.rule)
    if "tendering" not in found:
        raise TenderError(
            "periods-unknown",
            f"no table of {law.jurisdiction} on {day} has a period for {_described(purchase)}",
        )
    return tuple(found.values())


def shortfalls(purchase: Purchase, deadline: datetime, standstill: int) -> list[Shortfall]:
    """Every period that is too short; `standstill` in seconds. Raises what `required` raises."""
    return list(_shortfalls(purchase, deadline, standstill))


def check(purchase: Purchase, deadline: datetime, standstill: int) -> tuple[Period, ...]:
    """The periods that the notice keeps. Raises TenderError, which names the first that it does not, the rule
    behind it, and what would be right."""
    for each in _shortfalls(purchase, deadline, standstill):
        raise TenderError("period-too-short", str(each))
    return required(purchase)


def earliest_deadline(purchase: Purchase) -> datetime:
    """The first moment at which the deadline may be: the end of the tendering period."""
    law = law_of(purchase.legal.jurisdiction)
    [period] = [each for each in required(purchase) if each.kind == "tendering"]
    day = purchase.published.astimezone(law.zone).date()
    last = _days(law, day).last(day, period.days, working=period.working)
    return datetime.combine(last + DAY, time(), law.zone)


def latest_answers(purchase: Purchase, deadline: datetime) -> datetime | None:
    """Until when enquiries have to be answered, where the law says so."""
    law = law_of(purchase.legal.jurisdiction)
    for period in required(purchase):
        if period.kind == "answers":
            closing = deadline.astimezone(law.zone).date()
            return datetime.combine(closing - period.days * DAY, time(), law.zone)
    return None


def shortest_standstill(purchase: Purchase, deadline: datetime) -> int:
    """Seconds that cover the standstill on whichever day after the deadline it begins; 0 where the law asks
    for none."""
    law = law_of(purchase.legal.jurisdiction)
    known = _days(law, purchase.published.astimezone(law.zone).date())
    closing = deadline.astimezone(law.zone).date()
    lengths = [
        known.last(day, period.days, working=period.working) + DAY - day
        for period in required(purchase)
        if period.kind == "standstill"
        for day in (closing + ahead * DAY for ahead in range(LOOK_AHEAD))
    ]
    return max(lengths, default=timedelta()) // timedelta(seconds=1)


@cache
def law_of(jurisdiction: str) -> Law:
    """The law with that name. Raises TenderError where there is none."""
    if jurisdiction not in jurisdictions():
        raise TenderError("jurisdiction-unknown", f"there are no tables for the law of {jurisdiction}")
    return msgspec.json.decode(_read("laws", jurisdiction), type=Law)


@cache
def jurisdictions() -> tuple[str, ...]:
    """The laws that there are tables for."""
    return _names("laws")


@cache
def calendar_of(name: str) -> Calendar:
    """The calendar with that name."""
    return msgspec.json.decode(_read("calendars", name), type=Calendar)


def _shortfalls(purchase: Purchase, deadline: datetime, standstill: int) -> Iterator[Shortfall]:
    periods = {each.kind: each for each in required(purchase)}
    earliest = earliest_deadline(purchase)
    if deadline < earliest:
        yield Shortfall(period=periods["tendering"], deadline=earliest)
    if "standstill" in periods and standstill < (least := shortest_standstill(purchase, deadline)):
        yield Shortfall(period=periods["standstill"], standstill=least)


def _table(law: Law, day: date) -> Table:
    held = [table for table in law.tables if table.since <= day]
    if not held:
        raise TenderError("periods-unknown", f"no table of {law.jurisdiction} holds on {day}")
    return max(held, key=lambda table: table.since)


def _fits(row: Row, purchase: Purchase) -> bool:
    legal = purchase.legal
    asked: Sequence[tuple[object, object]] = (
        (row.urgent, legal.urgency is not None),
        (row.retender, legal.retender),
        (row.international, legal.international),
        (row.documents, purchase.documents),
        (row.category, purchase.category),
    )
    return legal.procedure in row.procedures and all(want in (None, has) for want, has in asked)


def _is_below(row: Row, purchase: Purchase) -> bool:
    if row.below is None:
        return True
    if purchase.estimated_value is None:
        raise TenderError("estimated-value-missing", "the legal period depends on the estimated value")
    return money.parse(purchase.estimated_value, places=2) < money.parse(row.below, places=2)


def _described(purchase: Purchase) -> str:
    category = purchase.category or "a category that is not stated"
    return f"the procedure {purchase.legal.procedure} and {category}"


def _days(law: Law, known: date) -> Days:
    return Days(calendar_of(law.calendar), known)


def _names(folder: str) -> tuple[str, ...]:
    found = (each.name for each in files("procurement").joinpath(folder).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in found if name.endswith(".json")))


def _read(folder: str, name: str) -> bytes:
    return files("procurement").joinpath(folder).joinpath(f"{name}.json").read_bytes()
