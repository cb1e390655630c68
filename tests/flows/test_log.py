"""The log on a real PostgreSQL and a real folder, re-verified from its tiles after every step."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import asyncpg
import httpx
import pytest
from obstore.store import LocalStore

import crypto.log
from crypto.checkpoint import (
    LOG,
    WITNESS,
    Checkpoint,
    SigningKey,
    TlogProof,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from crypto.errors import LogError, MalformedError, VerificationError
from crypto.log import HeadFile, HttpWitness, Log, Sequencer
from crypto.merkle import leaf_hash, verify_consistency, verify_inclusion
from crypto.witness import Answer, WitnessState, add_checkpoint
from tests.logcheck import read_checkpoint, read_object, verify_from_tiles

KEY = SigningKey("tenders.example/log1", LOG, bytes(range(32)))
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NUMBERS = count()


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


class Witness:
    """The real witness's decisions, without the network."""

    def __init__(self, number: int = 1) -> None:
        self._signer = SigningKey(f"witness.example/w{number}", WITNESS, bytes([number] * 32))
        self.key = self._signer.verifier
        self.state = WitnessState()
        self.answers: list[int] = []

    async def add_checkpoint(self, body: bytes) -> Answer:
        answer, self.state = add_checkpoint(self.state, body, [KEY.verifier], self._signer, START)
        self.answers.append(answer.status)
        return answer


class House:
    """A log with its sequencer, object store and head file in one folder."""

    def __init__(self, pool: "asyncpg.Pool[Any]", folder: Path, *witnesses: Any, quorum: int = 1) -> None:
        self.pool, self.folder = pool, folder
        self.clock = Clock()
        self.log = Log(pool)
        self.store = LocalStore(folder / "objects", mkdir=True)
        self.head_file = folder / "head.json"
        self.witnesses = witnesses
        self.quorum = quorum
        self.sequencer = self.another_sequencer()

    def another_sequencer(self) -> Sequencer:
        return Sequencer(
            self.log,
            self.store,
            key=KEY,
            head_file=self.head_file,
            now=self.clock,
            witnesses=self.witnesses,
            quorum=self.quorum,
        )

    async def append(self, *entries: bytes) -> list[bytes]:
        async with self.pool.acquire() as connection, connection.transaction():
            return await self.log.append(connection, entries)

    async def grow(self, by: int) -> list[bytes]:
        """Appends, sequences and publishes `by` entries; the whole log verified afterwards."""
        entries = some(by)
        await self.append(*entries)
        sequenced = 0
        while sequenced < by:
            sequenced += await self.sequencer.sequence()
        assert (await self.verified())[-by:] == entries
        return entries

    async def verified(self) -> list[bytes]:
        return await verify_from_tiles(self.store, KEY.verifier)

    async def signed(self) -> int:
        size: int = await self.pool.fetchval("SELECT size FROM log_head")
        return size

    def file(self, path: str) -> Path:
        return self.folder / "objects" / path


@pytest.fixture
async def house(pool: "asyncpg.Pool[Any]", tmp_path: Path) -> AsyncIterator[House]:
    house = House(pool, tmp_path)
    await house.sequencer.recover()
    yield house
    await house.verified()


def some(number: int) -> list[bytes]:
    return [f'{{"c":"{next(NUMBERS):064x}","t":"commitment"}}'.encode() for _ in range(number)]


async def roll_back(dsn: str, size: int) -> None:
    """What restoring an old backup does: the head and the entries of `size` leaves again."""
    connection = await asyncpg.connect(dsn)
    saved = await connection.fetchrow("SELECT * FROM saved_head WHERE size = $1", size)
    await connection.execute("DELETE FROM log_entry WHERE index >= $1", size)
    await connection.execute(
        "UPDATE log_head SET (size, root, peaks, note, published_size, published_note)"
        " = (SELECT size, root, peaks, note, published_size, published_note FROM saved_head WHERE size = $1)",
        saved["size"],
    )
    await connection.execute("DELETE FROM log_checkpoint WHERE size > $1", size)
    await connection.close()


async def back_up(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE saved_head AS SELECT * FROM log_head")
    await connection.close()


async def test_a_log_begins_with_a_signed_empty_tree(house: House) -> None:
    assert await house.verified() == []
    assert (await house.log.head())[0] == 0


async def test_every_step_of_a_growing_log_is_verified_from_its_tiles(house: House) -> None:
    everything: list[bytes] = []
    heads: list[Checkpoint] = []
    for by in (1, 1, 253, 1, 1, 600, 1023):
        everything += await house.grow(by)
        assert await house.verified() == everything
        heads.append(await read_checkpoint(house.store, KEY.verifier))
        for old in heads:
            proof = await house.log.consistency(old.size, heads[-1].size)
            verify_consistency(old.size, old.root, heads[-1].size, heads[-1].root, proof)
    for index in (0, 1, 255, 256, 1879):
        await check_entry(house.log, everything, index)


async def check_entry(log: Log, everything: list[bytes], index: int) -> None:
    size, note = await log.head()
    root = verify_checkpoint(note, KEY.verifier).root
    leaf = leaf_hash(everything[index])
    assert await log.entry(index) == everything[index]
    assert await log.index_of(leaf) == index
    verify_inclusion(leaf, index, size, await log.inclusion(index, size), root)
    proof = TlogProof.parse(await log.tlog_proof(index))
    assert proof.verify(everything[index], KEY.verifier).size == size


async def test_what_is_not_in_the_log_has_no_index_entry_or_proof(house: House) -> None:
    await house.grow(3)
    assert await house.log.index_of(bytes(32)) is None
    for ask in (house.log.entry(3), house.log.tlog_proof(3), house.log.inclusion(1, 4)):
        with pytest.raises(LogError):
            await ask


async def test_an_entry_has_no_index_before_its_checkpoint_is_published(house: House) -> None:
    (leaf,) = await house.append(*some(1))
    assert await house.log.index_of(leaf) is None
    with pytest.raises(TimeoutError):
        await house.log.wait_for([leaf], 0.05)
    await house.sequencer.sequence()
    assert await house.log.wait_for([leaf], 60) == {leaf: 0}


async def test_an_aborted_transaction_leaves_no_entry(house: House) -> None:
    async with house.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await house.log.append(connection, some(1))
        await transaction.rollback()
    assert await house.sequencer.sequence() == 0


async def test_an_entry_above_its_limit_is_refused(house: House) -> None:
    await house.append(bytes(65_535))
    with pytest.raises(LogError):
        await house.append(bytes(65_536))
    assert await house.sequencer.sequence() == 1


async def test_a_repeated_entry_is_sequenced_once(house: House) -> None:
    first, second, third = some(3)
    await house.append(first, second, first)
    await house.append(second)
    assert await house.sequencer.sequence() == 2
    await house.append(first)
    await house.append(third, second)
    assert await house.sequencer.sequence() == 1
    assert await house.verified() == [first, second, third]
    await house.append(third)
    assert await house.sequencer.sequence() == 0
    assert await house.pool.fetchval("SELECT count(*) FROM log_queue") == 0


async def test_a_batch_is_bounded_and_follows_the_queue(house: House) -> None:
    entries = some(1500)
    for at in range(0, 1500, 500):
        await house.append(*entries[at : at + 500])
    assert [await house.sequencer.sequence() for _ in range(3)] == [1024, 476, 0]
    assert await house.verified() == entries


async def test_a_transaction_that_commits_late_is_not_skipped(house: House) -> None:
    early, late = some(2)
    async with house.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await house.log.append(connection, [early])
        await house.append(late)
        assert await house.sequencer.sequence() == 1
        await transaction.commit()
    assert await house.sequencer.sequence() == 1
    assert await house.verified() == [late, early]


async def test_partial_tiles_go_when_their_tile_is_full(house: House) -> None:
    await house.grow(200)
    assert house.file("tile/0/000.p/200").exists()
    await house.grow(100)
    assert not list(house.file("tile/0/000.p").glob("*"))
    assert not list(house.file("tile/entries/000.p").glob("*"))
    assert house.file("tile/0/001.p/44").exists()


async def test_the_service_can_neither_change_nor_delete_what_is_sequenced(house: House) -> None:
    await house.grow(2)
    for statement in (
        "UPDATE log_entry SET entry = ''",
        "DELETE FROM log_entry",
        "DELETE FROM log_node",
        "DELETE FROM log_checkpoint",
        "DELETE FROM log_head",
        "UPDATE log_checkpoint SET note = ''",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await house.pool.execute(statement)


@asynccontextmanager
async def running(*sequencers: Sequencer) -> AsyncIterator[list["asyncio.Task[None]"]]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(each.run(stop)) for each in sequencers]
    yield tasks
    stop.set()
    await asyncio.wait(tasks)


async def leader(*sequencers: Sequencer) -> Sequencer:
    """The one of them that leads, once one does."""

    async def leading() -> bool:
        return any(each.leading.is_set() for each in sequencers)

    await until(leading)
    [found] = [each for each in sequencers if each.leading.is_set()]
    return found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns once it does."""
    async with asyncio.timeout(60):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


async def test_of_two_sequencers_one_leads_and_the_other_takes_over_when_it_dies(house: House) -> None:
    pair = house.sequencer, house.another_sequencer()
    entries = some(200)
    async with running(*pair) as tasks:
        first = await leader(*pair)
        for at in range(0, 100, 10):
            await house.log.wait_for(await house.append(*entries[at : at + 10]), 60)
            assert await leader(*pair) is first
        leaves = await house.append(*entries[100:])
        tasks[pair.index(first)].cancel()
        await house.log.wait_for(leaves, 60)
        assert (await leader(*pair)) is not first
        assert [each.troubles for each in pair] == [{}, {}]
    assert await house.verified() == entries
    assert not any(each.leading.is_set() for each in pair)


async def test_a_sequencer_that_loses_its_lock_competes_again(house: House, dsn: str) -> None:
    async with running(house.sequencer):
        for term in range(2, 5):

            async def elected(term: int = term) -> bool:
                return bool(await house.pool.fetchval("SELECT term = $1 FROM log_head", term))

            await until(elected)
            await house.log.wait_for(await house.append(*some(3)), 60)
            await take_the_lock_away(dsn)
        await house.log.wait_for(await house.append(*some(3)), 60)
    assert len(await house.verified()) == 12


async def take_the_lock_away(dsn: str) -> None:
    """What the database does with a leader that says nothing any more."""
    connection = await asyncpg.connect(dsn)
    await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database"
        " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
    )
    await connection.close()


async def test_a_silent_leader_loses_the_lead(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto.log, "LEASE", 2)

    async def say_nothing(*_: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(house.sequencer, "_hold", say_nothing)
    second = house.another_sequencer()
    async with running(house.sequencer):
        await leader(house.sequencer)
        await house.log.wait_for(await house.append(*some(3)), 60)
        async with running(second):
            await leader(second)
            await house.log.wait_for(await house.append(*some(3)), 60)

            async def one_leads() -> bool:
                return second.leading.is_set() and not house.sequencer.leading.is_set()

            await until(one_leads)


async def test_thirty_two_writers_see_every_entry_sequenced_once(house: House) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(house.sequencer.run(stop))

    async def write() -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for _ in range(10):
            found |= await house.log.wait_for(await house.append(*some(2)), 60)
        return found

    answers = await asyncio.gather(*(write() for _ in range(32)))
    stop.set()
    await running
    entries = await house.verified()
    indexes = {leaf: index for found in answers for leaf, index in found.items()}
    assert indexes == {leaf_hash(entry): index for index, entry in enumerate(entries)}
    assert len(entries) == 640


async def test_a_lone_entry_gets_its_index_where_nothing_wakes_its_waiter(house: House) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(house.sequencer.run(stop))
    elsewhere = Log(house.pool)  # as in another process: nothing wakes the sequencer or its waiter
    for index, log in enumerate((house.log, elsewhere)):
        (leaf,) = await house.append(*some(1))
        assert await log.wait_for([leaf], 60) == {leaf: index}
        assert (await log.tlog_proof(index)).startswith("c2sp.org/tlog-proof@v1\n")
    stop.set()
    await running


async def test_a_sequencer_does_not_hold_up_appenders(house: House) -> None:
    await house.append(*some(5))
    async with house.pool.acquire() as connection, connection.transaction():
        await connection.fetchrow("SELECT * FROM log_head FOR UPDATE")
        await connection.execute("DELETE FROM log_queue")
        await asyncio.wait_for(house.append(*some(5)), 20)


PAUSES = ["_advance_head_file", "_write_objects", "_replace_checkpoint", "_drop_partial_tiles"]

CHILD = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from obstore.store import LocalStore
from crypto.checkpoint import LOG, SigningKey
from crypto.log import Log, Sequencer
from procurement import database

async def main(dsn, folder, pause):
    async def wait(*_):
        print("paused", flush=True)
        await asyncio.sleep(60)
    async with await database.connect(dsn) as pool:
        sequencer = Sequencer(
            Log(pool), LocalStore(Path(folder, "objects")),
            key=SigningKey("tenders.example/log1", LOG, bytes(range(32))),
            head_file=Path(folder, "head.json"), now=lambda: datetime.fromisoformat("2026-11-21T09:00:00Z"),
        )
        await sequencer.recover()
        setattr(sequencer, pause, wait)
        await sequencer.sequence()

asyncio.run(main(*sys.argv[1:]))
"""


async def kill_while_publishing(dsn: str, folder: Path, pause: str) -> None:
    """Lets another process sign the queue and kills it before the named step of `publish`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, dsn, str(folder), pause, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 120) == b"paused\n"
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.parametrize("pause", PAUSES)
async def test_a_kill_between_signing_and_publishing_is_made_good(house: House, dsn: str, pause: str) -> None:
    before = await house.grow(250)
    new = some(300)
    await house.append(*new)
    await kill_while_publishing(dsn, house.folder, pause)
    assert await house.signed() == 550
    signed = await house.pool.fetchval("SELECT note FROM log_head")
    restarted = house.another_sequencer()
    await restarted.recover()
    assert await house.verified() == before + new
    assert (await house.log.head()) == (550, signed)
    assert HeadFile(house.head_file).read() is not None
    assert await restarted.sequence() == 0


STALLS = ["_sign_batch", *PAUSES, "_store_witnessed"]


@pytest.mark.parametrize("stall", STALLS)
async def test_a_leader_that_wakes_up_after_another_took_over_changes_nothing(
    pool: "asyncpg.Pool[Any]", tmp_path: Path, dsn: str, stall: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(pool, tmp_path, Witness())
    await house.sequencer.recover()
    await house.grow(5)
    asleep, wake = asyncio.Event(), asyncio.Event()
    goes_on = getattr(house.sequencer, stall)

    async def sleep(*arguments: Any) -> Any:
        asleep.set()
        await wake.wait()
        return await goes_on(*arguments)

    monkeypatch.setattr(house.sequencer, stall, sleep)
    await house.append(*some(5))

    async def work(sequencer: Sequencer) -> None:
        await sequencer.sequence()
        await sequencer.ask_witnesses()

    old = asyncio.create_task(work(house.sequencer))
    await asyncio.wait_for(asleep.wait(), 60)
    await end_transactions(dsn)

    house.sequencer, deposed = house.another_sequencer(), house.sequencer
    await house.sequencer.recover()
    entries = await house.grow(300)
    published = await read_object(house.store, "checkpoint")
    wake.set()
    with pytest.raises((LogError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await old
    for write in (deposed.sequence, deposed.publish, deposed.ask_witnesses):
        await house.append(*some(1))
        with pytest.raises(LogError, match="another sequencer leads"):
            await write()
    assert await read_object(house.store, "checkpoint") == published
    assert (await house.verified())[-300:] == entries
    await house.grow(1)


async def end_transactions(dsn: str) -> None:
    """What the database does with a transaction whose process says nothing any more."""
    connection = await asyncpg.connect(dsn)
    await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND state = 'idle in transaction'"
    )
    await connection.close()


async def test_a_torn_object_beyond_the_checkpoint_is_written_again(house: House, dsn: str) -> None:
    await house.grow(10)
    await house.append(*some(10))
    await kill_while_publishing(dsn, house.folder, "_replace_checkpoint")
    house.file("tile/0/000.p/20").write_bytes(b"")
    await house.another_sequencer().recover()
    assert len(await house.verified()) == 20


@pytest.mark.parametrize("path", ["tile/0/000", "tile/entries/000", "tile/0/001.p/44", "tile/1/000.p/1"])
async def test_a_tampered_object_is_noticed_and_a_lost_one_restored(house: House, path: str) -> None:
    await house.grow(300)
    file = house.file(path)
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    restarted = house.another_sequencer()
    with pytest.raises(LogError, match=path):
        await restarted.recover()
    with pytest.raises(LogError, match=path):
        await restarted.publish(since=0)
    file.unlink()
    await restarted.publish(since=0)
    assert file.read_bytes() == good


async def test_a_lost_object_store_is_rebuilt_from_the_database(house: House) -> None:
    entries = await house.grow(700)
    checkpoint = await read_object(house.store, "checkpoint")
    (house.folder / "objects").rename(house.folder / "lost")
    house.store = LocalStore(house.folder / "objects", mkdir=True)
    await house.another_sequencer().recover()
    assert await house.verified() == entries
    assert await read_object(house.store, "checkpoint") == checkpoint


async def test_a_checkpoint_that_is_not_the_log_s_own_stops_it(house: House) -> None:
    await house.grow(3)
    good = house.file("checkpoint").read_bytes()
    for bad in (b"\xff", b"garbage", good.replace(b"\n3\n", b"\n2\n")):
        house.file("checkpoint").write_bytes(bad)
        await house.append(*some(1))
        with pytest.raises(VerificationError):
            await house.sequencer.sequence()
    assert await house.signed() == 3
    house.file("checkpoint").write_bytes(good)


async def test_a_database_behind_the_head_file_signs_nothing(house: House, dsn: str) -> None:
    await house.grow(3)
    await back_up(dsn)
    await house.grow(4)
    house.file("checkpoint").unlink()
    await roll_back(dsn, 3)
    await house.append(*some(1))
    for sequencer in (house.another_sequencer(), house.sequencer):
        with pytest.raises(LogError, match="head file has 7 leaves"):
            await sequencer.recover()
        with pytest.raises(LogError, match="head file has 7 leaves"):
            await sequencer.sequence()
    assert await house.signed() == 3
    house.head_file.unlink()
    await house.sequencer.publish()


async def test_a_database_behind_the_published_checkpoint_signs_nothing(house: House, dsn: str) -> None:
    await house.grow(3)
    await back_up(dsn)
    await house.grow(4)
    house.head_file.unlink()
    await roll_back(dsn, 3)
    await house.append(*some(1))
    with pytest.raises(LogError, match="published checkpoint has 7 leaves"):
        await house.sequencer.sequence()
    assert await house.signed() == 3


async def test_another_root_at_the_size_of_the_head_file_signs_nothing(house: House) -> None:
    await house.grow(3)
    kept = HeadFile(house.head_file).read()
    assert kept is not None
    for size in (2, 3):
        HeadFile(house.head_file).write(type(kept)(note=kept.note, root="00" * 32, size=size))
        await house.append(*some(1))
        with pytest.raises(LogError, match=f"another root at {size} leaves"):
            await house.sequencer.sequence()
    house.head_file.write_bytes(b"garbage")
    with pytest.raises(MalformedError):
        await house.sequencer.sequence()
    assert await house.signed() == 3


async def test_a_fork_signed_with_the_log_s_key_in_the_store_signs_nothing(house: House) -> None:
    await house.grow(3)
    good = house.file("checkpoint").read_bytes()
    fork = sign_checkpoint(Checkpoint(origin=KEY.verifier.name, size=3, root=bytes(32)), KEY)
    house.file("checkpoint").write_text(fork)
    await house.append(*some(1))
    with pytest.raises(LogError, match="another root at 3 leaves"):
        await house.sequencer.sequence()
    house.file("checkpoint").write_bytes(good)


async def test_a_clock_that_went_back_is_told_and_stops_nothing(house: House) -> None:
    await house.grow(3)
    for later in (-3600, -1800):
        house.clock.time = START + timedelta(seconds=later)
        await house.grow(1)
        assert "went back" in house.sequencer.troubles["clock"]
        assert await house.pool.fetchval("SELECT signed_at FROM log_head") == START
    house.clock.time = START + timedelta(seconds=1)
    await house.grow(1)
    assert house.sequencer.troubles == {}
    assert await house.pool.fetchval("SELECT signed_at FROM log_head") == house.clock.time


async def test_a_running_sequencer_tells_its_trouble_and_goes_on_after_it(house: House) -> None:
    good = house.head_file.read_bytes()
    house.head_file.write_bytes(b"garbage")
    elsewhere = Log(house.pool)
    async with running(house.sequencer):
        leaves = await house.append(*some(1))
        with pytest.raises(TimeoutError):
            await house.log.wait_for(leaves, 0.3)
        await told(elsewhere, "sequenced")
        assert "JSON" in house.sequencer.troubles["sequenced"]
        house.head_file.write_bytes(good)
        assert await house.log.wait_for(leaves, 60) == {leaves[0]: 0}
        await told(elsewhere)
    assert house.sequencer.troubles == {}


async def told(log: Log, *whats: str) -> None:
    """Returns once these are the troubles that any process reads."""

    async def are_these() -> bool:
        return (await log.troubles()).keys() == set(whats)

    await until(are_these)
    assert all(datetime.now(UTC) - timedelta(minutes=1) < since for since in (await log.troubles()).values())


async def test_a_log_that_nobody_sequences_is_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.append(*some(1))
    assert await house.log.troubles() == {}
    monkeypatch.setattr(crypto.log, "BEHIND", timedelta(seconds=0.3))
    await told(house.log, "behind")
    await house.sequencer.sequence()
    assert await house.log.troubles() == {}


# Witnesses


async def witnessed_house(pool: "asyncpg.Pool[Any]", folder: Path, *witnesses: Any, quorum: int = 1) -> House:
    house = House(pool, folder, *witnesses, quorum=quorum)
    await house.sequencer.recover()
    return house


async def test_the_quorum_s_checkpoints_are_kept_and_published(
    pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    witnesses = Witness(1), Witness(2), Witness(3)
    house = await witnessed_house(pool, tmp_path, *witnesses, quorum=2)
    await house.grow(3)
    note = await house.sequencer.ask_witnesses()
    assert note is not None
    assert len(verify_cosignatures(note, [each.key for each in witnesses], 3)) == 3
    assert (await read_object(house.store, "checkpoint")).decode() == note
    assert await house.log.head() == (3, note)
    assert len(verify_cosignatures(TlogProof.parse(await house.log.tlog_proof(0)).checkpoint, [], 0)) == 0
    await house.grow(3)
    assert await house.log.witnessed(2) == note
    assert await house.log.witnessed(4) is None
    later = await house.sequencer.ask_witnesses()
    assert await house.log.witnessed(4) == later
    assert await house.log.witnessed(3) == note
    assert set(witnesses[0].answers) == {200}


async def test_below_the_quorum_the_log_goes_on_unwitnessed(
    pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    class Unreachable(Witness):
        async def add_checkpoint(self, body: bytes) -> Answer:
            raise ConnectionRefusedError

    class Babbling(Witness):
        async def add_checkpoint(self, body: bytes) -> Answer:
            return Answer(status=200, body=b"\xff not a signature")

    house = await witnessed_house(pool, tmp_path, Witness(1), Unreachable(2), Babbling(3), quorum=2)
    await house.grow(3)
    assert await house.sequencer.ask_witnesses() is None
    assert await house.log.witnessed(0) is None
    await house.grow(3)


async def test_one_witness_named_twice_is_no_quorum(pool: "asyncpg.Pool[Any]", tmp_path: Path) -> None:
    witness = Witness(1)
    house = await witnessed_house(pool, tmp_path, witness, witness, quorum=2)
    await house.grow(3)
    assert await house.sequencer.ask_witnesses() is None


async def test_a_restarted_log_asks_the_witness_what_it_holds(
    pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    witness = Witness()
    house = await witnessed_house(pool, tmp_path, witness)
    await house.grow(3)
    await house.sequencer.ask_witnesses()
    await house.grow(300)
    witness.answers.clear()
    await house.another_sequencer().recover()
    assert witness.answers == [409, 200]
    assert await house.log.witnessed(303) is not None


async def test_a_rollback_that_only_the_witness_remembers_signs_nothing(
    pool: "asyncpg.Pool[Any]", tmp_path: Path, dsn: str
) -> None:
    witness = Witness()
    house = await witnessed_house(pool, tmp_path, witness)
    await house.grow(3)
    await back_up(dsn)
    await house.grow(4)
    await house.sequencer.ask_witnesses()
    await roll_back(dsn, 3)
    restored = await empty_folder_house(house)
    with pytest.raises(LogError, match="has seen 7 leaves"):
        await restored.sequencer.recover()
    await restored.append(*some(1))
    with pytest.raises(LogError, match="has seen 7 leaves"):
        await restored.sequencer.sequence()
    assert await restored.signed() == 3


async def empty_folder_house(house: House) -> House:
    """The same database and witnesses, the files lost."""
    folder = house.folder / "restored"
    folder.mkdir()
    return House(house.pool, folder, *house.witnesses, quorum=house.quorum)


@pytest.mark.parametrize(("grown", "reason"), [(4, "another tree of 7 leaves"), (9, "does not extend")])
async def test_a_fork_that_only_the_witness_remembers_is_noticed(
    pool: "asyncpg.Pool[Any]", tmp_path: Path, dsn: str, grown: int, reason: str
) -> None:
    house = await witnessed_house(pool, tmp_path, Witness())
    await house.grow(3)
    await back_up(dsn)
    await house.grow(4)
    await house.sequencer.ask_witnesses()
    await roll_back(dsn, 3)
    fork = await empty_folder_house(house)
    fork.witnesses, asked = (), fork.witnesses
    fork.sequencer = fork.another_sequencer()
    await fork.sequencer.recover()
    await fork.grow(grown)
    fork.witnesses = asked
    fork.sequencer = fork.another_sequencer()
    with pytest.raises(LogError, match=reason):
        await fork.sequencer.recover()
    await fork.append(*some(1))
    with pytest.raises(LogError, match=reason):
        await fork.sequencer.sequence()


async def test_a_running_log_has_its_heads_witnessed(pool: "asyncpg.Pool[Any]", tmp_path: Path) -> None:
    house = House(pool, tmp_path, Witness())
    stop = asyncio.Event()
    running = asyncio.create_task(house.sequencer.run(stop))
    await house.log.wait_for(await house.append(*some(5)), 60)
    async with asyncio.timeout(60):
        while await house.log.witnessed(5) is None:
            await house.log.wait_for([leaf_hash(entry) for entry in await house.verified()], 60)
    stop.set()
    await running
    assert len(await house.verified()) == 5
    assert house.sequencer.troubles == {}


@contextmanager
def served(witness: Witness) -> Iterator[str]:
    """The witness behind HTTP on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found = self.path == "/w/add-checkpoint"
            answer = asyncio.run(witness.add_checkpoint(body)) if found else Answer(status=405)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/w/"
        server.shutdown()


async def test_a_witness_is_asked_over_http(pool: "asyncpg.Pool[Any]", tmp_path: Path) -> None:
    witness = Witness()
    async with httpx.AsyncClient() as client:
        with served(witness) as url:
            house = await witnessed_house(pool, tmp_path, HttpWitness(url, witness.key, client))
            await house.grow(3)
            note = await house.sequencer.ask_witnesses()
            assert note is not None
            assert verify_cosignatures(note, [witness.key], 1)[0].time == START
        assert await house.sequencer.ask_witnesses() is None
