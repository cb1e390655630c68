"""What is published by the file: which periods there are, what belongs to them, and the list of each.

A day is Korea's, as in the search. What belongs to a period goes by the times that the log's entries say, and
nothing is lost to a slow transaction: what is dated before a period and came into the log too late for the
file of its own belongs to the next one that is made.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

import msgspec

from crypto.encoding import Hex32, Moment, Small, Value, encode, moment, parse_moment
from procurement.finding.search import KOREA, begins

Kind = Literal["day", "month", "all"]
Format = Literal["jsonl", "csv", "xlsx", "records"]
"""Compiled releases, a line each (gzip); the same as tables (a ZIP of CSV files), and as a workbook; award
records (a tar of their ZIPs)."""

SUFFIXES: dict[Format, str] = {
    "jsonl": ".jsonl.gz",
    "csv": ".csv.zip",
    "xlsx": ".xlsx",
    "records": "-records.tar",
}
SETTLING = timedelta(minutes=5)
"""From the end of a period until its files are made: what was under way is in the log by then, mostly."""
A_DAY = timedelta(days=1)


class Period(NamedTuple):
    """A day, a month, or all up to a day; `last` is the last day, Korea's."""

    kind: Kind
    last: date
    practice: bool

    @property
    def name(self) -> str:
        day = self.last.isoformat()
        return {"day": day, "month": day[:7], "all": f"all-{day}"}[self.kind]

    @property
    def path(self) -> str:
        """Below ``/data``."""
        return f"practice/{self.name}" if self.practice else self.name

    @property
    def begins(self) -> datetime | None:
        first = {"day": self.last, "month": self.last.replace(day=1), "all": None}[self.kind]
        return begins(first) if first else None

    @property
    def ends(self) -> datetime:
        return begins(self.last + A_DAY)

    def file(self, format: Format) -> str:
        """The name of its file of that kind."""
        return f"openseal-{self.path.replace('/', '-')}{SUFFIXES[format]}"


FileName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.-]{1,64}\Z")]


class DataFile(Value, frozen=True, kw_only=True):
    """A published file: `rows` are the tenders in it, or the award records."""

    name: FileName
    kind: Format
    rows: Small
    sha256: Hex32
    size: Small


class Absent(Value, frozen=True, kw_only=True):
    """A kind of file that is not there, and why."""

    kind: Format
    reason: Literal["too-many-rows", "no-parts-of-all"]


class DataList(Value, frozen=True, kw_only=True, tag_field="format", tag="openseal/data/v1"):
    """A publication: its files, and what is in them.

    Each tender with a release in the period, as of the log index `position`, before which is all that is
    known of it here. `after` is the position of the period before, from which on late releases belong here.
    """

    period: str
    practice: bool = False
    begins: Moment | None = None
    """None: from the beginning."""
    ends: Moment
    position: Small
    after: Small = 0
    files: tuple[DataFile, ...]
    absent: tuple[Absent, ...] = ()

    def holds(self, at: datetime, position: int) -> bool:
        """Whether what an entry of the log says at its time `at`, at its index, belongs to the period."""
        late = self.begins is None or parse_moment(self.begins) <= at or position >= self.after
        return position < self.position and at < parse_moment(self.ends) and late

    def sums(self, digest: str) -> str:
        """What ``sha256sum -c`` reads; `digest` is the list's own SHA-256."""
        sums = {**{each.name: each.sha256 for each in self.files}, LIST: digest}
        return "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items())


LIST, PROOF, SUMS = "list.json", "list.proof", "SHA256SUMS"
"""Names beside those of the files: the list, that the log has it, and the sums in the usual form."""


class DataPublished(Value, frozen=True, kw_only=True, tag_field="t", tag="data:published"):
    """Log entry: a list of published files has this SHA-256."""

    sha256: Hex32


def listed(
    period: Period, position: int, after: int, files: Iterable[DataFile], absent: Iterable[Absent]
) -> bytes:
    """The list's bytes. Raises MalformedError."""
    return encode(
        DataList(
            period=period.name,
            practice=period.practice,
            begins=moment(period.begins) if period.begins else None,
            ends=moment(period.ends),
            position=position,
            after=after,
            files=tuple(files),
            absent=tuple(absent),
        )
    )


def today(now: datetime) -> date:
    """The day in Korea of whose day before everything is in the log by now, mostly."""
    return (now.astimezone(UTC) + KOREA - SETTLING).date()


def next_due(kind: Kind, practice: bool, newest: date | None, first: date, now: datetime) -> Period | None:
    """The next period to publish; None while there is none. `newest` is the last day of the newest one that
    is published, `first` the day of the first release, in Korea."""
    yesterday = today(now) - A_DAY
    match kind:
        case "day":
            last = newest + A_DAY if newest else first
        case "month":
            last = _end_of_month(newest + A_DAY if newest else first)
        case "all":
            last = max(first, yesterday)
    return Period(kind, last, practice) if last <= yesterday and last != newest else None


def day_of(at: datetime) -> date:
    """In Korea."""
    return (at.astimezone(UTC) + KOREA).date()


def _end_of_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - A_DAY
