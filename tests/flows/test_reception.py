"""Coming in when everybody does: batches, withdrawals, promises, whose clock counts, and fair pushback."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from obstore.store import LocalStore

from bids.envelope import Withdrawal
from bids.receipts import PROMISED, Promise, Receipt, Refusal, commitment_entry
from bids.uploads import Depot
from crypto.certificates import SigningKey
from crypto.checkpoint import TlogProof, VerifyingKey
from crypto.encoding import encode, from_base64, moment, parse_moment
from crypto.errors import VerificationError
from crypto.log import Log
from crypto.relays import LocalRounds
from crypto.statements import Statement, sign
from procurement import database
from procurement.authorities import Authorities, local_beacon
from procurement.clocks import USUAL_SPREAD
from procurement.files import Files
from procurement.reception import (
    AT_ONCE,
    BURST,
    OLDEST,
    Accepted,
    Limits,
    Pushback,
    Reception,
)
from procurement.registry import applicant
from procurement.registry.standings import Standings
from procurement.registry.statements import Reason
from procurement.tender_period import TenderPeriod
from procurement.tenders import OutageRule
from procurement.timekeeping import Clock, Watch, sights
from procurement.web.gate import Turnstile
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town, until
from tests.flows.test_submission import LONG, code, received, sealed

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
HEAD = "SELECT FROM log_head FOR UPDATE"
"""Whoever has that row keeps the sequencer from doing anything."""


# ── withdrawing ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_withdrawn_bid_does_not_count_and_another_may_follow(town: Town) -> None:
    stays, returns = await town.bidder("Stays out"), await town.bidder("Returns")
    tender = await town.publish(a_lot(), lead=6)
    first = {key: await tender.bid(key, "100") for key in (stays, returns)}
    out = await withdrawn(tender, stays, first[stays])
    back = await withdrawn(tender, returns, first[returns])
    assert code(await tender.post("bids", tender.seal(returns))) == "not-latest"
    assert code(await tender.post("bids", tender.seal(returns, previous=first[returns]))) == "not-latest"
    again = await tender.bid(returns, "90", previous=back)
    closing = (await tender.close()).closing
    assert set(closing.chains) == {(first[stays], out), (first[returns], back, again)}
    assert closing.counted() == (again,)
    assert closing.withdrawn() == (out,)


async def test_the_same_withdrawal_always_gets_the_same_receipt(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    bidder = await town.bidder("Bidder")
    word = withdrawal(tender, bidder, await tender.bid(bidder, "100"))
    answers = await asyncio.gather(*(tender.post("withdrawals", word) for _ in range(3)))
    answers.append(await tender.post("withdrawals", word))
    receipts = {received(each)[0] for each in answers}
    assert len(receipts) == 1
    receipt = Statement(receipts.pop()).read(Receipt)
    assert (receipt.kind, receipt.statement) == ("withdrawal", Statement(word).id)
    proof = received(answers[0])[1]
    assert proof.verify(commitment_entry(receipt.commitment()), VerifyingKey.parse(town.trust.log)).size


async def test_only_the_certificate_that_signed_an_envelope_withdraws_it(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    number = f"B-{secrets.token_hex(4)}"
    first = await town.bidder("Bidder", number)
    second, rival = await town.bidder("Bidder", number), await town.bidder("Rival")
    envelope = await tender.bid(first, "100")
    for key, previous, reason in (
        (second, envelope, "another-certificate"),
        (rival, envelope, "not-latest"),
        (first, "0" * 64, "not-latest"),
    ):
        refused = await tender.post("withdrawals", withdrawal(tender, key, previous))
        assert code(refused) == reason
        refusal = Statement(from_base64(refused.json()["refusal"])).read(Refusal)
        assert (refusal.reason, refusal.tender) == (reason, tender.ocid)
    word = await withdrawn(tender, first, envelope)
    assert code(await tender.post("withdrawals", withdrawal(tender, first, word))) == "nothing-to-withdraw"


async def test_a_withdrawal_of_another_tenders_bid_is_refused(town: Town) -> None:
    tender, other = await town.publish(a_lot(), lead=LONG), await town.publish(a_lot(), lead=LONG)
    bidder = await town.bidder("Bidder")
    envelope = await tender.bid(bidder, "100")
    assert code(await other.post("withdrawals", withdrawal(tender, bidder, envelope))) == "wrong-tender"
    assert code(await tender.post("withdrawals", tender.seal(bidder))) == "malformed"
    assert code(await tender.post("bids", withdrawal(tender, bidder, envelope))) == "malformed"


async def test_a_withdrawal_after_the_deadline_is_refused(town: Town) -> None:
    bidder = await town.bidder("Bidder")
    tender = await town.publish(a_lot(), lead=3)
    envelope = await tender.bid(bidder, "100")
    await tender.deadline()
    assert code(await tender.post("withdrawals", withdrawal(tender, bidder, envelope))) == "after-deadline"
    assert (await tender.close()).closing.counted() == (envelope,)


# ── promises ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_while_the_log_stands_still_there_is_a_promise_and_later_the_receipt(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    envelope = tender.seal(await town.bidder("Bidder"))
    async with held(town, HEAD):
        answer = await tender.post("bids", envelope)
        assert answer.status_code == 202
        assert int(answer.headers["Retry-After"]) > 0
        where = answer.headers["Location"]
        assert where == f"{tender.path}/receipts/{Statement(envelope).id}"
        waiting = await town.http.get(where)
        assert waiting.status_code == 202
        promises = [Statement(from_base64(each.json()["promise"])) for each in (answer, waiting)]
    promise = await tender.office.verified_unless_revoked(promises[0], Promise, datetime.now(UTC))
    assert promises[1].read(Promise) == promise
    assert parse_moment(promise.included_by) == parse_moment(promise.time) + PROMISED
    found = await town.http.get(where)
    assert found.status_code == 200
    receipt = Statement(from_base64(found.json()["receipt"])).read(Receipt)
    assert (receipt.time, receipt.salt, receipt.statement) == (promise.time, promise.salt, promise.statement)
    proof = TlogProof.parse(found.json()["proof"])
    checkpoint = proof.verify(commitment_entry(promise.commitment()), VerifyingKey.parse(town.trust.log))
    assert checkpoint.size > proof.index


async def test_there_is_no_receipt_for_what_was_never_accepted(town: Town) -> None:
    tender, other = await town.publish(a_lot(), lead=LONG), await town.publish(a_lot(), lead=LONG)
    own = await tender.bid(await town.bidder("Bidder"), "100")
    assert (await tender.get(f"receipts/{own}")).status_code == 200
    for each in (await tender.get(f"receipts/{'0' * 64}"), await other.get(f"receipts/{own}")):
        assert (each.status_code, each.json()["code"]) == (404, "no-such-statement")


# ── batches ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bad_envelope_in_a_batch_does_no_harm_to_the_others(town: Town) -> None:
    tender, other = await town.publish(a_lot(), lead=LONG), await town.publish(a_lot(), lead=LONG)
    good = await sealed(tender, 12)
    bad = [b"", b"{}", good[0][:-7], (await sealed(other, 1))[0]]
    forged = bytearray(good[1])
    forged[forged.index(b'"sig":"') + 9] ^= 1
    answers = await asyncio.gather(*(tender.post("bids", each) for each in (*bad, bytes(forged), *good)))
    codes = [code(each) for each in answers]
    assert codes[len(bad) + 1 :] == ["accepted"] * len(good)
    assert "accepted" not in codes[: len(bad) + 1]
    assert all(each.json()["refusal"] for each in answers[: len(bad) + 1])


async def test_two_workers_at_once_do_not_fork_a_chain_or_store_anything_twice(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    bidders = [await town.bidder(f"Bidder {i}") for i in range(10)]
    async with reception(town) as one, reception(town) as other:
        rivals = [(tender.seal(key), tender.seal(key)) for key in bidders]
        got = await asyncio.gather(
            *(outcome(one, tender, each) for each, _ in rivals),
            *(outcome(other, tender, each) for _, each in rivals),
            *(outcome(other, tender, each) for each, _ in rivals),
        )
    ids = [Statement(each).id for pair in zip(*rivals, strict=True) for each in pair]
    for mine, his in zip(ids[:10], ids[10:], strict=True):
        kept = {each for each in got if each in (mine, his)}
        assert len(kept) == 1, "one of two first envelopes"
    assert set(got) <= {*ids, "not-latest"}
    stored = [row for row in (await town.rows(tender.ocid))["envelope"] if row]
    assert len(stored) == len(bidders)


async def test_what_another_worker_is_just_keeping_is_not_refused_whatever_has_happened_since(
    town: Town,
) -> None:
    bidder = await town.bidder("Bidder")
    tender = await town.publish(a_lot(), lead=LONG)
    envelope, registration = tender.seal(bidder), bidder.certificate.registration
    connection = await asyncpg.connect(town.dsn)
    async with reception(town) as first, reception(town) as second:
        blocker = connection.transaction()
        await blocker.start()
        # The first worker will have decided, and wait with what it writes, for this to be undone.
        await connection.execute(
            "INSERT INTO party SELECT tender_id, $2, $2 FROM tender WHERE ocid = $1",
            tender.ocid,
            registration,
        )
        kept = asyncio.create_task(outcome(first, tender, envelope))
        await until(partial(waiting_for, town, connection), bool)
        assert not kept.done()
        await applicant.revoke(town.line(), town.registrar, bidder.fingerprint, Reason.KEY_COMPROMISE)
        again = asyncio.create_task(outcome(second, tender, envelope))
        done, _ = await asyncio.wait([again], timeout=0.5)
        assert not done, "whether it is refused depends on what the first worker does"
        await blocker.rollback()
        assert await kept == await again == Statement(envelope).id
    await connection.close()


async def test_who_bids_for_another_tender_does_not_wait_for_a_step_that_holds_one(town: Town) -> None:
    stuck, free = await town.publish(a_lot(), lead=LONG), await town.publish(a_lot(), lead=LONG)
    bidder = await town.bidder("Bidder")
    waiting = stuck.seal(bidder)
    connection = await asyncpg.connect(town.dsn)
    async with connection.transaction():
        await connection.execute("SELECT FROM tender WHERE ocid = $1 FOR UPDATE", stuck.ocid)
        sent = [asyncio.create_task(stuck.post("bids", waiting))]
        await until(partial(waiting_for, town, connection), bool)
        async with asyncio.timeout(60):
            for each in await sealed(free, 3):
                received(await free.post("bids", each))
        assert not sent[0].done()
    await connection.close()
    received(await sent[0])


async def test_a_lost_connection_costs_no_bid(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    envelopes = await sealed(tender, 8)
    async with reception(town) as door:
        kept = await outcome(door, tender, envelopes[0])
        connection = await asyncpg.connect(town.dsn)
        async with connection.transaction():
            await connection.execute("SELECT FROM tender WHERE ocid = $1 FOR UPDATE", tender.ocid)
            sent = [asyncio.create_task(outcome(door, tender, each)) for each in envelopes]
            await until(partial(waiting_for, town, connection), bool)
            gone = await connection.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database() AND wait_event_type = 'Lock'"
            )
            assert gone, "somebody waits for the row"
        await connection.close()
        assert await asyncio.gather(*sent) == [Statement(each).id for each in envelopes]
    assert kept == Statement(envelopes[0]).id
    assert len((await town.rows(tender.ocid))["envelope"]) == len(envelopes)


# ── whose clock counts ───────────────────────────────────────────────────────────────────────────────────


class Elsewhere(Clock):
    """This machine's clock is some seconds ahead of the database's."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._seconds)


async def test_whether_a_bid_is_in_time_the_databases_clock_says(town: Town) -> None:
    bidders = [await town.bidder(f"Bidder {i}") for i in range(4)]
    async with reception(town, Elsewhere(20)) as fast, reception(town, Elsewhere(-20)) as slow:
        tender = await town.publish(a_lot(), lead=5)
        envelopes = [tender.seal(each) for each in bidders]
        in_time = [await outcome(fast, tender, envelopes[0]), await outcome(slow, tender, envelopes[1])]
        await tender.deadline(0.05)
        late = [await outcome(fast, tender, envelopes[2]), await outcome(slow, tender, envelopes[3])]
        assert await outcome(slow, tender, envelopes[0]) == in_time[0]
        with pytest.raises(VerificationError) as caught:
            await slow.submit_bid(tender.ocid, envelopes[3])
        refusal = Statement(slow.refuse(tender.ocid, envelopes[3], caught.value)).read(Refusal)
        assert parse_moment(refusal.time) >= tender.notice.closes, "else it would prove misconduct"
    assert in_time == [Statement(each).id for each in envelopes[:2]]
    assert late == ["after-deadline"] * 2


async def test_a_refusal_is_dated_after_the_deadline_that_was_moved_by_whoever_has_not_heard_of_it(
    town: Town,
) -> None:
    early, late = await town.bidder("Early"), await town.bidder("Late")
    async with reception(town, Elsewhere(-20)) as slow:
        tender = await town.publish(a_lot(), lead=5)
        envelopes = [tender.seal(each) for each in (early, late)]
        assert await outcome(slow, tender, envelopes[0]) == Statement(envelopes[0]).id
        await tender.amend(deadline=moment(tender.notice.closes + timedelta(seconds=4)))
        await tender.until("tender:closed")
        with pytest.raises(VerificationError) as caught:
            await slow.submit_bid(tender.ocid, envelopes[1])
        refusal = Statement(slow.refuse(tender.ocid, envelopes[1], caught.value)).read(Refusal)
    assert refusal.reason == "after-deadline"
    assert parse_moment(refusal.time) >= tender.notice.closes, "else it would prove misconduct"


async def test_a_clock_in_doubt_turns_nobody_away_and_says_so_in_the_receipt(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    envelopes = await sealed(tender, 3)
    async with reception(town, Elsewhere(3600)) as doubtful:
        kept = await doubtful.submit_bid(tender.ocid, envelopes[0])
        assert kept.stored.in_doubt
        accepted = await doubtful.answer(kept)
    assert isinstance(accepted, Accepted)
    assert Statement(accepted.receipt).read(Receipt).in_doubt
    again = received(await tender.post("bids", envelopes[0]))[0]
    assert Statement(again).read(Receipt) == Statement(accepted.receipt).read(Receipt)
    assert not Statement(received(await tender.post("bids", envelopes[1]))[0]).read(Receipt).in_doubt


async def test_a_clock_that_is_turned_makes_no_outage_of_a_time_in_which_bids_were_taken(town: Town) -> None:
    ahead = timedelta()
    async with reception(town, Clock(lambda: ahead)) as door, held(town, "SELECT 1") as connection:
        await door.beat()
        ahead = timedelta(hours=1)
        await door.beat()
        latest = await connection.fetchval("SELECT max(until) FROM intake_up")
        assert abs(latest - datetime.now(UTC)) < timedelta(seconds=30)
    async with reception(town, Elsewhere(3600)) as door, held(town, "SELECT 1") as connection:
        await door.beat()
        latest = await connection.fetchval("SELECT max(until) FROM intake_up")
        assert latest < datetime.now(UTC) + timedelta(seconds=30), "who never knew the time does not say it"


async def test_in_doubt_a_late_bid_is_taken_until_the_box_is_shut(town: Town) -> None:
    bidders = [await town.bidder(f"Bidder {i}") for i in range(2)]
    connection = await asyncpg.connect(town.dsn)
    async with reception(town, Elsewhere(-3600)) as doubtful:
        tender = await town.publish(a_lot(), lead=3)
        envelopes = [tender.seal(each) for each in bidders]
        async with connection.transaction():
            # Until the transaction is over nobody shuts the box; those in doubt share the row.
            await connection.execute("SELECT FROM tender WHERE ocid = $1 FOR SHARE", tender.ocid)
            await tender.deadline(0.1)
            assert await outcome(doubtful, tender, envelopes[0]) == Statement(envelopes[0]).id
        await tender.until("tender:closed")
        assert await outcome(doubtful, tender, envelopes[1]) == "after-deadline"
    await connection.close()


async def test_who_shuts_a_box_waits_for_no_connection_of_the_steps_that_wait_for_it(town: Town) -> None:
    """Else questions that come in a burst at the deadline would hold up everybody's answer."""
    rule = OutageRule(window=60, least=60, short=60, short_extension=60, long_extension=60)
    tender = await town.publish(a_lot(), lead=LONG, outage=rule)
    late = tender.seal(await town.bidder("Late"))
    ahead = tender.notice.closes - datetime.now(UTC) + timedelta(minutes=2)
    async with reception(town, Clock(lambda: ahead)) as door, AsyncExitStack() as busy:
        assert await outcome(door, tender, b"which makes it look at the tender") == "malformed"
        for _ in range(4):
            await busy.enter_async_context(door._chronicle.pool.acquire())
        with pytest.raises(Pushback, match="about to move"):  # by that clock nobody says that bids are taken
            async with asyncio.timeout(20):
                await door.submit_bid(tender.ocid, late)


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON envelope EXECUTE FUNCTION full_disk();
"""


async def test_a_full_disk_is_no_reason_to_refuse(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    [envelope] = await sealed(tender, 1)
    connection = await asyncpg.connect(town.dsn)
    await connection.execute(FULL)
    try:
        answer = await tender.post("bids", envelope)
    finally:
        await connection.execute("DROP FUNCTION full_disk CASCADE")
        await connection.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert "refusal" not in answer.json()
    assert answer.headers["Retry-After"]
    received(await tender.post("bids", envelope))


# ── pushback ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_while_the_log_is_behind_nothing_is_promised_that_would_not_be_kept(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    envelope = tender.seal(await town.bidder("Bidder"))
    entry = encode({"c": secrets.token_hex(32), "t": "commitment"})
    async with held(town, HEAD) as connection:
        other = await asyncpg.connect(town.dsn)
        await other.execute("INSERT INTO log_queue (entry) VALUES ($1)", entry)
        past = timedelta(seconds=OLDEST + 1)
        await other.execute("UPDATE log_queue SET queued_at = queued_at - $1::interval", past)
        await other.close()
        await asyncio.sleep(1.1)
        before = (await town.rows(tender.ocid))["envelope"]
        behind = await tender.post("bids", envelope)
        assert (behind.status_code, behind.json()["code"]) == (503, "log-behind")
        assert int(behind.headers["Retry-After"]) > 0
        assert "refusal" not in behind.json()
        assert (await town.rows(tender.ocid))["envelope"] == before
        assert await connection.fetchval("SELECT count(*) FROM log_queue") > 0
    async with asyncio.timeout(60):
        while (answer := await tender.post("bids", envelope)).status_code == 503:  # noqa: ASYNC110  # somebody else ends it
            await asyncio.sleep(0.2)
    received(answer)


async def test_one_bidders_flood_is_slowed_down_and_nobody_elses_bids_are(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    flooder = await town.bidder("Flooder")
    mine = await tender.bid(flooder, "100")
    flood = [tender.seal(flooder, previous=mine) for _ in range(AT_ONCE + 4)]
    others = await sealed(tender, 4)
    answers = await asyncio.gather(*(tender.post("bids", each) for each in (*flood, *others)))
    codes = [code(each) for each in answers]
    slowed = [each for each in answers[: len(flood)] if code(each) == "too-many-requests"]
    assert slowed
    assert all(each.status_code == 429 and int(each.headers["Retry-After"]) > 0 for each in slowed)
    assert all("refusal" not in each.json() for each in slowed)
    assert codes.count("accepted") == 1 + len(others)
    assert codes[len(flood) :] == ["accepted"] * len(others)


async def test_a_body_that_is_too_large_is_turned_away_before_it_is_read(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield bytes(64 * 1024)

    headers = {"Content-Length": str(1 << 40)}
    answer = await town.http.post(f"{tender.path}/bids", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert read <= 1


async def test_the_bodies_under_way_are_bounded(town: Town) -> None:
    async with reception(town) as door:
        with door.room() as room:
            room.take(40 * 1024 * 1024)
            with door.room() as other, pytest.raises(Pushback) as full:
                other.take(30 * 1024 * 1024)
            assert full.value.code == "busy"
            with door.room() as another:
                another.take(20 * 1024 * 1024)
        assert door.bytes_under_way == 0


async def test_readers_who_wait_do_not_keep_a_bid_from_coming_in(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    first, envelope = await sealed(tender, 2)
    received(await tender.post("bids", first))
    async with held(town, "LOCK TABLE event IN ACCESS EXCLUSIVE MODE"):
        readers = [asyncio.create_task(tender.get("timeline")) for _ in range(300)]
        await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(60):
            received(await tender.post("bids", envelope))
        assert (await town.http.get("/log/checkpoint")).status_code == 200
        turned_away = [each.result() for each in readers if each.done()]
        assert {(each.status_code, each.json()["code"]) for each in turned_away} == {(503, "busy")}
        assert all(int(each.headers["Retry-After"]) > 0 for each in turned_away)
    assert {each.status_code for each in await asyncio.gather(*readers)} == {200, 503}


def test_a_bidder_gets_its_burst_and_then_its_pace() -> None:
    limits = Limits(at_once=2, burst=3, per_second=1.0)

    def enter(now: float) -> bool:
        try:
            limits.enter("B", now)
        except Pushback:
            return False
        limits.leave("B")
        return True

    assert [enter(100.0) for _ in range(4)] == [True, True, True, False]
    assert [enter(101.0) for _ in range(2)] == [True, False]
    assert [enter(200.0) for _ in range(4)] == [True, True, True, False]
    limits.enter("A", 0)
    limits.enter("A", 0)
    with pytest.raises(Pushback):
        limits.enter("A", 0)
    limits.leave("A")
    limits.enter("A", 0)
    assert BURST > AT_ONCE


async def test_who_waits_at_a_turnstile_is_let_in_in_turn_and_the_rest_is_sent_away() -> None:
    turnstile = Turnstile(1, 1)
    await turnstile.enter()
    waiting = asyncio.create_task(turnstile.enter())
    await asyncio.sleep(0)
    with pytest.raises(Pushback):
        await turnstile.enter()
    assert not waiting.done()
    turnstile.leave()
    await waiting


# ── help ─────────────────────────────────────────────────────────────────────────────────────────────────


def withdrawal(tender: PracticeTender, key: SigningKey, previous: str) -> bytes:
    """A signed withdrawal of the envelope with that id."""
    word = Withdrawal(signer=key.fingerprint, tender=tender.ocid, notice=tender.notice_id, previous=previous)
    return sign(word, key)


async def withdrawn(tender: PracticeTender, key: SigningKey, previous: str) -> str:
    """Withdraws; the withdrawal's id."""
    word = withdrawal(tender, key, previous)
    received(await tender.post("withdrawals", word))
    return Statement(word).id


async def waiting_for(town: Town, holder: Any) -> int:
    """How many transactions wait for what that connection holds: the service's own wait for one another,
    too."""
    connection = await asyncpg.connect(town.dsn)
    try:
        return int(await connection.fetchval(WAITING, holder.get_server_pid()))
    finally:
        await connection.close()


@asynccontextmanager
async def held(town: Town, lock: str) -> AsyncIterator[Any]:
    """While the block runs, somebody else has that lock in the database."""
    connection = await asyncpg.connect(town.dsn)
    try:
        async with connection.transaction():
            await connection.execute(lock)
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def reception(town: Town, clock: Clock | None = None) -> AsyncIterator[Reception]:
    """Another process's reception at the same database, by a clock of its own."""
    keys, clock = town.house.keys, clock or Clock()
    authorities = Authorities(keys, None)
    async with (
        await database.connect(town.dsn, most=4) as pool,
        await database.connect(town.dsn, most=4, settings=database.BY_KEY) as own,
    ):
        key = authorities.service_key(keys, datetime.now(UTC))
        standings = Standings(authorities.roots)
        beacon = LocalRounds(local_beacon(keys, 1), clock.now)
        watch = Watch(clock, await sights(clock, pool), beacon=beacon)
        depot = Depot(pool, LocalStore(town.house.documents), secrets.token_bytes)
        period = TenderPeriod(
            pool,
            Log(own),
            key=key,
            trust=town.trust,
            standings=standings,
            clock=clock,
            watch=watch,
            spread=USUAL_SPREAD,
            files=Files(depot, secrets.token_bytes),
        )
        yield Reception(period, own, watch=watch, entropy=secrets.token_bytes)


async def outcome(door: Reception, tender: PracticeTender, envelope: bytes) -> str:
    """The id of what was kept, or the code of what is wrong."""
    try:
        return (await door.submit_bid(tender.ocid, envelope)).stored.id
    except VerificationError as error:
        return error.code
