"""The registry's side of every change to who is who: one transaction each, with its log entry in the same.

Applications wait for a registrar; certificates are issued by the embedded authorities, or taken from those
elsewhere whose roots are configured. A revocation is in force when its transaction is over: the same one
makes the new certificate status.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from crypto.certificates import Certificate, Holder, Request, Role, SigningKey
from crypto.encoding import decode, encode, from_base64, to_base64
from crypto.errors import CertificateError, VerificationError
from crypto.log import Log
from crypto.revocation import Standing, Status
from crypto.statements import Statement
from procurement.authorities import STATUS_LIFETIME, Authorities
from procurement.clocks import check_clock
from procurement.numbers import is_practice
from procurement.registry import store
from procurement.registry.answers import Registration, Renewed, Revoked
from procurement.registry.errors import RegistryError, RegistryFullError
from procurement.registry.invitation import Invitation, digest
from procurement.registry.practice import (
    PracticeRegistrar,
    approved,
    check_decides,
    check_number,
    check_own,
)
from procurement.registry.standings import Standings
from procurement.registry.statements import (
    Application,
    Approval,
    CertificateIssued,
    CertificateRevoked,
    Rejection,
    Renewal,
    Revocation,
    invitation_proof,
)
from procurement.registry.store import ApplicationRow, StatusRow

MOST_WAITING = 1000
"""Applications of the last day that wait for a registrar at the same time."""
DAY = timedelta(days=1)
LOOK = timedelta(seconds=2)
"""Between looks at whether a new certificate status is due."""


class Office:
    """All changes, for one service: its database, log, authorities, clock and the code of an invitation."""

    def __init__(
        self,
        pool: Any,
        log: Log,
        *,
        authorities: Authorities,
        standings: Standings,
        invitation: Invitation,
        now: Callable[[], datetime],
        practice: PracticeRegistrar | None = None,
    ) -> None:
        """`practice` lets in who comes to practise; without it nobody can."""
        self.pool = pool
        self.standings = standings
        self._log = log
        self._authorities = authorities
        self._invitation = invitation
        self._practice = practice
        self._now = now
        self._looked: datetime | None = None

    # ── registration ─────────────────────────────────────────────────────────────────────────────────

    async def apply(self, data: bytes) -> Registration:
        """Somebody asks to be registered. The same application again changes nothing.

        Whoever asks is nobody yet, so that a flood is only told by its size: from `MOST_WAITING` on, nobody
        is let in for a day but who brings a certificate of an authority elsewhere, or an invitation; what
        was accepted stays. Registrars make room by deciding. What remains: whoever keeps sending keeps the
        others out meanwhile, unless somebody before the service limits requests by address. Raises
        RegistryFullError.
        """
        statement = Statement(data)
        application = statement.read(Application)
        holder = application.holder()
        statement.verify(Application, holder)
        async with self._step() as connection:
            now = self._now()
            row = _row(statement, holder, now)
            if await store.add_application(connection, row):
                check_clock(application.time, now)
                await _check_spelling(connection, application, holder)
                check_number(application, holder)
                await self._check_certifiable(connection, holder, now)
                if is_practice(holder.registration):
                    await self._let_practise(connection, row, now)
                elif application.invitation is not None:
                    await self._let_in(connection, row, holder, now)
                elif isinstance(holder, Request):
                    await _check_room(connection, now)
        if application.invitation is not None:
            self._invitation.discard(lambda code: invitation_proof(code, holder) == application.invitation)
        return await self.registration(statement.id)

    async def registration(self, id: str) -> Registration:
        """Where an application stands. Raises RegistryError if there is none with that id."""
        row = await store.load_application(self.pool, id)
        found = await store.load_certificates(self.pool, [row.certificate] if row.certificate else [])
        return Registration(
            statement=id,
            state=row.state,
            certificate=to_base64(found[row.certificate]) if row.certificate else None,
            reason=_reason(row),
        )

    async def approve(self, data: bytes) -> Registration:
        """A registrar admits an applicant, who has a certificate from now on."""
        async with self._step() as connection:
            await store.keep_status(connection)  # nothing by a registrar is logged after their revocation
            now = self._now()
            statement, said, registrar = await self.standings.genuine(connection, data, Approval, now)
            row = await store.load_application(connection, said.application, "FOR UPDATE")
            if _is_new(row, statement):
                check_clock(said.time, now)
                check_decides(registrar, row.registration)
                if row.registration == registrar.registration:
                    raise RegistryError("own-application", "nobody admits themselves: it is their own number")
                await self._admit(connection, row, statement, now)
        return await self.registration(said.application)

    async def reject(self, data: bytes) -> Registration:
        """A registrar does not admit an applicant, and says why."""
        async with self._step() as connection:
            await store.keep_status(connection)
            now = self._now()
            statement, said, registrar = await self.standings.genuine(connection, data, Rejection, now)
            row = await store.load_application(connection, said.application, "FOR UPDATE")
            if _is_new(row, statement):
                check_clock(said.time, now)
                check_decides(registrar, row.registration)
                await store.decide(connection, row.id, statement.id, statement.data, None)
        return await self.registration(said.application)

    async def admit_own(self, statement: Statement, registrar: SigningKey | None) -> Certificate:
        """One of the practice ground's own people, by its `registrar`; or the registrar, whom the house that
        has the authorities' keys lets in itself, like one who is invited."""
        application = statement.read(Application)
        holder = application.holder()
        statement.verify(Application, holder)
        check_own(holder)
        async with self._step() as connection:
            await store.keep_status(connection)
            now = self._now()
            row = _row(statement, holder, now)
            await store.add_application(connection, row)
            decision = approved(registrar, row.id, now) if registrar else statement
            return await self._admit(connection, row, decision, now)

    async def _let_practise(self, connection: Any, row: ApplicationRow, now: datetime) -> None:
        """Whoever comes to practise is let in at once, and waits for nobody."""
        if self._practice is None:
            raise RegistryError("no-practice-ground", "nobody is let in here to practise")
        await store.keep_status(connection)  # of two who come at once the second counts the first
        registrar = self._practice.key
        (await self.standings.current(connection)).verify(registrar.certificate, Role.REGISTRAR, now)
        since = now - self._practice.longest
        self._practice.check_room(await store.list_practising(connection, since, row.id), now)
        await self._admit(connection, row, approved(registrar, row.id, now), now)

    async def _let_in(self, connection: Any, row: ApplicationRow, holder: Holder, now: datetime) -> None:
        """An invited registrar needs no other registrar. A code lets in one, even of two at once."""
        await store.keep_status(connection)
        statement = Statement(row.body)
        given, code = statement.read(Application).invitation or "", self._invitation.code()
        fits = code is not None and hmac.compare_digest(given, invitation_proof(code, holder))
        if code is None or not fits or holder.role is not Role.REGISTRAR:
            raise RegistryError("invitation-invalid", "the one-time code does not fit; it is for a registrar")
        if not await store.use_invitation(connection, digest(code), row.id):
            raise RegistryError("invitation-used", "the one-time code was used before")
        await self._admit(connection, row, statement, now)

    async def _admit(
        self, connection: Any, row: ApplicationRow, statement: Statement, now: datetime
    ) -> Certificate:
        """The caller keeps the status, so that of two numbers in two spellings one is there first."""
        application = Statement(row.body).read(Application)
        holder = application.holder()
        await _check_spelling(connection, application, holder)
        await self._check_certifiable(connection, holder, now)
        if isinstance(holder, Request):
            certificate = self._authorities.issue(holder, now)
        else:
            certificate = Certificate(holder.der)
        await self._issue(connection, certificate, statement)
        await store.decide(connection, row.id, statement.id, statement.data, certificate.fingerprint)
        persons = {each.person for each in application.representatives if each.person}
        await store.add_representatives(connection, row.id, row.registration, sorted(persons))
        return certificate

    async def _check_certifiable(self, connection: Any, holder: Holder, now: datetime) -> None:
        """Raises CertificateError for who is certified elsewhere, or by a certificate that does not count."""
        if isinstance(holder, Certificate):
            (await self.standings.current(connection)).verify(holder, holder.role, now)
        else:
            self._authorities.check_certifies(holder.role)

    async def _issue(self, connection: Any, certificate: Certificate, statement: Statement) -> None:
        if await store.add_certificate(connection, certificate):
            entry = CertificateIssued(certificate=certificate.fingerprint, statement=statement.id)
            await self._log.append(connection, [encode(entry)])

    # ── renewal and revocation ───────────────────────────────────────────────────────────────────────

    async def renew(self, data: bytes) -> Renewed:
        """A holder goes over to another key. The certificate before counts until it ends or is revoked. What
        came of it stands in the way of another: a holder who finds one knows that the key is stolen."""
        async with self._step() as connection:
            await store.keep_status(connection)  # who revokes the certificate finds the new one, too
            now = self._now()
            statement, said, holder = await self.standings.genuine(connection, data, Renewal, now)
            if await store.load_renewed(connection, statement.id) is None:
                check_clock(said.time, now)
                asked = Request(from_base64(said.request))
                _check_same(holder, asked)
                await _check_unrenewed(connection, holder, now)
                new = self._authorities.issue(asked, now)
                await self._issue(connection, new, statement)
                await store.add_renewal(
                    connection, statement.id, statement.data, holder.fingerprint, new.fingerprint
                )
            der = await store.load_renewed(connection, statement.id)
        return Renewed(statement=statement.id, certificate=to_base64(der or b""))

    async def revoke(self, data: bytes) -> Revoked:
        """A registrar revokes a certificate and all that came of it by renewal, in force at once. Who comes
        second finds it done."""
        async with self._step() as connection:
            number = await store.next_status_number(connection)
            now = self._now()
            statement, said, registrar = await self.standings.genuine(connection, data, Revocation, now)
            certificate = Certificate(await store.load_certificate(connection, said.certificate))
            if is_practice(registrar.registration):
                check_decides(registrar, certificate.registration)
            self._authorities.check_ours(certificate)
            if await store.load_revocation(connection, said.certificate) is None:
                check_clock(said.time, now)
                await self._revoke_line(connection, said.certificate, statement, now)
                await self._make_status(connection, number, now)
            return await _revoked(connection, certificate, now)

    async def _revoke_line(self, connection: Any, named: str, statement: Statement, now: datetime) -> None:
        """The caller has the status to itself, so that nothing is renewed meanwhile."""
        for each in [named, *await store.live_descendants(connection, named, now)]:
            await store.add_revocation(connection, each, statement.id, statement.data, now)
            entry = CertificateRevoked(certificate=each, statement=statement.id)
            await self._log.append(connection, [encode(entry)])

    # ── certificate status ───────────────────────────────────────────────────────────────────────────

    async def refresh(self) -> None:
        """A new certificate status where the one in force is half over, or lists from elsewhere are new.

        Raises SettingsError for lists from elsewhere that are no good, where none of theirs is in force.
        """
        now = self._now()
        if self._looked is not None and abs(now - self._looked) < LOOK:
            return
        if await asyncio.to_thread(self._is_due, await store.latest_status(self.pool), now):
            async with self._step() as connection:
                await self._make_status(connection, await store.next_status_number(connection), self._now())
        self._looked = now

    def _is_due(self, latest: StatusRow | None, now: datetime) -> bool:
        if latest is None or not latest.made_at <= now < latest.made_at + STATUS_LIFETIME / 2:
            return True  # one of the future was made under a clock that was wrong
        status = decode(latest.body, Status)
        others = self._authorities.lists_of_others(status)
        if any(status.lists.get(role) != lists for role, lists in others.items()):
            return True
        return self._looked is None and not self._is_sound(status)

    def _is_sound(self, status: Status) -> bool:
        """Whether its lists are those of today's roots, which may be others than at the last start."""
        try:
            Standing(status, self._authorities.roots).check_complete()
        except VerificationError:
            return False
        return True

    async def _make_status(self, connection: Any, number: int, now: datetime) -> None:
        revoked, latest = await store.list_revoked(connection), await store.latest_status(connection)
        in_force = decode(latest.body, Status) if latest else None
        status = await asyncio.to_thread(self._authorities.status, revoked, number, now, in_force)
        await store.add_status(connection, status.id, number, encode(status), now)

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[Any]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection
        self._log.appended.set()


async def invite_first(pool: Any, invitation: Invitation) -> str | None:
    """A one-time code, where nobody was ever a registrar and none was made before; it is to be told once."""
    if invitation.code() or await store.has_certificate(pool, Role.REGISTRAR):
        return None
    return invitation.make()


async def _revoked(connection: Any, certificate: Certificate, now: datetime) -> Revoked:
    in_force = Statement(await store.load_revocation(connection, certificate.fingerprint) or b"").id
    live = await store.live_certificates(connection, certificate.role, [certificate.registration], now)
    return Revoked(
        statement=in_force,
        revoked=await store.list_revoked_by(connection, in_force),
        others=[Certificate(der).fingerprint for several in live.values() for der in several],
    )


async def _check_spelling(connection: Any, application: Application, holder: Holder) -> None:
    """Numbers that differ by case only are one number to people, and would be two to us."""
    persons = [each.person for each in application.representatives if each.person]
    others = await store.other_spellings(connection, [holder.registration, *persons])
    if others:
        raise RegistryError("number-spelled-otherwise", f"the number is known here as {others[0]}")


async def _check_unrenewed(connection: Any, certificate: Certificate, now: datetime) -> None:
    if await store.has_live_successor(connection, certificate.fingerprint, now):
        raise RegistryError(
            "renewed-before", "the certificate was renewed before; if not by you, have it revoked at once"
        )


async def _check_room(connection: Any, now: datetime) -> None:
    """Raises RegistryFullError where too many wait, the one that came among them."""
    if await store.count_waiting(connection, now - DAY) > MOST_WAITING:
        raise RegistryFullError("too many applications wait for a registrar: send the same again later")


def _row(statement: Statement, holder: Holder, now: datetime) -> ApplicationRow:
    return ApplicationRow(
        id=statement.id,
        body=statement.data,
        role=holder.role,
        registration=holder.registration,
        received_at=now,
    )


def _is_new(row: ApplicationRow, statement: Statement) -> bool:
    """Whether the application waits for this. Raises RegistryError if something else decided it."""
    if row.decision is not None and Statement(row.decision).id != statement.id:
        raise RegistryError("said-before", "the application was decided before")
    return row.decision is None


def _reason(row: ApplicationRow) -> str | None:
    return Statement(row.decision).read(Rejection).reason if row.decision and not row.certificate else None


def _check_same(holder: Certificate, asked: Request) -> None:
    if is_practice(holder.registration):
        raise RegistryError("practice-number", "a practice number is its key's: another key has another one")
    if (asked.role, asked.name, asked.registration) != (holder.role, holder.name, holder.registration):
        raise CertificateError("a renewal is for the same role, name and registration number")
    if asked.public_key == holder.public_key:
        raise CertificateError("a renewal is for another key")
