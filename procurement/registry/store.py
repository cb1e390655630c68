"""SQL of the registry: one function per statement. Ids are hex outside and bytes in the database."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

from crypto.certificates import Certificate, Role
from procurement.registry.answers import State
from procurement.registry.errors import RegistryError

Since = dict[Role, dict[int, datetime]]
"""By role and serial number since when a certificate is revoked."""

_IN_STATE = {
    "waiting": "decision IS NULL",
    "approved": "certificate IS NOT NULL",
    "rejected": "decision IS NOT NULL AND certificate IS NULL",
}


class ApplicationRow(msgspec.Struct, frozen=True, kw_only=True):
    """An application: its statement, and the statement that decided it, where one did (both DSSE).

    `certificate` is the fingerprint of what came of it.
    """

    id: str
    body: bytes
    role: Role
    registration: str
    received_at: datetime
    decision: bytes | None = None
    certificate: str | None = None

    @property
    def state(self) -> State:
        if self.decision is None:
            return "waiting"
        return "approved" if self.certificate else "rejected"


class StatusRow(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate status in canonical JSON, and when it was made."""

    id: str
    body: bytes
    made_at: datetime


async def add_certificate(connection: Any, certificate: Certificate) -> bool:
    """Whether it is new; the same certificate again changes nothing."""
    added = await connection.fetchval(
        "INSERT INTO certificate (fingerprint, role, registration, der, ends) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING RETURNING true",
        bytes.fromhex(certificate.fingerprint),
        certificate.role,
        certificate.registration,
        certificate.der,
        certificate.x509.not_valid_after_utc,
    )
    return bool(added)


async def load_certificates(connection: Any, fingerprints: Iterable[str]) -> dict[str, bytes]:
    """DER by fingerprint, of those that are known."""
    rows = await connection.fetch(
        "SELECT fingerprint, der FROM certificate WHERE fingerprint = ANY($1)",
        [bytes.fromhex(each) for each in fingerprints],
    )
    return {row["fingerprint"].hex(): bytes(row["der"]) for row in rows}


async def load_certificate(connection: Any, fingerprint: str) -> bytes:
    """DER of a certificate that is known here. Raises RegistryError."""
    found = await load_certificates(connection, [fingerprint])
    if fingerprint not in found:
        raise RegistryError("no-such-statement", "no such certificate is known here")
    return found[fingerprint]


async def live_certificates(
    connection: Any, role: Role, registrations: Collection[str], now: datetime
) -> dict[str, list[bytes]]:
    """By registration number, in whatever case, the certificates (DER) of `role` that are neither revoked nor
    over `now`."""
    rows = await connection.fetch(
        "SELECT asked.registration, der FROM unnest($2::text[]) AS asked (registration)"
        " JOIN certificate c ON lower(c.registration) = lower(asked.registration)"
        " WHERE role = $1 AND ends > $3"
        " AND NOT EXISTS (SELECT FROM revocation r WHERE r.certificate = fingerprint) ORDER BY ends",
        role,
        list(registrations),
        now,
    )
    found: dict[str, list[bytes]] = {}
    for row in rows:
        found.setdefault(row["registration"], []).append(bytes(row["der"]))
    return found


async def other_spellings(connection: Any, numbers: Collection[str]) -> list[str]:
    """Registration numbers, known ones of holders and representatives and these themselves, that differ from
    one of these by case only."""
    rows = await connection.fetch(
        "SELECT known.number FROM unnest($1::text[]) AS asked (number) JOIN ("
        " SELECT registration AS number FROM certificate UNION SELECT person FROM representative"
        " UNION SELECT unnest($1::text[])"
        ") AS known ON lower(known.number) = lower(asked.number) AND known.number <> asked.number",
        list(numbers),
    )
    return [row["number"] for row in rows]


async def has_certificate(connection: Any, role: Role) -> bool:
    """Whether anybody was ever certified in `role`, but for practice."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM certificate WHERE role = $1 AND registration NOT LIKE 'practice-%')", role
    )
    return found


async def add_application(connection: Any, row: ApplicationRow) -> bool:
    """Whether it is new."""
    added = await connection.fetchval(
        "INSERT INTO application (id, body, role, registration, received_at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING RETURNING true",
        bytes.fromhex(row.id),
        row.body,
        row.role,
        row.registration,
        row.received_at,
    )
    return bool(added)


async def load_application(connection: Any, id: str, lock: Literal["", "FOR UPDATE"] = "") -> ApplicationRow:
    """The application, its row locked. Raises RegistryError if there is none with that id."""
    row = await connection.fetchrow(f"SELECT * FROM application WHERE id = $1 {lock}", bytes.fromhex(id))
    if row is None:
        raise RegistryError("no-such-statement", "no such application is known here")
    return _application(row)


async def list_applications(connection: Any, state: State) -> list[ApplicationRow]:
    """The applications in that state, the oldest first."""
    rows = await connection.fetch(f"SELECT * FROM application WHERE {_IN_STATE[state]} ORDER BY received_at")
    return [_application(row) for row in rows]


async def count_waiting(connection: Any, since: datetime) -> int:
    """How many applications were received after `since` and wait."""
    number: int = await connection.fetchval(
        "SELECT count(*) FROM application WHERE decision IS NULL AND received_at > $1", since
    )
    return number


async def list_practising(connection: Any, since: datetime, but: str) -> list[datetime]:
    """When businesses came after `since` that practise, in order; the application `but` aside."""
    rows = await connection.fetch(
        "SELECT received_at FROM application WHERE registration LIKE 'practice-%'"
        " AND role = 'business' AND received_at > $1 AND id <> $2 ORDER BY received_at",
        since,
        bytes.fromhex(but),
    )
    return [row["received_at"] for row in rows]


async def decide(
    connection: Any, application: str, id: str, statement: bytes, certificate: str | None
) -> None:
    """The caller holds the application's row FOR UPDATE. No certificate: rejected."""
    await connection.execute(
        "UPDATE application SET decision_id = $2, decision = $3, certificate = $4 WHERE id = $1",
        bytes.fromhex(application),
        bytes.fromhex(id),
        statement,
        bytes.fromhex(certificate) if certificate else None,
    )


async def add_representatives(
    connection: Any, application: str, registration: str, persons: Iterable[str]
) -> None:
    """Persons, by their own registration numbers, who act for the business with that number."""
    await connection.executemany(
        "INSERT INTO representative (application_id, registration, person) VALUES ($1, $2, $3)",
        [(bytes.fromhex(application), registration, person) for person in persons],
    )


async def represented_by(connection: Any, registrations: Collection[str]) -> dict[str, set[str]]:
    """By a business's registration number those of the persons who were ever registered to act for it."""
    rows = await connection.fetch(
        "SELECT registration, person FROM representative WHERE registration = ANY($1)", list(registrations)
    )
    found: dict[str, set[str]] = {registration: set() for registration in registrations}
    for row in rows:
        found[row["registration"]].add(row["person"])
    return found


async def use_invitation(connection: Any, digest: bytes, application: str) -> bool:
    """Whether the one-time code with that hash was not used before; it is from now on."""
    used = await connection.fetchval(
        "INSERT INTO invitation (digest, application_id) VALUES ($1, $2)"
        " ON CONFLICT DO NOTHING RETURNING true",
        digest,
        bytes.fromhex(application),
    )
    return bool(used)


async def add_renewal(connection: Any, id: str, body: bytes, parent: str, certificate: str) -> None:
    await connection.execute(
        "INSERT INTO renewal (id, body, parent, certificate) VALUES ($1, $2, $3, $4)",
        bytes.fromhex(id),
        body,
        bytes.fromhex(parent),
        bytes.fromhex(certificate),
    )


async def has_live_successor(connection: Any, certificate: str, now: datetime) -> bool:
    """Whether the certificate was renewed, and what came of it is neither revoked nor over `now`."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM renewal JOIN certificate c ON c.fingerprint = renewal.certificate"
        " WHERE parent = $1 AND ends > $2"
        " AND NOT EXISTS (SELECT FROM revocation r WHERE r.certificate = c.fingerprint))",
        bytes.fromhex(certificate),
        now,
    )
    return found


async def live_descendants(connection: Any, certificate: str, now: datetime) -> list[str]:
    """Fingerprints of what came of a certificate by renewal, at whatever remove, and is neither revoked nor
    over `now`."""
    rows = await connection.fetch(
        "WITH RECURSIVE line (fingerprint) AS ("
        " SELECT certificate FROM renewal WHERE parent = $1"
        " UNION SELECT certificate FROM renewal JOIN line ON parent = line.fingerprint"
        ") SELECT fingerprint FROM line JOIN certificate c USING (fingerprint) WHERE ends > $2"
        " AND NOT EXISTS (SELECT FROM revocation r WHERE r.certificate = fingerprint)"
        " ORDER BY ends, fingerprint",
        bytes.fromhex(certificate),
        now,
    )
    return [row["fingerprint"].hex() for row in rows]


async def load_renewed(connection: Any, id: str) -> bytes | None:
    """The certificate (DER) that came of the renewal with that id, if there was one."""
    der = await connection.fetchval(
        "SELECT c.der FROM renewal r JOIN certificate c ON c.fingerprint = r.certificate WHERE r.id = $1",
        bytes.fromhex(id),
    )
    return bytes(der) if der else None


async def add_revocation(connection: Any, certificate: str, id: str, body: bytes, at: datetime) -> bool:
    """Whether the certificate was not revoked before."""
    added = await connection.fetchval(
        "INSERT INTO revocation (certificate, id, body, revoked_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (certificate) DO NOTHING RETURNING true",
        bytes.fromhex(certificate),
        bytes.fromhex(id),
        body,
        at,
    )
    return bool(added)


async def load_revocation(connection: Any, certificate: str) -> bytes | None:
    """The statement (DSSE) that revoked the certificate with that fingerprint, if one did."""
    body = await connection.fetchval(
        "SELECT body FROM revocation WHERE certificate = $1", bytes.fromhex(certificate)
    )
    return bytes(body) if body else None


async def list_revoked_by(connection: Any, id: str) -> list[str]:
    """Fingerprints of the certificates that the revocation with that id revoked."""
    rows = await connection.fetch(
        "SELECT certificate FROM revocation WHERE id = $1 ORDER BY certificate", bytes.fromhex(id)
    )
    return [row["certificate"].hex() for row in rows]


async def load_logged(connection: Any, id: str) -> bytes:
    """The approval, renewal or revocation (DSSE) with that id, which an entry of the log names.

    Raises RegistryError if there is none. An invited registrar's own application is not among them.
    """
    body = await connection.fetchval(
        "SELECT decision FROM application"
        " WHERE decision_id = $1 AND decision_id <> id AND certificate IS NOT NULL"
        " UNION ALL SELECT body FROM renewal WHERE id = $1"
        " UNION ALL SELECT body FROM revocation WHERE id = $1 LIMIT 1",
        bytes.fromhex(id),
    )
    if body is None:
        raise RegistryError("no-such-statement", "no such statement is in the registry")
    return bytes(body)


async def list_revoked(connection: Any) -> Since:
    """Every certificate that was revoked."""
    rows = await connection.fetch(
        "SELECT c.der, r.revoked_at FROM revocation r JOIN certificate c ON c.fingerprint = r.certificate"
    )
    since: Since = {}
    for row in rows:
        certificate = Certificate(bytes(row["der"]))
        since.setdefault(certificate.role, {})[certificate.x509.serial_number] = row["revoked_at"]
    return since


async def next_status_number(connection: Any) -> int:
    """One more than the last; whoever else makes a status waits until this transaction is over."""
    number: int = await connection.fetchval("UPDATE status_number SET number = number + 1 RETURNING number")
    return number


async def keep_status(connection: Any) -> None:
    """Whoever would make another status, or keep this one, waits until this transaction is over."""
    await connection.execute("SELECT FROM status_number FOR UPDATE")


async def add_status(connection: Any, id: str, number: int, body: bytes, at: datetime) -> None:
    await connection.execute(
        "INSERT INTO certificate_status (id, number, body, made_at) VALUES ($1, $2, $3, $4)",
        bytes.fromhex(id),
        number,
        body,
        at,
    )


async def current_status(connection: Any) -> str | None:
    """The id of the latest certificate status."""
    id = await connection.fetchval("SELECT id FROM certificate_status ORDER BY number DESC LIMIT 1")
    return id.hex() if id else None


async def latest_status(connection: Any) -> StatusRow | None:
    """The latest certificate status."""
    row = await connection.fetchrow(
        "SELECT id, body, made_at FROM certificate_status ORDER BY number DESC LIMIT 1"
    )
    if row is None:
        return None
    return StatusRow(id=row["id"].hex(), body=bytes(row["body"]), made_at=row["made_at"])


async def load_status(connection: Any, id: str) -> bytes:
    """Canonical JSON of a status. Raises RegistryError if there is none with that id."""
    query = "SELECT body FROM certificate_status WHERE id = $1 LIMIT 1"
    body = await connection.fetchval(query, bytes.fromhex(id))
    if body is None:
        raise RegistryError("no-such-statement", "no such certificate status is known here")
    return bytes(body)


def _application(row: Any) -> ApplicationRow:
    return ApplicationRow(
        id=row["id"].hex(),
        body=bytes(row["body"]),
        role=Role(row["role"]),
        registration=row["registration"],
        received_at=row["received_at"],
        decision=bytes(row["decision"]) if row["decision"] else None,
        certificate=row["certificate"].hex() if row["certificate"] else None,
    )
