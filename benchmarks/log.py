"""The transparency log: what it costs a business transaction, hashing, proving."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from secrets import token_bytes
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from obstore.store import LocalStore

from benchmarks.measuring import Measure, Scale, best
from benchmarks.opening import CONTENT, a_tender
from bids import intake
from bids.envelope import Envelope, compose, entropy_size
from bids.intake import Arrival, Intake
from bids.receipts import commitment_entry
from bids.store import StoredEnvelope
from crypto.certificates import Certificate
from crypto.checkpoint import LOG, SigningKey, verify_checkpoint
from crypto.log import BATCH, Log, Sequencer
from crypto.merkle import leaf_hash, verify_inclusion
from crypto.statements import Statement
from procurement import database, store
from procurement.embedded import EmbeddedPostgres
from procurement.history import Head
from procurement.store import TenderRow
from tests.builders import DEADLINE, OCID, a_bidder, the_world

WRITERS = 32
BIDDERS = 36  # to a tender, as they are on average in KONEPS
STATUS = "00" * 32  # nobody looks at certificates here

_PATIENCE = 60  # seconds


class Service(NamedTuple):
    """The part of the service that is measured, its sequencer at work."""

    pool: Any
    log: Log
    key: SigningKey


class Unlogged(Log):
    """Takes entries, and does nothing with them."""

    async def append(self, connection: Any, entries: Sequence[bytes]) -> list[bytes]:
        return []


def log_commit(scale: Scale) -> Iterator[Measure]:
    """Bids accepted per second with the log ÷ without it, from many writers at once.

    Transactions as the service makes them: the tender's row locked, the envelope put into the box, its
    commitment queued. With the log a bid counts once its commitment is in a published checkpoint.
    """
    with a_database() as (dsn, folder):
        value = asyncio.run(_commit_ratio(dsn, folder, scale))
    yield Measure(name="log_commit_ratio", value=value, unit="", goal=0.55, better="more")


def leaf_hashes(scale: Scale) -> Iterator[Measure]:
    """Hashing of entries of a commitment's size."""
    entries = _entries(scale.entries)
    elapsed = best(lambda: [leaf_hash(entry) for entry in entries], scale.rounds)
    yield Measure(name="leaf_hashes_per_s", value=len(entries) / elapsed, unit="1/s")


def proof(scale: Scale) -> Iterator[Measure]:
    """One inclusion proof in a large log, tiles read from the database or a cache that holds some."""
    with a_database() as (dsn, folder):
        value = asyncio.run(_proof_seconds(dsn, folder, scale))
    yield Measure(name="proof_ms", value=value * 1e3, unit="ms")


async def _commit_ratio(dsn: str, folder: Path, scale: Scale) -> float:
    ratios = []
    async with _service(dsn, folder) as service:
        for _ in range(scale.rounds):
            without = await _seconds(service, scale.commits, Unlogged(service.pool))
            ratios.append(without / await _seconds(service, scale.commits, service.log))
    return median(ratios)


async def _seconds(service: Service, commits: int, log: Log) -> float:
    waiting = iter(await _submissions(service.pool, commits))
    accepted: list[StoredEnvelope] = []

    async def write() -> None:
        for each in waiting:
            async with service.pool.acquire() as connection, connection.transaction():
                await store.share_tender(connection, each.tender_id, wait=True)
                taken = await Intake.look(connection, [each])
                taken.check(each)
                accepted.append(taken.admit(each, _now(), STATUS, in_doubt=False))
                await taken.keep(connection, log)

    start = perf_counter()
    async with asyncio.TaskGroup() as writers:
        for _ in range(WRITERS):
            writers.create_task(write())
    committed = perf_counter() - start
    return committed + (await _published(service, accepted) if log is service.log else 0)


async def _published(service: Service, accepted: Sequence[StoredEnvelope]) -> float:
    leaves = [leaf_hash(intake.entry(each, a_tender()[0].notice)) for each in accepted]
    start = perf_counter()
    await service.log.wait_for(leaves, _PATIENCE)
    return perf_counter() - start


async def _submissions(pool: Any, count: int) -> list[Arrival]:
    """So many, to fresh tenders."""
    several: list[Arrival] = []
    while len(several) < count:
        row = _tender_row()
        assert await store.add_tender(pool, row)
        several += [_arrival(row, *each) for each in _bids()]
    return several[:count]


def _arrival(row: TenderRow, statement: Statement, bidder: Certificate) -> Arrival:
    said = statement.read(Envelope)
    return Arrival(
        tender_id=row.tender_id,
        notice=row.notice_id,
        statement=statement,
        said=said,
        lead=bidder,
        salt=token_bytes(32).hex(),
    )


def _tender_row() -> TenderRow:
    ocid, notice = f"{OCID}-{token_bytes(8).hex()}", a_tender()[0].notice
    return TenderRow(
        tender_id=store.id_of(ocid),
        ocid=ocid,
        notice_id=notice,
        deadline=DEADLINE,
        terms="00" * 32,
        shut_at=None,
        terminated_at=None,
        concluded_at=None,
        head=Head(tender=ocid, notice=notice),
    )


@cache
def _bids() -> Sequence[tuple[Statement, Certificate]]:
    terms, _ = a_tender()
    keys = [a_bidder(the_world(), number) for number in range(BIDDERS)]
    sealed = [compose({"bid": CONTENT}, terms, key, token_bytes(entropy_size(terms))) for key in keys]
    return [(Statement(data), key.certificate) for data, key in zip(sealed, keys, strict=True)]


async def _proof_seconds(dsn: str, folder: Path, scale: Scale) -> float:
    async with _service(dsn, folder) as service:
        entries = _entries(scale.entries)
        for start in range(0, len(entries), BATCH):
            async with service.pool.acquire() as connection, connection.transaction():
                await service.log.append(connection, entries[start : start + BATCH])
        await service.log.wait_for([leaf_hash(each) for each in entries[-BATCH:]], _PATIENCE)
        size, note = await service.log.head()
        root = verify_checkpoint(note, service.key.verifier).root
        log, times = Log(service.pool), []
        for leaf in map(leaf_hash, entries[:: max(1, len(entries) // scale.proofs)]):
            index = await log.index_of(leaf)
            assert index is not None
            start_time = perf_counter()
            hashes = await log.inclusion(index, size)
            times.append(perf_counter() - start_time)
            verify_inclusion(leaf, index, size, hashes, root)
    return median(times)


def _now() -> datetime:
    return datetime.now(UTC)


def _entries(count: int) -> list[bytes]:
    return [commitment_entry(token_bytes(32)) for _ in range(count)]


@contextmanager
def a_database() -> Iterator[tuple[str, Path]]:
    """A PostgreSQL as it comes, so with fsync, in an empty folder that its account can enter."""
    with tempfile.TemporaryDirectory(prefix="openseal-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres(folder) as server:
            asyncio.run(database.migrate(server.dsn))
            yield server.dsn, folder


@asynccontextmanager
async def _service(dsn: str, folder: Path) -> AsyncIterator[Service]:
    key = SigningKey("bench.example/log", LOG, token_bytes(32))
    async with await database.connect(dsn, most=WRITERS) as pool, await database.connect(dsn, most=4) as few:
        log = Log(few)
        objects = LocalStore(folder / "objects", mkdir=True)
        sequencer = Sequencer(log, objects, key=key, head_file=folder / "head.json", now=_now)
        stop = asyncio.Event()
        assert await pool.fetchval("SHOW fsync") == "on"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sequencer.run(stop))
            yield Service(pool, log, key)
            stop.set()
