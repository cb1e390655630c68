"""How far others' clocks may be from ours."""

from datetime import datetime, timedelta

from crypto.encoding import parse_moment
from procurement.errors import ClockError

CLOCKS = timedelta(minutes=5)


def check_clock(time: str, now: datetime) -> None:
    """That a statement's `time` (moment) is now. Raises ClockError, MalformedError."""
    if abs(parse_moment(time) - now) > CLOCKS:
        raise ClockError("the statement's time is not now: the clocks differ, or it comes late")
