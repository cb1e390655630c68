"""SQL of open data: one function per statement. Positions are log indexes."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from procurement.finding.search import PRACTICE, Shown

_RELEASE = "tender_id, seq, position, released_at, practice, body"


AT_ONCE = 100
"""Releases of a tender that are read at once, at most."""


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A release: `seq` is the place in the tender's history of the entry that completed it, `position` that
    entry's log index, `released_at` its time, `body` the OCDS release as JSON."""

    tender_id: UUID
    seq: int
    position: int
    released_at: datetime
    practice: bool
    body: bytes


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """All of a tender's releases as one, the compiled release as JSON; `position` and `changed_at` are the
    newest one's."""

    tender_id: UUID
    ocid: str
    position: int
    practice: bool
    changed_at: datetime
    body: bytes


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The log index before which everything is released; where it cannot go on, the tender that stops it, and
    since when."""

    position: int
    stopped_by: str | None
    stopped_at: datetime | None


# ── written ──────────────────────────────────────────────────────────────────────────────────────────


async def claim(connection: Any) -> Progress:
    """How far the log is released; nobody else moves it until the transaction ends."""
    row = await connection.fetchrow("SELECT position, stopped_by, stopped_at FROM released FOR UPDATE")
    return Progress(**row)


async def move(connection: Any, progress: Progress) -> None:
    """The caller has claimed it."""
    await connection.execute(
        "UPDATE released SET position = $1, stopped_by = $2, stopped_at = $3",
        *msgspec.structs.astuple(progress),
    )


async def add_releases(connection: Any, releases: Sequence[Released]) -> None:
    """The caller has claimed the progress, and moves it past them in the same transaction."""
    await connection.executemany(
        "INSERT INTO release (tender_id, seq, position, released_at, practice, body)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        [msgspec.structs.astuple(each) for each in releases],
    )


async def save_compiled(connection: Any, compiled: Sequence[Compiled]) -> None:
    """In place of those before. The caller has claimed the progress."""
    await connection.executemany(
        "INSERT INTO compiled_release (tender_id, ocid, position, practice, changed_at, body)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tender_id) DO UPDATE SET"
        " position = excluded.position, changed_at = excluded.changed_at, body = excluded.body",
        [msgspec.structs.astuple(each) for each in compiled],
    )


# ── read ─────────────────────────────────────────────────────────────────────────────────────────────


async def load_progress(connection: Any) -> Progress:
    """How far the log is released."""
    return Progress(**await connection.fetchrow("SELECT position, stopped_by, stopped_at FROM released"))


async def standing_since(connection: Any, late: datetime) -> datetime | None:
    """Since when open data stands still: a tender stops it, or what comes next was witnessed before `late`
    and is not released, for whatever reason. None where it goes on."""
    query = """
        SELECT coalesce(stopped_at, CASE WHEN since < $1 THEN since END)
        FROM released LEFT JOIN LATERAL (
            SELECT witnessed_at AS since FROM log_checkpoint WHERE size > released.position
            ORDER BY size LIMIT 1
        ) AS next ON true
    """
    since: datetime | None = await connection.fetchval(query, late)
    return since


async def load_page(pool: Any, offset: int, practice: Shown, most: int, size: int) -> list[Released]:
    """Releases from that position on, in the order of the log: `most` at most, and no more after those whose
    bodies have `size` bytes together.

    Whoever goes on behind the last one misses none and sees none twice: nothing is ever added before the
    position up to which all is released, and what is shown is before it.
    """
    # The number stands in the text, so that the index is gone along even by a plan that is kept.
    one = (
        "(SELECT * FROM release WHERE practice = {} AND position >= $1"
        f" AND position < (SELECT position FROM released) ORDER BY position LIMIT {most})"
    )
    rows = await pool.fetch(
        f"SELECT {_RELEASE} FROM ("
        " SELECT *, sum(octet_length(body)) OVER (ORDER BY position) - octet_length(body) AS before FROM ("
        + " UNION ALL ".join(one.format(each) for each in PRACTICE[practice])
        + f") AS one ORDER BY position LIMIT {most}) AS page WHERE before < $2 ORDER BY position",
        offset,
        size,
    )
    return [Released(**row) for row in rows]


async def last_before(pool: Any, offset: int) -> datetime | None:
    """The time of the last release before that position; None where there is none."""
    one = "(SELECT * FROM release WHERE practice = {} AND position < $1 ORDER BY position DESC LIMIT 1)"
    both = " UNION ALL ".join(one.format(each) for each in PRACTICE["shown"])
    at: datetime | None = await pool.fetchval(
        f"SELECT released_at FROM ({both}) AS last ORDER BY position DESC LIMIT 1", offset
    )
    return at


async def load_releases(connection: Any, tender_id: UUID) -> list[Released]:
    """The tender's releases so far, the oldest first."""
    rows = await connection.fetch(
        f"SELECT {_RELEASE} FROM release WHERE tender_id = $1 ORDER BY seq", tender_id
    )
    return [Released(**row) for row in rows]


async def newest(pool: Any, tender_id: UUID) -> int | None:
    """The log index of the tender's newest release; None where nothing of it is released yet."""
    query = "SELECT position FROM compiled_release WHERE tender_id = $1"
    position: int | None = await pool.fetchval(query, tender_id)
    return position


async def load_compiled(pool: Any, tender_id: UUID) -> Compiled:
    """What the tender's releases come to. The caller knows that there are any."""
    return Compiled(
        **await pool.fetchrow(
            "SELECT tender_id, ocid, position, practice, changed_at, body FROM compiled_release"
            " WHERE tender_id = $1",
            tender_id,
        )
    )


async def read_bodies(pool: Any, tender_id: UUID, position: int, size: int) -> AsyncIterator[list[bytes]]:
    """The tender's releases up to that position, the oldest first: so many at once as have `size` bytes
    together, or one that has more. No connection is held between them."""
    query = (
        "SELECT seq, body FROM ("
        " SELECT seq, body, sum(octet_length(body)) OVER (ORDER BY seq) AS size FROM ("
        "  SELECT seq, body FROM release WHERE tender_id = $1 AND seq > $2 AND position <= $3"
        f"  ORDER BY seq LIMIT {AT_ONCE}) AS next) AS page"
        " WHERE size - octet_length(body) = 0 OR size <= $4 ORDER BY seq"
    )
    rows = await pool.fetch(query, tender_id, -1, position, size)
    while rows:
        yield [row["body"] for row in rows]
        rows = await pool.fetch(query, tender_id, rows[-1]["seq"], position, size)
