"""SQL of the bid box. Ids are hex outside and bytes in the database."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class StoredEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted envelope with the inputs of its commitment."""

    id: str
    registration: str
    previous: str | None
    body: bytes
    accepted_at: datetime
    salt: str


_COLUMNS = "id, registration, previous, body, accepted_at, salt"

# Constraints refuse what is there already and what would fork a bidder's chain.
_INSERT = f"""
INSERT INTO envelope (tender_id, {_COLUMNS})
SELECT $1, $2, $3, $4::bytea, $5, $6, $7
WHERE $4 IS NULL OR EXISTS (SELECT FROM envelope WHERE tender_id = $1 AND registration = $3 AND id = $4)
ON CONFLICT DO NOTHING RETURNING true
"""


async def add_envelope(connection: Any, tender_id: UUID, envelope: StoredEnvelope) -> bool:
    """Whether it is in the box now because of this call.

    If not, it was there before, or what it replaces is not its bidder's latest.
    """
    added = await connection.fetchval(
        _INSERT,
        tender_id,
        bytes.fromhex(envelope.id),
        envelope.registration,
        bytes.fromhex(envelope.previous) if envelope.previous else None,
        envelope.body,
        envelope.accepted_at,
        bytes.fromhex(envelope.salt),
    )
    return bool(added)


async def load_envelope(connection: Any, tender_id: UUID, id: str) -> StoredEnvelope | None:
    """The envelope with that id, if it was accepted."""
    query = f"SELECT {_COLUMNS} FROM envelope WHERE tender_id = $1 AND id = $2"
    row = await connection.fetchrow(query, tender_id, bytes.fromhex(id))
    return _stored(row) if row else None


async def load_envelopes(connection: Any, tender_id: UUID) -> list[StoredEnvelope]:
    """Everything in the box, replaced envelopes too."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM envelope WHERE tender_id = $1", tender_id)
    return [_stored(row) for row in rows]


async def add_opened(connection: Any, tender_id: UUID, part: str, results: dict[str, bytes | str]) -> None:
    """Per envelope id the content of its part, or the code of the reason why there is none."""
    await connection.executemany(
        "INSERT INTO opened_part (tender_id, envelope_id, part, content, reason) VALUES ($1, $2, $3, $4, $5)",
        [
            (
                tender_id,
                bytes.fromhex(id),
                part,
                result if isinstance(result, bytes) else None,
                result if isinstance(result, str) else None,
            )
            for id, result in results.items()
        ],
    )


async def load_opened(connection: Any, tender_id: UUID) -> dict[tuple[str, str], bytes | str]:
    """By envelope id and part: the content, or the code of the reason why there is none."""
    query = "SELECT envelope_id, part, content, reason FROM opened_part WHERE tender_id = $1"
    return {
        (row["envelope_id"].hex(), row["part"]): row["reason"] or bytes(row["content"])
        for row in await connection.fetch(query, tender_id)
    }


def _stored(row: Any) -> StoredEnvelope:
    return StoredEnvelope(
        id=row["id"].hex(),
        registration=row["registration"],
        previous=row["previous"].hex() if row["previous"] else None,
        body=bytes(row["body"]),
        accepted_at=row["accepted_at"],
        salt=row["salt"].hex(),
    )
