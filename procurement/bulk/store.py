"""SQL of award records and published files: one function per statement. Positions are log indexes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from procurement.finding.search import Shown

_PRACTICE: dict[Shown, tuple[bool, ...]] = {"hidden": (False,), "shown": (False, True), "only": (True,)}
_KEPT = "tender_id, ocid, position, awarded_at, practice, sha256, manifest, size"
_COMPLETE = """
    least((SELECT position FROM awards_seen), (SELECT min(position) FROM award_record WHERE sha256 IS NULL))
"""


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


async def list_to_make(connection: Any, most: int) -> list[Made]:
    """Awards without a record, in the order of the log."""
    rows = await connection.fetch(
        "SELECT tender_id, ocid, position, awarded_at, practice FROM award_record"
        " WHERE sha256 IS NULL ORDER BY position LIMIT $1",
        most,
    )
    return [Made(**row) for row in rows]


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
        + " UNION ALL ".join(one.format(each) for each in _PRACTICE[practice])
        + ") AS one ORDER BY position LIMIT $2",
        offset,
        most,
    )
    return [_kept(row) for row in rows]


def _kept(row: Any) -> Kept:
    return Kept(**{**row, "sha256": row["sha256"].hex(), "manifest": row["manifest"].hex()})
