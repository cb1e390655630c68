"""Commitments to nothing: made at random, revealed a day at a time, each of them once."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from obstore.store import LocalStore

from bids import store
from bids.covers import Covers, cover_entry, revealed_entry
from bids.receipts import ZERO, RevealedCovers, commitment, commitment_entry
from crypto import checkpoint
from crypto.log import Log, Sequencer
from crypto.merkle import leaf_hash
from crypto.statements import Statement
from procurement import database
from procurement.store import all_closed
from tests.builders import a_lot, the_world
from tests.conftest import fresh_database
from tests.flows.people import Town

DAY = timedelta(days=1)
FIRST = datetime(2026, 3, 2, 10, tzinfo=UTC)


class Box:
    """Covers on a database of their own, under a clock and tenders that the test sets."""

    def __init__(self, pool: Any, log: Log, dsn: str, per_hour: int = 0) -> None:
        self.pool, self.log, self.dsn = pool, log, dsn
        self.now = FIRST
        self.published: list[datetime] = []
        """When tenders were published that are not closed."""
        self.covers = Covers(
            pool,
            log,
            key=the_world().service,
            at=self._at,
            settled=self._settled,
            per_hour=per_hour,
            entropy=secrets.token_bytes,
        )

    async def _at(self, _: Any) -> datetime:
        return self.now

    async def _settled(self, _: Any, before: datetime) -> bool:
        return not any(each < before for each in self.published)

    async def add(self, count: int) -> None:
        for _ in range(count):
            await self.covers.add()

    async def revealed(self, day: date) -> RevealedCovers:
        body = await store.load_covers_statement(self.pool, day)
        assert body is not None
        return Statement(body).verify(RevealedCovers, the_world().service.certificate)

    async def entries(self) -> list[bytes]:
        rows = await self.pool.fetch("SELECT entry FROM log_entry ORDER BY index")
        return [bytes(row["entry"]) for row in rows]


@pytest.fixture
async def box(postgres: str, migrated: str, tmp_path: Path) -> AsyncIterator[Box]:
    """With a sequencer at work."""
    (tmp_path / "tiles").mkdir()
    async with (
        fresh_database(postgres, f"covers_{uuid4().hex}", migrated) as dsn,
        await database.connect(dsn) as pool,
    ):
        log, stop = Log(pool), asyncio.Event()
        sequencer = Sequencer(
            log,
            LocalStore(tmp_path / "tiles"),
            key=checkpoint.SigningKey("covers.example/log", checkpoint.LOG, bytes(32)),
            head_file=tmp_path / "head.json",
            now=lambda: datetime.now(UTC),
        )
        running = asyncio.create_task(sequencer.run(stop))
        try:
            yield Box(pool, log, dsn)
        finally:
            stop.set()
            log.appended.set()
            await running


async def test_a_cover_is_an_entry_like_a_bids_of_an_id_that_nobody_can_guess(box: Box) -> None:
    await box.add(2)
    [one, two] = await store.load_covers(box.pool, FIRST - DAY, FIRST + DAY)
    assert one.salt != two.salt
    entry = cover_entry(one)
    bid = commitment("envelope", "11" * 32, "2026-03-02T10:00:00.000Z", "22" * 32, "33" * 32)
    assert len(entry) == len(commitment_entry(bid)) == 89
    preimage = b"openseal/v1/commitment\n" + b"\x03" + bytes(32)
    preimage += int(FIRST.timestamp() * 1000).to_bytes(8, "big") + bytes.fromhex(one.salt) + bytes(32)
    assert entry == b'{"c":"%s","t":"commitment"}' % sha256(preimage).hexdigest().encode()


async def test_a_day_is_revealed_once_it_is_over_and_every_commitment_of_it_is_in_the_log(box: Box) -> None:
    await box.add(3)
    assert await box.covers.reveal() is None
    box.now = datetime(2026, 3, 3, tzinfo=UTC) - timedelta(milliseconds=1)
    assert await box.covers.reveal() is None
    box.now += timedelta(milliseconds=1)
    assert await box.covers.reveal() == date(2026, 3, 2)
    said = await box.revealed(date(2026, 3, 2))
    await box.log.wait_for([leaf_hash(revealed_entry(await statement_id(box, said.day)))], 60)
    entries = await box.entries()
    for each in said.covers:
        digest = commitment("cover", ZERO, each.time, each.salt, ZERO)
        assert entries[each.index] == commitment_entry(digest)
    assert len(said.covers) == 3
    assert [each.index for each in said.covers] == sorted({each.index for each in said.covers})
    assert await box.covers.reveal() is None


async def statement_id(box: Box, day: str) -> str:
    body = await store.load_covers_statement(box.pool, date.fromisoformat(day))
    return Statement(body or b"").id


async def test_a_tender_that_was_open_on_the_day_holds_it_up_whether_it_took_bids_or_not(box: Box) -> None:
    await box.add(1)
    box.published = [FIRST + timedelta(hours=13, minutes=59)]
    box.now = FIRST + 5 * DAY
    assert await box.covers.reveal() is None
    box.published = [FIRST + timedelta(hours=14)]
    assert await box.covers.reveal() == date(2026, 3, 2)


async def test_two_processes_that_reveal_at_once_reveal_each_cover_once(box: Box) -> None:
    await box.add(5)
    box.now = FIRST + DAY
    await box.add(5)
    box.now = FIRST + 2 * DAY
    found = await asyncio.gather(*(box.covers.reveal() for _ in range(6)))
    assert [day for day in found if day] == [date(2026, 3, 2)]
    assert await box.covers.reveal() == date(2026, 3, 3)
    both = [(await box.revealed(date(2026, 3, day))).covers for day in (2, 3)]
    assert len({each.salt for covers in both for each in covers}) == 10


async def test_a_clock_that_goes_back_makes_no_cover_of_a_day_that_was_revealed(box: Box) -> None:
    await box.add(1)
    box.now = FIRST + DAY
    assert await box.covers.reveal() == date(2026, 3, 2)
    box.now = FIRST
    await box.add(1)
    assert await store.oldest_cover(box.pool) == datetime(2026, 3, 3, tzinfo=UTC)
    assert await box.covers.reveal() is None
    box.now = FIRST + 2 * DAY
    assert await box.covers.reveal() == date(2026, 3, 3)


async def test_a_reveal_that_dies_before_its_commit_is_done_again(box: Box) -> None:
    await box.add(2)
    box.now = FIRST + DAY
    owner = await asyncpg.connect(box.dsn)
    try:
        await owner.execute("ALTER TABLE cover_statement ADD CONSTRAINT never CHECK (false)")
        with pytest.raises(asyncpg.CheckViolationError):
            await box.covers.reveal()
        await owner.execute("ALTER TABLE cover_statement DROP CONSTRAINT never")
    finally:
        await owner.close()
    assert await box.covers.reveal() == date(2026, 3, 2)
    assert len((await box.revealed(date(2026, 3, 2))).covers) == 2


async def test_covers_come_at_random_at_the_rate_that_is_set(box: Box) -> None:
    hasty = Box(box.pool, box.log, box.dsn, per_hour=3600)
    pauses = [hasty.covers._pause() for _ in range(4000)]
    assert fmean(pauses) == pytest.approx(1, rel=0.1)
    assert sum(each > 1 for each in pauses) / 4000 == pytest.approx(0.368, abs=0.04)


async def test_only_who_leads_makes_covers(box: Box) -> None:
    hasty = Box(box.pool, box.log, box.dsn, per_hour=3600 * 50)
    stop, leading = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(hasty.covers.run(stop, leading))
    await asyncio.sleep(0.3)
    assert await store.oldest_cover(box.pool) is None
    leading.set()
    for _ in range(600):
        if len(await store.load_covers(box.pool, FIRST - DAY, FIRST + DAY)) >= 3:
            break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError("no covers")
    stop.set()
    with suppress(TimeoutError):
        await asyncio.wait_for(running, 60)


async def test_a_service_holds_the_day_up_while_a_tender_is_open(town: Town) -> None:
    """In the database: the query that asks for tenders which were published before the day's end."""
    connection = await asyncpg.connect(town.dsn)
    try:
        tomorrow, yesterday = datetime.now(UTC) + DAY, datetime.now(UTC) - DAY
        assert await all_closed(connection, tomorrow)
        tender = await town.publish(a_lot(), lead=3)
        assert not await all_closed(connection, tomorrow)
        assert await all_closed(connection, yesterday)
        await tender.deadline()
        await tender.until("tender:closed")
        assert await all_closed(connection, tomorrow)
    finally:
        await connection.close()
    answer = await town.http.get("/api/v1/covers/2026-01-01")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-yet")
    assert (await town.http.get("/api/v1/covers/yesterday")).status_code == 404
