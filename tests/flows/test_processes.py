"""The processes of a real service die one by one while bids come in; bidders notice a delay at most."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from bids.client import ServiceError
from bids.receipts import Receipt, commitment_entry
from crypto.certificates import SigningKey
from procurement.service import House
from tests.builders import a_lot
from tests.flows.doomed import ServiceProcess, alive, answering, descendants, gone, in_a_folder
from tests.flows.people import PracticeTender, Town
from tests.ports import free_port

PASSING = {"unreachable", "database-away", "log-behind", "busy"}
"""What a bidder answers by sending the same again."""


@pytest.fixture(scope="module")
def process() -> Iterator[ServiceProcess]:
    """A service for all tests of this file."""
    with in_a_folder(ServiceProcess) as service:
        yield service


@pytest.fixture(scope="module")
async def town(process: ServiceProcess) -> AsyncIterator[Town]:
    await process.start()
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=process.url, limits=limits, timeout=60, trust_env=False) as http:
        yield await Town.settle(http, House.below(process.folder), process.dsn)


@pytest.fixture(scope="module")
async def tender(town: Town) -> PracticeTender:
    """One that stays open."""
    return await town.publish(a_lot(), lead=1200, margin=60)


async def a_web_worker(process: ServiceProcess) -> int:
    return process.named("openseal-web")[0]


async def who_leads(process: ServiceProcess) -> int:
    return await process.leader()


async def who_waits(process: ServiceProcess) -> int:
    (waiting,) = set(process.named("openseal-back")) - {await process.leader()}
    return waiting


async def the_postmaster(process: ServiceProcess) -> int:
    pid, *_ = (process.folder / "postgres" / "cluster" / "postmaster.pid").read_text().split()
    return int(pid)


async def the_witness(process: ServiceProcess) -> int:
    (pid,) = [
        pid
        for pid in descendants(process.pid)
        if b"procurement.web.witness" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return pid


VICTIMS = [a_web_worker, who_leads, who_waits, the_postmaster, the_witness]


@pytest.mark.parametrize("victim", VICTIMS)
async def test_bids_come_in_while_one_process_after_the_other_is_killed(
    victim: Callable[[ServiceProcess], Awaitable[int]],
    process: ServiceProcess,
    town: Town,
    tender: PracticeTender,
) -> None:
    before = await town.verify_log()
    bidders = [await town.bidder(f"{victim.__name__} {i}") for i in range(10)]
    sending = [asyncio.ensure_future(receipt_for(tender, key, 0.1 * i)) for i, key in enumerate(bidders)]
    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
    others = set(processes(process))
    dead = await victim(process)
    os.kill(dead, signal.SIGKILL)
    receipts = await asyncio.gather(*sending)
    await answering(process.url)
    assert not alive(dead)
    for _ in range(3000):
        if len(processes(process)) == len(others):
            break
        await asyncio.sleep(0.02)
    assert others - {dead} < set(processes(process)), "nobody else died, and there is a new one"

    entries = await town.verify_log()
    assert entries[: len(before)] == before
    assert {commitment_entry(each.commitment()) for each in receipts} <= set(entries)
    kept = await ask(process, "SELECT id FROM envelope")
    assert {each.statement for each in receipts} <= {id.hex() for id in kept}
    assert len(kept) == len(set(kept))
    await untroubled(town)


async def test_the_service_ends_in_order_while_bids_come_in(
    process: ServiceProcess, town: Town, tender: PracticeTender
) -> None:
    bidders = [await town.bidder(f"Late {i}") for i in range(10)]
    sending = [asyncio.ensure_future(receipt_for(tender, key, 0.05 * i)) for i, key in enumerate(bidders)]
    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
    assert await asyncio.to_thread(process.stop) == (0, [])
    await process.start()
    receipts = await asyncio.gather(*sending)
    assert {commitment_entry(each.commitment()) for each in receipts} <= set(await town.verify_log())


async def untroubled(town: Town) -> None:
    """Returns once the service has got over it."""
    async with asyncio.timeout(120):
        while True:
            if (await town.http.get("/health")).json() == {"status": "ok"}:
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("after", [1, 8, 9, 10])
def test_a_service_told_to_end_while_it_starts_ends_with_all_its_processes(
    after: int, open_folder: Path
) -> None:
    """PostgreSQL is the first process; from the eighth on its tables are made, and the others start."""
    starting = ServiceProcess(open_folder).launch(free_port())
    while len(family := descendants(starting.pid)) < after:
        time.sleep(0.005)
    starting.terminate()
    _, said = starting.communicate(timeout=90)
    assert (starting.returncode, said) == (0, "")
    gone(family)


def processes(process: ServiceProcess) -> list[int]:
    """Children of the supervisor, but not theirs."""
    return [
        int(pid)
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if alive(int(pid))
    ]


async def receipt_for(tender: PracticeTender, bidder: SigningKey, after: float) -> Receipt:
    """Sends an envelope, `after` so many seconds, and the same one again, until there is a receipt for it."""
    await asyncio.sleep(after)
    envelope = tender.seal(bidder, "1000")
    while True:
        try:
            return await tender.submit(envelope)
        except ServiceError as error:
            if error.code not in PASSING:
                raise
            await asyncio.sleep(0.2)


async def ask(process: ServiceProcess, query: str) -> list[bytes]:
    connection = await asyncpg.connect(process.dsn)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()
