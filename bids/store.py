"""SQL of the bid box. Ids are hex outside and bytes in the database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from bids.envelope import Section
from bids.receipts import Kind


class StoredEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted envelope, or withdrawal of one, with the inputs of its commitment."""

    id: str
    registration: str
    previous: str | None
    body: bytes
    accepted_at: datetime
    salt: str
    status: str
    """Id of the certificate status under which its bidders were looked at."""
    kind: Kind = "envelope"
    in_doubt: bool = False
    """Whether the clock that gave `accepted_at` was in doubt."""


class StoredDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file that is there, with the inputs of its commitment."""

    id: str
    """`SealedFile.id` of the file in its envelope."""
    envelope: str
    number: int
    sha256: str
    size: int
    stored_at: datetime
    salt: str
    in_doubt: bool
    """Whether the clock that gave `stored_at` was in doubt."""
    source: str
    """Id of the upload that the file is made of: its own, or that of an earlier envelope's same file."""


class StoredUpload(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file on its way in: `received` of its `size` bytes are there."""

    id: str
    envelope: str
    number: int
    sha256: str
    size: int
    token_hash: str
    received: int
    registration: str
    """Whose envelope it belongs to."""
    parts: int = 0
    """How many objects it is made of."""


class StoredPart(msgspec.Struct, frozen=True, kw_only=True):
    """An object with `size` bytes of an upload, from byte `start` on."""

    start: int
    size: int
    name: str


class StoredCoSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's word, with its statement's id, that an envelope is its bid, too."""

    envelope: str
    fingerprint: str
    id: str
    body: bytes


Key = tuple[UUID, str]
"""A tender and what is asked of its box: a statement's id, or a business's registration number."""


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The last element of a bidder's chain."""

    id: str
    kind: Kind


class StoredCover(msgspec.Struct, frozen=True, kw_only=True):
    """A commitment to nothing, with what it is made of."""

    salt: str
    made_at: datetime


_COVERS = 0x6F70656E636F76  # "opencov"; advisory locks are per node: this table is the coordinator's
_COLUMNS = "id, registration, previous, body, accepted_at, salt, status, kind, in_doubt"

# Constraints refuse what is there already and what would fork a bidder's chain.
_INSERT = f"""
INSERT INTO envelope (tender_id, {_COLUMNS})
SELECT * FROM unnest(
  $1::uuid[], $2::bytea[], $3::text[], $4::bytea[], $5::bytea[], $6::timestamptz[], $7::bytea[], $8::bytea[],
  $9::text[], $10::boolean[]
) ON CONFLICT DO NOTHING
"""


async def hold_statements(connection: Any, ids: Iterable[str]) -> None:
    """Whoever decides about the same statement does so afterwards: to the end of the transaction.

    In one order everywhere, so that nobody deadlocks; and in a key space of pairs, which nothing else uses.
    """
    keys = [(int(id[:8], 16) - (1 << 31), int(id[8:16], 16) - (1 << 31)) for id in sorted(ids)]
    await connection.execute(
        "SELECT pg_advisory_xact_lock(one, two) FROM unnest($1::int[], $2::int[]) AS key (one, two)",
        *map(list, zip(*keys, strict=True)),
    )


async def add_envelopes(connection: Any, rows: Sequence[tuple[UUID, StoredEnvelope]]) -> int:
    """How many of them are in their tender's box now because of this call.

    Others were there before, or what they continue from is not their bidder's latest.
    """
    columns = zip(*((tender_id, *_row(stored)) for tender_id, stored in rows), strict=True)
    return _inserted(await connection.execute(_INSERT, *map(list, columns)))


async def find_envelopes(connection: Any, asked: Sequence[Key]) -> dict[Key, StoredEnvelope]:
    """By tender and id, of those that were accepted."""
    rows = await connection.fetch(
        f"SELECT tender_id, {_COLUMNS} FROM unnest($1::uuid[], $2::bytea[]) AS asked (tender_id, id)"
        " JOIN envelope USING (tender_id, id)",
        *_columns(asked, bytes.fromhex),
    )
    return {(row["tender_id"], row["id"].hex()): _stored(row) for row in rows}


async def find_latest(connection: Any, asked: Sequence[Key]) -> dict[Key, Latest]:
    """By tender and lead: where the chain stands that another element can be added to."""
    rows = await connection.fetch(
        """
        SELECT tender_id, registration, id, kind
        FROM unnest($1::uuid[], $2::text[]) AS asked (tender_id, registration)
        JOIN envelope AS last USING (tender_id, registration)
        WHERE NOT EXISTS (
          SELECT FROM envelope AS next
          WHERE next.tender_id = last.tender_id AND next.registration = last.registration
            AND next.previous = last.id
        )
        """,
        *_columns(asked, str),
    )
    return {
        (row["tender_id"], row["registration"]): Latest(id=row["id"].hex(), kind=row["kind"]) for row in rows
    }


async def load_envelope(connection: Any, tender_id: UUID, id: str) -> StoredEnvelope | None:
    """The envelope with that id, if it was accepted."""
    query = f"SELECT {_COLUMNS} FROM envelope WHERE tender_id = $1 AND id = $2"
    row = await connection.fetchrow(query, tender_id, bytes.fromhex(id))
    return _stored(row) if row else None


async def load_envelopes(connection: Any, tender_id: UUID) -> list[StoredEnvelope]:
    """Everything in the box, replaced envelopes too."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM envelope WHERE tender_id = $1", tender_id)
    return [_stored(row) for row in rows]


async def load_envelopes_of(connection: Any, tender_id: UUID, registration: str) -> list[StoredEnvelope]:
    """All envelopes of the bid that the business leads or has been a partner in, the oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM envelope WHERE tender_id = $1 AND registration ="
        " (SELECT lead FROM party WHERE tender_id = $1 AND registration = $2) ORDER BY accepted_at, id",
        tender_id,
        registration,
    )
    return [_stored(row) for row in rows]


async def add_co_signature(connection: Any, tender_id: UUID, given: StoredCoSignature) -> None:
    """A partner's second word on the same envelope changes nothing."""
    await connection.execute(
        """
        INSERT INTO co_signature (tender_id, envelope_id, fingerprint, id, body) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        """,
        tender_id,
        bytes.fromhex(given.envelope),
        bytes.fromhex(given.fingerprint),
        bytes.fromhex(given.id),
        given.body,
    )


async def load_co_signatures(
    connection: Any, tender_id: UUID, envelope_ids: Iterable[str]
) -> dict[tuple[str, str], StoredCoSignature]:
    """By envelope id and the signer's fingerprint: all that were given, by whomever."""
    rows = await connection.fetch(
        """
        SELECT envelope_id, fingerprint, id, body FROM co_signature
        WHERE tender_id = $1 AND envelope_id = ANY($2)
        """,
        tender_id,
        [bytes.fromhex(each) for each in envelope_ids],
    )
    found = [
        StoredCoSignature(
            envelope=row["envelope_id"].hex(),
            fingerprint=row["fingerprint"].hex(),
            id=row["id"].hex(),
            body=bytes(row["body"]),
        )
        for row in rows
    ]
    return {(each.envelope, each.fingerprint): each for each in found}


async def find_co_signatures(connection: Any, asked: Sequence[Key]) -> set[tuple[UUID, str, str]]:
    """All that were given for those envelopes: tender, envelope's id, signer's fingerprint."""
    rows = await connection.fetch(
        "SELECT tender_id, envelope_id, fingerprint"
        " FROM unnest($1::uuid[], $2::bytea[]) AS asked (tender_id, envelope_id)"
        " JOIN co_signature USING (tender_id, envelope_id)",
        *_columns(asked, bytes.fromhex),
    )
    return {(row["tender_id"], row["envelope_id"].hex(), row["fingerprint"].hex()) for row in rows}


async def bind_parties(connection: Any, rows: Sequence[tuple[UUID, str, str]]) -> int:
    """Binds businesses to bids: tender, registration number, the lead's. How many were bound to none before.

    In the order of `rows`: two bids that share partners then wait for each other and do not deadlock.
    """
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    return _inserted(
        await connection.execute(
            "INSERT INTO party (tender_id, registration, lead)"
            " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING",
            *columns,
        )
    )


async def find_leads(connection: Any, asked: Sequence[Key]) -> dict[Key, str]:
    """By tender and registration number, of each that is in a bid: whose bid."""
    rows = await connection.fetch(
        "SELECT tender_id, registration, lead"
        " FROM unnest($1::uuid[], $2::text[]) AS asked (tender_id, registration)"
        " JOIN party USING (tender_id, registration)",
        *_columns(asked, str),
    )
    return {(row["tender_id"], row["registration"]): row["lead"] for row in rows}


async def add_opened(
    connection: Any, tender_id: UUID, results: Mapping[tuple[str, Section], bytes | str]
) -> None:
    """By envelope id and section the content, or the code of the reason why there is none."""
    await connection.executemany(
        "INSERT INTO opened_part (tender_id, envelope_id, part, content, reason) VALUES ($1, $2, $3, $4, $5)",
        [
            (
                tender_id,
                bytes.fromhex(id),
                section,
                result if isinstance(result, bytes) else None,
                result if isinstance(result, str) else None,
            )
            for (id, section), result in results.items()
        ],
    )


async def load_opened(connection: Any, tender_id: UUID) -> dict[tuple[str, Section], bytes | str]:
    """By envelope id and section: the content, or the code of the reason why there is none."""
    query = "SELECT envelope_id, part, content, reason FROM opened_part WHERE tender_id = $1"
    return {
        (row["envelope_id"].hex(), row["part"]): row["reason"] or bytes(row["content"])
        for row in await connection.fetch(query, tender_id)
    }


async def load_opened_parts(connection: Any, tender_id: UUID, id: str) -> dict[Section, bytes | str]:
    """Of one envelope by section: the content, or the code of the reason why there is none."""
    query = "SELECT part, content, reason FROM opened_part WHERE tender_id = $1 AND envelope_id = $2"
    rows = await connection.fetch(query, tender_id, bytes.fromhex(id))
    return {row["part"]: row["reason"] or bytes(row["content"]) for row in rows}


_DOCUMENT = "id, envelope_id, number, sha256, size, stored_at, salt, in_doubt, source"


async def add_document(connection: Any, tender_id: UUID, document: StoredDocument) -> None:
    """The caller holds the row of its upload FOR UPDATE, and has found no document."""
    await connection.execute(
        f"INSERT INTO document (tender_id, {_DOCUMENT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        tender_id,
        bytes.fromhex(document.id),
        bytes.fromhex(document.envelope),
        document.number,
        bytes.fromhex(document.sha256),
        document.size,
        document.stored_at,
        bytes.fromhex(document.salt),
        document.in_doubt,
        bytes.fromhex(document.source),
    )


async def load_documents(connection: Any, tender_id: UUID) -> list[StoredDocument]:
    """All sealed files that are there, those of replaced envelopes too."""
    query = f"SELECT {_DOCUMENT} FROM document WHERE tender_id = $1 ORDER BY envelope_id, number"
    return [_document(row) for row in await connection.fetch(query, tender_id)]


async def load_documents_of(
    connection: Any, tender_id: UUID, envelope_ids: Iterable[str]
) -> list[StoredDocument]:
    """The sealed files of these envelopes that are there."""
    query = f"SELECT {_DOCUMENT} FROM document WHERE tender_id = $1 AND envelope_id = ANY($2)"
    ids = [bytes.fromhex(each) for each in envelope_ids]
    return [_document(row) for row in await connection.fetch(query, tender_id, ids)]


async def load_document(connection: Any, tender_id: UUID, id: str) -> StoredDocument | None:
    """The sealed file with that id, if it is there."""
    query = f"SELECT {_DOCUMENT} FROM document WHERE tender_id = $1 AND id = $2"
    row = await connection.fetchrow(query, tender_id, bytes.fromhex(id))
    return _document(row) if row else None


async def find_source(
    connection: Any, tender_id: UUID, registration: str, sha256: str, size: int
) -> str | None:
    """The upload that a file of these bytes is made of, where this bidder has sent one with any envelope."""
    source: bytes | None = await connection.fetchval(
        "SELECT d.source FROM document d"
        " JOIN envelope e ON e.tender_id = d.tender_id AND e.id = d.envelope_id"
        " WHERE d.tender_id = $1 AND e.registration = $2 AND d.sha256 = $3 AND d.size = $4 LIMIT 1",
        tender_id,
        registration,
        bytes.fromhex(sha256),
        size,
    )
    return source.hex() if source else None


async def is_latest(connection: Any, tender_id: UUID, envelope: str) -> bool:
    """Whether nothing has come after this envelope in its bidder's chain."""
    query = "SELECT NOT EXISTS (SELECT FROM envelope WHERE tender_id = $1 AND previous = $2)"
    return bool(await connection.fetchval(query, tender_id, bytes.fromhex(envelope)))


async def add_upload(pool: Any, tender_id: UUID, upload: StoredUpload) -> StoredUpload:
    """The upload as it stands: where it was there before, only its token is another from now on."""
    add = partial(
        pool.fetchval,
        "INSERT INTO upload (tender_id, id, envelope_id, number, sha256, size, token_hash, received)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (tender_id, id) DO UPDATE SET token_hash = excluded.token_hash RETURNING received",
        tender_id,
        bytes.fromhex(upload.id),
        bytes.fromhex(upload.envelope),
        upload.number,
        bytes.fromhex(upload.sha256),
        upload.size,
        bytes.fromhex(upload.token_hash),
        upload.received,
    )
    try:
        received = await add()
    except asyncpg.UniqueViolationError:  # made at this moment: envelope and number are seen before the id
        received = await add()
    return msgspec.structs.replace(upload, received=received)


async def load_upload(
    connection: Any, tender_id: UUID, id: str, lock: Literal["", "FOR UPDATE OF u"] = ""
) -> StoredUpload | None:
    """The upload with that id; with `lock` nobody else changes its row until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT u.id, envelope_id, number, sha256, size, token_hash, received, registration,"
        " (SELECT count(*) FROM upload_part p WHERE p.tender_id = u.tender_id AND upload_id = u.id) AS parts"
        " FROM upload u"
        " JOIN envelope e ON e.tender_id = u.tender_id AND e.id = u.envelope_id"
        f" WHERE u.tender_id = $1 AND u.id = $2 {lock}",
        tender_id,
        bytes.fromhex(id),
    )
    return _upload(row) if row else None


_ADD_PARTS = """
WITH moved AS (
  UPDATE upload SET received = received + $4
  WHERE tender_id = $1 AND id = $2 AND received = $3 AND received + $4 <= size RETURNING id
), added AS (
  INSERT INTO upload_part (tender_id, upload_id, start, size, name)
  SELECT $1, $2, part.* FROM moved, unnest($5::bigint[], $6::bigint[], $7::text[]) AS part
)
SELECT EXISTS (SELECT FROM moved)
"""


async def add_parts(connection: Any, tender_id: UUID, upload: str, parts: Sequence[StoredPart]) -> bool:
    """Whether these parts, each beginning where the one before ends, go on where the upload stands: of two
    who go on from the same byte one does."""
    added = await connection.fetchval(
        _ADD_PARTS,
        tender_id,
        bytes.fromhex(upload),
        parts[0].start,
        sum(each.size for each in parts),
        [each.start for each in parts],
        [each.size for each in parts],
        [each.name for each in parts],
    )
    return bool(added)


async def count_received(connection: Any, tender_id: UUID, registration: str) -> int:
    """Bytes that have come of all files of this bidder, those of replaced bids among them."""
    received: int = await connection.fetchval(
        "SELECT coalesce(sum(u.received), 0)::bigint FROM envelope e"
        " JOIN upload u ON u.tender_id = e.tender_id AND u.envelope_id = e.id"
        " WHERE e.tender_id = $1 AND e.registration = $2",
        tender_id,
        registration,
    )
    return received


async def load_parts(connection: Any, tender_id: UUID, upload: str) -> list[StoredPart]:
    """What an upload is made of, from its beginning."""
    rows = await connection.fetch(
        "SELECT start, size, name FROM upload_part WHERE tender_id = $1 AND upload_id = $2 ORDER BY start",
        tender_id,
        bytes.fromhex(upload),
    )
    return [StoredPart(start=row["start"], size=row["size"], name=row["name"]) for row in rows]


async def load_part_names(connection: Any, tender_id: UUID) -> set[str]:
    """All objects that a tender's uploads are made of."""
    rows = await connection.fetch("SELECT name FROM upload_part WHERE tender_id = $1", tender_id)
    return {row["name"] for row in rows}


async def restart_upload(connection: Any, tender_id: UUID, upload: str) -> None:
    """Nothing of it is there any more. The caller holds its row FOR UPDATE."""
    key = tender_id, bytes.fromhex(upload)
    await connection.execute("UPDATE upload SET received = 0 WHERE tender_id = $1 AND id = $2", *key)
    await connection.execute("DELETE FROM upload_part WHERE tender_id = $1 AND upload_id = $2", *key)


async def remove_upload(connection: Any, tender_id: UUID, upload: str) -> None:
    """No document may be made of it; the caller holds its row FOR UPDATE."""
    query = "DELETE FROM upload WHERE tender_id = $1 AND id = $2"
    await connection.execute(query, tender_id, bytes.fromhex(upload))


async def remove_unfinished_uploads(connection: Any, tender_id: UUID) -> None:
    """All that no document came of."""
    await connection.execute(
        "DELETE FROM upload u WHERE tender_id = $1 AND NOT EXISTS (SELECT FROM document d"
        " WHERE d.tender_id = u.tender_id AND (d.id = u.id OR d.source = u.id))",
        tender_id,
    )


def _upload(row: Any) -> StoredUpload:
    return StoredUpload(
        id=row["id"].hex(),
        envelope=row["envelope_id"].hex(),
        number=row["number"],
        sha256=row["sha256"].hex(),
        size=row["size"],
        token_hash=row["token_hash"].hex(),
        received=row["received"],
        registration=row["registration"],
        parts=row["parts"],
    )


def _document(row: Any) -> StoredDocument:
    return StoredDocument(
        id=row["id"].hex(),
        envelope=row["envelope_id"].hex(),
        number=row["number"],
        sha256=row["sha256"].hex(),
        size=row["size"],
        stored_at=row["stored_at"],
        salt=row["salt"].hex(),
        in_doubt=row["in_doubt"],
        source=row["source"].hex(),
    )


def _columns(asked: Sequence[Key], as_kept: Callable[[str], object]) -> tuple[list[UUID], list[object]]:
    return [tender_id for tender_id, _ in asked], [as_kept(name) for _, name in asked]


def _inserted(status: str) -> int:
    """From PostgreSQL's answer to an INSERT: `INSERT 0 3`."""
    return int(status.rpartition(" ")[2])


def _row(envelope: StoredEnvelope) -> tuple[object, ...]:
    return (
        bytes.fromhex(envelope.id),
        envelope.registration,
        bytes.fromhex(envelope.previous) if envelope.previous else None,
        envelope.body,
        envelope.accepted_at,
        bytes.fromhex(envelope.salt),
        bytes.fromhex(envelope.status),
        envelope.kind,
        envelope.in_doubt,
    )


async def lock_covers(connection: Any) -> None:
    """Whoever makes or reveals covers does so one after the other, to the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _COVERS)


async def add_cover(connection: Any, cover: StoredCover) -> None:
    await connection.execute(
        "INSERT INTO cover (salt, made_at) VALUES ($1, $2)", bytes.fromhex(cover.salt), cover.made_at
    )


async def oldest_cover(connection: Any) -> datetime | None:
    """When the oldest one was made that is not revealed, UTC."""
    oldest: datetime | None = await connection.fetchval("SELECT min(made_at) FROM cover WHERE day IS NULL")
    return oldest.astimezone(UTC) if oldest else None


async def load_covers(connection: Any, since: datetime, until: datetime) -> list[StoredCover]:
    """Those that were made from `since` to before `until` and are not revealed."""
    rows = await connection.fetch(
        "SELECT salt, made_at FROM cover WHERE day IS NULL AND made_at >= $1 AND made_at < $2 ORDER BY salt",
        since,
        until,
    )
    return [StoredCover(salt=row["salt"].hex(), made_at=row["made_at"]) for row in rows]


async def mark_revealed(connection: Any, since: datetime, until: datetime, day: date) -> None:
    await connection.execute(
        "UPDATE cover SET day = $3 WHERE day IS NULL AND made_at >= $1 AND made_at < $2", since, until, day
    )


async def last_revealed(connection: Any) -> date | None:
    """The latest day whose covers are revealed."""
    last: date | None = await connection.fetchval("SELECT max(day) FROM cover_statement")
    return last


async def add_covers_statement(connection: Any, day: date, id: str, body: bytes) -> None:
    """That a day is revealed once the database holds."""
    await connection.execute(
        "INSERT INTO cover_statement (day, id, body) VALUES ($1, $2, $3)", day, bytes.fromhex(id), body
    )


async def list_revealed(connection: Any) -> list[tuple[date, str]]:
    """The days that were revealed, oldest first, each with the id of its statement."""
    rows = await connection.fetch("SELECT day, id FROM cover_statement ORDER BY day")
    return [(row["day"], row["id"].hex()) for row in rows]


async def load_covers_statement(connection: Any, day: date) -> bytes | None:
    """The statement that reveals the day's covers."""
    body: bytes | None = await connection.fetchval("SELECT body FROM cover_statement WHERE day = $1", day)
    return bytes(body) if body else None


def _stored(row: Any) -> StoredEnvelope:
    return StoredEnvelope(
        id=row["id"].hex(),
        registration=row["registration"],
        previous=row["previous"].hex() if row["previous"] else None,
        body=bytes(row["body"]),
        accepted_at=row["accepted_at"],
        salt=row["salt"].hex(),
        status=row["status"].hex(),
        kind=row["kind"],
        in_doubt=row["in_doubt"],
    )
