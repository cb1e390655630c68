"""Open data over HTTP at the size of a portal: the feed walked while it grows, and readers beside bidders.

Real services on this machine, with a made-up year (`benchmarks.year`) put into their databases.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from statistics import median, quantiles
from time import perf_counter
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from benchmarks import loading
from benchmarks.finding import searches
from benchmarks.intake import LONG, Rush, a_rush, a_service, as_they_come, one_bid_each
from benchmarks.loading import a_year
from benchmarks.measuring import Measure, Scale
from benchmarks.tales import Tale
from benchmarks.year import Year
from procurement import database
from procurement.opendata import store
from procurement.opendata.store import Compiled, Progress, Released
from tests.builders import a_lot
from tests.flows.doomed import ServiceProcess

WRITERS, WALKERS = 4, 2
HELD = 0.01
"""Seconds that a writer waits, at most, between its releases and its commit."""
BIDDERS, READERS = 50, 200
"""Per second."""
LOOKED_AT = 20
"""Tenders whose pages are read."""


# ── the feed ─────────────────────────────────────────────────────────────────────────────────────────────


def feed_walk(scale: Scale) -> Iterator[Measure]:
    """Releases a second that a mirror reads, all of a year and then what comes, while others are published;
    and how many come twice, not at all, or in another order than the log's."""
    speed, wrong = asyncio.run(_feed_walk(scale))
    yield Measure(name="feed_walk_per_s", value=speed, unit="1/s")
    yield Measure(name="feed_walk_wrong", value=wrong, unit="", goal=0)


class _Named(msgspec.Struct):
    id: str


class _Next(msgspec.Struct):
    path: str


class _Page(msgspec.Struct):
    releases: list[_Named]
    next_page: _Next


async def _feed_walk(scale: Scale) -> tuple[float, int]:
    async with a_service() as process:
        year = await _with_a_year(process, scale.tenders // 5)
        coming = await _to_come(process.dsn, year, max(WRITERS, scale.tenders // 200))
        over = asyncio.Event()
        async with await database.connect(process.dsn) as pool, asyncio.TaskGroup() as tasks:
            walks = [tasks.create_task(_walk(process.url, over)) for _ in range(WALKERS)]
            writers = [tasks.create_task(_write(pool, coming, number)) for number in range(WRITERS)]
            await asyncio.gather(*writers)
            over.set()
        async with await database.connect(process.dsn) as pool:
            rows = await pool.fetch(
                "SELECT t.ocid, r.seq FROM release r JOIN tender t USING (tender_id) ORDER BY position"
            )
    there = [f"{row['ocid']}-{row['seq']}" for row in rows]
    found = [walk.result() for walk in walks]
    return median(speed for _, speed in found), sum(wrong(ids, there) for ids, _ in found)


async def _to_come(dsn: str, year: Year, count: int) -> list[tuple[list[Released], Compiled]]:
    """Tenders after the year's, in the database but for their releases."""
    more = msgspec.structs.replace(year, tenders=year.tenders + count)
    tales = [Tale(more.plan(number), more) for number in range(year.tenders, more.tenders)]
    await loading.copy(dsn, [loading.unreleased(each, more) for each in tales])
    return [loading.released(each, more) for each in tales]


async def _write(pool: Any, coming: list[tuple[list[Released], Compiled]], number: int) -> None:
    """Publishes one tender after the other, as the publisher of open data does: what is released becomes so
    in the transaction that says how far everything is."""
    chance = random.Random(number)  # noqa: S311
    while coming:
        releases, compiled = coming.pop()
        for each in releases:
            async with pool.acquire() as connection, connection.transaction():
                before = await store.claim(connection)
                here = {"position": before.position + chance.randrange(5)}
                await store.add_releases(connection, [msgspec.structs.replace(each, **here)])
                await asyncio.sleep(chance.random() * HELD)
                await store.save_compiled(connection, [msgspec.structs.replace(compiled, **here)])
                after = Progress(position=here["position"] + 1, stopped_by=None, stopped_at=None)
                await store.move(connection, after)


async def _walk(url: str, over: asyncio.Event) -> tuple[list[str], float]:
    """The ids of all releases, in the order in which they came; how many came a second until there were no
    more for the first time."""
    ids, path, speed, start = list[str](), "/api/v1/releases?limit=1000", 0.0, perf_counter()
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        while True:
            last = over.is_set()
            page = msgspec.json.decode((await http.get(path)).raise_for_status().content, type=_Page)
            ids += [each.id for each in page.releases]
            path = page.next_page.path
            if page.releases:
                continue
            speed = speed or len(ids) / (perf_counter() - start)
            if last:
                return ids, speed
            await asyncio.sleep(HELD)


def wrong(found: Sequence[str], there: Sequence[str]) -> int:
    """Missed, repeated, or out of order."""
    missed, repeated = set(there) - set(found), len(found) - len(set(found))
    return len(missed) + repeated + (0 if missed or repeated or list(found) == list(there) else 1)


# ── readers beside bidders ───────────────────────────────────────────────────────────────────────────────


def readers_beside_bids(scale: Scale) -> Iterator[Measure]:
    """How long bidders wait for their receipts while very many read ÷ while nobody does; both take turns.
    Before that the pages are read once: of a service that has just started something else is measured.
    """
    alone, beside, read, errors = asyncio.run(_readers(scale))
    with_readers, without = _p99(beside), _p99(alone)
    yield Measure(name="readers_beside_bids", value=with_readers / without, unit="", goal=1.5)
    yield Measure(name="receipt_p99_ms_alone", value=without * 1e3, unit="ms")
    yield Measure(name="receipt_p99_ms_beside", value=with_readers * 1e3, unit="ms", goal=1000)
    yield Measure(name="reader_p99_ms", value=_p99(read) * 1e3, unit="ms")
    yield Measure(name="reader_errors", value=errors, unit="", goal=0)


async def _readers(scale: Scale) -> tuple[list[float], list[float], list[float], int]:
    alone, beside, read, errors = list[float](), list[float](), list[float](), 0
    turn = scale.minute / scale.rounds
    async with a_rush(int(BIDDERS * turn)) as rush:
        year = await _with_a_year(rush.process, scale.tenders // 5)
        pages, port = await _pages_to_read(rush, year), rush.process.port
        await as_they_come(port, _requests(rush, pages, int(READERS * turn), scale.rounds), READERS)
        for number in range(scale.rounds):
            times, got = await as_they_come(port, await one_bid_each(rush), BIDDERS)
            alone, errors = alone + times, errors + got.total() - got[201]
            asked = _requests(rush, pages, int(READERS * turn), number)
            bids = await one_bid_each(rush)
            (times, got), (waited, answers) = await asyncio.gather(
                as_they_come(port, bids, BIDDERS), as_they_come(port, asked, READERS)
            )
            beside, read = beside + times, read + waited
            errors += got.total() - got[201] + answers.total() - answers[200]
    return alone, beside, read, errors


async def _pages_to_read(rush: Rush, year: Year) -> list[list[str]]:
    """Paths by kind: pages of the feed, tenders, lists and searches, for people and for programs."""
    tenders = [await rush.town.publish(a_lot(), lead=LONG) for _ in range(min(LOOKED_AT, year.tenders))]
    async with await database.connect(rush.process.dsn) as pool:
        rows = await pool.fetch("SELECT position FROM release ORDER BY random() LIMIT 200")
    asked = list(searches(year, 200))
    return [
        [f"/api/v1/releases?offset={row['position']}" for row in rows],
        [each for tender in tenders for each in (f"/tenders/{tender.ocid}", tender.path)],
        [f"/tenders?{each}" for each in asked],
        [f"/api/v1/tenders?{each}" for each in asked],
    ]


def _requests(rush: Rush, pages: Sequence[Sequence[str]], count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)  # noqa: S311
    head = f"Host: 127.0.0.1:{rush.process.port}\r\nAccept-Encoding: gzip\r\n"
    paths = [chance.choice(chance.choice(pages)) for _ in range(count)]
    return [f"GET {quote(path, safe='/?=&%+')} HTTP/1.1\r\n{head}\r\n".encode() for path in paths]


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100, method="inclusive")[98]


async def _with_a_year(process: ServiceProcess, tenders: int) -> Year:
    """The year that is put into the service's database."""
    year = a_year(tenders)
    await asyncio.to_thread(loading.load_year, process.dsn, year)
    return year
