"""SQL of tenders: one function per statement. Ids are hex outside and bytes in the database."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec

from procurement.editions import MISSED
from procurement.errors import TenderError
from procurement.history import Head

_PRACTICE = 0x70726163  # "prac"; an advisory lock's key
_TENDERS = UUID("6b2e1c0e-6c55-5d0c-9a52-2f6f0f6a8d11")


DraftKind = Literal["notice", "amendment", "award", "termination"]


class TenderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A tender's own row: where its chain stands and whether its box is shut."""

    tender_id: UUID
    ocid: str
    notice_id: str
    deadline: datetime
    terms: str
    """Digest of the terms as they are now."""
    shut_at: datetime | None
    terminated_at: datetime | None
    concluded_at: datetime | None
    head: Head


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a second officer, or, a notice that is countersigned, for its time."""

    tender_id: UUID
    id: str
    kind: DraftKind
    ocid: str
    body: bytes
    registration: str
    """Of the officer who signed it."""
    made_at: datetime
    due: datetime | None = None
    """When a notice is to be published."""
    countersignature: bytes | None = None
    """The second officer's statement, while a notice's time is still to come."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a tender's history as it stands in the log."""

    seq: int
    type: str
    entry: bytes


def id_of(ocid: str) -> UUID:
    """A tender's row id follows from its ocid, so that no other table has to be asked."""
    return uuid5(_TENDERS, ocid)


async def add_tender(connection: Any, row: TenderRow) -> bool:
    """Whether the tender is new."""
    added = await connection.fetchval(
        "INSERT INTO tender (tender_id, ocid, notice_id, deadline, terms, seq, prev)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING true",
        row.tender_id,
        row.ocid,
        bytes.fromhex(row.notice_id),
        row.deadline,
        bytes.fromhex(row.terms),
        row.head.seq,
        bytes.fromhex(row.head.prev),
    )
    return bool(added)


async def load_tender(
    connection: Any, ocid: str, lock: Literal["", "FOR SHARE", "FOR UPDATE"] = ""
) -> TenderRow:
    """The tender's row, with `lock` until the transaction ends. Raises TenderError if there is none."""
    row = await connection.fetchrow(f"SELECT * FROM tender WHERE tender_id = $1 {lock}", id_of(ocid))
    if row is None:
        raise TenderError("no-such-tender", "there is no tender with this ocid")
    return _tender(row)


async def share_tender(connection: Any, tender_id: UUID, *, wait: bool) -> TenderRow | None:
    """The tender's row, which nobody changes until the transaction ends; None if somebody is about to and one
    does not `wait`."""
    lock = "FOR SHARE" if wait else "FOR SHARE SKIP LOCKED"
    row = await connection.fetchrow(f"SELECT * FROM tender WHERE tender_id = $1 {lock}", tender_id)
    return _tender(row) if row else None


async def claim_tender(connection: Any, tender_id: UUID) -> TenderRow:
    """The tender's row, which nobody else holds, not even to share it, until the transaction ends."""
    row = await connection.fetchrow("SELECT * FROM tender WHERE tender_id = $1 FOR UPDATE", tender_id)
    return _tender(row)


async def find_shut(connection: Any, tender_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """Which of these tenders are shut after their deadline, and when that was."""
    query = (
        "SELECT tender_id, deadline FROM tender"
        " WHERE tender_id = ANY($1) AND shut_at IS NOT NULL AND terminated_at IS NULL"
    )
    return {row["tender_id"]: row["deadline"] for row in await connection.fetch(query, list(tender_ids))}


async def load_seqs(connection: Any, tender_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many entries the history of each of these tenders has."""
    query = "SELECT tender_id, seq FROM tender WHERE tender_id = ANY($1)"
    rows = await connection.fetch(query, list(tender_ids))
    return {row["tender_id"]: row["seq"] for row in rows}


async def list_due(connection: Any, now: datetime) -> list[str]:
    """Ocids of the tenders past their deadline, or terminated, that are not concluded, the oldest deadline
    first."""
    rows = await connection.fetch(
        "SELECT ocid FROM tender WHERE concluded_at IS NULL AND (deadline <= $1 OR terminated_at IS NOT NULL)"
        " ORDER BY deadline",
        now,
    )
    return [row["ocid"] for row in rows]


async def list_unstamped(connection: Any) -> list[str]:
    """Ocids of the tenders that are shut, not concluded, and without a time stamp, the oldest deadline first;
    none of the practice ground, where strangers would have stamps made."""
    rows = await connection.fetch(
        "SELECT ocid FROM tender LEFT JOIN closing_stamp USING (tender_id)"
        " WHERE shut_at IS NOT NULL AND concluded_at IS NULL AND token IS NULL"
        " AND ocid NOT LIKE 'ocds-0s3al1-practice-%' ORDER BY deadline"
    )
    return [row["ocid"] for row in rows]


async def add_stamp(connection: Any, tender_id: UUID, token: bytes) -> None:
    """The first one stays."""
    query = "INSERT INTO closing_stamp (tender_id, token) VALUES ($1, $2) ON CONFLICT DO NOTHING"
    await connection.execute(query, tender_id, token)


async def load_stamp(connection: Any, tender_id: UUID) -> bytes | None:
    """The time stamp of the tender's closing; None where there is none."""
    query = "SELECT token FROM closing_stamp WHERE tender_id = $1"
    token: bytes | None = await connection.fetchval(query, tender_id)
    return token


async def list_open(connection: Any, now: datetime, until: datetime) -> list[str]:
    """Ocids of the tenders whose deadline is between these times, `until` included, and that are not over,
    the oldest deadline first."""
    rows = await connection.fetch(
        "SELECT ocid FROM tender WHERE concluded_at IS NULL AND shut_at IS NULL"
        " AND deadline > $1 AND deadline <= $2 ORDER BY deadline",
        now,
        until,
    )
    return [row["ocid"] for row in rows]


async def list_practice(connection: Any, since: datetime, most: int) -> list[str]:
    """Ocids of the practice ground's latest tenders, `most` at most, with a deadline after `since`; latest
    deadline first."""
    rows = await connection.fetch(
        "SELECT ocid FROM tender WHERE ocid LIKE 'ocds-0s3al1-practice-%' AND deadline > $1"
        " ORDER BY deadline DESC LIMIT $2",
        since,
        most,
    )
    return [row["ocid"] for row in rows]


async def list_unfinished_practice(connection: Any) -> list[str]:
    """Ocids of the practice ground's tenders that are not concluded, the oldest deadline first."""
    rows = await connection.fetch(
        "SELECT ocid FROM tender WHERE ocid LIKE 'ocds-0s3al1-practice-%' AND concluded_at IS NULL"
        " ORDER BY deadline"
    )
    return [row["ocid"] for row in rows]


async def lock_practice(connection: Any) -> None:
    """Whoever else would publish a practice tender waits until this transaction is over."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _PRACTICE)


async def all_closed(connection: Any, before: datetime) -> bool:
    """Whether every tender that was published before then has its closing statement."""
    return not await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM tender AS t JOIN event AS first ON first.tender_id = t.tender_id AND first.seq = 0
            WHERE concluded_at IS NULL
              AND (convert_from(first.entry, 'UTF8')::json ->> 'time')::timestamptz < $1
              AND NOT EXISTS (
                SELECT FROM event WHERE event.tender_id = t.tender_id AND type = 'tender:closed'
              )
        )
        """,
        before,
    )


async def amend(connection: Any, tender_id: UUID, terms: str, deadline: datetime) -> None:
    """The caller holds the tender's row FOR UPDATE."""
    query = "UPDATE tender SET terms = $2, deadline = $3 WHERE tender_id = $1"
    await connection.execute(query, tender_id, bytes.fromhex(terms), deadline)


async def terminate(connection: Any, tender_id: UUID, at: datetime) -> None:
    """Its box is shut, too, if it is not yet. The caller holds the tender's row FOR UPDATE."""
    query = "UPDATE tender SET terminated_at = $2, shut_at = coalesce(shut_at, $2) WHERE tender_id = $1"
    await connection.execute(query, tender_id, at)


async def shut(connection: Any, tender_id: UUID, at: datetime) -> None:
    await connection.execute("UPDATE tender SET shut_at = $2 WHERE tender_id = $1", tender_id, at)


async def conclude(connection: Any, tender_id: UUID, at: datetime) -> None:
    await connection.execute("UPDATE tender SET concluded_at = $2 WHERE tender_id = $1", tender_id, at)


async def move_head(connection: Any, tender_id: UUID, head: Head) -> None:
    """The caller holds the tender's row FOR UPDATE."""
    await connection.execute(
        "UPDATE tender SET seq = $2, prev = $3 WHERE tender_id = $1",
        tender_id,
        head.seq,
        bytes.fromhex(head.prev),
    )


async def add_statement(connection: Any, tender_id: UUID, id: str, body: bytes) -> None:
    await connection.execute(
        "INSERT INTO statement (tender_id, id, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        tender_id,
        bytes.fromhex(id),
        body,
    )


async def load_statements(connection: Any, tender_id: UUID, ids: Iterable[str]) -> dict[str, bytes]:
    """DSSE bytes by id, of those that are there."""
    rows = await connection.fetch(
        "SELECT id, body FROM statement WHERE tender_id = $1 AND id = ANY($2)",
        tender_id,
        [bytes.fromhex(each) for each in ids],
    )
    return {row["id"].hex(): bytes(row["body"]) for row in rows}


async def claim(connection: Any, tender_id: UUID, subject: str, statement: str) -> str | None:
    """Say something that may be said once only; the id of the statement that said it before, if any."""
    query = (
        "INSERT INTO once (tender_id, subject, statement_id) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING RETURNING true"
    )
    if await connection.fetchval(query, tender_id, subject, bytes.fromhex(statement)):
        return None
    query = "SELECT statement_id FROM once WHERE tender_id = $1 AND subject = $2"
    before: bytes = await connection.fetchval(query, tender_id, subject)
    return before.hex()


async def add_events(connection: Any, tender_id: UUID, events: Sequence[EventRow]) -> None:
    await connection.executemany(
        "INSERT INTO event (tender_id, seq, type, entry) VALUES ($1, $2, $3, $4)",
        [(tender_id, each.seq, each.type, each.entry) for each in events],
    )


async def load_entries(connection: Any, tender_id: UUID) -> list[bytes]:
    """The tender's history from its start, as it stands in the log."""
    query = "SELECT entry FROM event WHERE tender_id = $1 ORDER BY seq"
    return [bytes(row["entry"]) for row in await connection.fetch(query, tender_id)]


async def load_entry(connection: Any, tender_id: UUID, seq: int) -> bytes | None:
    """That entry of the tender's history; None while there is none."""
    query = "SELECT entry FROM event WHERE tender_id = $1 AND seq = $2"
    entry = await connection.fetchval(query, tender_id, seq)
    return None if entry is None else bytes(entry)


async def has_event(connection: Any, tender_id: UUID, type_: str) -> bool:
    """Whether the tender's history has an entry of that type."""
    query = "SELECT EXISTS (SELECT FROM event WHERE tender_id = $1 AND type = $2)"
    return bool(await connection.fetchval(query, tender_id, type_))


async def add_draft(connection: Any, draft: Draft) -> None:
    """The same draft again changes nothing."""
    await connection.execute(
        "INSERT INTO draft (tender_id, id, kind, ocid, body, registration, made_at, due)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        draft.tender_id,
        bytes.fromhex(draft.id),
        draft.kind,
        draft.ocid,
        draft.body,
        draft.registration,
        draft.made_at,
        draft.due,
    )


async def load_draft(connection: Any, tender_id: UUID, id: str) -> Draft:
    """Raises TenderError if there is none."""
    query = "SELECT * FROM draft WHERE tender_id = $1 AND id = $2"
    row = await connection.fetchrow(query, tender_id, bytes.fromhex(id))
    if row is None:
        raise TenderError("no-such-statement", "nothing with this id waits for a second officer")
    return _draft(row)


async def keep_countersignature(connection: Any, draft: Draft, body: bytes) -> bytes:
    """The countersignature that a notice waits with for its time: the first one that came."""
    kept: bytes = await connection.fetchval(
        "UPDATE draft SET countersignature = coalesce(countersignature, $3)"
        " WHERE tender_id = $1 AND id = $2 RETURNING countersignature",
        draft.tender_id,
        bytes.fromhex(draft.id),
        body,
    )
    return bytes(kept)


async def list_drafts(connection: Any, since: datetime) -> list[Draft]:
    """What waits for a second officer, or countersigned for its time, the oldest first: no notices that were
    due before `since`."""
    rows = await connection.fetch(
        "SELECT d.* FROM draft d LEFT JOIN tender t USING (tender_id)"
        " WHERE t.tender_id IS NULL AND due > $1 OR kind <> 'notice' AND t.concluded_at IS NULL"
        " AND t.terminated_at IS NULL AND (kind <> 'amendment' OR t.shut_at IS NULL)"
        " AND NOT EXISTS (SELECT FROM statement s WHERE s.tender_id = d.tender_id AND s.id = d.id)"
        " ORDER BY made_at, id",
        since,
    )
    return [_draft(row) for row in rows]


async def list_scheduled(connection: Any, since: datetime, until: datetime) -> list[Draft]:
    """Countersigned notices that are due between these times, `until` included, and not published."""
    rows = await connection.fetch(
        "SELECT d.* FROM draft d LEFT JOIN tender t USING (tender_id)"
        " WHERE countersignature IS NOT NULL AND due > $1 AND due <= $2 AND t.tender_id IS NULL"
        " ORDER BY due, id",
        since,
        until,
    )
    return [_draft(row) for row in rows]


async def add_enquiry(connection: Any, tender_id: UUID, id: str, registration: str, body: bytes) -> None:
    await connection.execute(
        "INSERT INTO enquiry (tender_id, id, registration, body) VALUES ($1, $2, $3, $4)",
        tender_id,
        bytes.fromhex(id),
        registration,
        body,
    )


async def count_enquiries(connection: Any, tender_id: UUID, registration: str) -> int:
    """How many questions the business with that number has asked."""
    query = "SELECT count(*) FROM enquiry WHERE tender_id = $1 AND registration = $2"
    return int(await connection.fetchval(query, tender_id, registration))


async def load_enquiries(connection: Any, tender_id: UUID) -> dict[str, bytes]:
    """Questions as they were signed, by id: not public."""
    rows = await connection.fetch("SELECT id, body FROM enquiry WHERE tender_id = $1", tender_id)
    return {row["id"].hex(): bytes(row["body"]) for row in rows}


async def beat(connection: Any, at: datetime) -> None:
    """Bids are taken at that time: without a pause since the last such word, if it is not long ago."""
    query = "UPDATE intake_up SET until = greatest(until, $1) WHERE until > $2 RETURNING true"
    if not await connection.fetchval(query, at, at - MISSED):
        query = "INSERT INTO intake_up (since, until) VALUES ($1, $1) ON CONFLICT DO NOTHING"
        await connection.execute(query, at)


async def load_gaps(connection: Any, since: datetime) -> list[tuple[datetime, datetime]]:
    """From when to when no bids were taken, the oldest first: times that ended after `since`, and between
    two at which they were."""
    rows = await connection.fetch(
        """
        SELECT begun, ended FROM (
            SELECT max(until) OVER (ORDER BY since) AS begun, lead(since) OVER (ORDER BY since) AS ended
            FROM intake_up
        ) AS pause
        WHERE ended > $1 AND ended - begun > $2::interval ORDER BY begun
        """,
        since,
        MISSED,
    )
    return [(row["begun"], row["ended"]) for row in rows]


async def down_since(connection: Any, at: datetime) -> datetime | None:
    """Since when nobody has said that bids are taken, if that is too long ago; None, too, where nobody ever
    has."""
    until: datetime | None = await connection.fetchval("SELECT max(until) FROM intake_up")
    return until if until is not None and until < at - MISSED else None


async def last_up(connection: Any) -> datetime | None:
    """Since when bids are taken without a pause, as far as anybody has said so."""
    since: datetime | None = await connection.fetchval("SELECT max(since) FROM intake_up")
    return since


async def count_closing(connection: Any, slot: datetime, more: int) -> int:
    """How many deadlines fall into the slot that begins then, with `more` of them."""
    query = (
        "INSERT INTO closing_slot (since, closings) VALUES ($1, greatest($2, 0))"
        " ON CONFLICT (since) DO UPDATE SET closings = greatest(closing_slot.closings + $2, 0)"
        " RETURNING closings"
    )
    return int(await connection.fetchval(query, slot, more))


async def full_slots(connection: Any, since: datetime, most: int) -> set[datetime]:
    """Beginnings of the slots from `since` on that have `most` deadlines or more."""
    query = "SELECT since FROM closing_slot WHERE since >= $1 AND closings >= $2"
    return {row["since"] for row in await connection.fetch(query, since, most)}


async def add_ceremony(connection: Any, id: str, convening: bytes, at: datetime) -> bool:
    """Whether the ceremony is new."""
    added = await connection.fetchval(
        "INSERT INTO ceremony (id, convening, convened_at) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING RETURNING true",
        bytes.fromhex(id),
        convening,
        at,
    )
    return bool(added)


async def load_ceremony(connection: Any, id: str, lock: Literal["", "FOR SHARE", "FOR UPDATE"] = "") -> bytes:
    """The convening's statement, its row locked. Raises TenderError if there is none."""
    convening = await connection.fetchval(
        f"SELECT convening FROM ceremony WHERE id = $1 {lock}", bytes.fromhex(id)
    )
    if convening is None:
        raise TenderError("no-such-ceremony", "no such ceremony was convened here")
    return bytes(convening)


async def add_word(connection: Any, ceremony: str, place: int, id: str, body: bytes, at: datetime) -> None:
    """`place` from 1; the caller holds the ceremony's row FOR UPDATE."""
    key = bytes.fromhex(ceremony)
    await connection.execute(
        "INSERT INTO ceremony_word (ceremony_id, place, id, body, heard_at) VALUES ($1, $2, $3, $4, $5)",
        key,
        place,
        bytes.fromhex(id),
        body,
        at,
    )
    await connection.execute("UPDATE ceremony SET words = $2 WHERE id = $1", key, place)


async def load_words(connection: Any, ceremony: str) -> list[bytes]:
    """The statements that members made, in the order of hearing."""
    rows = await connection.fetch(
        "SELECT body FROM ceremony_word WHERE ceremony_id = $1 ORDER BY place", bytes.fromhex(ceremony)
    )
    return [bytes(row["body"]) for row in rows]


def _draft(row: Any) -> Draft:
    return Draft(
        tender_id=row["tender_id"],
        id=row["id"].hex(),
        kind=row["kind"],
        ocid=row["ocid"],
        body=bytes(row["body"]),
        registration=row["registration"],
        made_at=row["made_at"],
        due=row["due"],
        countersignature=bytes(row["countersignature"]) if row["countersignature"] else None,
    )


def _tender(row: Any) -> TenderRow:
    return TenderRow(
        tender_id=row["tender_id"],
        ocid=row["ocid"],
        notice_id=row["notice_id"].hex(),
        deadline=row["deadline"],
        terms=row["terms"].hex(),
        shut_at=row["shut_at"],
        terminated_at=row["terminated_at"],
        concluded_at=row["concluded_at"],
        head=Head(tender=row["ocid"], notice=row["notice_id"].hex(), seq=row["seq"], prev=row["prev"].hex()),
    )
