"""Fixtures: one embedded PostgreSQL for the whole run, and a fresh migrated database for each test."""

import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from procurement import database
from procurement.embedded import EmbeddedPostgres
from tests.commands import Run, in_this_process

# Jobs that a shell runs in the background ignore Ctrl-C, and so would every program that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast a machine is, no test says.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process."""
    return in_this_process(capfd)


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    yield from _open_folder()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that a system account can enter, which pytest's own (mode 0700) does not allow."""
    yield from _open_folder()


@pytest.fixture(scope="session")
async def postgres(session_folder: Path) -> AsyncIterator[str]:
    """The DSN (owner role) of an embedded PostgreSQL, started once. Kills of processes lose nothing without
    fsync, only power cuts do."""
    with EmbeddedPostgres(session_folder) as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        yield server.dsn


@pytest.fixture(scope="session")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """The name of a migrated database that others are copied from."""
    async with fresh_database(postgres, "migrated") as dsn:
        await database.migrate(dsn)
        yield "migrated"


@pytest.fixture
async def dsn(postgres: str, migrated: str) -> AsyncIterator[str]:
    """The DSN (owner role) of a fresh, migrated database of this test's own."""
    async with fresh_database(postgres, f"test_{uuid4().hex}", template=migrated) as dsn:
        yield dsn


@pytest.fixture
async def empty(postgres: str) -> AsyncIterator[str]:
    """The DSN (owner role) of a database without any table."""
    async with fresh_database(postgres, f"empty_{uuid4().hex}") as dsn:
        yield dsn


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """The service's pool on that database. Its role can do what the migrations grant, nothing more."""
    async with await database.connect(dsn) as pool:
        yield pool


@asynccontextmanager
async def fresh_database(server: str, name: str, template: str = "template1") -> AsyncIterator[str]:
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


def _open_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="openseal-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
