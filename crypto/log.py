"""The transparency log in PostgreSQL and in an object store: append, sequence, publish, prove.

Who writes entries or asks for proofs needs a `Log`, which holds no key. One process leads a `Sequencer`::

    append ──► log_queue ──► sequence: index, root, signature ──► publish: tiles, then `checkpoint`
    (any transaction)        (one transaction, head row locked)   (head row locked) ──► witnesses

What is signed is durable in the database before anything else hears of it, and everything public is
derived from the database, so that a process killed anywhere only leaves `publish` to be run again.
Readers see published heads only: a head that the guards against rollback do not know yet is not shown.

Any number of processes run a sequencer on one database. A lock that goes with a connection decides which of
them leads; the others wait. Each lead is a term with a number of its own, and whoever finds another number in
the head row writes nothing any more: one that was thought dead does no harm when it wakes up.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import httpx
import msgspec
from obstore.exceptions import BaseError as StoreError
from obstore.store import LocalStore, ObjectStore

from crypto import durable
from crypto.checkpoint import (
    Checkpoint,
    Note,
    SigningKey,
    TlogProof,
    VerifyingKey,
    parse_size,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from crypto.encoding import Hex32, Small, Text, Value, decode, encode
from crypto.errors import LogError, MalformedError, VerificationError
from crypto.merkle import (
    ENTRIES,
    LARGEST_ENTRY,
    TILE_WIDTH,
    Frontier,
    Plan,
    Tile,
    encode_bundle,
    leaf_hash,
    plan_consistency,
    plan_inclusion,
    plan_root,
    tiles_of,
)
from crypto.witness import Answer, Request

TICK = 0.025  # seconds between looks at the queue, unless woken
SPACING = 0.05  # seconds of rest after a batch, so that under load many entries share one signature
BATCH = 1024  # entries
POLL = 0.02  # seconds between looks at the head while somebody in this process waits
RECHECKED = 1 << 16  # last leaves whose published objects are compared with the database at the start
WITNESS_TIMEOUT = 5.0  # seconds
WITNESS_SPACING = 0.2  # seconds of rest after asking the witnesses
ELECTION = 0.1  # seconds between looks whether there is nobody who leads
LEASE = 10  # seconds without a word after which the database takes the lead away from who has it
HOLDING = 0.2  # seconds between two words
BEHIND = timedelta(seconds=5)  # that an entry waits before that is a trouble

_CACHED_TILES = 256  # 8 KiB each
_CACHED_HASHES = 1 << 14
_LEADER = 0x6F70656E6C6F67  # "openlog"; advisory locks are per node: all sequence on the coordinator
_DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_PASSING = (VerificationError, *_DATABASE, StoreError, OSError)
_LOGGER = logging.getLogger(__name__)


_APPEND = """
    INSERT INTO log_queue (entry)
    SELECT entry FROM unnest($1::bytea[]) WITH ORDINALITY AS new (entry, place) ORDER BY place
    ON CONFLICT DO NOTHING
"""

_PUBLISHED = """
    SELECT published_size, published_note, ARRAY(
        SELECT (leaf_hash, index) FROM log_entry WHERE leaf_hash = ANY($1) AND index < published_size
    ) AS found FROM log_head
"""
_OLDEST = """
    SELECT id, extract(epoch FROM clock_timestamp() - queued_at)::float8 FROM log_queue ORDER BY id LIMIT 1
"""
_ENTRIES = "SELECT entry FROM log_entry WHERE index >= $1 AND index < $2 ORDER BY index"
_PUBLIC_ENTRIES = """
    SELECT entry FROM log_entry
    WHERE index >= $1 AND index < least($1 + $2, (SELECT published_size FROM log_head)) ORDER BY index
"""
_LEAF_HASHES = "SELECT leaf_hash FROM log_entry WHERE index >= $1 AND index < $2 ORDER BY index"
_NODES = "SELECT hash FROM log_node WHERE level = $3 AND index >= $1 AND index < $2 ORDER BY index"
_HEAD = "SELECT size, root, peaks, note, signed_at, published_size, published_note, term FROM log_head"
_TROUBLES = """
    SELECT what, since FROM log_trouble
    UNION ALL
    SELECT 'behind', queued_at FROM (SELECT queued_at FROM log_queue ORDER BY id LIMIT 1) AS oldest
    WHERE queued_at < clock_timestamp() - $1::interval
"""
_PENDING = """
    SELECT EXISTS (SELECT FROM log_queue) OR EXISTS (SELECT FROM log_head WHERE published_size < size)
"""
_BATCH = """
    SELECT id, leaf_hash, log_entry.index IS NOT NULL AS known
    FROM log_queue LEFT JOIN log_entry USING (leaf_hash) ORDER BY id LIMIT $1
"""
_MOVE = """
    WITH taken AS (DELETE FROM log_queue WHERE id = ANY($1::bigint[]) RETURNING id, entry)
    INSERT INTO log_entry (index, entry)
    SELECT place.index, taken.entry FROM taken
    JOIN unnest($2::bigint[], $3::bigint[]) AS place (id, index) USING (id)
"""


_NOTE_TROUBLES = """
    WITH gone AS (DELETE FROM log_trouble WHERE what <> ALL($1))
    INSERT INTO log_trouble (what) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING
"""


class Log:
    """The log as its writers and readers see it, in any number of processes."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self.pool = pool
        self.appended = asyncio.Event()
        """Wakes a sequencer in the same process."""
        self.published = asyncio.Event()
        """Wakes the waiters in the same process."""
        self._waiters: set[_Waiter] = set()
        self._watch: asyncio.Task[None] | None = None
        self._proving = asyncio.Lock()
        self._tiles: OrderedDict[Tile, bytes] = OrderedDict()
        self._hashes: dict[tuple[int, int], bytes] = {}
        """By the range of leaves that each is the root of."""

    async def append(self, connection: Any, entries: Sequence[bytes]) -> list[bytes]:
        """Queues `entries` in the caller's transaction; returns their leaf hashes, to `wait_for`.

        An entry that is in the log already gets no second index. Raises LogError above 65,535 bytes.
        """
        if any(len(entry) > LARGEST_ENTRY for entry in entries):
            raise LogError(f"a log entry has at most {LARGEST_ENTRY} bytes")
        await connection.execute(_APPEND, entries)
        return [leaf_hash(entry) for entry in entries]

    async def wait_for(self, leaf_hashes: Iterable[bytes], seconds: float) -> dict[bytes, int]:
        """The index of each entry, once all are durable and under a published checkpoint.

        To be called after the commit; raises TimeoutError after `seconds`.
        """
        async with asyncio.timeout(seconds):
            return (await self._seen(frozenset(leaf_hashes))).indexes

    async def prove(self, leaf_hash: bytes, seconds: float) -> str:
        """That the entry is in the log, as ``c2sp.org/tlog-proof@v1``: once it is under a published
        checkpoint, and under that one.

        To be called after the commit; raises TimeoutError after `seconds`.
        """
        async with asyncio.timeout(seconds):
            seen = await self._seen(frozenset([leaf_hash]))
            async with self._proving:  # the first one reads the tiles that all others need, too
                return await self._tlog_proof(seen.indexes[leaf_hash], seen.size, seen.note)

    async def _seen(self, leaves: frozenset[bytes]) -> "_Seen":
        waiter = _Waiter(leaves)
        self._waiters.add(waiter)
        self.appended.set()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._answer_waiters())
        try:
            return await waiter.seen
        finally:
            self._waiters.discard(waiter)

    async def oldest(self) -> tuple[int, float] | None:
        """Number in the queue of the entry that has waited longest for an index, and for how many seconds."""
        row = await self.pool.fetchrow(_OLDEST)
        return (row[0], row[1]) if row else None

    async def index_of(self, leaf_hash: bytes) -> int | None:
        """The index of the entry with this leaf hash; None while no published checkpoint contains it."""
        return (await self._published([leaf_hash])).indexes.get(leaf_hash)

    async def entry(self, index: int) -> bytes:
        """The entry at `index`. Raises LogError if there is none."""
        found = await self.pool.fetch(_ENTRIES, index, index + 1)
        if not found:
            raise LogError(f"no entry {index} in the log")
        return bytes(found[0]["entry"])

    async def entries(self, first: int, most: int) -> list[bytes]:
        """The published entries from index `first` on, `most` at most; none where the log ends before."""
        return [bytes(row["entry"]) for row in await self.pool.fetch(_PUBLIC_ENTRIES, first, most)]

    async def head(self) -> tuple[int, str]:
        """Size and signed note of the published checkpoint. Raises LogError before the first."""
        head = await self.pool.fetchrow(_HEAD)
        if head["published_note"] is None:
            raise LogError("nothing is published yet")
        return head["published_size"], head["published_note"]

    async def size(self) -> int:
        """How many entries are under the published checkpoint: none before the first."""
        return int(await self.pool.fetchval("SELECT published_size FROM log_head"))

    async def witnessed(self, size: int) -> str | None:
        """The earliest checkpoint of at least `size` leaves that the quorum co-signed, if any."""
        query = "SELECT note FROM log_checkpoint WHERE size >= $1 ORDER BY size LIMIT 1"
        note: str | None = await self.pool.fetchval(query, size)
        return note

    async def latest_witnessed(self) -> str | None:
        """The newest checkpoint that the quorum co-signed, if any."""
        query = "SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1"
        note: str | None = await self.pool.fetchval(query)
        return note

    async def troubles(self) -> dict[str, datetime]:
        """What is wrong with the log at present, as the sequencer that leads has it, and since when.

        `behind`: entries have waited for an index for longer than `BEHIND`.
        """
        return {row["what"]: row["since"] for row in await self.pool.fetch(_TROUBLES, BEHIND)}

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that entry `index` is in the tree of `size` leaves. Raises LogError if it is not."""
        return await self._prove(self.pool, plan_inclusion(index, size))

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """The proof that the tree of `new_size` leaves extends that of `old_size`. Raises LogError."""
        return await self._prove(self.pool, plan_consistency(old_size, new_size))

    async def tlog_proof(self, index: int) -> str:
        """Entry `index` under the published checkpoint, as ``c2sp.org/tlog-proof@v1``. Raises LogError."""
        return await self._tlog_proof(index, *await self.head())

    async def _tlog_proof(self, index: int, size: int, note: str) -> str:
        hashes = await self.inclusion(index, size)
        return TlogProof(index=index, hashes=tuple(hashes), checkpoint=note).encode()

    async def root(self, connection: Any, size: int) -> bytes:
        """The root of the first `size` leaves, from the database. Raises LogError if they are not there."""
        return (await self._prove(connection, plan_root(size)))[0] if size else Frontier().root

    async def tile(self, connection: Any, tile: Tile) -> bytes:
        """The contents of a tile or an entry bundle, from the database. Raises LogError if incomplete."""
        first = tile.index * TILE_WIDTH
        query = {ENTRIES: _ENTRIES, 0: _LEAF_HASHES}.get(tile.level, _NODES)
        above = [tile.level] if tile.level > 0 else []
        rows = [row[0] for row in await connection.fetch(query, first, first + tile.width, *above)]
        if len(rows) != tile.width:
            raise LogError(f"the database lacks leaves or nodes of {tile.path}")
        return encode_bundle(rows) if tile.level == ENTRIES else b"".join(rows)

    async def _prove(self, connection: Any, plan: Plan) -> list[bytes]:
        """Proofs of neighbours have most of their hashes in common, and these never change."""
        known = self._hashes
        missing = Plan(size=plan.size, ranges=tuple(each for each in plan.ranges if each not in known))
        tiles = {tile: await self._cached(connection, tile) for tile in missing.tiles}
        known |= dict(zip(missing.ranges, missing.hashes(tiles), strict=True))
        if len(known) > _CACHED_HASHES:
            self._hashes = {}
        return [known[each] for each in plan.ranges]

    async def _cached(self, connection: Any, tile: Tile) -> bytes:
        if tile not in self._tiles:
            self._tiles[tile] = await self.tile(connection, tile)
        if len(self._tiles) > _CACHED_TILES:
            self._tiles.popitem(last=False)
        self._tiles.move_to_end(tile)
        return self._tiles[tile]

    async def _published(self, leaves: Sequence[bytes]) -> "_Seen":
        """Which of `leaves` are under the published checkpoint: none before the first."""
        row = await self.pool.fetchrow(_PUBLISHED, leaves)
        if row["published_note"] is None:
            return _Seen(size=0, note="", indexes={})
        return _Seen(size=row["published_size"], note=row["published_note"], indexes=dict(row["found"]))

    async def _answer_waiters(self) -> None:
        """One query at a time for all who wait in this process."""
        while self._waiters:
            self.published.clear()
            waiters = list(self._waiters)
            try:
                seen = await self._published(list({leaf for waiter in waiters for leaf in waiter.leaves}))
            except (*_DATABASE, OSError) as error:
                for waiter in waiters:
                    waiter.fail(error)
            else:
                for waiter in waiters:
                    waiter.answer(seen)
            await _wait(self.published, POLL)


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A published checkpoint, and under it the indexes of entries by their leaf hashes."""

    size: int
    note: str
    indexes: dict[bytes, int]


class _Waiter:
    def __init__(self, leaves: frozenset[bytes]) -> None:
        self.leaves = leaves
        self.seen: asyncio.Future[_Seen] = asyncio.get_running_loop().create_future()

    def answer(self, seen: _Seen) -> None:
        if self.leaves <= seen.indexes.keys() and not self.seen.done():
            own = {leaf: seen.indexes[leaf] for leaf in self.leaves}
            self.seen.set_result(msgspec.structs.replace(seen, indexes=own))

    def fail(self, error: Exception) -> None:
        if not self.seen.done():
            self.seen.set_exception(error)


class WitnessClient(Protocol):
    """A witness to ask; `key` is what its co-signatures are verified with."""

    @property
    def key(self) -> VerifyingKey: ...

    async def add_checkpoint(self, body: bytes) -> Answer:
        """The witness's answer. Raises OSError or httpx.HTTPError where there is none."""
        ...


class HttpWitness:
    """A witness behind HTTP (C2SP tlog-witness); `url` is its submission prefix."""

    def __init__(self, url: str, key: VerifyingKey, client: httpx.AsyncClient) -> None:
        self.key = key
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._client = client

    async def add_checkpoint(self, body: bytes) -> Answer:
        response = await self._client.post(self._url, content=body, timeout=WITNESS_TIMEOUT)
        return Answer(status=response.status_code, body=response.content)


class HeadRecord(Value, frozen=True):
    """The last signed head, as kept outside the database."""

    note: Text
    root: Hex32
    size: Small


class HeadFile:
    """The last signed head in a file that a restored or rolled-back database does not bring back."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> HeadRecord | None:
        """What the file says; None before the first head. Raises MalformedError."""
        try:
            return decode(self._path.read_bytes(), HeadRecord)
        except FileNotFoundError:
            return None

    def write(self, record: HeadRecord) -> None:
        """Replaces the file; durable when this returns."""
        durable.replace(self._path, encode(record))


class _Head(msgspec.Struct, frozen=True):
    size: int
    root: bytes
    peaks: bytes
    note: str | None
    signed_at: datetime
    published_size: int
    published_note: str | None
    term: int

    @property
    def frontier(self) -> Frontier:
        frontier = Frontier.parse(self.size, self.peaks)
        if frontier.root != self.root:
            raise LogError("the head's peaks do not have its root")
        return frontier


class _DeposedError(LogError):
    """Another sequencer leads, or may lead."""


class Sequencer:
    """The one writer of the log: gives indices, signs, publishes, asks the witnesses.

    `now` is the clock, `head_file` lies outside the database, `quorum` is how many of `witnesses` make a
    checkpoint witnessed. `run` waits while another sequencer leads; what is done without it takes the lead
    by `recover`.
    """

    def __init__(
        self,
        log: Log,
        store: ObjectStore,
        *,
        key: SigningKey,
        head_file: Path,
        now: Callable[[], datetime],
        witnesses: Sequence[WitnessClient] = (),
        quorum: int = 1,
    ) -> None:
        self.troubles: dict[str, str] = {}
        """What keeps the log from being `sequenced` or `witnessed` at present, or is wrong with its `clock`;
        empty while another sequencer leads."""
        self.leading = asyncio.Event()
        """Set while `run` leads."""
        self._log = log
        self._objects = _Objects(store)
        self._key = key
        self._head_file = HeadFile(head_file)
        self._now = now
        self._witnesses = witnesses
        self._quorum = quorum
        self._held: dict[bytes, int] = {}
        self._contradictions: dict[bytes, str] = {}
        self._witness_wanted = asyncio.Event()
        self._recovered = False
        self._term = -1

    async def sequence(self) -> int:
        """Indexes and signs one batch of the queue and publishes it; returns how many entries are new.

        Raises LogError, and signs nothing, when the head file, the published checkpoint or a witness knows
        more or other than the database, or another sequencer leads.
        """
        if not await self._log.pool.fetchval(_PENDING):
            return 0
        async with self._locked_head() as (connection, head):
            self._check_witnesses()
            await self._guard(connection, head)
            count = await self._sign_batch(connection, head)
        await self.publish()
        return count

    async def publish(self, since: int | None = None) -> None:
        """Brings the head file and the object store up to the database, `checkpoint` last.

        Writes what the published checkpoint's tree lacks; with `since`, also compares every object that
        holds a leaf from `since` on (0: all of them) and restores missing ones. Raises LogError if a
        published object is not what the database says.
        """
        async with self._locked_head() as (connection, head):
            if head.note is None:
                return
            published = await self._guard(connection, head)
            await self._advance_head_file(head)
            await self._write_objects(connection, head.size, published, since)
            note = head.published_note if head.published_size == head.size else None
            await self._replace_checkpoint(connection, head.size, note or head.note)
            await self._drop_partial_tiles(head.size, published)
        self._log.published.set()
        self._witness_wanted.set()

    async def ask_witnesses(self) -> str | None:
        """The published checkpoint with the witnesses' lines, once stored as witnessed; None below quorum.

        Raises LogError if a witness holds more than the log or another tree, and so does `sequence` from
        then on, until that witness co-signs again.
        """
        _, published = await self._log.head()
        note = self._without_witnesses(published)
        checkpoint = verify_checkpoint(note, self._key.verifier)
        lines = await asyncio.gather(*(self._ask(witness, note, checkpoint) for witness in self._witnesses))
        self._check_witnesses()
        cosigned = note + "".join(lines)
        if len(verify_cosignatures(cosigned, [each.key for each in self._witnesses], 0)) < self._quorum:
            return None
        await self._store_witnessed(checkpoint.size, cosigned)
        return cosigned

    async def recover(self) -> None:
        """To be done before the first batch: take the lead, publish what a killed process did not, ask the
        witnesses. Whoever led before writes nothing from then on.

        Signs the empty tree if that is all there is. Raises LogError as `sequence` does.
        """
        # Waits for the transaction that the one before is in the middle of.
        self._term = await self._log.pool.fetchval("UPDATE log_head SET term = term + 1 RETURNING term")
        async with self._locked_head() as (connection, head):
            await self._guard(connection, head)
            if head.note is None:
                await self._save_head(connection, head.frontier, self._now())
        await self.publish(since=max(0, head.size - RECHECKED))
        if self._witnesses:
            await self.ask_witnesses()

    async def run(self, stop: asyncio.Event) -> None:
        """Waits until no other sequencer leads, recovers, then sequences and asks witnesses; until `stop`.

        A refusal or a failing database, store or witness is logged, told in `troubles` and retried each
        second; it never ends the loop. Whoever loses the lead waits for it again.
        """
        while not stop.is_set():
            try:
                async with self._elected() as lock:
                    if lock is None:
                        self.troubles.clear()
                    else:
                        await self._lead(lock, stop)
            except* _PASSING as errors:
                self._tell("sequenced", errors.exceptions[0])
            await _wait(stop, ELECTION)

    # Leading

    @asynccontextmanager
    async def _elected(self) -> AsyncIterator[Any]:
        """The connection that holds the lock of who leads; None while another one does."""
        async with self._log.pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LEADER):
                yield None
                return
            try:
                await connection.execute(f"SET idle_session_timeout = '{LEASE}s'")
                yield connection
            finally:
                with suppress(asyncpg.InterfaceError):  # it is lost already
                    connection.terminate()  # the lock is to go, whatever state the connection is in

    async def _lead(self, lock: Any, stop: asyncio.Event) -> None:
        """Until `stop`, or until the lead is lost. Raises _DeposedError.

        Whatever is at work then is not cancelled but ends by itself, and writes nothing any more: asyncpg
        waits for ever for the answer to a cancelled query whose connection is lost.
        """
        self._recovered = False
        self.leading.set()
        over = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep("sequenced", self._step, self._log.appended, over))
                tasks.create_task(self._hold(lock, stop, over))
                if self._witnesses:
                    tasks.create_task(self._keep("witnessed", self._witness_head, self._witness_wanted, over))
        finally:
            self.leading.clear()
        if not stop.is_set():
            raise _DeposedError("the lead was lost")

    # Signing

    @asynccontextmanager
    async def _locked_head(self) -> AsyncIterator[tuple[Any, _Head]]:
        async with self._log.pool.acquire() as connection, connection.transaction():
            # One that stalls in the middle lets go of the row.
            await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{LEASE}s'")
            head = _Head(*await connection.fetchrow(f"{_HEAD} FOR UPDATE"))
            if head.term != self._term:
                raise _DeposedError("another sequencer leads")
            yield connection, head

    async def _guard(self, connection: Any, head: _Head) -> Checkpoint | None:
        """Checks the head against all who may know more; returns the published checkpoint."""
        kept = self._head_file.read()
        if kept is not None:
            await self._check_extends(connection, head, kept.size, bytes.fromhex(kept.root), "the head file")
        published = await self._objects.checkpoint(self._key.verifier)
        if published is not None:
            where = "the published checkpoint"
            await self._check_extends(connection, head, published.size, published.root, where)
        return published

    async def _check_extends(self, connection: Any, head: _Head, size: int, root: bytes, what: str) -> None:
        if size > head.size:
            raise LogError(f"{what} has {size} leaves, the database only {head.size}: it was rolled back")
        ours = head.root if size == head.size else await self._log.root(connection, size)
        if ours != root:
            raise LogError(f"{what} has another root at {size} leaves than the database")

    def _check_witnesses(self) -> None:
        for reason in self._contradictions.values():
            raise LogError(reason)

    async def _sign_batch(self, connection: Any, head: _Head) -> int:
        now = self._checked_clock(head)
        rows = await connection.fetch(_BATCH, BATCH)
        new = [row for row in rows if not row["known"]]
        frontier, risen = head.frontier.extend(row["leaf_hash"] for row in new)
        places = range(head.size, frontier.size)
        await connection.execute(_MOVE, [row["id"] for row in rows], [row["id"] for row in new], places)
        await connection.executemany(
            "INSERT INTO log_node (level, index, hash) VALUES ($1, $2, $3)",
            [(node.level, node.index, node.hash) for node in risen],
        )
        if new:
            await self._save_head(connection, frontier, now)
        return len(new)

    def _checked_clock(self, head: _Head) -> datetime:
        """The time, which does not go back in the log. No checkpoint tells it, so that signing goes on."""
        now = self._now()
        if now < head.signed_at:
            self._tell("clock", f"it went back: the last signature is of {head.signed_at.isoformat()}")
        else:
            self.troubles.pop("clock", None)
        return max(now, head.signed_at)

    async def _save_head(self, connection: Any, frontier: Frontier, now: datetime) -> None:
        checkpoint = Checkpoint(origin=self._key.verifier.name, size=frontier.size, root=frontier.root)
        await connection.execute(
            "UPDATE log_head SET size = $1, root = $2, peaks = $3, note = $4, signed_at = $5",
            frontier.size,
            frontier.root,
            frontier.encode(),
            sign_checkpoint(checkpoint, self._key),
            now,
        )

    # Publishing

    async def _advance_head_file(self, head: _Head) -> None:
        kept = self._head_file.read()
        if kept is None or kept.size < head.size:
            record = HeadRecord(note=head.note or "", root=head.root.hex(), size=head.size)
            await asyncio.to_thread(self._head_file.write, record)

    async def _write_objects(
        self, connection: Any, size: int, published: Checkpoint | None, since: int | None
    ) -> None:
        promised = published.size if published else 0
        start = promised if since is None else min(since, promised)
        tiles = tiles_of(size, start)
        while some := list(islice(tiles, 16)):
            contents = [(tile, await self._log.tile(connection, tile)) for tile in some]
            await asyncio.gather(
                *(self._objects.settle(tile.path, data, tile.leaves <= promised) for tile, data in contents)
            )

    async def _replace_checkpoint(self, connection: Any, size: int, note: str) -> None:
        # Losing this update in a crash costs nothing: the next `publish` makes it again.
        await connection.execute("SET LOCAL synchronous_commit = off")
        # Before the object: who slept and lost the row meanwhile fails here, and takes nothing back.
        await connection.execute("UPDATE log_head SET published_size = $1, published_note = $2", size, note)
        await self._objects.put("checkpoint", note.encode())

    async def _drop_partial_tiles(self, size: int, published: Checkpoint | None) -> None:
        for tile in tiles_of(size, published.size if published else 0):
            if tile.width == TILE_WIDTH:
                await self._objects.drop(f"{tile.path}.p")

    # Witnesses

    async def _ask(self, witness: WitnessClient, note: str, checkpoint: Checkpoint) -> str:
        """The witness's co-signature lines on `note`, or nothing."""
        try:
            answer = await self._submit(witness, note, checkpoint)
            if answer.status != 200:
                raise LogError(f"answered {answer.status}")
            signed = Note.parse(note + answer.body.decode())
            verify_cosignatures(note + answer.body.decode(), [witness.key], 1)
        except (VerificationError, httpx.HTTPError, OSError, UnicodeDecodeError) as error:
            _LOGGER.warning("witness %s: %s", witness.key.name, error)
            return ""
        self._held[witness.key.public] = checkpoint.size
        self._contradictions.pop(witness.key.public, None)
        return "".join(signature.encode() for signature in signed.by(witness.key))

    async def _submit(self, witness: WitnessClient, note: str, checkpoint: Checkpoint) -> Answer:
        """The witness's answer, asked a second time if it holds another size than was thought."""
        answer, old = Answer(status=409), self._held.get(witness.key.public, 0)
        for _ in range(2):
            answer = await self._submit_from(old, witness, note, checkpoint)
            if answer.status != 409:
                break
            held = parse_size(answer.body.decode().removesuffix("\n"))
            if held > (await self._log.head())[0]:
                self._contradict(witness, f"has seen {held} leaves, more than this log has")
            if held == old:
                self._contradict(witness, f"has seen another tree of {held} leaves")
            if held > checkpoint.size:
                break
            old = held
        if answer.status == 422:
            self._contradict(witness, "holds a tree that this one does not extend")
        return answer

    async def _submit_from(
        self, old: int, witness: WitnessClient, note: str, checkpoint: Checkpoint
    ) -> Answer:
        proof = await self._log.consistency(old, checkpoint.size)
        request = Request(old_size=old, proof=tuple(proof), checkpoint=note)
        return await witness.add_checkpoint(request.encode())

    def _contradict(self, witness: WitnessClient, reason: str) -> None:
        self._contradictions[witness.key.public] = f"witness {witness.key.name} {reason}"

    async def _store_witnessed(self, size: int, note: str) -> None:
        async with self._locked_head() as (connection, head):
            await connection.execute(
                "INSERT INTO log_checkpoint (size, note, witnessed_at) VALUES ($1, $2, $3)"
                " ON CONFLICT DO NOTHING",
                size,
                note,
                self._now(),
            )
            if head.published_size == size:
                await connection.execute("UPDATE log_head SET published_note = $1", note)
                await self._objects.put("checkpoint", note.encode())

    def _without_witnesses(self, note: str) -> str:
        parsed = Note.parse(note)
        return Note(text=parsed.text, signatures=parsed.by(self._key.verifier)).encode()

    # Running

    async def _step(self) -> None:
        if not self._recovered:
            await self.recover()
            self._recovered = True
        if await self.sequence():
            await asyncio.sleep(SPACING)
            self._log.appended.set()

    async def _witness_head(self) -> None:
        if not self._recovered:
            return
        size, _ = await self._log.head()
        if await self._log.witnessed(size) is None and await self.ask_witnesses() is None:
            raise LogError(f"fewer than {self._quorum} witnesses co-signed the tree of {size} leaves")
        await asyncio.sleep(WITNESS_SPACING)

    async def _keep(
        self, what: str, step: Callable[[], Awaitable[None]], wake: asyncio.Event, over: asyncio.Event
    ) -> None:
        while not over.is_set():
            wake.clear()
            try:
                await step()
            except _DeposedError:
                over.set()
            except _PASSING as error:
                self._tell(what, error)
                await _wait(over, 1.0)
            else:
                self.troubles.pop(what, None)
                await _wait(wake, TICK)

    def _tell(self, what: str, trouble: object) -> None:
        """In the log of the process once, not at every attempt."""
        if self.troubles.get(what) != str(trouble):
            _LOGGER.error("trouble with the log, %s: %s", what, trouble)
        self.troubles[what] = str(trouble)

    async def _hold(self, lock: Any, stop: asyncio.Event, over: asyncio.Event) -> None:
        """Speaks on the connection that holds the lock, and writes down what the troubles are about where
        every process can read it. At its end, or where the lock is lost, the lead is `over`."""
        noted = None
        with suppress(*_DATABASE, OSError):
            while not (stop.is_set() or over.is_set()):
                whats = sorted(self.troubles)
                if whats != noted:
                    await lock.execute(_NOTE_TROUBLES, whats)
                    noted = whats
                await lock.execute("SELECT 1")
                await _wait(stop, HOLDING)
        self.leading.clear()
        over.set()


class _Objects:
    """The object store with the one promise that tiles need: what was written stays as it was."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def checkpoint(self, log: VerifyingKey) -> Checkpoint | None:
        """The published checkpoint; None if there is none. Raises VerificationError if it is not ours."""
        data = await self.read("checkpoint")
        if not data:  # empty: torn by a power cut before it was durable, so nobody relied on it
            return None
        try:
            return verify_checkpoint(data.decode(), log)
        except UnicodeDecodeError as error:
            raise MalformedError("the published checkpoint is not UTF-8") from error

    async def settle(self, path: str, data: bytes, promised: bool) -> None:
        """Makes `data` be at `path`. Raises LogError if other bytes are there and were promised.

        Objects beyond the published checkpoint are promised to nobody and may be torn by a crash.
        """
        there = await self.read(path)
        if there is not None and there != data and promised:
            raise LogError(f"{path} is not what was published")
        if there != data:
            await self.put(path, data)

    async def read(self, path: str) -> bytes | None:
        """The object, None if there is none."""
        try:
            found = await self._store.get_async(path)
        except FileNotFoundError:
            return None
        return bytes(await found.bytes_async())

    async def put(self, path: str, data: bytes) -> None:
        """Replaces the object; durable when this returns. A local store does not sync by itself."""
        await self._store.put_async(path, data)
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            root = self._store.prefix
            await asyncio.to_thread(durable.sync_upwards, root / path, root)

    async def drop(self, prefix: str) -> None:
        """Deletes all objects below `prefix`."""
        async for found in self._store.list(prefix):
            await self._store.delete_async([each["path"] for each in found])


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until `event` is set, `seconds` at most."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
