"""Open data by the file: what a year of tenders comes to, out of the database and into tables."""

import asyncio
import gzip
from collections.abc import Awaitable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Literal

import asyncpg

from benchmarks.loading import a_year, load_year
from benchmarks.log import a_database
from benchmarks.measuring import Measure, Scale, peak_memory, seconds
from benchmarks.year import Year
from procurement import database
from procurement.bulk import tables
from procurement.bulk.export import export
from procurement.bulk.store import LONGEST, Span

_TENFOLD = """
    SET session_replication_role = replica;
    INSERT INTO compiled_release
      SELECT gen_random_uuid(), ocid, position + number * beyond, practice, changed_at, body
      FROM compiled_release, generate_series(1, 9) AS number,
        (SELECT max(position) + 1 AS beyond FROM compiled_release) AS one
"""
"""Nine more of each line, behind all; no tender is behind them."""


def export_ratio(scale: Scale) -> Iterator[Measure]:
    """Compiled releases a second as compressed JSON Lines ÷ as PostgreSQL's COPY gives them, both in turns;
    and how much more memory ten times as many take, a million of them.

    Then the same releases as tables, in CSV and in a workbook; and how fast the year was loaded.
    """
    with a_database() as (dsn, folder):
        year = a_year(scale.tenders)
        loaded = seconds(lambda: load_year(dsn, year))
        lines = folder / "lines.jsonl.gz"
        asyncio.run(_keep(dsn, year, lines))
        text, binary, grown = asyncio.run(_export(dsn, year, scale.rounds))
        yield Measure(name="export_ratio", value=text, unit="", goal=0.5, better="more")
        yield Measure(name="export_binary_ratio", value=binary, unit="")
        yield Measure(name="export_memory_mib", value=grown, unit="MiB", goal=8)
        yield Measure(name="load_tenders_per_s", value=year.tenders / loaded, unit="1/s")
        yield from _tables(lines, folder, year.tenders)


async def _export(dsn: str, year: Year, rounds: int) -> tuple[float, float, float]:
    """Ratios to COPY as it comes and to its binary format, and MiB."""
    span, ratios = _span(year), []
    async with await database.connect(dsn) as pool, pool.acquire() as connection:
        for _ in range(rounds):
            ours = await _elapsed(export(connection, span, _throw_away))
            copies = [await _elapsed(_copied(connection, form)) for form in ("text", "binary")]
            ratios.append([each / ours for each in copies])
        with peak_memory() as few:
            await export(connection, span, _throw_away)
        await _tenfold(dsn)
        with peak_memory() as many:
            exported = await export(connection, span, _throw_away)
        assert exported.rows == 10 * year.tenders
    text, binary = (median(each) for each in zip(*ratios, strict=True))
    return text, binary, max(0, many.own - few.own)


async def _tenfold(dsn: str) -> None:
    owner = await asyncpg.connect(dsn)
    await owner.execute(_TENFOLD)
    await owner.close()


def _span(year: Year) -> Span:
    """All that was released."""
    ends = year.until + timedelta(days=1)
    return Span(practice=False, begins=None, ends=ends, position=2**53, after=2**53)


async def _copied(connection: Any, form: Literal["text", "binary"]) -> None:
    """The bodies that the export reads, in its order."""
    query = "SELECT body FROM compiled_release WHERE NOT practice ORDER BY position"
    await connection.copy_from_query(query, output=_throw_away, format=form, timeout=LONGEST)


async def _throw_away(data: bytes) -> None:
    pass


async def _elapsed(work: Awaitable[object]) -> float:
    start = perf_counter()
    await work
    return perf_counter() - start


async def _keep(dsn: str, year: Year, path: Path) -> None:
    async with await database.connect(dsn) as pool, pool.acquire() as connection:
        with path.open("wb") as file:

            async def write(data: bytes) -> None:
                file.write(data)

            await export(connection, _span(year), write)


def _tables(lines: Path, folder: Path, count: int) -> Iterator[Measure]:
    """How fast a tenth of the lines become tables, and how much more memory that takes than a hundredth."""
    out = folder / "tables"
    out.mkdir()
    with peak_memory() as few:
        _write_tables(lines, out, count // 100)
    with peak_memory() as many:
        elapsed = seconds(lambda: _write_tables(lines, out, count // 10))
    yield Measure(name="tables_per_s", value=(count // 10) / elapsed, unit="1/s")
    yield Measure(name="tables_memory_mib", value=max(0, many.own - few.own), unit="MiB", goal=32)


def _write_tables(lines: Path, folder: Path, count: int) -> None:
    with gzip.open(lines) as releases:
        written = tables.write((each.rstrip(b"\n") for each in islice(releases, max(1, count))), folder)
    assert written.releases == max(1, count)
