"""How somebody comes in, and for how long: a challenge is signed with a certificate's key, the statement gets
a one-time code, and a browser turns the code into a session.

The service keeps no secret of theirs, only hashes. A session lasts while it is used and its certificate
counts; both are looked up each time, so that whoever loses the certificate is out at the next request.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import msgspec

from crypto.certificates import Certificate, Role
from crypto.encoding import moment
from crypto.errors import CertificateError, StatusError, VerificationError
from procurement.login import store
from procurement.login.errors import LogInError, NotLoggedIn
from procurement.login.statements import LogIn
from procurement.login.store import JournalRow, SessionRow
from procurement.registry.standings import Standings

CHALLENGE_LIFETIME = timedelta(minutes=2)
"""Of challenges and of codes."""
IDLE = timedelta(minutes=20)
LONGEST = timedelta(hours=8)
CODE_SIZE = 10  # bytes: 80 bits, sixteen letters and digits
TOKEN_SIZE = 32  # bytes

Purpose = Literal["log-in", "passkey-log-in", "passkey"]
Means = Literal["certificate", "passkey"]

REFUSED_NOTED = timedelta(minutes=1)
"""Between two rows of the journal about the same kind of refused log-in."""

_CODE = re.compile(r"[A-Z2-7]{16}")
_LONGEST_WHAT = 300  # characters


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """Thirty-two random bytes to be signed until `expires`."""

    value: bytes
    expires: datetime


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser is given instead of a password, good once, until `expires`."""

    text: str
    expires: datetime

    def __repr__(self) -> str:
        return f"Code({moment(self.expires)})"


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who is logged in: a session with its certificate."""

    session: SessionRow
    certificate: Certificate

    @property
    def role(self) -> Role:
        return self.certificate.role

    @property
    def registration(self) -> str:
        return self.certificate.registration

    @property
    def idle_ends(self) -> datetime:
        """When the session ends if it is not used until then."""
        return min(self.session.ends_at, self.session.seen_at + IDLE)


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A new session and its token, which exists here only and in the visitor's cookie."""

    token: str
    visitor: Visitor

    def __repr__(self) -> str:
        return f"Admitted({self.visitor.registration})"


class Sessions:
    """Everybody who is logged in at the service whose address is `origin`, as browsers write it."""

    def __init__(
        self,
        pool: Any,
        standings: Standings,
        origin: str,
        now: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.pool = pool
        self.standings = standings
        self.origin = origin
        self.now = now
        self.entropy = entropy
        self._refused: dict[str, datetime] = {}

    @property
    def host(self) -> str:
        """The host's name alone: what passkeys are bound to."""
        return urlsplit(self.origin).hostname or ""

    # ── coming in ────────────────────────────────────────────────────────────────────────────────────

    async def challenge(self, purpose: Purpose, visitor: Visitor | None = None) -> Challenge:
        """A new challenge; one that a visitor asks for is good in the same session only."""
        now = self.now()
        await store.drop_outdated(self.pool, now, now - IDLE)
        challenge = Challenge(value=self.entropy(32), expires=now + CHALLENGE_LIFETIME)
        session = visitor.session.hash if visitor else None
        await store.add_challenge(self.pool, _hash(challenge.value), purpose, session, challenge.expires)
        return challenge

    async def redeem(self, challenge: bytes, purpose: Purpose, visitor: Visitor | None = None) -> None:
        """Uses the challenge up, whatever comes of it. Raises LogInError where it was not good any more."""
        session = visitor.session.hash if visitor else None
        if not await store.take_challenge(self.pool, _hash(challenge), purpose, session, self.now()):
            raise LogInError("challenge-unknown", "the challenge is over or was used: ask for another one")

    async def log_in(self, data: bytes) -> Code:
        """A one-time code for whoever signed a challenge of ours. Raises VerificationError's kinds."""
        try:
            certificate = await self._signed(data)
        except VerificationError as error:
            await self.note_refused(f"log-in refused: {error.code}")
            raise
        secret, expires = self.entropy(CODE_SIZE), self.now() + CHALLENGE_LIFETIME
        await store.add_code(self.pool, _hash(secret), certificate.fingerprint, expires)
        text = base64.b32encode(secret).decode()
        return Code(text="-".join(text[at : at + 4] for at in range(0, len(text), 4)), expires=expires)

    async def begin(self, code: str) -> Admitted:
        """A session for whoever has the code. Raises LogInError or CertificateError."""
        try:
            fingerprint = await store.take_code(self.pool, _hash(_parse_code(code)), self.now())
            if fingerprint is None:
                raise LogInError("code-unknown", "the code is wrong, over or used: ask for another one")
            return await self.admit(await self.standings.certificate(self.pool, fingerprint), "certificate")
        except VerificationError as error:
            await self.note_refused(f"log-in refused: {error.code}")
            raise

    async def admit(self, certificate: Certificate, means: Means) -> Admitted:
        """A session under a certificate, if it counts now. Raises CertificateError."""
        now = self.now()
        await self._check(certificate, now)
        token = base64.urlsafe_b64encode(self.entropy(TOKEN_SIZE)).decode().rstrip("=")
        session = SessionRow(
            hash=_hash(token.encode()),
            certificate=certificate.fingerprint,
            role=certificate.role,
            registration=certificate.registration,
            means=means,
            began_at=now,
            seen_at=now,
            ends_at=now + LONGEST,
        )
        visitor = Visitor(session=session, certificate=certificate)
        async with self.pool.acquire() as connection, connection.transaction():
            await store.add_session(connection, session)
            await store.add_journal(connection, self._row(f"log-in by {means}", visitor))
        return Admitted(token=token, visitor=visitor)

    # ── being in ─────────────────────────────────────────────────────────────────────────────────────

    async def visitor(self, token: str) -> Visitor:
        """Whose token it is; the session counts as used. Raises NotLoggedIn where it is nobody's any more."""
        now = self.now()
        session = await store.see_session(self.pool, _hash(token.encode()), now, now - IDLE)
        if session is None:
            raise NotLoggedIn("log in first: there is no session, or it has ended")
        certificate = await self.standings.certificate(self.pool, session.certificate)
        try:
            await self._check(certificate, now)
        except StatusError:
            raise
        except CertificateError as error:
            await store.end_session(self.pool, session.hash)
            raise NotLoggedIn(f"the session has ended: {error}") from error
        return Visitor(session=session, certificate=certificate)

    async def sessions(self, visitor: Visitor) -> list[SessionRow]:
        """Everything that the same person has open, the latest first."""
        now = self.now()
        return await store.list_sessions(self.pool, visitor.role, visitor.registration, now, now - IDLE)

    async def end(self, visitor: Visitor) -> None:
        """Log out here."""
        await store.end_session(self.pool, visitor.session.hash)
        await self.note("log-out", visitor)

    async def end_all(self, visitor: Visitor) -> None:
        """Log out everywhere."""
        await store.end_sessions(self.pool, visitor.role, visitor.registration)
        await self.note("log-out everywhere", visitor)

    async def note(self, what: str, visitor: Visitor | None = None) -> None:
        """Write into the journal; `visitor` only where it is proven who it is."""
        await store.add_journal(self.pool, self._row(what, visitor))

    async def note_refused(self, what: str) -> None:
        """A row in the journal about somebody who did not come in: one a minute for each `what`, as anybody
        could fill it otherwise."""
        now, before = self.now(), self._refused.get(what)
        if before is None or abs(now - before) >= REFUSED_NOTED:
            self._refused[what] = now
            await self.note(what)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────

    async def _signed(self, data: bytes) -> Certificate:
        now = self.now()
        _, said, certificate = await self.standings.genuine(self.pool, data, LogIn, now)
        await self.redeem(bytes.fromhex(said.challenge), "log-in")
        said.check(self.origin, now)
        return certificate

    async def _check(self, certificate: Certificate, now: datetime) -> None:
        (await self.standings.current(self.pool)).verify(certificate, certificate.role, now)

    def _row(self, what: str, visitor: Visitor | None) -> JournalRow:
        return JournalRow(
            at=self.now(),
            role=visitor.role if visitor else None,
            registration=visitor.registration if visitor else None,
            what=quote(what, safe=" /:-,.")[:_LONGEST_WHAT],  # it may hold what somebody put into an address
        )


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _parse_code(code: str) -> bytes:
    """Spaces, hyphens and case do not matter. Raises LogInError."""
    text = code.upper().replace("-", "").replace(" ", "")
    if not _CODE.fullmatch(text):
        raise LogInError("code-unknown", "a code has sixteen letters and digits, in groups of four")
    return base64.b32decode(text)
