"""SQL of the bid box. Ids are hex outside and bytes in the database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

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


class StoredCoSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's word, with its statement's id, that an envelope is its bid, too."""

    envelope: str
    fingerprint: str
    id: str
    body: bytes


_COLUMNS = "id, registration, previous, body, accepted_at, salt, status, kind, in_doubt"

# Constraints refuse what is there already and what would fork a bidder's chain.
_INSERT = f"""
INSERT INTO envelope (tender_id, {_COLUMNS})
SELECT $1, $2, $3, $4::bytea, $5, $6, $7, $8, $9, $10
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
        bytes.fromhex(envelope.status),
        envelope.kind,
        envelope.in_doubt,
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


async def add_parties(connection: Any, tender_id: UUID, lead: str, registrations: Iterable[str]) -> None:
    """Binds each to the lead's bid, unless it is bound to one already. All numbers are registrations.

    In order, so that two bids which share partners wait for each other and do not deadlock.
    """
    await connection.execute(
        """
        INSERT INTO party (tender_id, registration, lead)
        SELECT $1, registration, $2 FROM unnest($3::text[]) AS registration ORDER BY registration
        ON CONFLICT DO NOTHING
        """,
        tender_id,
        lead,
        sorted(registrations),
    )


async def load_leads(connection: Any, tender_id: UUID, registrations: Iterable[str]) -> dict[str, str]:
    """Of each that is in a bid: whose bid."""
    rows = await connection.fetch(
        "SELECT registration, lead FROM party WHERE tender_id = $1 AND registration = ANY($2)",
        tender_id,
        list(registrations),
    )
    return {row["registration"]: row["lead"] for row in rows}


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
        status=row["status"].hex(),
        kind=row["kind"],
        in_doubt=row["in_doubt"],
    )
