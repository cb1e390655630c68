"""SQL of log-in: one function per statement. Of challenges, codes and tokens only hashes come here."""

import hashlib
from datetime import datetime
from typing import Any

import msgspec


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A session. `hash` is the SHA-256 of its token, `certificate` a fingerprint in hex."""

    hash: bytes
    certificate: str
    role: str
    registration: str
    means: str
    began_at: datetime
    seen_at: datetime
    ends_at: datetime


class PasskeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey. `id` is the SHA-256 of `credential`, `public_key` a COSE key, `certificate` the fingerprint
    of what its holder was logged in under; ids in hex."""

    id: str
    credential: bytes
    role: str
    registration: str
    certificate: str
    public_key: bytes
    sign_count: int
    name: str
    added_at: datetime


class JournalRow(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did or tried; nobody's name where it was not proven who."""

    at: datetime
    role: str | None
    registration: str | None
    what: str


async def add_challenge(
    connection: Any, hash: bytes, purpose: str, session: bytes | None, expires: datetime
) -> None:
    await connection.execute(
        "INSERT INTO challenge (hash, purpose, session, expires_at) VALUES ($1, $2, $3, $4)",
        hash,
        purpose,
        session,
        expires,
    )


async def take_challenge(
    connection: Any, hash: bytes, purpose: str, session: bytes | None, now: datetime
) -> bool:
    """Whether it was there, for this purpose and session, and in time. It is gone in any case."""
    row = await connection.fetchrow(
        "DELETE FROM challenge WHERE hash = $1 RETURNING purpose, session, expires_at", hash
    )
    return (
        row is not None and (row["purpose"], row["session"]) == (purpose, session) and row["expires_at"] > now
    )


async def add_code(connection: Any, hash: bytes, certificate: str, expires: datetime) -> None:
    await connection.execute(
        "INSERT INTO log_in_code (hash, certificate, expires_at) VALUES ($1, $2, $3)",
        hash,
        bytes.fromhex(certificate),
        expires,
    )


async def take_code(connection: Any, hash: bytes, now: datetime) -> str | None:
    """Whose code it is, by fingerprint, if it was there and in time. It is gone in any case."""
    row = await connection.fetchrow(
        "DELETE FROM log_in_code WHERE hash = $1 RETURNING certificate, expires_at", hash
    )
    return row["certificate"].hex() if row and row["expires_at"] > now else None


async def drop_outdated(connection: Any, now: datetime, idle_since: datetime) -> None:
    """Challenges, codes and sessions that are over."""
    await connection.execute(
        "WITH challenges AS (DELETE FROM challenge WHERE expires_at <= $1),"
        " codes AS (DELETE FROM log_in_code WHERE expires_at <= $1)"
        " DELETE FROM session WHERE ends_at <= $1 OR seen_at <= $2",
        now,
        idle_since,
    )


async def add_session(connection: Any, row: SessionRow) -> None:
    await connection.execute(
        "INSERT INTO session (hash, certificate, role, registration, means, began_at, seen_at, ends_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.hash,
        bytes.fromhex(row.certificate),
        row.role,
        row.registration,
        row.means,
        row.began_at,
        row.seen_at,
        row.ends_at,
    )


async def see_session(connection: Any, hash: bytes, now: datetime, idle_since: datetime) -> SessionRow | None:
    """The session, seen now, unless it is over."""
    row = await connection.fetchrow(
        "UPDATE session SET seen_at = greatest(seen_at, $2)"
        " WHERE hash = $1 AND ends_at > $2 AND seen_at > $3 RETURNING *",
        hash,
        now,
        idle_since,
    )
    return _session(row) if row else None


async def list_sessions(
    connection: Any, role: str, registration: str, now: datetime, idle_since: datetime
) -> list[SessionRow]:
    """A person's sessions that are not over, the latest first."""
    rows = await connection.fetch(
        "SELECT * FROM session WHERE role = $1 AND registration = $2 AND ends_at > $3 AND seen_at > $4"
        " ORDER BY began_at DESC",
        role,
        registration,
        now,
        idle_since,
    )
    return [_session(row) for row in rows]


async def end_session(connection: Any, hash: bytes) -> None:
    await connection.execute("DELETE FROM session WHERE hash = $1", hash)


async def end_sessions(connection: Any, role: str, registration: str) -> None:
    await connection.execute("DELETE FROM session WHERE role = $1 AND registration = $2", role, registration)


async def passkey_handle(connection: Any, role: str, registration: str, fresh: bytes) -> bytes:
    """What authenticators know the person by: `fresh`, unless there is one already."""
    await connection.execute(
        "INSERT INTO passkey_holder (role, registration, handle) VALUES ($1, $2, $3)"
        " ON CONFLICT (role, registration) DO NOTHING",
        role,
        registration,
        fresh,
    )
    return bytes(
        await connection.fetchval(
            "SELECT handle FROM passkey_holder WHERE role = $1 AND registration = $2", role, registration
        )
    )


def passkey_id(credential: bytes) -> str:
    """What a passkey is called here, by the authenticator's own name for it."""
    return hashlib.sha256(credential).hexdigest()


async def add_passkey(connection: Any, row: PasskeyRow) -> bool:
    """Whether the credential is new."""
    added = await connection.fetchval(
        "INSERT INTO passkey"
        " (id, credential, role, registration, certificate, public_key, sign_count, name, added_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING true",
        bytes.fromhex(row.id),
        row.credential,
        row.role,
        row.registration,
        bytes.fromhex(row.certificate),
        row.public_key,
        row.sign_count,
        row.name,
        row.added_at,
    )
    return bool(added)


async def load_passkey(connection: Any, credential: bytes, handle: bytes) -> PasskeyRow | None:
    """The passkey, if it belongs to the person with that handle."""
    row = await connection.fetchrow(
        "SELECT passkey.* FROM passkey JOIN passkey_holder USING (role, registration)"
        " WHERE id = $1 AND handle = $2",
        bytes.fromhex(passkey_id(credential)),
        handle,
    )
    return _passkey(row) if row else None


async def list_passkeys(connection: Any, role: str, registration: str) -> list[PasskeyRow]:
    """A person's passkeys, the oldest first."""
    rows = await connection.fetch(
        "SELECT * FROM passkey WHERE role = $1 AND registration = $2 ORDER BY added_at, id",
        role,
        registration,
    )
    return [_passkey(row) for row in rows]


async def count_up(connection: Any, id: str, count: int) -> bool:
    """Whether the authenticator's count is ahead of the last one; one that stays at zero does not count."""
    moved = await connection.fetchval(
        "UPDATE passkey SET sign_count = $2"
        " WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0)) RETURNING true",
        bytes.fromhex(id),
        count,
    )
    return bool(moved)


async def remove_passkey(connection: Any, id: str, role: str, registration: str) -> bool:
    """Whether there was such a passkey of this person's."""
    removed = await connection.fetchval(
        "DELETE FROM passkey WHERE id = $1 AND role = $2 AND registration = $3 RETURNING true",
        bytes.fromhex(id),
        role,
        registration,
    )
    return bool(removed)


async def add_journal(connection: Any, row: JournalRow) -> None:
    await connection.execute(
        "INSERT INTO access_journal (at, role, registration, what) VALUES ($1, $2, $3, $4)",
        row.at,
        row.role,
        row.registration,
        row.what,
    )


async def list_journal(connection: Any, most: int) -> list[JournalRow]:
    """The latest rows, the newest first."""
    rows = await connection.fetch(
        "SELECT at, role, registration, what FROM access_journal ORDER BY id DESC LIMIT $1", most
    )
    return [JournalRow(**row) for row in rows]


async def list_own_tenders(connection: Any, registration: str) -> list[tuple[str, str]]:
    """Ocids of the tenders in which a business bids, alone or jointly, latest deadline first; each with the
    registration number of the bid's lead."""
    rows = await connection.fetch(
        "SELECT t.ocid, p.lead FROM party p JOIN tender t USING (tender_id)"
        " WHERE p.registration = $1 ORDER BY t.deadline DESC",
        registration,
    )
    return [(row["ocid"], row["lead"]) for row in rows]


def _session(row: Any) -> SessionRow:
    return SessionRow(
        hash=bytes(row["hash"]),
        certificate=row["certificate"].hex(),
        role=row["role"],
        registration=row["registration"],
        means=row["means"],
        began_at=row["began_at"],
        seen_at=row["seen_at"],
        ends_at=row["ends_at"],
    )


def _passkey(row: Any) -> PasskeyRow:
    return PasskeyRow(
        id=row["id"].hex(),
        credential=bytes(row["credential"]),
        role=row["role"],
        registration=row["registration"],
        certificate=row["certificate"].hex(),
        public_key=bytes(row["public_key"]),
        sign_count=row["sign_count"],
        name=row["name"],
        added_at=row["added_at"],
    )
