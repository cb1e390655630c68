"""A made-up year in a database: the tables that lists and open data are read from, filled by COPY, a piece at
a time, by as many processes as there are processors."""

import asyncio
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any, get_args
from uuid import UUID

import asyncpg
import msgspec

from benchmarks.tales import STATUS, Tale, line_of
from benchmarks.year import Year, entity
from crypto.encoding import parse_moment, sha256
from procurement import ocds, store
from procurement.bulk.listing import A_DAY, Kind, Period, day_of
from procurement.bulk.listing import listed as listed_files
from procurement.bulk.store import Published, add_publication
from procurement.finding.lexemes import lexemes
from procurement.finding.listing import VERSION, Listing
from procurement.opendata.store import Compiled, Released
from procurement.tenders import Notice
from tests.flows.doomed import PROCESSES

PIECE = 250
"""Tenders that are made and copied together: memory does not grow with the year."""
OF_A_TENDER = 64
"""Log indexes that a tender has for itself in any second: more than releases in it."""

BIDS = 12.0
"""For a tender on average, a third of KONEPS's: so a year of 100,000 is made in minutes."""

Rows = dict[str, list[tuple[Any, ...]]]
"""By table; columns are `COLUMNS`."""

_LISTED = tuple(name for name in Listing.__struct_fields__ if name != "won")
COLUMNS = {
    "tender": [
        "tender_id",
        "ocid",
        "notice_id",
        "deadline",
        "terms",
        "shut_at",
        "concluded_at",
        "seq",
        "prev",
    ],
    "listing": ["version", *_LISTED],
    "listed_award": ["tender_id", "lot", "place", "supplier", "name", "leads", "amount", "made", "at"],
    "release": list(Released.__struct_fields__),
    "compiled_release": list(Compiled.__struct_fields__),
}


def a_year(tenders: int) -> Year:
    """The year up to now."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return Year(tenders=max(1, tenders), until=now, bids=BIDS)


def load_year(dsn: str, year: Year) -> None:
    """Tenders, lines, releases and what they come to; everything is released."""
    _load(dsn, year, told)


def load_lines(dsn: str, year: Year) -> None:
    """Tenders and lines: of what happens in them nothing is told."""
    _load(dsn, year, listed)


def told(year: Year, number: int) -> Rows:
    """All rows of one tender."""
    tale = Tale(year.plan(number), year)
    releases, compiled = released(tale, year)
    return {
        **unreleased(tale, year),
        "release": [msgspec.structs.astuple(each) for each in releases],
        "compiled_release": [msgspec.structs.astuple(compiled)],
    }


def unreleased(tale: Tale, year: Year) -> Rows:
    """The rows of a tender but for its releases."""
    line = tale.line
    return {"tender": [_tender(tale.notice, line.tender_id, tale.notice_id, year)], **_listed(line)}


def listed(year: Year, number: int) -> Rows:
    """The rows of one tender without its releases."""
    plan = year.plan(number)
    line = line_of(plan, year)
    return {"tender": [_tender(plan.notice, line.tender_id, STATUS, year)], **_listed(line)}


def released(tale: Tale, year: Year) -> tuple[list[Released], Compiled]:
    """Every release of the tender, and what they come to. Their places in the log follow from their times and
    the tender's number: all are different, and in order."""
    made = ocds.tell(tale.facts)
    id, ocid, practice = store.id_of(tale.notice.tender), tale.notice.tender, tale.notice.practice
    releases = [
        Released(
            tender_id=id,
            seq=each.seq,
            position=_position(year, tale.plan.number, each, place),
            released_at=parse_moment(each.date),
            practice=practice,
            body=each.body,
        )
        for place, each in enumerate(made)
    ]
    newest = releases[-1]
    compiled = Compiled(
        tender_id=id,
        ocid=ocid,
        position=newest.position,
        practice=practice,
        changed_at=newest.released_at,
        body=ocds.compiled(made),
    )
    return releases, compiled


def _position(year: Year, number: int, release: ocds.Release, place: int) -> int:
    assert place < OF_A_TENDER
    since = int((parse_moment(release.date) - year.begins).total_seconds())
    return (since * year.tenders + number) * OF_A_TENDER + place


def _tender(notice: Notice, id: UUID, notice_id: str, year: Year) -> tuple[Any, ...]:
    """For whoever does what is due every tender is over, and nothing of its history is there."""
    first = bytes.fromhex(notice_id)
    shut, over = notice.closes, max(notice.closes, year.until)
    return (id, notice.tender, first, notice.closes, first, shut, over, 0, bytes(32))


def _listed(line: Listing) -> Rows:
    awards = [(line.tender_id, *msgspec.structs.astuple(each)) for each in line.won]
    return {"listing": [(VERSION, *(_column(line, name) for name in _LISTED))], "listed_award": awards}


def _column(line: Listing, name: str) -> Any:
    value = getattr(line, name)
    if name in ("translations", "contact"):
        return msgspec.json.encode(value).decode()
    return list(value) if isinstance(value, tuple) else value


# ── into the database ────────────────────────────────────────────────────────────────────────────────────


def _load(dsn: str, year: Year, made: Callable[[Year, int], Rows]) -> None:
    indexes = asyncio.run(_dropped(dsn))
    pieces = [range(at, min(at + PIECE, year.tenders)) for at in range(0, year.tenders, PIECE)]
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(pieces)), PROCESSES) as processes:
        for _ in processes.map(partial(_load_piece, dsn, year, made), pieces):
            pass
    asyncio.run(_finish(dsn, year, indexes))


def _load_piece(dsn: str, year: Year, made: Callable[[Year, int], Rows], numbers: Iterable[int]) -> None:
    asyncio.run(copy(dsn, [made(year, number) for number in numbers]))


async def _dropped(dsn: str) -> list[str]:
    """What makes the indexes of lines again, which are faster made at once than kept all the time."""
    connection = await asyncpg.connect(dsn)
    found = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE tablename = 'listing' AND indexname <> 'listing_pkey'"
    )
    for each in found:
        await connection.execute(f"DROP INDEX {each['indexname']}")
    await connection.close()
    return [each["indexdef"] for each in found]


async def copy(dsn: str, tenders: Sequence[Rows]) -> None:
    """The rows of several tenders."""
    connection = await asyncpg.connect(dsn)
    await connection.set_type_codec(
        "tsvector", schema="pg_catalog", encoder=_as_tsvector, decoder=bytes, format="binary"
    )
    async with connection.transaction():
        for table, columns in COLUMNS.items():
            rows = [row for each in tenders for row in each.get(table, ())]
            await connection.copy_records_to_table(table, records=rows, columns=columns)
    await connection.close()


def _as_tsvector(words: Sequence[str]) -> bytes:
    """As PostgreSQL receives one (`tsvectorrecv`): how many, then each with its end and no places."""
    each = b"".join(word.encode() + b"\0\0\0" for word in dict.fromkeys(words))
    return struct.pack(">i", len(dict.fromkeys(words))) + each


async def _finish(dsn: str, year: Year, indexes: Iterable[str]) -> None:
    """Indexes, entities, how far the log is released and files are published, what the planner knows."""
    connection = await asyncpg.connect(dsn)
    for each in indexes:
        await connection.execute(each)
    await connection.executemany(
        "INSERT INTO listed_entity VALUES ($1, $2, $3, true, array_to_tsvector($4::text[]))",
        [
            (each.id, each.name, year.until, list(lexemes([each.name, each.id])))
            for each in map(entity, range(year.entities))
        ],
    )
    await connection.execute(
        "UPDATE released SET position = 1 + coalesce((SELECT max(position) FROM release), -1)"
    )
    for kind, practice in product(get_args(Kind), (False, True)):
        assert await add_publication(
            connection, _published(Period(kind, day_of(year.until) - A_DAY, practice))
        )
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _published(period: Period) -> Published:
    """As if files of the period had been made, so that no service makes those of the whole year now."""
    contents = listed_files(period, 0, 0, (), ())
    return Published(
        path=period.path,
        kind=period.kind,
        practice=period.practice,
        last_day=period.last,
        position=0,
        list=contents,
        sha256=sha256(contents),
        room="none",
        published_at=period.ends,
        superseded_at=None,
    )
