"""What a search asks of the lines of tenders, as SQL: conditions with a place for each of their values."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from procurement.finding.lexemes import beginning, exactly, query
from procurement.finding.listing import of_classification, of_set_aside
from procurement.finding.search import SOON, Search, begins

Condition = tuple[str, list[Any]]
"""SQL with ``{}`` for each of these values."""


def times(search: Search, now: datetime) -> list[Condition]:
    """Stage and days: there are indexes for them in the orders of lists.

    A tender is published before its deadline: said, that tells where in either order some days begin.
    """
    return [
        *_stage(search, now),
        *_days("deadline", search.since, search.until),
        *_days("published", search.published_since, search.published_until),
        *_bound("published < {}", _end(search.until)),
        *_bound("deadline > {}", _beginning(search.published_since)),
    ]


def facets(search: Search) -> list[Condition]:
    """All else but words."""
    found = [*_bound("entity = {}", search.entity), *_bound("procedure = {}", search.procedure)]
    found += [*_value(search), *(having(each) for each in _lexemes(search))]
    if search.practice != "shown":
        found.append(("practice" if search.practice == "only" else "NOT practice", []))
    return found


def words(search: Search) -> list[Condition]:
    """All words at once."""
    return [having(query(search.text))] if search.text else []


def having(terms: str) -> Condition:
    """Of lines with what a tsquery asks for."""
    return "lexemes @@ {}::tsquery", [terms]


def by_lexemes(search: Search) -> bool:
    """Whether anything is asked for that only the index of lexemes knows."""
    return bool(search.terms or search.classification or search.reserved)


def where(conditions: Iterable[Condition], values: list[Any]) -> str:
    """The WHERE clause for all of them, whose values are put behind `values`."""
    found = []
    for condition, own in conditions:
        numbers = range(len(values) + 1, len(values) + len(own) + 1)
        found.append(condition.format(*(f"${number}" for number in numbers)))
        values += own
    return f"WHERE {' AND '.join(found)}" if found else ""


def _stage(search: Search, now: datetime) -> list[Condition]:
    match search.stage:
        case None:
            return []
        case "open":
            return [("outcome IS NULL AND deadline > {}", [now])]
        case "closing":
            return [("outcome IS NULL AND deadline > {} AND deadline <= {}", [now, now + SOON])]
        case "underway":
            return [("outcome IS NULL AND deadline <= {}", [now])]
        case "awarded":
            return [("outcome = 'awarded'", [])]
        case "ended":
            return [("outcome IN ('unsuccessful', 'cancelled')", [])]


def _value(search: Search) -> list[Condition]:
    """One condition: by themselves its halves are no measure of how many lines it leaves."""
    bounds = [*_bound("value >= {}", search.least), *_bound("value <= {}", search.most)]
    if not bounds:
        return []
    texts, values = zip(("currency = {}", [search.currency]), *bounds, strict=True)
    return [(" AND ".join(texts), [each for own in values for each in own])]


def _days(column: str, since: date | None, until: date | None) -> list[Condition]:
    """From the first of them to the last one's end."""
    return [*_bound(f"{column} >= {{}}", _beginning(since)), *_bound(f"{column} < {{}}", _end(until))]


def _beginning(day: date | None) -> datetime | None:
    return begins(day) if day else None


def _end(day: date | None) -> datetime | None:
    return begins(day) + timedelta(days=1) if day else None


def _bound(condition: str, value: Any) -> list[Condition]:
    return [] if value is None else [(condition, [value])]


def _lexemes(search: Search) -> Iterable[str]:
    if search.classification:
        scheme, code = search.classification
        yield beginning(of_classification(code, scheme))
    if search.reserved:
        yield exactly(of_set_aside(search.reserved))
