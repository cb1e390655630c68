"""How tenders are asked for, and where a page begins: read from an address, which anybody may write."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, get_args
from uuid import UUID

import msgspec

from crypto.errors import MalformedError
from procurement.finding.lexemes import terms
from procurement.money import parse as parse_amount
from procurement.money import places_of
from procurement.notices import ProcedureName, SetAside

Stage = Literal["open", "closing", "underway", "awarded", "ended"]
"""Takes bids; takes them for three days more at most; is being opened or evaluated; was awarded; came to an
end without an award."""
Shown = Literal["hidden", "shown", "only"]
"""Practice tenders, among the others."""
PRACTICE: dict[Shown, tuple[bool, ...]] = {"hidden": (False,), "shown": (False, True), "only": (True,)}
"""Whether those that are to be shown are for practice."""
Order = Literal["newest", "closing-first", "closing-last"]
"""By publication, the latest first; by deadline, the earliest or the latest first."""

SOON = timedelta(days=3)
LONGEST_TEXT = 200  # characters
KOREA = timedelta(hours=9)
"""What days are reckoned by: Korea's time is nine hours ahead of UTC all year."""

_USUAL: dict[object, Order] = {
    "open": "closing-first",
    "closing": "closing-first",
    "underway": "closing-last",
}
"""By stage: what comes first there, unless somebody asks otherwise."""
_CURSOR = re.compile(r"(newest|closing-first|closing-last)\.([0-9]{1,17})\.([0-9a-f]{32})")
_AWARDS = re.compile(r"([0-9]{1,17})\.([0-9a-f]{32})\.([A-Za-z0-9._-]{1,64})\.([0-9]{1,6})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = date(1970, 1, 1), date(9990, 1, 1)


class SearchError(MalformedError):
    """What somebody asked for cannot be read; `fields` are the parameters that are not as they have to be."""

    code = "search-malformed"

    def __init__(self, *fields: str) -> None:
        super().__init__(f"not as it has to be: {', '.join(fields)}")
        self.fields = fields


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a list: that of the tender with this id, by the time that the list goes by."""

    order: Order
    at: datetime
    tender_id: UUID

    def __str__(self) -> str:
        return f"{self.order}.{micros(self.at)}.{self.tender_id.hex}"


class AwardCursor(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the list of a supplier's awards."""

    at: datetime
    tender_id: UUID
    lot: str
    place: int

    def __str__(self) -> str:
        return f"{micros(self.at)}.{self.tender_id.hex}.{self.lot}.{self.place}"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Tenders that have all of it; what is absent asks for nothing."""

    text: str | None = None
    stage: Stage | None = None
    entity: str | None = None
    procedure: ProcedureName | None = None
    classification: tuple[str, str] | None = None
    """Scheme, which may be empty, and the beginning of a code."""
    reserved: SetAside | None = None
    currency: str | None = None
    """Of the amounts that follow."""
    least: Decimal | None = None
    most: Decimal | None = None
    since: date | None = None
    until: date | None = None
    """First and last day, in Korea, of the deadline."""
    published_since: date | None = None
    published_until: date | None = None
    """Likewise of the publication."""
    practice: Shown = "hidden"
    order: Order = "newest"
    after: Cursor | None = None
    before: Cursor | None = None

    @property
    def terms(self) -> tuple[tuple[str, ...], ...]:
        """By word of the text a tsquery for each of its parts: none where there is no text, or nothing in it
        that could be found."""
        return terms(self.text) if self.text else ()


def read(parameters: Mapping[str, str], practice: Shown = "hidden", order: Order | None = None) -> Search:
    """The search that these parameters of an address describe; others are left aside. `practice` and `order`
    hold where they say nothing: with no `order` it follows from the stage. Raises SearchError."""
    given = {name: value.strip() for name, value in parameters.items() if value.strip()}
    found: dict[str, object] = {}
    wrong = []
    for name in Search.__struct_fields__:
        try:
            if name in given:
                found[name] = _READ[name](given[name])
        except ValueError:
            wrong.append(name)
    amounts = {"least", "most"} & set(found)
    if amounts and "currency" not in found and "currency" not in wrong:
        wrong.append("currency")
    if wrong:
        raise SearchError(*wrong)
    usual = _USUAL.get(found.get("stage"), "newest")
    return _in_one_order(Search(**{"practice": practice, "order": order or usual} | found))  # type: ignore[arg-type]


def read_award_cursor(text: str) -> AwardCursor:
    """Raises SearchError."""
    match = _AWARDS.fullmatch(text)
    if match is None:
        raise SearchError("after")
    return AwardCursor(at=_at(match[1]), tender_id=UUID(hex=match[2]), lot=match[3], place=int(match[4]))


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def begins(day: date) -> datetime:
    """When the day begins in Korea."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - KOREA


def _in_one_order(search: Search) -> Search:
    wrong = [
        name
        for name, cursor in (("after", search.after), ("before", search.before))
        if cursor is not None and cursor.order != search.order
    ]
    if wrong or (search.after and search.before):
        raise SearchError(*(wrong or ["before"]))
    return search


def _text(value: str) -> str:
    return _matching(rf"[^\x00-\x1f]{{1,{LONGEST_TEXT}}}", value)


def _matching(pattern: str, value: str) -> str:
    if re.fullmatch(pattern, value) is None:
        raise ValueError("another form")
    return value


def _one_of(choices: object, value: str) -> str:
    if value not in get_args(choices):
        raise ValueError("no such choice")
    return value


def _classification(value: str) -> tuple[str, str]:
    match = re.fullmatch(r"(?:([A-Za-z][A-Za-z0-9-]{1,23})[ :])?\s*([A-Za-z0-9._-]{1,64})", value)
    if match is None:
        raise ValueError("no code")
    return match[1] or "", match[2]


def _amount(value: str) -> Decimal:
    try:
        return parse_amount(value.replace(",", ""), places=2)
    except MalformedError as error:
        raise ValueError("no amount") from error


def _currency(value: str) -> str:
    try:
        places_of(value)
    except MalformedError as error:
        raise ValueError("no currency") from error
    return value


def _day(value: str) -> date:
    day = date.fromisoformat(_matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value))
    if not _FIRST <= day <= _LAST:
        raise ValueError("no day that there are deadlines on")
    return day


def _cursor(value: str) -> Cursor:
    match = _CURSOR.fullmatch(value)
    if match is None:
        raise ValueError("no cursor")
    order: Order = match[1]  # type: ignore[assignment]
    return Cursor(order=order, at=_at(match[2]), tender_id=UUID(hex=match[3]))


def _at(text: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(text))


_READ = {
    "text": _text,
    "stage": lambda value: _one_of(Stage, value),
    "entity": lambda value: _matching(r"[A-Za-z0-9._-]{1,64}", value),
    "procedure": lambda value: _one_of(ProcedureName, value),
    "classification": _classification,
    "reserved": lambda value: _one_of(SetAside, value),
    "currency": _currency,
    "least": _amount,
    "most": _amount,
    "since": _day,
    "until": _day,
    "published_since": _day,
    "published_until": _day,
    "practice": lambda value: _one_of(Shown, value),
    "order": lambda value: _one_of(Order, value),
    "after": _cursor,
    "before": _cursor,
}
"""By parameter: what its value says, or ValueError."""
