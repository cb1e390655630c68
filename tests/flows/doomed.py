"""A service that a test starts and kills with SIGKILL, at any moment or at one exact point of its work."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import asyncpg
import httpx
import uvicorn

from procurement.authorities import local_beacon, log_key
from procurement.sandbox.offer import Pace
from procurement.service import House, embedded_witness, witness_process, working
from procurement.timekeeping import Clock
from tests.ports import free_port

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.flows.doomed"])

_HOLD = """
    CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$
"""
_AFTER = "CREATE TRIGGER held AFTER {} FOR EACH ROW EXECUTE FUNCTION hold()"
_AT_COMMIT = """
    CREATE CONSTRAINT TRIGGER held AFTER {} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION hold()
"""
_HELD = """
    SELECT EXISTS (
      SELECT FROM pg_locks JOIN pg_database ON oid = database
      WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
        AND classid = 0 AND objid = 1
    )
"""
_LEADER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND classid <> 0 AND datname = current_database()
"""


class Point(NamedTuple):
    """A point of the service's work: it has made `change` (SQL of a trigger's event), and waits there.

    `at_commit`: all of the transaction is done and its COMMIT is under way. Whoever is killed then does
    not hear that it went through.
    """

    change: str
    at_commit: bool = False

    def __str__(self) -> str:
        return f"commit of {self.change}" if self.at_commit else self.change


class TurnedClock(Clock):
    """The real time, and as much later as the test says, in every process and in the database."""

    def __init__(self) -> None:
        self._seconds = PROCESSES.Value("d", 0.0)
        super().__init__(self._turned)

    def travel(self, to: datetime) -> None:
        """Let it be `to`, or a moment later."""
        self._seconds.value += max(0.0, (to - self.now()).total_seconds() + 0.01)

    def monotonic(self) -> float:
        """It travelled, and nobody turned it."""
        return super().monotonic() + float(self._seconds.value)

    def _turned(self) -> timedelta:
        return timedelta(seconds=self._seconds.value)


class DoomedService:
    """The service on a database and a data folder that outlive it; its witness lives on too."""

    def __init__(
        self, house: House, dsn: str, witness: str, clock: TurnedClock, pace: Pace | None = None
    ) -> None:
        self.house = house
        self.clock = clock
        self._dsn = dsn
        self._port = free_port()
        self._arguments = (house, dsn, witness, self._port, clock, pace)
        self._process: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.is_alive()

    async def start(self) -> None:
        self._process = PROCESSES.Process(target=_live, args=self._arguments)
        self._process.start()
        await answering(self.url)

    def kill(self) -> None:
        """SIGKILL, of which the process dies."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL

    def held_at(self, point: Point) -> AbstractAsyncContextManager[Callable[[], Awaitable[None]]]:
        """See the function of that name."""
        return held_at(self._dsn, point)


@asynccontextmanager
async def held_at(dsn: str, point: Point) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Whoever comes to `point` stops there till the end of the block; gives a wait for that."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            _HOLD + ";" + (_AT_COMMIT if point.at_commit else _AFTER).format(point.change)
        )
        await connection.execute("SELECT pg_advisory_lock(1)")

        async def held() -> None:
            for _ in range(6000):
                if await connection.fetchval(_HELD):
                    return
                await asyncio.sleep(0.01)
            raise AssertionError(f"nobody came to the point: {point}")

        yield held
        await connection.execute("SELECT pg_advisory_unlock(1)")
        table = point.change.rpartition(" ")[2]
        await connection.execute(f"DROP TRIGGER held ON {table}")
    finally:
        await connection.close()


@asynccontextmanager
async def doomed_service(house: House, dsn: str, pace: Pace | None = None) -> AsyncIterator[DoomedService]:
    with witness_process(house, log_key(house.keys)) as witness:
        service = DoomedService(house, dsn, witness, TurnedClock(), pace)
        await service.start()
        try:
            yield service
        finally:
            if service.running:
                service.kill()


class ServiceProcess:
    """The command `openseal serve` with its witness and its PostgreSQL, on a data folder of its own.

    With a `database_url` it works on that database instead.
    """

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.folder = folder
        self._environment = {**os.environ, "DATABASE_URL": database_url}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        """The embedded database, for as long as it runs."""
        return f"postgresql://openseal@/openseal?host={self.folder / 'postgres' / 'socket'}"

    @property
    def trust(self) -> bytes:
        return House.below(self.folder).trust.read_bytes()

    @property
    def pid(self) -> int:
        """Of the process that was started; the others are its descendants."""
        return self._process.pid

    def named(self, name: str) -> list[int]:
        """Its processes of that name."""
        return [pid for pid in descendants(self.pid) if _name(pid) == name]

    async def leader(self) -> int:
        """The one of its processes that sequences the log, once one does. On a database of its own."""
        connection = await asyncpg.connect(self.dsn)
        try:
            for _ in range(6000):
                if leading := await connection.fetchval(_LEADER):
                    return int(leading.removeprefix("openseal "))
                await asyncio.sleep(0.02)
            raise AssertionError("nobody leads")
        finally:
            await connection.close()

    async def start(self) -> None:
        self._process = self.launch(self.port)
        await answering(self.url)

    def launch(self, port: int) -> "subprocess.Popen[str]":
        """One more of it."""
        command = [sys.executable, "-m", "procurement", "serve", "--port", str(port)]
        return subprocess.Popen(
            [*command, "--data-dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )

    def kill(self, *, all_of_it: bool) -> None:
        """SIGKILL to the service, which its children do not outlive; or to all of them at once."""
        family = descendants(self._process.pid)
        assert len(family) > 2, "witness, PostgreSQL and what it forks"
        self._process.send_signal(signal.SIGSTOP)  # it is not to see its children die
        for pid in family if all_of_it else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate(timeout=90)
        assert self._process.returncode == -signal.SIGKILL
        gone(family)

    def stop(self) -> tuple[int, list[int]]:
        """SIGTERM: the exit status, and which of its processes outlive it."""
        family = descendants(self._process.pid)
        self._process.terminate()
        _, said = self._process.communicate(timeout=90)
        assert "Traceback" not in said, said
        return self._process.returncode, [pid for pid in family if alive(pid)]

    def end(self) -> None:
        """Whatever happened."""
        if self._process.poll() is None:
            self.kill(all_of_it=True)
        self._process.communicate()


S = TypeVar("S", bound=ServiceProcess)


@contextmanager
def in_a_folder(kind: type[S]) -> Iterator[S]:
    """A service that may be started, on an empty folder which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="openseal-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the account that runs PostgreSQL has to pass
        process = kind(folder)
        try:
            yield process
        finally:
            process.end()


def descendants(pid: int) -> list[int]:
    """Children of `pid`, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = entry.read_text().rpartition(")")[2].split()
            parents.setdefault(int(after_name[1]), []).append(int(entry.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found[1:]


def _name(pid: int) -> str:
    """Empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Running, that is; a zombie is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: list[int]) -> None:
    """Returns once all of them are dead."""
    for _ in range(6000):
        if not any(map(alive, pids)):
            return
        time.sleep(0.01)
    raise AssertionError(f"still alive: {[pid for pid in pids if alive(pid)]}")


async def answering(url: str) -> None:
    """Returns once a service is healthy there."""
    async with asyncio.timeout(90), httpx.AsyncClient(base_url=url, trust_env=False) as http:
        while True:
            try:
                if (await http.get("/health")).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.02)


def _live(house: House, dsn: str, witness: str, port: int, clock: Clock, pace: Pace | None) -> None:
    asyncio.run(_serve(house, dsn, witness, port, clock, pace))


async def _serve(house: House, dsn: str, witness: str, port: int, clock: Clock, pace: Pace | None) -> None:
    beacon = local_beacon(house.keys, 1)
    async with working(house, dsn, embedded_witness(house, witness), beacon, clock, pace=pace) as app:
        await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning")).serve()
