"""How far clocks may be apart: others' from ours, and ours from every other that says what time it is."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from crypto.encoding import parse_moment
from procurement.errors import ClockError

CLOCKS = timedelta(minutes=5)
DOUBTED = timedelta(seconds=30)
"""From this difference on a clock is in doubt: time servers keep clocks within milliseconds, a machine that
has lost them within seconds for days, while a deadline that is moved to anybody's use is moved by minutes."""


class Reading(NamedTuple):
    """What time it is, by `source`: `time`, or later by `lag` at most (None: by however much)."""

    source: str
    time: datetime
    lag: timedelta | None = timedelta()


class Spread(NamedTuple):
    """At most so many `closings`, deadlines, within each slot of so many `seconds`, so that not everybody
    bids at once."""

    closings: int
    seconds: int

    def slot(self, deadline: datetime) -> datetime:
        """When the slot begins that the deadline falls into, counted from 1970."""
        return datetime.fromtimestamp(int(deadline.timestamp()) // self.seconds * self.seconds, UTC)

    def after(self, slot: datetime) -> Iterator[datetime]:
        """The slots after that one, in order."""
        while True:
            slot += timedelta(seconds=self.seconds)
            yield slot


USUAL_SPREAD = Spread(1500, 3600)
"""KONEPS has at most 1,500 closings in an hour."""


def check_clock(time: str, now: datetime) -> None:
    """That a statement's `time` (moment) is now. Raises ClockError, MalformedError."""
    if abs(parse_moment(time) - now) > CLOCKS:
        raise ClockError("the statement's time is not now: the clocks differ, or it comes late")


def doubt(at: datetime, readings: Iterable[Reading]) -> str | None:
    """Why the clock that says it is `at` is in doubt; None where every reading of the same moment agrees."""
    for each in readings:
        ahead = at - each.time
        if ahead < -DOUBTED:
            return f"the clock is {-ahead // timedelta(seconds=1)} s behind {each.source}"
        if each.lag is not None and ahead - each.lag > DOUBTED:
            return f"the clock is {ahead // timedelta(seconds=1)} s ahead of {each.source}"
    return None
