"""A clock that is turned under a running service: bids go on and are marked, nobody is late, none closes."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest

from bids.receipts import Closing, Receipt
from crypto import checkpoint
from crypto.beacon import LocalBeacon, public_round_of
from crypto.certificates import SigningKey
from crypto.checkpoint import Checkpoint, cosign, sign_checkpoint
from crypto.encoding import from_base64
from crypto.relays import LocalRounds, Relays
from crypto.statements import Statement
from procurement import record, timekeeping
from procurement.authorities import local_beacon, log_key
from procurement.service import House, embedded_witness, witness_process, working
from procurement.timekeeping import Clock, Watch, sights
from tests.builders import a_lot
from tests.conftest import fresh_database
from tests.flows.people import PracticeTender, Town, until
from tests.relays import Relay, honest, listening

HOUR = timedelta(hours=1)


class Turned(Clock):
    """The clock of this machine and of its database, as far ahead as the test says; the monotonic one nobody
    turns."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        super().__init__(lambda: self.ahead)


@asynccontextmanager
async def town_under(clock: Clock, postgres: str, migrated: str, house: House) -> AsyncIterator[Town]:
    """The people around a service that goes by that clock."""
    with witness_process(house, log_key(house.keys)) as witness:
        async with (
            fresh_database(postgres, f"clock_{uuid4().hex}", migrated) as dsn,
            working(house, dsn, embedded_witness(house, witness), local_beacon(house.keys, 1), clock) as app,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http,
        ):
            yield await Town.settle(http, house, dsn)


async def bid(
    tender: PracticeTender, bidder: SigningKey, amount: str
) -> tuple[httpx.Response, Receipt | None]:
    """A bid, whatever becomes of it."""
    envelope = tender.seal(bidder, amount)
    answer = await tender.post("bids", envelope)
    while answer.status_code == 503:  # until there is a certificate status of the turned clock's time
        await asyncio.sleep(0.1)
        answer = await tender.post("bids", envelope)
    if not answer.is_success:
        return answer, None
    said = answer.json()
    return answer, Statement(from_base64(said["receipt"])).read(Receipt)


async def health(town: Town) -> dict[str, Any]:
    found: dict[str, Any] = (await town.http.get("/health")).json()
    return found


async def closing_of(tender: PracticeTender) -> Closing:
    answer = (await tender.get("closing")).json()
    return Statement(from_base64(answer["statement"])).read(Closing)


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["ahead", "back"])
async def test_while_the_clock_is_turned_bids_are_marked_nobody_is_late_and_nothing_closes(
    step: timedelta, postgres: str, migrated: str, open_folder: Path
) -> None:
    clock = Turned()
    async with town_under(clock, postgres, migrated, House.below(open_folder)) as town:
        bidders = [await town.bidder(f"Bidder {number}") for number in range(4)]
        tender = await town.publish(a_lot(), lead=5.0, margin=6.0)
        _, before = await bid(tender, bidders[0], "950000")
        clock.ahead = step
        _, during = await bid(tender, bidders[1], "940000")
        await tender.deadline(0.5)
        _, after = await bid(tender, bidders[2], "930000")
        await asyncio.sleep(timekeeping.LOOK + 0.5)
        assert before is not None
        assert during is not None
        assert after is not None, "nobody is late by a clock in doubt"
        assert [each.in_doubt for each in (before, during, after)] == [False, True, True]
        await until(lambda: health(town), lambda said: "turned" in said.get("clockInDoubt", ""))
        assert (await health(town))["status"] == "troubled"
        assert await tender.happened() == ["tender:published", "tender:countersigned"]
        clock.ahead = timedelta()
        await tender.until("tender:closed")
        late, none = await bid(tender, bidders[3], "920000")
        assert (late.status_code, late.json()["code"], none) == (422, "after-deadline", None)
        await tender.close()
        closing = await closing_of(tender)
        marked = {each.statement: each.in_doubt for each in closing.commitments}
        assert marked == {before.statement: False, during.statement: True, after.statement: True}
        assert set(closing.counted()) == set(marked)
        verdict = record.verify(await tender.awarded(), town.trust)
        assert (verdict.outcome, verdict.clean) == ("verified", False), verdict.steps[-1]
        said = [each for each in verdict.reservations if "in doubt" in each]
        assert [during.statement in said[0], after.statement in said[1]] == [True, True]
        assert "clockInDoubt" not in await health(town)


# ── what the watch believes ──────────────────────────────────────────────────────────────────────────────


class Post:
    """A watch on a database, and its clock."""

    def __init__(self, pool: Any, clock: Turned, watch: Watch) -> None:
        self.pool, self.clock, self.watch = pool, clock, watch

    async def look(self) -> str | None:
        await self.watch.look(self.pool)
        checked = self.watch.check(await self.clock.at(self.pool))  # perhaps a second later
        assert re.sub("[0-9]+ s ", "", checked or "") == re.sub("[0-9]+ s ", "", self.watch.trouble or "")
        return self.watch.trouble


async def a_post(pool: Any, ahead: timedelta = timedelta(), **others: Any) -> Post:
    clock = Turned()
    clock.ahead = ahead
    rounds = LocalRounds(LocalBeacon(bytes(31) + b"\x07", genesis=0, period=1), clock.now)
    others = {"beacon": rounds} | others
    return Post(pool, clock, Watch(clock, await sights(clock, pool), **others))


@pytest.mark.parametrize("step", [HOUR, -HOUR, timedelta(seconds=31), timedelta(seconds=-31)])
async def test_a_step_is_doubted_at_once_and_until_it_is_undone(
    step: timedelta, pool: "asyncpg.Pool[Any]"
) -> None:
    post = await a_post(pool)
    assert await post.look() is None
    post.clock.ahead = step
    assert post.watch.check(await post.clock.at(pool))
    for _ in range(3):
        assert await post.look()
    post.clock.ahead = timedelta(seconds=1)
    assert await post.look() is None


async def test_a_database_that_goes_by_another_time_than_this_machine_is_doubted(
    pool: "asyncpg.Pool[Any]",
) -> None:
    post = await a_post(pool)
    at = await post.clock.at(pool)
    assert post.watch.check(at - timedelta(seconds=40))
    assert post.watch.check(at + timedelta(seconds=40))
    assert post.watch.check(at) is None


async def test_a_service_that_starts_before_its_logs_last_signature_is_in_doubt_until_then(
    pool: "asyncpg.Pool[Any]",
) -> None:
    await pool.execute("UPDATE log_head SET signed_at = clock_timestamp() + interval '1 hour'")
    post = await a_post(pool)
    assert "behind the log's last signature" in str(await post.look())
    later = await a_post(pool, HOUR)
    assert await later.look() is None


async def test_signatures_made_under_a_turned_clock_do_not_outlast_it(pool: "asyncpg.Pool[Any]") -> None:
    post = await a_post(pool)
    post.clock.ahead = HOUR
    await pool.execute("UPDATE log_head SET signed_at = $1", post.clock.now())
    assert await post.look()
    post.clock.ahead = timedelta()
    assert await post.look() is None


@pytest.fixture
async def relay(house: House) -> AsyncIterator[Relay]:
    async with listening(Relay(local_beacon(house.keys, 1))) as relay:
        yield relay


async def test_the_beacon_contradicts_a_wrong_clock_and_confirms_a_correction(
    pool: "asyncpg.Pool[Any]", relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: str, __: bytes) -> None:
        return None

    monkeypatch.setattr(timekeeping, "ASK", 0.0)
    relay.twist = silent
    async with httpx.AsyncClient() as client:
        rounds = Relays(relay.beacon.network, [relay.url], client, lambda: datetime.now(UTC))
        post = await a_post(pool, HOUR, beacon=rounds)
        assert await post.look() is None, "nobody here could know better"
        relay.twist = honest
        assert "ahead of the beacon" in str(await post.look())
        post.clock.ahead = timedelta()
        assert await post.look() is None, "it was wrong at the start, and is right now"
        relay.twist = silent
        assert await post.look() is None
        post.clock.ahead = -HOUR
        assert await post.look()


async def test_a_beacon_that_stands_still_makes_no_doubt(
    pool: "asyncpg.Pool[Any]", relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is let in after the deadline, and no closing waits, because the network pauses."""

    async def halted(_: str, __: bytes) -> bytes:
        return msgspec.json.encode(public_round_of(relay.beacon.sign(1, datetime.now(UTC))))

    monkeypatch.setattr(timekeeping, "ASK", 0.0)
    async with httpx.AsyncClient() as client:
        rounds = Relays(relay.beacon.network, [relay.url], client, lambda: datetime.now(UTC))
        post = await a_post(pool, beacon=rounds)
        assert await post.look() is None
        relay.twist = halted
        assert await post.look() is None
        post.clock.ahead = HOUR
        assert await post.look(), "what it said last is not forgotten"


async def test_relays_are_asked_for_the_newest_round_and_one_that_is_behind_hides_nothing(
    relay: Relay,
) -> None:
    network = relay.beacon.network

    async def stale(_: str, __: bytes) -> bytes:
        signed = relay.beacon.sign(1, datetime.now(UTC))
        body = {"round": 1, "randomness": signed.randomness.hex(), "signature": signed.signature.hex()}
        return msgspec.json.encode(body)

    before = network.round_at(datetime.now(UTC))
    async with listening(Relay(relay.beacon, stale)) as other, httpx.AsyncClient() as client:
        rounds = Relays(network, [other.url, relay.url], client, lambda: datetime.now(UTC))
        found = await rounds.newest()
    assert before - 1 <= found.round <= network.round_at(datetime.now(UTC))


class Witnessing:
    """Witnesses who co-sign growing checkpoints of a made-up log at whatever time the test says."""

    def __init__(self, pool: Any) -> None:
        self.pool, self.size = pool, 0
        self.log = checkpoint.SigningKey("clock.example/log", checkpoint.LOG, bytes(32))
        self.keys = [
            checkpoint.SigningKey(f"w.example/{n}", checkpoint.WITNESS, bytes([n]) * 32) for n in (1, 2, 3)
        ]

    @property
    def verifiers(self) -> list[checkpoint.VerifyingKey]:
        return [each.verifier for each in self.keys]

    async def cosign(self, *offsets: timedelta) -> None:
        self.size += 1
        root = bytes([self.size]) * 32
        note = sign_checkpoint(Checkpoint(origin="clock.example/log", size=self.size, root=root), self.log)
        lines = [
            cosign(note, key, datetime.now(UTC) + offset)
            for key, offset in zip(self.keys, offsets, strict=False)
        ]
        await self.pool.execute(
            "INSERT INTO log_checkpoint (size, note, witnessed_at) VALUES ($1, $2, now())",
            self.size,
            note + "".join(lines),
        )


async def test_witnesses_contradict_a_wrong_clock_and_confirm_a_correction(
    pool: "asyncpg.Pool[Any]",
) -> None:
    witnesses = Witnessing(pool)
    await witnesses.cosign(-2 * HOUR, -2 * HOUR, -2 * HOUR)
    post = await a_post(pool, HOUR, witnesses=witnesses.verifiers)
    assert await post.look() is None, "what is found at the start may be old"
    await witnesses.cosign(timedelta(), timedelta(), timedelta())
    assert "ahead of the witnesses" in str(await post.look())
    post.clock.ahead = timedelta()
    assert await post.look() is None


async def test_one_witness_of_three_with_a_wrong_clock_makes_no_doubt(pool: "asyncpg.Pool[Any]") -> None:
    witnesses = Witnessing(pool)
    post = await a_post(pool, witnesses=witnesses.verifiers)
    await witnesses.cosign(timedelta())
    assert await post.look() is None
    for wrong in (HOUR, -HOUR):
        await witnesses.cosign(timedelta(), wrong, timedelta())
        assert await post.look() is None
    await witnesses.cosign(HOUR, HOUR, timedelta())
    assert "behind the witnesses" in str(await post.look())
