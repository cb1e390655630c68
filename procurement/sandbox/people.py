"""Who holds the practice ground: registrar, two officers, a committee, two rivals. Their keys lie with the
service, shares and all: what is sealed in practice, whoever has the service's folder can open."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bids.orders import Member
from crypto import durable
from crypto.certificates import Certificate, Role, Signer, SigningKey, request
from crypto.committee import Committee, Share
from crypto.encoding import Base64, Hex32, Value, decode, encode, from_base64, to_base64
from crypto.errors import CertificateError
from procurement.numbers import practice_number
from procurement.practice import convene
from procurement.registry.applicant import application
from procurement.registry.office import Office
from procurement.registry.statements import Representative
from procurement.sandbox.offer import Named

ROLES = (Role.REGISTRAR, Role.OFFICER, Role.COMMITTEE, Role.BUSINESS)
THRESHOLD, MEMBERS, RIVALS = 2, 3, 2
LAST_DAYS = timedelta(days=30)
"""Before the end of a certificate in which all are made anew, at a start."""
LARGEST = 1024 * 1024  # bytes of the file


class Person(Value, frozen=True, kw_only=True):
    """Somebody's Ed25519 key (its seed) and certificate (DER)."""

    seed: Hex32
    certificate: Base64

    def __repr__(self) -> str:
        return "Person()"

    @property
    def key(self) -> SigningKey:
        return SigningKey(_private(self.seed), Certificate(from_base64(self.certificate)))


class Cast(Value, frozen=True, kw_only=True):
    """All of them; `shares` are the committee members', in their order."""

    registrar: Person
    officer: Person
    second: Person
    members: Annotated[tuple[Person, ...], msgspec.Meta(min_length=MEMBERS, max_length=MEMBERS)]
    rivals: tuple[Person, ...]
    committee: Committee
    transcript: tuple[Base64, ...]
    shares: Annotated[tuple[Hex32, ...], msgspec.Meta(min_length=MEMBERS, max_length=MEMBERS)]

    def __repr__(self) -> str:
        return "Cast()"

    @property
    def everybody(self) -> tuple[Person, ...]:
        return (self.registrar, self.officer, self.second, *self.members, *self.rivals)

    @property
    def named(self) -> Named:
        return Named(self.officer.key.fingerprint, self.committee, self.transcript)

    def opening(self) -> list[Member]:
        """As many members as open a tender."""
        pairs = zip(self.members, self.shares, strict=True)
        seats = [
            Member(each.key, Share(number, bytes.fromhex(share)))
            for number, (each, share) in enumerate(pairs, 1)
        ]
        return seats[:THRESHOLD]


class Casts(Value, frozen=True, kw_only=True):
    """Who holds the ground now, and who did before: their tenders may still be under way."""

    now: Cast
    before: Cast | None = None

    def __repr__(self) -> str:
        return "Casts()"

    def of(self, officer: str) -> Cast | None:
        """Whose tender it is that was signed under the certificate with that fingerprint."""
        casts = (each for each in (self.now, self.before) if each is not None)
        return next((each for each in casts if each.officer.key.fingerprint == officer), None)


async def settle(office: Office, path: Path, now: datetime, entropy: Callable[[int], bytes]) -> Casts:
    """Those in the file at `path`, or new ones where there are none whose certificates count here for a
    while; all of them admitted by the office, whose authorities are the service's own.

    Raises MalformedError for a file that is none, and OSError.
    """
    kept = _kept(path)
    if kept and await _counts(office, kept.now, now):
        return kept
    made = Casts(now=await _Founding(office, now, entropy).cast(), before=kept.now if kept else None)
    durable.replace(path, encode(made))
    return made


def _kept(path: Path) -> Casts | None:
    return decode(path.read_bytes(), Casts, limit=LARGEST) if path.exists() else None


async def _counts(office: Office, cast: Cast, now: datetime) -> bool:
    standing = await office.standings.current(office.pool)
    for each in (person.key.certificate for person in cast.everybody):
        if each.x509.not_valid_after_utc < now + LAST_DAYS:
            return False
        try:
            await office.standings.certificate(office.pool, each.fingerprint)
            standing.verify(each, each.role, now)
        except CertificateError:
            return False
    return True


class _Founding:
    """Makes everybody, one after the other, the registrar first."""

    def __init__(self, office: Office, now: datetime, entropy: Callable[[int], bytes]) -> None:
        self._office, self._now, self._entropy = office, now, entropy
        self._registrar: SigningKey | None = None

    async def cast(self) -> Cast:
        registrar = await self._admitted(Role.REGISTRAR, "Practice registrar / 연습 등록관")
        self._registrar = registrar.key
        officer = await self._admitted(Role.OFFICER, "Practice officer / 연습 담당관")
        second = await self._admitted(Role.OFFICER, "Practice second officer / 연습 확인관")
        members = await self._several(Role.COMMITTEE, "Practice member {0} / 연습 위원 {0}", MEMBERS)
        rivals = await self._several(Role.BUSINESS, "Practice rival {0} / 연습 경쟁자 {0}", RIVALS)
        keys = [each.key for each in members]
        convened = convene(officer.key, keys, THRESHOLD, self._now, self._entropy)
        return Cast(
            registrar=registrar,
            officer=officer,
            second=second,
            members=tuple(members),
            rivals=tuple(rivals),
            committee=convened.committee,
            transcript=convened.transcript,
            shares=tuple(each.share.export().hex() for each in convened.members),
        )

    async def _several(self, role: Role, name: str, number: int) -> Sequence[Person]:
        return [await self._admitted(role, name.format(at)) for at in range(1, number + 1)]

    async def _admitted(self, role: Role, name: str) -> Person:
        seed = self._entropy(32)
        key = _private(seed.hex())
        asked = request(key, role, name, practice_number(key.public_key()))
        persons = (Representative(name=name),) if role is Role.BUSINESS else ()
        applied = application(Signer(key, asked), self._now, representatives=persons)
        certificate = await self._office.admit_own(applied, self._registrar)
        return Person(seed=seed.hex(), certificate=to_base64(certificate.der))


def _private(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
