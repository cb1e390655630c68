"""SQL of award records and published files: one function per statement. Positions are log indexes."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from crypto.encoding import decode
from procurement.bulk.listing import DataList, Kind
from procurement.finding.search import PRACTICE, Shown

_KEPT = "tender_id, ocid, position, awarded_at, practice, sha256, manifest, size"
_PUBLISHED = "path, kind, practice, last_day, position, list, sha256, room, published_at, superseded_at"
_PUBLISHING = 0x6F70656E64617461  # "opendata"; advisory locks are per node: this table is the coordinator's
_KEPT_ALIVE = "SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
_COMPLETE = """
    least((SELECT position FROM awards_seen), (SELECT min(position) FROM award_record WHERE sha256 IS NULL))
"""
LONGEST = 86_400.0  # seconds that a copy may take: with none given, as long as any other statement


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An award by its entry in the log."""

    tender_id: UUID
    ocid: str
    position: int
    awarded_at: datetime
    practice: bool


class Kept(Made, frozen=True, kw_only=True):
    """An award's record as a file: the SHA-256 (hex) of its bytes and of its manifest's, its size (bytes)."""

    sha256: str
    manifest: str
    size: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a publication: see `listing.DataList`."""

    practice: bool
    begins: datetime | None
    ends: datetime
    position: int
    after: int


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A publication: its path below ``/data``, its last day (Korea's), the log index it is as of, its list,
    and the folder in the store where its files are. Those that are superseded have none."""

    path: str
    kind: Kind
    practice: bool
    last_day: date
    position: int
    list: bytes
    sha256: bytes
    room: str
    published_at: datetime
    superseded_at: datetime | None = None

    @property
    def contents(self) -> DataList:
        """What the list says."""
        return decode(self.list, DataList)


# ── award records ────────────────────────────────────────────────────────────────────────────────────


async def claim_awards(connection: Any) -> int:
    """The log index before which every award has its row; nobody else moves it until the transaction ends."""
    return int(await connection.fetchval("SELECT position FROM awards_seen FOR UPDATE"))


async def move_awards(connection: Any, position: int) -> None:
    """The caller has claimed it."""
    await connection.execute("UPDATE awards_seen SET position = $1", position)


async def entries_with(connection: Any, text: bytes, start: int, end: int) -> list[tuple[int, bytes]]:
    """Entries of the log from `start` on, before `end`, that have these bytes in them, with their indexes."""
    rows = await connection.fetch(
        "SELECT index, entry FROM log_entry WHERE index >= $1 AND index < $2 AND position($3 IN entry) > 0"
        " ORDER BY index",
        start,
        end,
        text,
    )
    return [(row["index"], bytes(row["entry"])) for row in rows]


async def add_awards(connection: Any, awards: Sequence[Made]) -> None:
    """The caller has claimed the place up to which they are known."""
    await connection.executemany(
        "INSERT INTO award_record (tender_id, ocid, position, awarded_at, practice)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",  # the lowest index counts
        [msgspec.structs.astuple(each) for each in awards],
    )


async def list_to_make(connection: Any, most: int, but: Collection[UUID] = ()) -> list[Made]:
    """Awards without a record, in the order of the log; those of the tenders `but` are left out."""
    rows = await connection.fetch(
        "SELECT tender_id, ocid, position, awarded_at, practice FROM award_record"
        " WHERE sha256 IS NULL AND NOT tender_id = ANY($2) ORDER BY position LIMIT $1",
        most,
        list(but),
    )
    return [Made(**row) for row in rows]


async def held_up_since(connection: Any) -> datetime | None:
    """The time of the award whose record holds up the list of them, since it is not kept yet; None while
    there is none."""
    at: datetime | None = await connection.fetchval(
        "SELECT awarded_at FROM award_record WHERE sha256 IS NULL ORDER BY position LIMIT 1"
    )
    return at


async def keep_record(connection: Any, kept: Kept) -> None:
    """The file is there, and durable."""
    await connection.execute(
        "UPDATE award_record SET sha256 = $2, manifest = $3, size = $4 WHERE tender_id = $1",
        kept.tender_id,
        bytes.fromhex(kept.sha256),
        bytes.fromhex(kept.manifest),
        kept.size,
    )


async def load_record(connection: Any, tender_id: UUID) -> Kept | None:
    """None while there is none."""
    query = f"SELECT {_KEPT} FROM award_record WHERE tender_id = $1 AND sha256 IS NOT NULL"
    row = await connection.fetchrow(query, tender_id)
    return _kept(row) if row else None


async def list_records(connection: Any, offset: int, practice: Shown, most: int) -> list[Kept]:
    """Award records from that log index on, in the order of the log. Whoever goes on behind the last one
    misses none: an award whose record is not kept yet holds up those behind it."""
    one = (
        f"(SELECT * FROM award_record WHERE practice = {{}} AND position >= $1 AND position < {_COMPLETE}"
        " ORDER BY position LIMIT $2)"
    )
    rows = await connection.fetch(
        f"SELECT {_KEPT} FROM ("
        + " UNION ALL ".join(one.format(each) for each in PRACTICE[practice])
        + ") AS one ORDER BY position LIMIT $2",
        offset,
        most,
    )
    return [_kept(row) for row in rows]


def _kept(row: Any) -> Kept:
    return Kept(**{**row, "sha256": row["sha256"].hex(), "manifest": row["manifest"].hex()})


# ── what belongs to a period ─────────────────────────────────────────────────────────────────────────


async def load_position(connection: Any) -> int:
    """The log index before which everything is released, as of the transaction."""
    return int(await connection.fetchval("SELECT position FROM released"))


async def complete_until(connection: Any) -> int:
    """The log index before which every award has its record."""
    return int(await connection.fetchval(f"SELECT {_COMPLETE}"))


async def first_release(connection: Any) -> datetime | None:
    """The time of the first release; None while there is none."""
    at: datetime | None = await connection.fetchval(
        "SELECT least((SELECT min(released_at) FROM release WHERE practice),"
        " (SELECT min(released_at) FROM release WHERE NOT practice))"
    )
    return at


async def copy_compiled(connection: Any, span: Span, output: Callable[[bytes], Awaitable[None]]) -> None:
    """What belongs to the period, in the order of the log, as PostgreSQL's binary COPY of one column: the
    compiled releases (JSON) of all tenders with a release in it."""
    query = "SELECT body FROM compiled_release WHERE practice = $1"
    asked: list[Any] = [span.practice]
    if span.begins is not None:
        query += (
            " AND tender_id IN (SELECT tender_id FROM release"
            " WHERE practice = $1 AND released_at >= $2 AND released_at < $3"
            " UNION SELECT tender_id FROM release"
            " WHERE practice = $1 AND position >= $4 AND released_at < $2)"
        )
        asked += [span.begins, span.ends, span.after]
    query += " ORDER BY position"
    await connection.copy_from_query(query, *asked, output=output, format="binary", timeout=LONGEST)


async def list_records_of(connection: Any, span: Span, start: int, most: int) -> list[Kept]:
    """Award records that belong to the period, in the order of the log, from that log index on."""
    rows = await connection.fetch(
        f"SELECT {_KEPT} FROM award_record WHERE practice = $1 AND position >= $2 AND position < $3"
        " AND awarded_at < $4 AND (awarded_at >= $5 OR position >= $6) ORDER BY position LIMIT $7",
        span.practice,
        start,
        span.position,
        span.ends,
        span.begins,
        span.after,
        most,
    )
    return [_kept(row) for row in rows]


# ── published files ──────────────────────────────────────────────────────────────────────────────────


async def newest(connection: Any, kind: Kind, practice: bool) -> Published | None:
    """The publication of that kind with the last day; None while there is none."""
    row = await connection.fetchrow(
        f"SELECT {_PUBLISHED} FROM publication WHERE kind = $1 AND practice = $2"
        " ORDER BY last_day DESC LIMIT 1",
        kind,
        practice,
    )
    return Published(**row) if row else None


async def claim_publishing(connection: Any) -> bool:
    """Whether nobody else has the claim; it is the connection's until that ends, soon after a machine that
    falls silent."""
    claimed = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", _PUBLISHING))
    if claimed:
        await connection.execute(_KEPT_ALIVE)
    return claimed


async def add_publication(connection: Any, published: Published) -> bool:
    """Whether it is new."""
    added = await connection.fetchval(
        f"INSERT INTO publication ({_PUBLISHED}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT DO NOTHING RETURNING true",
        *msgspec.structs.astuple(published),
    )
    return bool(added)


async def load_publication(connection: Any, path: str) -> Published | None:
    """None where there is none."""
    row = await connection.fetchrow(f"SELECT {_PUBLISHED} FROM publication WHERE path = $1", path)
    return Published(**row) if row else None


async def load_list(connection: Any, digest: bytes) -> bytes | None:
    """The list with that SHA-256; None where there is none."""
    data: bytes | None = await connection.fetchval("SELECT list FROM publication WHERE sha256 = $1", digest)
    return data


async def list_publications(
    connection: Any, practice: Shown, before: date | None, days: int
) -> list[Published]:
    """Publications whose files are there, the latest days first: of so many days, those before that one."""
    rows = await connection.fetch(
        f"""
        WITH there AS (
            SELECT * FROM publication WHERE practice = ANY($1) AND superseded_at IS NULL
            AND ($2::date IS NULL OR last_day < $2)
        )
        SELECT {_PUBLISHED} FROM there
        WHERE last_day IN (SELECT DISTINCT last_day FROM there ORDER BY 1 DESC LIMIT $3)
        ORDER BY last_day DESC, kind, practice
        """,
        PRACTICE[practice],
        before,
        days,
    )
    return [Published(**row) for row in rows]


async def supersede(connection: Any, kind: Kind, practice: bool, keep: int, at: datetime) -> None:
    """All publications of that kind but the newest ones are superseded from now on, if they were not."""
    await connection.execute(
        "UPDATE publication SET superseded_at = $4 WHERE superseded_at IS NULL AND path IN ("
        "SELECT path FROM publication WHERE kind = $1 AND practice = $2 ORDER BY last_day DESC OFFSET $3)",
        kind,
        practice,
        keep,
        at,
    )


async def list_superseded(connection: Any, kind: Kind, practice: bool, most: int) -> list[str]:
    """The paths of superseded publications of that kind, the latest first."""
    rows = await connection.fetch(
        "SELECT path FROM publication WHERE kind = $1 AND practice = $2 AND superseded_at IS NOT NULL"
        " ORDER BY last_day DESC LIMIT $3",
        kind,
        practice,
        most,
    )
    return [row["path"] for row in rows]
