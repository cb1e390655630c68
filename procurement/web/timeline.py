"""Where a tender stands: its steps, what happened and who signed it, as pages show it and as it changes."""

from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from crypto.encoding import moment, parse_moment
from procurement.chronicle import Situation
from procurement.evaluation.explain import Language, duration
from procurement.history import BID_EVENTS, Entry, EventType
from procurement.publication import status
from procurement.steps import steps, turns
from procurement.web.look import N_
from procurement.web.wording import EVENTS, PARTS, STATES


class Happened(NamedTuple):
    """Something that happened, said once or several times in a row: who signed each entry, and the entry. The
    name is empty where it is not public."""

    what: str
    part: str | None
    said: list[tuple[str, Entry]]

    @property
    def first(self) -> Entry:
        return self.said[0][1]


def version(situation: Situation, now: datetime) -> str:
    """What tells this state of the list from others: the seq of the last entry, and how many of the times
    have passed at which a step changes by the clock alone."""
    times = turns(situation.tender.notice, situation.entries)
    return f"{situation.entries[-1].seq}.{bisect_right(times, now)}"


def shown(situation: Situation, signers: dict[str, str], now: datetime, language: Language) -> dict[str, Any]:
    """What the templates of the status and the timeline are given."""
    notice = situation.tender.notice
    state = status(situation, now)
    following = due(situation)
    return {
        "notice": notice,
        "status": state,
        "status_words": STATES[state],
        "now": moment(now),
        "version": version(situation, now),
        "steps": steps(notice, situation.entries, now, language),
        "happened": happened(situation, signers),
        "due": following,
        "left": left(following[1] - now, language) if following and following[1] > now else None,
        "duration": lambda seconds: duration(seconds, language),
        "closed": situation.has(EventType.CLOSED),
        "opened": situation.has(EventType.OPENED),
        "awarded": situation.has(EventType.AWARDED),
    }


def happened(situation: Situation, signers: dict[str, str]) -> list[Happened]:
    """What happened, in order; the same thing said several times in a row is one."""
    entries = [entry for entry in situation.entries if entry.t not in BID_EVENTS]
    return [
        Happened(
            EVENTS[type_], PARTS.get(part or ""), [(signers.get(each.statement, ""), each) for each in run]
        )
        for (type_, part), run in groupby(entries, key=lambda entry: (entry.t, entry.part))
    ]


def due(situation: Situation) -> tuple[str, datetime] | None:
    """The next time that the notice or the rules fix, and what it is."""
    notice = situation.tender.notice
    if situation.has(EventType.TERMINATED):
        return None
    if not situation.has(EventType.CLOSED):
        return N_("Deadline: no bid is taken from this moment on"), notice.closes
    if not situation.has(EventType.OPENED):
        return N_("Earliest opening: the beacon's round, with the committee's order"), notice.opens
    for entry in situation.of(EventType.INTENDED):
        if not situation.has(EventType.AWARDED):
            return N_("End of the standstill"), parse_moment(entry.time) + timedelta(
                seconds=notice.standstill
            )
    return None


def left(span: timedelta, language: Language) -> str:
    """How long it still is, in the two largest units."""
    seconds = int(span.total_seconds())
    unit = 3600 if seconds >= 86400 else 60 if seconds >= 3600 else 1
    return duration(seconds - seconds % unit, language)
