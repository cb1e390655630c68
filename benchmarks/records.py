"""Verifying an award record, beside what the opening of its bids takes anybody, and verifying very many."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx

from benchmarks.measuring import Measure, Scale, ratio
from bids.envelope import Envelope
from bids.orders import PartToOpen, open_parts
from crypto.statements import Statement
from procurement import record
from procurement.watching.checking import PROCESSORS, Checkers
from procurement.watching.store import Journal
from procurement.watching.verifying import Walk, summary
from tests.builders import Life, a_bidder, a_notice, the_world
from tests.shelf import Shelf, served

SMALL = 5
"""Bids in a record of very many."""
_SPAWN = get_context("spawn")


def verify(scale: Scale) -> Iterator[Measure]:
    """`record.verify` ÷ opening the record's bids. Both in one process, so that the ratio is that of work."""
    life, data = a_life(scale.record_bids)
    trust = life.world.trust

    def verify_record() -> None:
        assert record.verify(data, trust).outcome == "verified"

    value = ratio(verify_record, lambda: open_all(life), 2 * scale.rounds)
    yield Measure(name="verify_ratio", value=value, unit="", goal=1.3)


def a_life(bids: int) -> tuple[Life, bytes]:
    """A tender with so many bidders, awarded, and its record."""
    life = Life()
    for number in range(bids):
        life.submit(a_bidder(the_world(), number), str(1_000_000 + number))
    return life, life.to_award().record()


def open_all(life: Life) -> None:
    """What the service does when it opens a tender, without its database: from the envelopes as they lie in
    the box to the history's entries that say what each of them says."""
    opening, ids = life.openings["bid"], life.closing.counted()
    envelopes = [Statement(life.bids[id]).read(Envelope) for id in ids]
    parts = [PartToOpen(envelope=each, terms=life.terms, opening=opening) for each in envelopes]
    results = open_parts(parts)
    life.head.append([life.opened_event("bid", id, result) for id, result in zip(ids, results, strict=True)])


def verify_all(scale: Scale) -> Iterator[Measure]:
    """Records a second through `openseal verify --all`, over loopback from a process of its own; and how many
    times as many they are as where one process checks. All are of one committee and round, which helps; who
    serves them and who downloads them are on the same processors, which does not."""
    with _shelf(scale.records) as url:
        pairs = asyncio.run(_walks(url, scale))
    speed, gain = scale.records / min(all_ for all_, _ in pairs), median(one / all_ for all_, one in pairs)
    yield Measure(name="verify_all_per_s", value=speed, unit="1/s")
    yield Measure(name="verify_all_gain", value=gain, unit="", goal=0.6 * PROCESSORS, better="more")


async def _walks(url: str, scale: Scale) -> list[tuple[float, float]]:
    """Seconds that all processors take, and that one takes; before that each walks once to start."""
    http, trust = httpx.AsyncClient(base_url=url, timeout=60, trust_env=False), the_world().trust
    async with http, Checkers(trust) as all_, Checkers(trust, 1) as one:
        pairs = [[await _walk(http, each, scale) for each in (all_, one)] for _ in range(1 + scale.rounds)]
    return [(first, second) for first, second in pairs[1:]]


async def _walk(http: httpx.AsyncClient, checkers: Checkers, scale: Scale) -> float:
    """Seconds from an empty folder to the last record."""
    with TemporaryDirectory() as name, closing(Journal(Path(name) / "journal", "shelf")) as journal:
        start = perf_counter()
        await Walk(http, checkers, "1", Path(name), journal).all(lambda *_: None)
        elapsed = perf_counter() - start
        assert summary(journal).verified == scale.records
    return elapsed


@contextmanager
def _shelf(count: int) -> Iterator[str]:
    """The address of so many records."""
    own, others = _SPAWN.Pipe()
    records = {tender: _small(tender) for tender in (f"ocds-0s3al1-b{number}" for number in range(count))}
    server = _SPAWN.Process(target=_serve, args=(others, records))
    server.start()
    try:
        yield own.recv()
    finally:
        own.send(None)
        server.join()


def _serve(line: Connection, records: dict[str, bytes]) -> None:
    with served(Shelf(records, page=len(records))) as shelf:
        line.send(shelf.url)
        line.recv()


def _small(tender: str) -> bytes:
    life = Life(notice=a_notice(the_world(), tender=tender))
    for number in range(SMALL):
        life.submit(a_bidder(the_world(), number), str(1_000_000 + number))
    return life.to_award().record()
