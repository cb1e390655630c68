"""Migrations, the service's role and what the schema has to obey."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from procurement import database
from procurement.database import MigrationError
from procurement.embedded import EmbeddedPostgresError
from procurement.settings import Settings

LINT = (Path(__file__).parent.parent / "citus_lint.sql").read_text()

FILES = {
    "0001_tender.sql": """
        CREATE TABLE tender (tender_id uuid PRIMARY KEY, head bigint NOT NULL DEFAULT 0);
        COMMENT ON TABLE tender IS 'citus: distributed';
        GRANT SELECT, INSERT, UPDATE (head) ON tender TO openseal_service;""",
    "0002_fact.sql": """
        CREATE TABLE fact (tender_id uuid REFERENCES tender, n bigint, PRIMARY KEY (tender_id, n));
        COMMENT ON TABLE fact IS 'citus: distributed';
        GRANT SELECT, INSERT ON fact TO openseal_service;""",
}

BREACHES = {
    "its comment does not say": "CREATE TABLE x (a int)",
    "has to be a uuid": """
        CREATE TABLE x (tender_id text NOT NULL);
        COMMENT ON TABLE x IS 'citus: distributed'""",
    "unique without tender_id: x_pkey": """
        CREATE TABLE x (tender_id uuid NOT NULL, a uuid PRIMARY KEY);
        COMMENT ON TABLE x IS 'citus: distributed'""",
    "points from local to distributed": """
        CREATE TABLE x (tender_id uuid REFERENCES tender);
        COMMENT ON TABLE x IS 'citus: local'""",
    "leaves the tender": "ALTER TABLE fact ADD other uuid REFERENCES tender",
    "would change tender_id": """
        ALTER TABLE fact ADD UNIQUE (n, tender_id), ADD before bigint,
        ADD FOREIGN KEY (before, tender_id) REFERENCES fact (n, tender_id) ON DELETE SET NULL""",
    "sequence behind id": "ALTER TABLE fact ADD id bigserial",
    "trigger late": """
        CREATE TRIGGER late BEFORE UPDATE ON fact
        FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
    "may update tender_id": "GRANT UPDATE ON fact TO openseal_service",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, sql in FILES.items():
        (tmp_path / name).write_text(sql)
    return tmp_path


@pytest.fixture
async def connection(empty: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(empty)
    yield connection
    await connection.close()


async def apply(connection: Any, folder: Path) -> list[str]:
    return await database.apply(connection, database.load(folder))


async def test_migrations_are_applied_once_and_in_order(connection: Any, folder: Path) -> None:
    assert await apply(connection, folder) == ["0001_tender.sql", "0002_fact.sql"]
    (folder / "0003_more.sql").write_text("ALTER TABLE fact ADD body bytea")
    assert await apply(connection, folder) == ["0003_more.sql"]
    assert await apply(connection, folder) == []


async def test_many_programs_that_start_at_once_migrate_once(empty: str, folder: Path) -> None:
    connections = [await asyncpg.connect(empty) for _ in range(6)]
    applied = await asyncio.gather(*(apply(connection, folder) for connection in connections))
    assert sorted(applied) == [[]] * 5 + [["0001_tender.sql", "0002_fact.sql"]]
    for connection in connections:
        await connection.close()


async def test_an_edited_migration_is_noticed(connection: Any, folder: Path) -> None:
    await apply(connection, folder)
    with (folder / "0001_tender.sql").open("a") as file:
        file.write("-- a harmless remark\n")
    (folder / "0003_more.sql").write_text("CREATE TABLE more ()")
    with pytest.raises(MigrationError, match=r"^0001_tender\.sql: edited after it was applied"):
        await apply(connection, folder)
    assert await connection.fetchval("SELECT to_regclass('more')") is None


async def test_a_renamed_migration_is_noticed(connection: Any, folder: Path) -> None:
    await apply(connection, folder)
    (folder / "0002_fact.sql").rename(folder / "0002_facts.sql")
    with pytest.raises(MigrationError, match=r"^0002_facts\.sql: was applied under the name 0002_fact\.sql"):
        await apply(connection, folder)


async def test_a_database_of_a_newer_program_is_refused(connection: Any, folder: Path) -> None:
    await apply(connection, folder)
    (folder / "0002_fact.sql").unlink()
    with pytest.raises(MigrationError, match=r"^0002_fact\.sql: applied here, but unknown"):
        await apply(connection, folder)


@pytest.mark.parametrize("name", ["0004_gap.sql", "0002_second.sql", "3_short.sql", "0003-hyphen.sql"])
def test_gaps_twins_and_strange_names_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError):
        database.load(folder)


async def test_a_failing_migration_leaves_nothing_of_itself(connection: Any, folder: Path) -> None:
    (folder / "0003_bad.sql").write_text("CREATE TABLE half (); SELECT 1 / 0")
    with pytest.raises(MigrationError, match=r"^0003_bad\.sql: division by zero"):
        await apply(connection, folder)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    (folder / "0003_bad.sql").write_text("CREATE TABLE whole ()")
    assert await apply(connection, folder) == ["0003_bad.sql"]


async def test_the_service_can_do_what_migrations_grant_and_no_more(
    empty: str, connection: Any, folder: Path
) -> None:
    await apply(connection, folder)
    tender = uuid4()
    async with await database.connect(empty) as pool:
        await pool.execute("INSERT INTO tender VALUES ($1)", tender)
        await pool.execute("UPDATE tender SET head = head + 1 WHERE tender_id = $1", tender)
        await pool.fetch("SELECT head FROM tender WHERE tender_id = $1 FOR UPDATE", tender)
        await pool.execute("INSERT INTO fact VALUES ($1, 1)", tender)
        for forbidden in (
            "UPDATE fact SET n = 2",
            "DELETE FROM fact",
            "TRUNCATE fact",
            "UPDATE tender SET tender_id = gen_random_uuid()",
            "DELETE FROM migration",
            "CREATE TABLE mine ()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(forbidden)


async def test_a_connection_serves_again_after_a_failed_transaction(pool: "asyncpg.Pool[Any]") -> None:
    """Connections are not reset between uses, so the transaction block alone has to clean up."""
    for _ in range(2 * pool.get_max_size()):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT 1 / 0")
    assert await pool.fetchval("SELECT current_user") == "openseal_service"


async def test_the_schema_can_be_distributed_by_tender(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    assert await connection.fetch(LINT) == []
    await connection.close()


@pytest.mark.parametrize("breach", BREACHES)
async def test_the_lint_sees(connection: Any, folder: Path, breach: str) -> None:
    await apply(connection, folder)
    assert await connection.fetch(LINT) == []
    await connection.execute(BREACHES[breach])
    assert any(breach in row["breach"] for row in await connection.fetch(LINT))


def test_a_server_of_somebody_elses_is_used_where_one_is_named(tmp_path: Path) -> None:
    settings = Settings.load({"DATABASE_URL": "postgresql://elsewhere/openseal"}, tmp_path)
    with database.server(settings) as dsn:
        assert dsn == "postgresql://elsewhere/openseal"
    assert list(tmp_path.iterdir()) == []


def test_without_one_the_embedded_server_is_started(open_folder: Path) -> None:
    with database.server(Settings.load({}, open_folder)) as dsn:
        assert (open_folder / "postgres" / "socket" / ".s.PGSQL.5432").is_socket()
        with pytest.raises(EmbeddedPostgresError), database.server(Settings.load({}, open_folder)):
            pass
    assert dsn.startswith("postgresql://openseal@/openseal?host=")
