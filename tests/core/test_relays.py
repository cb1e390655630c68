"""A network behind several relays: the first honest answer counts, and no other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

import crypto.relays
from crypto.beacon import QUICKNET, LocalBeacon, info_of, public_round_of
from crypto.errors import BeaconError
from crypto.relays import BeaconUnavailable, LocalRounds, Relays, find_network
from tests.relays import Relay, Twist, dead_address, honest, listening

GENESIS = datetime.now(UTC) - timedelta(hours=1)
BEACON = LocalBeacon(bytes(31) + b"\x2a", genesis=int(GENESIS.timestamp()), period=3)
OTHER = LocalBeacon(bytes(31) + b"\x2b", genesis=int(GENESIS.timestamp()), period=3)
CHAIN = BEACON.network.chain_hash


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def signed(beacon: LocalBeacon, number: int) -> bytes:
    return msgspec.json.encode(public_round_of(beacon.sign(number, datetime.now(UTC))))


async def wrong_signature(_: str, body: bytes) -> bytes:
    answer = msgspec.json.decode(body)
    return msgspec.json.encode({**answer, "signature": signed_field(OTHER, answer["round"])})


def signed_field(beacon: LocalBeacon, number: int) -> str:
    return str(msgspec.json.decode(signed(beacon, number))["signature"])


async def wrong_randomness(_: str, body: bytes) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(body), "randomness": "00" * 32})


async def renumbered(path: str, _: bytes) -> bytes:
    """The true signature of another round, under the number that was asked for."""
    number = int(path.rpartition("/")[2])
    return msgspec.json.encode({**msgspec.json.decode(signed(BEACON, number - 1)), "round": number})


async def other_round(path: str, _: bytes) -> bytes:
    return signed(BEACON, int(path.rpartition("/")[2]) - 1)


async def other_chain(path: str, _: bytes) -> bytes:
    return signed(OTHER, int(path.rpartition("/")[2]))


async def garbage(_: str, __: bytes) -> bytes:
    return b"<html>\xff not a beacon"


async def endless(_: str, body: bytes) -> bytes:
    return body + b" " * 10_000_000


async def nothing(_: str, __: bytes) -> None:
    return None


async def slow(_: str, body: bytes) -> bytes:
    await asyncio.sleep(0.5)
    return body


LIES = [wrong_signature, wrong_randomness, renumbered, other_round, other_chain, garbage, endless, nothing]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """And as much time for an answer as a slow machine needs."""
    monkeypatch.setattr(crypto.relays, "TIMEOUT", 60.0)
    monkeypatch.setattr(crypto.relays, "PAUSE", 0.1)
    monkeypatch.setattr(crypto.relays, "WATCH", 0.1)


def reader(client: httpx.AsyncClient, *relays: str, clock: Clock | None = None) -> Relays:
    return Relays(BEACON.network, relays, client, clock or Clock())


async def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


async def test_the_good_relay_wins_among_dead_lying_and_slow_ones(
    client: httpx.AsyncClient, stack: AsyncExitStack
) -> None:
    bad = [await stack.enter_async_context(listening(Relay(BEACON, lie))) for lie in [*LIES, slow]]
    good = await stack.enter_async_context(listening(Relay(BEACON)))
    relays = reader(client, dead_address(), *(each.url for each in bad), good.url)
    beacon = await relays.round(1000)
    assert beacon.signature == BEACON.sign(1000, datetime.now(UTC)).signature
    assert relays.silent_since is None


async def test_nobody_waits_for_a_slow_relay(
    client: httpx.AsyncClient, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto.relays, "TIMEOUT", 3600)
    good = await stack.enter_async_context(listening(Relay(BEACON)))
    there = asyncio.Event()

    async def silent_until_the_round_is_there(_: str, body: bytes) -> bytes:
        await there.wait()
        return body

    late = await stack.enter_async_context(listening(Relay(BEACON, silent_until_the_round_is_there)))
    beacon = await asyncio.wait_for(reader(client, late.url, good.url).round(1000), 60)
    there.set()
    assert beacon.round == 1000


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_no_answer_and_the_relay_is_named(
    lie: Twist, client: httpx.AsyncClient, stack: AsyncExitStack
) -> None:
    liar = await stack.enter_async_context(listening(Relay(BEACON, lie)))
    with pytest.raises(BeaconUnavailable) as raised:
        await reader(client, liar.url).round(1000)
    assert list(raised.value.failures) == [liar.url]
    assert liar.url in str(raised.value)


async def test_all_dead_or_too_slow_is_an_error_that_names_each(
    client: httpx.AsyncClient, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto.relays, "TIMEOUT", 0.2)
    late = await stack.enter_async_context(listening(Relay(BEACON, slow)))
    dead = [dead_address(), dead_address(), "http://["]
    relays = reader(client, *dead, late.url)
    with pytest.raises(BeaconUnavailable) as raised:
        await relays.round(1000)
    assert list(raised.value.failures) == [*dead, late.url]
    assert all(raised.value.failures.values())


async def test_rounds_once_seen_survive_an_outage(client: httpx.AsyncClient, stack: AsyncExitStack) -> None:
    relay = await stack.enter_async_context(listening(Relay(BEACON)))
    relays = reader(client, relay.url)
    before = await relays.round(1000)
    relay.twist = nothing
    assert await relays.round(1000) == before
    with pytest.raises(BeaconUnavailable):
        await relays.round(1001)
    assert len(relay.asked) == 2


async def test_nobody_is_asked_before_the_rounds_time(
    client: httpx.AsyncClient, stack: AsyncExitStack
) -> None:
    relay = await stack.enter_async_context(listening(Relay(BEACON)))
    relays = reader(client, relay.url)
    with pytest.raises(BeaconError, match="not come"):
        await relays.round(BEACON.network.round_at(datetime.now(UTC)) + 10)
    assert relay.asked == []
    assert relays.silent_since is None


async def test_the_silence_is_dated_asks_rarely_and_ends_with_the_first_answer(
    client: httpx.AsyncClient, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto.relays, "PAUSE", 3600)
    relay = await stack.enter_async_context(listening(Relay(BEACON, nothing)))
    relays = reader(client, relay.url)
    began = datetime.now(UTC)
    for _ in range(20):
        with pytest.raises(BeaconUnavailable):
            await relays.round(1000)
    assert relays.silent_since is not None
    assert began <= relays.silent_since <= datetime.now(UTC)
    assert len(relay.asked) == 1
    monkeypatch.setattr(crypto.relays, "PAUSE", 0.1)
    relay.twist = honest
    await relays.wait_for(1000, 60)
    assert relays.silent_since is None


async def test_waiting_has_an_end(client: httpx.AsyncClient) -> None:
    with pytest.raises(BeaconUnavailable):
        await reader(client, dead_address()).wait_for(1000, 0.1)


async def test_the_watch_notices_an_outage_and_its_end(
    client: httpx.AsyncClient, stack: AsyncExitStack
) -> None:
    relay = await stack.enter_async_context(listening(Relay(BEACON, nothing)))
    relays, stop = reader(client, relay.url), asyncio.Event()
    watching = asyncio.create_task(relays.watch(stop))
    await until(lambda: relays.silent_since is not None)
    relay.twist = honest
    await until(lambda: relays.silent_since is None)
    stop.set()
    await watching


async def test_a_network_is_described_by_a_relay_and_pinned_by_its_hash(
    client: httpx.AsyncClient, stack: AsyncExitStack
) -> None:
    async def false_info(_: str, __: bytes) -> bytes:
        return msgspec.json.encode(info_of(OTHER.network))

    liar = await stack.enter_async_context(listening(Relay(BEACON, false_info)))
    good = await stack.enter_async_context(listening(Relay(BEACON)))
    assert await find_network(CHAIN, [dead_address(), liar.url, good.url], client) == BEACON.network
    with pytest.raises(BeaconUnavailable, match="another network"):
        await find_network(CHAIN, [liar.url], client)


async def test_a_known_network_needs_no_relay(client: httpx.AsyncClient) -> None:
    assert await find_network(QUICKNET.chain_hash, [], client) == QUICKNET
    assert await find_network(CHAIN, [dead_address()], client, [BEACON.network]) == BEACON.network
    with pytest.raises(BeaconUnavailable):
        await find_network(CHAIN, [dead_address()], client, [OTHER.network])


async def test_a_local_beacon_is_read_like_any_other() -> None:
    rounds = LocalRounds(BEACON, Clock())
    assert (await rounds.round(1000)).round == 1000
    assert (rounds.network, rounds.silent_since) == (BEACON.network, None)
    with pytest.raises(BeaconError, match="not come"):
        await rounds.round(10**6)
