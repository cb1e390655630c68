"""Documents on their way in: how much memory a large one takes, and what slow ones cost everybody else."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx

from benchmarks.intake import LONG, Rush, a_rush, all_at_once, one_bid_each
from benchmarks.measuring import Measure, Scale
from tests.builders import a_lot
from tests.flows.doomed import descendants
from tests.flows.test_uploads import Sender, pieces, until

MIB = 1 << 20
SLOW = 20
"""Slow senders at a time."""
SIZE = 16 * MIB
"""Of the file of each, which does not come to its end."""
DRIP, PAUSE = 16 * 1024, 0.25  # bytes and seconds: 64 KiB/s each


def upload_memory(scale: Scale) -> Iterator[Measure]:
    """By how much all processes of the service grow at most while a large file comes in, and how fast it is.

    The client sends as fast as it can, on the same processors.
    """
    grown, speed = asyncio.run(_upload(scale))
    yield Measure(name="upload_memory_mib", value=grown, unit="MiB", goal=64)
    yield Measure(name="upload_mib_per_s", value=speed, unit="MiB/s")


def slow_uploads(scale: Scale) -> Iterator[Measure]:
    """Bids per second while files come in over slow lines ÷ without; both take turns."""
    value = asyncio.run(_slow_uploads(scale))
    yield Measure(name="slow_uploads_ratio", value=value, unit="", goal=0.9, better="more")


async def _upload(scale: Scale) -> tuple[float, float]:
    async with a_rush(1) as rush, _client(rush) as http:
        sender = await _sender(rush, secrets.token_bytes(scale.upload * MIB), 0)
        ours = [pid for pid in descendants(rush.process.pid) if _is_ours(pid)] + [rush.process.pid]
        before = sum(_resident(pid, forget=True) for pid in ours)
        start = perf_counter()
        answer = await sender.send(http, pieces(sender.files[0]))
        elapsed = perf_counter() - start
        assert answer.headers["Upload-Offset"] == str(len(sender.files[0])), answer.text
        return sum(map(_resident, ours)) - before, scale.upload / elapsed


async def _slow_uploads(scale: Scale) -> float:
    ratios = []
    async with a_rush(max(SLOW, scale.rush // 2)) as rush, _client(rush) as http:
        senders = [await _sender(rush, secrets.token_bytes(SIZE), number) for number in range(SLOW)]
        for _ in range(scale.rounds):
            without = await _bids_per_second(rush)
            async with _sending(http, senders):
                ratios.append(await _bids_per_second(rush) / without)
    return median(ratios)


async def _bids_per_second(rush: Rush) -> float:
    envelopes = await one_bid_each(rush)
    start = perf_counter()
    got = await all_at_once(rush.process.port, envelopes)
    assert set(got) == {201}, got
    return len(envelopes) / (perf_counter() - start)


@asynccontextmanager
async def _sending(http: httpx.AsyncClient, senders: list[Sender]) -> AsyncIterator[None]:
    """All of them go on with their files, and break off at the end."""
    before = [await each.offset(http) for each in senders]
    tasks = [
        asyncio.create_task(each.send(http, pieces(each.files[0][at:], DRIP, PAUSE), at))
        for each, at in zip(senders, before, strict=True)
    ]
    await asyncio.sleep(1)
    try:
        yield
        assert not any(each.done() for each in tasks), "they are slow"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for sender, at in zip(senders, before, strict=True):
        assert await until(partial(_is_beyond, http, sender, at), True), "what came counts"


async def _is_beyond(http: httpx.AsyncClient, sender: Sender, at: int) -> bool:
    return await sender.offset(http) > at


@asynccontextmanager
async def _client(rush: Rush) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    url, forever = rush.process.url, httpx.Timeout(60)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=forever, trust_env=False) as http:
        yield http


async def _sender(rush: Rush, file: bytes, number: int) -> Sender:
    """With a bid that lists the file, and an upload begun."""
    limits = {"document_limit": 1, "document_size": len(file)}
    sender = Sender(await rush.town.publish(a_lot(), lead=LONG, **limits), rush.crowd[number], [file])
    await sender.bid()
    assert (await sender.create(rush.town.http)).status_code == 201
    return sender


def _is_ours(pid: int) -> bool:
    """Not PostgreSQL, whose processes count the memory that they share."""
    try:
        return b"procurement" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _resident(pid: int, *, forget: bool = False) -> float:
    """The most that a process has had in memory, in MiB; or, to `forget` that, what it has now (Linux)."""
    if forget:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
