"""SQL of the index: one function per statement. Reading takes no lock: a line is whole, or the one before."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from math import ceil, prod, sqrt
from typing import Any, Literal
from uuid import UUID

import msgspec

from procurement.finding import conditions
from procurement.finding.conditions import Condition, where
from procurement.finding.lexemes import lexemes, query
from procurement.finding.listing import VERSION, Listing, Outcome, Phase, Status, status_at
from procurement.finding.search import AwardCursor, Cursor, Order, Search
from procurement.tenders import Contact

_COLUMNS = tuple(each for each in Listing.__struct_fields__ if each != "won")
_SHOWN = (
    "tender_id, ocid, number, language, title, translations, entity, entity_name, category, procedure,"
    " reserved_for, classifications, currency, value, practice, published, deadline, opens, phase, outcome,"
    " over"
)
WALKED = 3
"""Lines that are walked past in the time in which one is looked up: those lie anywhere in the table."""
UNKNOWN = 8_000
"""Lines that are looked through where nobody can say how many have something."""

_BY: dict[Order, tuple[str, str]] = {
    "newest": ("published", "DESC"),
    "closing-first": ("deadline", "ASC"),
    "closing-last": ("deadline", "DESC"),
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A tender as lists show it."""

    tender_id: UUID
    ocid: str
    number: str
    language: str
    title: str
    translations: dict[str, str]
    entity: str
    entity_name: str
    category: str | None
    procedure: str | None
    reserved_for: tuple[str, ...]
    classifications: tuple[str, ...]
    currency: str
    value: Decimal | None
    practice: bool
    published: datetime
    deadline: datetime
    opens: datetime
    phase: Phase
    outcome: Outcome | None
    over: datetime | None

    def status(self, now: datetime) -> Status:
        return status_at(self.phase, self.deadline, now)

    def cursor(self, order: Order) -> str:
        at = self.published if order == "newest" else self.deadline
        return str(Cursor(order=order, at=at, tender_id=self.tender_id))


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the lines that were asked for, with cursors to those after and before them, where there are
    any."""

    lines: list[Line]
    after: str | None
    before: str | None


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A procuring entity: its id, and its name as in its latest notice."""

    id: str
    name: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an entity's tenders; `days` is the median from deadline to award, where one was made."""

    published: int
    open: int
    underway: int
    awarded: int
    ended: int
    days: Decimal | None


class Prize(msgspec.Struct, frozen=True, kw_only=True):
    """An award of one lot to one supplier, with the tender that it is of."""

    tender_id: UUID
    ocid: str
    language: str
    title: str
    translations: dict[str, str]
    entity: str
    entity_name: str
    practice: bool
    currency: str
    lot: str
    place: int
    supplier: str
    name: str
    leads: bool
    amount: Decimal
    at: datetime

    @property
    def cursor(self) -> str:
        return str(AwardCursor(at=self.at, tender_id=self.tender_id, lot=self.lot, place=self.place))


# ── written ──────────────────────────────────────────────────────────────────────────────────────────


async def save(connection: Any, listing: Listing) -> None:
    """The tender's line, in place of the one before, with its awards. The caller holds the tender's row."""
    await connection.execute(_SAVE, VERSION, *(_column(listing, each) for each in _COLUMNS))
    await connection.execute("DELETE FROM listed_award WHERE tender_id = $1", listing.tender_id)
    await connection.executemany(
        "INSERT INTO listed_award (tender_id, lot, place, supplier, name, leads, amount, made, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [(listing.tender_id, *msgspec.structs.astuple(each)) for each in listing.won],
    )


async def save_entity(connection: Any, listing: Listing) -> None:
    """Its procuring entity under the name that the latest notice gives it; nobody waits for its row where
    that is known already."""
    await connection.execute(
        """
        INSERT INTO listed_entity AS known (id, name, published, in_earnest, lexemes)
        SELECT $1, $2, $3, $4, array_to_tsvector($5::text[]) WHERE NOT EXISTS (
          SELECT FROM listed_entity WHERE id = $1 AND published >= $3 AND (in_earnest OR NOT $4)
        )
        ON CONFLICT (id) DO UPDATE SET
          name = CASE WHEN known.published <= $3 THEN $2 ELSE known.name END,
          lexemes = CASE WHEN known.published <= $3 THEN excluded.lexemes ELSE known.lexemes END,
          published = greatest(known.published, $3),
          in_earnest = known.in_earnest OR $4
        """,
        listing.entity,
        listing.entity_name,
        listing.published,
        not listing.practice,
        list(lexemes([listing.entity_name, listing.entity])),
    )


async def find_outdated(connection: Any) -> list[str]:
    """Ocids of the tenders without a line, or with one of another version."""
    rows = await connection.fetch(
        "SELECT t.ocid FROM tender t LEFT JOIN listing l USING (tender_id)"
        " WHERE l.version IS DISTINCT FROM $1 ORDER BY t.tender_id",
        VERSION,
    )
    return [row["ocid"] for row in rows]


def _column(listing: Listing, name: str) -> Any:
    value = getattr(listing, name)
    if name in ("translations", "contact"):
        return msgspec.json.encode(value).decode()
    return list(value) if isinstance(value, tuple) else value


def _placed(number: int, name: str) -> str:
    return f"array_to_tsvector(${number})" if name == "lexemes" else f"${number}"


_SAVE = (
    f"INSERT INTO listing (version, {', '.join(_COLUMNS)})"
    f" VALUES ($1, {', '.join(_placed(i, name) for i, name in enumerate(_COLUMNS, 2))})"
    " ON CONFLICT (tender_id) DO UPDATE SET version = excluded.version, "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "tender_id")
)


# ── read ─────────────────────────────────────────────────────────────────────────────────────────────


async def find(pool: Any, search: Search, now: datetime, limit: int) -> Page:
    """The tenders that were asked for, as they are at that time; at most `limit` of them.

    Whoever follows the cursors sees each tender once that was there from the beginning and whose time has
    not moved, whatever is published meanwhile.
    """
    if search.text and not search.terms:
        return Page(lines=[], after=None, before=None)
    column, direction = _BY[search.order]
    if search.before is not None:
        direction = "ASC" if direction == "DESC" else "DESC"
    times, others = conditions.times(search, now), [*conditions.facets(search), *conditions.words(search)]
    if cursor := search.after or search.before:
        sign = "<" if direction == "DESC" else ">"
        times.append((f"({column}, tender_id) {sign} ({{}}, {{}})", [cursor.at, cursor.tender_id]))
    ordered = f"ORDER BY {column} {direction}, tender_id {direction} LIMIT"
    rows: list[Any] = []
    async with _reading(pool) as connection:
        walked = await _worth_walking(connection, search) if conditions.by_lexemes(search) else None
        for statement in _ways(times, others, walked, ordered, limit + 1):
            if len(rows) <= limit:
                rows = await connection.fetch(*statement)
    return _page([_line(row) for row in rows], search, limit)


async def _worth_walking(connection: Any, search: Search) -> int:
    """Through how many lines of the list to look for what has some lexemes, before that is looked up.

    PostgreSQL takes parts of a word for independent, and would look up frequent ones among all there are;
    and the first lines of a list for ones like any others, and would walk through a million for a few. So it
    is asked how many lines each part alone is in. To walk for as long as looking them up would take, and then
    to look them up, is at most twice as long as whichever of both is better.
    """
    words, facets = search.terms, conditions.facets(search)
    parts = [conditions.having(each) for word in words for each in word]
    estimated = await _estimated(connection, [("true", []), *parts, *facets])
    if estimated is None:
        return UNKNOWN
    everything, *found = estimated
    shares = iter([each / everything for each in found])
    of_words = [min(islice(shares, len(word))) for word in words]
    # Words may stand together by chance or always: what is between both is wrong by little either way.
    together = sqrt(prod(of_words) * min(of_words, default=1))
    return WALKED * ceil(everything * together * prod(shares))


_PLANNED = """
    SET LOCAL plan_cache_mode = force_custom_plan;
    SET LOCAL max_parallel_workers_per_gather = 0;
    SET LOCAL constraint_exclusion = off
"""
"""An estimate is of all lines, not of one process's, and there is one of every condition."""


async def _estimated(connection: Any, each: Sequence[Condition]) -> list[float] | None:
    """How many lines meet each condition by what PostgreSQL knows of the table, if it says so."""
    values = list[Any]()
    alone = [f"SELECT FROM listing {where([condition], values)}" for condition in each]
    explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {' UNION ALL '.join(alone)}", *values)
    return planned_rows(explained, len(each))


def planned_rows(explained: str, count: int) -> list[float] | None:
    """Of each part of a UNION ALL the rows that its explanation (JSON) expects, at least one; None where it
    is another plan than of so many parts, as Citus has it."""
    [explanation] = msgspec.json.decode(explained)
    plans = explanation["Plan"].get("Plans", ())
    return [max(1.0, each["Plan Rows"]) for each in plans] if len(plans) == count else None


def _ways(
    times: Sequence[Condition], others: Sequence[Condition], walked: int | None, ordered: str, most: int
) -> Iterator[tuple[Any, ...]]:
    """Statements with their values that find lines, each to be asked where the one before does not find
    `most`. Where nothing says how far to walk, PostgreSQL knows the way."""
    values = list[Any]()
    if walked is None:
        yield f"SELECT {_SHOWN} FROM listing {where([*times, *others], values)} {ordered} {most}", *values
        return
    early, late = where(times, values), where(others, values)
    if walked >= most:
        lines = f"SELECT * FROM listing {early} {ordered} {walked}"
        yield f"SELECT {_SHOWN} FROM ({lines}) AS walked {late} {ordered} {most}", *values
    found = f"SELECT tender_id, outcome, deadline, published FROM listing {late}"
    ids = f"SELECT tender_id FROM found {early} {ordered} {most}"
    yield (
        f"WITH found AS MATERIALIZED ({found})"
        f" SELECT {_SHOWN} FROM listing WHERE tender_id IN ({ids}) {ordered} {most}",
        *values,
    )


async def load_lines(pool: Any, tender_ids: Iterable[UUID]) -> dict[UUID, Line]:
    """The lines of these tenders, of those that have one."""
    rows = await pool.fetch(f"SELECT {_SHOWN} FROM listing WHERE tender_id = ANY($1)", list(tender_ids))
    return {row["tender_id"]: _line(row) for row in rows}


async def search_entities(pool: Any, text: str | None, after: str | None, limit: int) -> list[Entity]:
    """Procuring entities with tenders that are not for practice, by name; `after` is the id of the last one
    that was seen."""
    conditions, values = ["in_earnest"], list[Any]()
    if text is not None:
        values.append(query(text))
        conditions.append("lexemes @@ $1::tsquery")
    if after is not None:
        values.append(after)
        conditions.append(f"(name, id) > (SELECT name, id FROM listed_entity WHERE id = ${len(values)})")
    where = " AND ".join(conditions)
    statement = f"SELECT id, name FROM listed_entity WHERE {where} ORDER BY name, id LIMIT {limit}"
    async with _reading(pool) as connection:
        rows = await connection.fetch(statement, *values)
    return [Entity(id=row["id"], name=row["name"]) for row in rows]


async def load_entity(pool: Any, id: str) -> tuple[Entity, Contact] | None:
    """With the contact that its latest notice names."""
    row = await pool.fetchrow(
        "SELECT entity_name, contact FROM listing WHERE entity = $1"
        " ORDER BY published DESC, tender_id DESC LIMIT 1",
        id,
    )
    if row is None:
        return None
    return Entity(id=id, name=row["entity_name"]), msgspec.json.decode(row["contact"], type=Contact)


async def load_figures(pool: Any, entity: str, now: datetime, *, practice: bool) -> Figures:
    """Of its tenders in earnest, or of its practice ones."""
    row = await pool.fetchrow(
        """
        SELECT count(*) AS published,
          count(*) FILTER (WHERE outcome IS NULL AND deadline > $2) AS open,
          count(*) FILTER (WHERE outcome IS NULL AND deadline <= $2) AS underway,
          count(*) FILTER (WHERE outcome = 'awarded') AS awarded,
          count(*) FILTER (WHERE outcome IN ('unsuccessful', 'cancelled')) AS ended,
          percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM over - deadline)::float8)
            FILTER (WHERE outcome = 'awarded') AS seconds
        FROM listing WHERE entity = $1 AND practice = $3
        """,
        entity,
        now,
        practice,
    )
    counts = {name: row[name] for name in ("published", "open", "underway", "awarded", "ended")}
    days = None if row["seconds"] is None else Decimal(row["seconds"] / timedelta(days=1).total_seconds())
    return Figures(**counts, days=None if days is None else days.quantize(Decimal("0.1")))


async def load_prizes(
    pool: Any,
    by: Literal["supplier", "entity"],
    id: str,
    *,
    practice: bool,
    after: AwardCursor | None = None,
    limit: int,
) -> list[Prize]:
    """Awards that were made to a supplier, or by an entity, the latest first."""
    values: list[Any] = [id, practice]
    condition = ""
    if after is not None:
        values += [after.at, after.tender_id, after.lot, after.place]
        condition = "AND (a.at, a.tender_id, a.lot, a.place) < ($3, $4, $5, $6)"
    column = "a.supplier" if by == "supplier" else "l.entity"
    rows = await pool.fetch(
        "SELECT a.tender_id, ocid, language, title, translations, entity, entity_name, practice, currency,"
        " a.lot, a.place, a.supplier, a.name, a.leads, a.amount, a.at"
        " FROM listed_award a JOIN listing l USING (tender_id)"
        f" WHERE a.made AND {column} = $1 AND l.practice = $2 {condition}"
        f" ORDER BY a.at DESC, a.tender_id DESC, a.lot DESC, a.place DESC LIMIT {limit}",
        *values,
    )
    return [Prize(**_decoded(row)) for row in rows]


async def has_awards(pool: Any, supplier: str, *, practice: bool) -> bool:
    """Whether any award was made to that supplier."""
    return bool(
        await pool.fetchval(
            "SELECT EXISTS (SELECT FROM listed_award a JOIN listing l USING (tender_id)"
            " WHERE a.made AND a.supplier = $1 AND l.practice = $2)",
            supplier,
            practice,
        )
    )


@asynccontextmanager
async def _reading(pool: Any) -> AsyncIterator[Any]:
    """A connection on which every search is planned by what is searched for, and by that alone."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_PLANNED)
        yield connection


def _page(lines: list[Line], search: Search, limit: int) -> Page:
    """`lines` are one more than `limit` where it goes on, in the direction in which they were read."""
    more, lines = len(lines) > limit, lines[:limit]
    if search.before is not None:
        lines.reverse()
        after, before = bool(lines), more
    else:
        after, before = more, search.after is not None and bool(lines)
    return Page(
        lines=lines,
        after=lines[-1].cursor(search.order) if after else None,
        before=lines[0].cursor(search.order) if before else None,
    )


def _line(row: Any) -> Line:
    return Line(**_decoded(row))


def _decoded(row: Any) -> dict[str, Any]:
    values = dict(row) | {"translations": msgspec.json.decode(row["translations"])}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
