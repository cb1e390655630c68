"""The database: connections of the service, and migrations.

Migrations are plain SQL files ``migrations/NNNN_name.sql``, numbered from 0001 without a gap, forward
only, each in a transaction of its own. A file that was applied is never edited. The service works as
the role `openseal_service`, which can do nothing that a migration did not grant to it: tables that only
grow grant it SELECT and INSERT.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from procurement.embedded import EmbeddedPostgres
from procurement.settings import Settings

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's own confusion about a lost connection
    OSError,
)
"""What is raised while the database is down, or up again under a connection that is not."""

SERVICE_ROLE = "openseal_service"
CONNECTING = 10.0  # seconds
RETRY = 0.1  # seconds between looks at a database that is away
ANSWERING = 30.0  # seconds that a statement may take, its wait for a lock included
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"

BY_KEY = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}
"""Settings for connections that look up by key only. A plan made while a table was small is kept while it
grows, and for a small table going through all of it would be the better one."""

_LOCK = 0x6F70656E7365616C  # "openseal"; advisory locks are per node: all migrate on the coordinator
_FILE = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")

_PREPARE = f"""
DO $$ BEGIN
  CREATE ROLE {SERVICE_ROLE} NOLOGIN;
  GRANT {SERVICE_ROLE} TO CURRENT_USER;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- roles are shared by all databases
END $$;
CREATE TABLE IF NOT EXISTS migration (
  name text PRIMARY KEY,
  sha256 bytea NOT NULL,
  applied timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE migration IS 'citus: local';
GRANT SELECT ON migration TO {SERVICE_ROLE};
"""


class MigrationError(Exception):
    """The database and the migration files do not belong together; the message names the file."""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its name, its text, and the SHA-256 of its bytes (32 bytes)."""

    name: str
    sql: str
    sha256: bytes


@contextmanager
def server(
    settings: Settings, started: Callable[[EmbeddedPostgres], object] = lambda _: None
) -> Iterator[str]:
    """The DSN of the owner's role: DATABASE_URL's, or that of an embedded server while the block runs, which
    `started` is told of.

    To be entered in the main thread before any event loop. Raises EmbeddedPostgresError.
    """
    if settings.database_url:
        yield settings.database_url
    else:
        with EmbeddedPostgres(settings.data_dir) as embedded:
            started(embedded)
            yield embedded.dsn


async def connect(
    dsn: str, *, most: int = 10, settings: Mapping[str, str] | None = None
) -> "asyncpg.Pool[Any]":
    """A pool of at most `most` connections, working as the service's role, with `settings` of the server.

    Connections are made when they are needed, and again when they were lost: a database that is away makes
    requests fail, not the pool. They are not reset between uses, which would cost a third of the throughput:
    nobody may leave session state (SET, LISTEN, advisory locks) behind.
    """
    own = {"role": SERVICE_ROLE, "timezone": "UTC", "application_name": f"openseal {os.getpid()}"}
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=most,
        timeout=CONNECTING,
        command_timeout=ANSWERING,
        reset=_leave_as_it_is,
        server_settings={**own, **(settings or {})},
    )


async def answers(pool: "asyncpg.Pool[Any]") -> None:
    """Returns once the database does."""
    while True:
        try:
            await pool.fetchval("SELECT 1")
        except AWAY:
            await asyncio.sleep(RETRY)
        else:
            return


async def migrate(dsn: str) -> list[str]:
    """Applies what is missing and returns the names of what was applied. Raises MigrationError."""
    connection = await asyncpg.connect(dsn)
    try:
        return await apply(connection, load(MIGRATIONS))
    finally:
        await connection.close()


def load(folder: Path) -> list[Migration]:
    """All migrations of a folder in order. Raises MigrationError at a strange name or a gap."""
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    for number, migration in enumerate(found, start=1):
        if not migration.name.startswith(f"{number:04}_"):
            raise MigrationError(f"{migration.name}: the next migration's number is {number:04}")
    return found


async def apply(connection: Any, migrations: list[Migration]) -> list[str]:
    """Applies those of `migrations` that the database lacks; returns their names.

    One caller at a time, by a lock that goes with the connection. Raises MigrationError before touching
    anything if an applied file was edited, renamed or is gone.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(_PREPARE)
        missing = await _missing(connection, migrations)
        for migration in missing:
            await _apply_one(connection, migration)
        return [migration.name for migration in missing]
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _missing(connection: Any, migrations: list[Migration]) -> list[Migration]:
    applied = await connection.fetch("SELECT name, sha256 FROM migration ORDER BY name")
    if len(applied) > len(migrations):
        raise MigrationError(f"{applied[len(migrations)]['name']}: applied here, but unknown to this program")
    for (name, digest), migration in zip(applied, migrations, strict=False):
        if name != migration.name:
            raise MigrationError(f"{migration.name}: was applied under the name {name}")
        if digest != migration.sha256:
            raise MigrationError(f"{name}: edited after it was applied; write a new migration instead")
    return migrations[len(applied) :]


async def _apply_one(connection: Any, migration: Migration) -> None:
    async with connection.transaction():
        try:
            await connection.execute(migration.sql)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration.name}: {error}") from error
        await connection.execute(
            "INSERT INTO migration (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
        )


def _read(path: Path) -> Migration:
    if not _FILE.fullmatch(path.name):
        raise MigrationError(f"{path.name}: a migration is called NNNN_name.sql")
    data = path.read_bytes()
    return Migration(name=path.name, sql=data.decode(), sha256=hashlib.sha256(data).digest())


async def _leave_as_it_is(connection: Any) -> None:
    pass
