"""A party's own line to a service: it sends statements, and believes no answer that it has not verified.

Each party has a `Service` of its own, with its own pinned trust and its own memory of the log: a service
that shows two parties different logs has to keep up two histories for ever.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

import httpx
import msgspec

from bids.envelope import Envelope, SubmissionTerms
from bids.receipts import Receipt, Refusal, commitment_entry
from crypto.beacon import Beacon, Network, parse_round
from crypto.certificates import Certificate, Role
from crypto.checkpoint import Checkpoint, TlogProof, VerifyingKey
from crypto.encoding import Base64, decode, from_base64, milliseconds, parse_moment, sha256
from crypto.errors import BeaconError, CertificateError, LogError, MalformedError, VerificationError
from crypto.merkle import HASH_SIZE, TILE_WIDTH, Tile, plan_consistency, verify_consistency
from crypto.relays import Relays
from crypto.revocation import Standing, Status
from crypto.statements import Payload, Statement
from crypto.trust import Trust

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts to send the same thing again."""
POLL = 0.2
PATIENCE = 60.0
"""Seconds that a party waits for what should be there by now."""

Clock = Callable[[], datetime]
P = TypeVar("P", bound=Payload)
T = TypeVar("T")


def utc_now() -> datetime:
    """The time, aware UTC."""
    return datetime.now(UTC)


class ServiceError(Exception):
    """The service says no, or nothing. `code` is that of its problem, or `unreachable` with status 0."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class RefusedError(ServiceError):
    """An envelope was turned away; `statement` is the signed refusal, which the bidder keeps as evidence."""

    def __init__(self, refusal: Refusal, statement: bytes, status: int) -> None:
        super().__init__(refusal.reason, refusal.detail, status)
        self.refusal = refusal
        self.statement = statement


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """A log entry shown to be in the log, co-signed by a quorum."""

    entry: bytes
    index: int
    note: str
    """The co-signed checkpoint that contains the entry."""


class Logged(Proven, frozen=True, kw_only=True):
    """A proven log entry and the statement that it is about."""

    statement: Statement


class _Problem(msgspec.Struct, frozen=True):
    code: str = "unknown"
    title: str = ""
    detail: str = ""
    refusal: Base64 | None = None


class _Accepted(msgspec.Struct, frozen=True):
    receipt: Base64
    proof: str


class _Entry(msgspec.Struct, frozen=True):
    entry: Base64
    proof: str
    statement: Base64 | None = None


class Service:
    """One party's view of a service. All methods raise ServiceError, or VerificationError's kinds."""

    def __init__(
        self, http: httpx.AsyncClient, trust: Trust, now: Clock = utc_now, relays: Sequence[str] = ()
    ) -> None:
        """`http` has the service's address as its base URL; `trust` comes from elsewhere.

        `relays` are HTTP addresses of the beacon's network; without any, the service's own beacon is read.
        """
        self.trust = trust
        self.now = now
        self._http = http
        self._relays = relays
        self._authorities = trust.authorities()
        self._log = VerifyingKey.parse(trust.log)
        self._certificates: dict[str, Certificate] = {}
        self._standings: dict[str, Standing] = {}
        self.seen: Checkpoint | None = None
        """The newest head of the log that it was shown; who keeps it notices a fork the next time, too."""

    async def get(self, path: str) -> bytes:
        """What is at `path`."""
        return (await self._request("GET", path)).content

    async def wait_for(self, path: str, seconds: float = PATIENCE) -> bytes:
        """What is at `path`, as soon as the service does not say `not-yet` any more."""
        end = time.monotonic() + seconds
        while True:
            try:
                return await self.get(path)
            except ServiceError as error:
                if error.code != "not-yet" or time.monotonic() > end:
                    raise
            await asyncio.sleep(POLL)

    async def post(self, path: str, statement: bytes) -> bytes:
        """The answer to a statement. Sent again when no answer comes: a statement is taken once only."""
        return (await self._request("POST", path, statement)).content

    async def submit(self, envelope: bytes, terms: SubmissionTerms, deadline: str) -> Receipt:
        """The receipt for a sealed envelope: signed by the service, in time, and its commitment in the log.

        Raises RefusedError where the service turns the envelope away with a signed reason.
        """
        answer = parse(await self.post(f"/api/v1/tenders/{terms.tender}/bids", envelope), _Accepted)
        statement = Statement(from_base64(answer.receipt))
        receipt = await self.verified_unless_revoked(statement, Receipt, self.now())
        if milliseconds(receipt.time) >= milliseconds(deadline):
            raise LogError("the receipt says that the envelope came after the deadline")
        own, taken = Statement(envelope), parse_moment(receipt.time)
        bidder, *_ = [
            await self.certificate(each, Role.BUSINESS, taken, receipt.status)
            for each in (own.signer, *own.read(Envelope).consortium)
        ]
        said = receipt.tender, receipt.notice, receipt.bidder, receipt.statement
        if said != (terms.tender, terms.notice, bidder.registration, own.id):
            raise LogError("the receipt is for another envelope")
        await self._proven(answer.proof, commitment_entry(receipt.commitment()))
        return receipt

    async def proven(self, path: str, seconds: float = PATIENCE) -> Proven:
        """The entry at `path`, once a quorum of the pinned witnesses has co-signed a log that holds it."""
        return (await self._entry(path, seconds))[1]

    async def logged(self, path: str, seconds: float = PATIENCE) -> Logged:
        """The proven entry at `path`, with the statement that the service says it is about."""
        answer, proven = await self._entry(path, seconds)
        if answer.statement is None:
            raise MalformedError("the service shows no statement for the entry")
        statement = Statement(from_base64(answer.statement))
        return Logged(**msgspec.structs.asdict(proven), statement=statement)

    async def verified(
        self, statement: Statement, type_: type[P], at: datetime, status: str
    ) -> tuple[P, Certificate]:
        """What `statement` says, and who says it: someone who may say so, and was certified and in good
        standing `at` that time by the status with that id."""
        certificate = await self._certificate(statement.signer)
        payload = statement.verify(type_, certificate)
        return payload, (await self._standing(status)).verify(certificate, certificate.role, at)

    async def certificate(self, fingerprint: str, role: Role, at: datetime, status: str) -> Certificate:
        """The certificate with that fingerprint, issued for `role` by a pinned root and in good standing `at`
        that time by the status with that id."""
        return (await self._standing(status)).verify(await self._certificate(fingerprint), role, at)

    async def verified_unless_revoked(self, statement: Statement, type_: type[P], at: datetime) -> P:
        """What `statement` says, signed by someone who may say so and was certified `at` that time.

        For what names no status: whether the certificate was revoked by then, nothing here tells.
        """
        certificate = await self._certificate(statement.signer)
        payload = statement.verify(type_, certificate)
        self._authorities.verify(certificate, certificate.role, at)
        return payload

    async def certificate_unless_revoked(self, fingerprint: str, role: Role, at: datetime) -> Certificate:
        """The certificate with that fingerprint, issued for `role` by a pinned root and valid `at` that time.

        Whether it was revoked by then, nothing here tells.
        """
        return self._authorities.verify(await self._certificate(fingerprint), role, at)

    async def beacon(self, network: Network, round: int) -> Beacon:
        """The network's signature of `round`, waited for."""
        if self._relays:
            return await Relays(network, self._relays, self._http, self.now).wait_for(round, PATIENCE)
        await asyncio.sleep(max(0.0, (network.time_of(round) - self.now()).total_seconds()))
        path = f"/beacon/{network.chain_hash}/public/{round}"
        beacon = parse_round(await self.wait_for(path), network)
        if beacon.round != round:
            raise BeaconError("the relay shows another round than the one asked for")
        return beacon

    async def _entry(self, path: str, seconds: float) -> tuple[_Entry, Proven]:
        answer = parse(await self.wait_for(path, seconds), _Entry)
        entry = from_base64(answer.entry)
        proof = await self._proven(answer.proof, entry)
        self.trust.witnesses.verify(proof.checkpoint)
        return answer, Proven(entry=entry, index=proof.index, note=proof.checkpoint)

    async def _certificate(self, fingerprint: str) -> Certificate:
        if fingerprint not in self._certificates:
            certificate = Certificate(await self.get(f"/api/v1/certificates/{fingerprint}"))
            if certificate.fingerprint != fingerprint:
                raise CertificateError("the service shows another certificate than the one asked for")
            self._certificates[fingerprint] = certificate
        return self._certificates[fingerprint]

    async def _standing(self, id: str) -> Standing:
        """The status with that id, whose lists are its roots'."""
        if id not in self._standings:
            status = decode(await self.get(f"/api/v1/certificate-status/{id}"), Status)
            if status.id != id:
                raise CertificateError("the service shows another certificate status than the one asked for")
            self._standings[id] = Standing(status, self._authorities)
        return self._standings[id]

    async def _request(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        response = await _answer(self._http, method, path, body)
        if not response.is_success:
            raise await self._failure(response, body)
        return response

    async def _failure(self, response: httpx.Response, body: bytes | None) -> ServiceError:
        problem = _problem(response)
        if problem.refusal is None or body is None:
            return _unwilling(response)
        statement = Statement(from_base64(problem.refusal))
        refusal = await self.verified_unless_revoked(statement, Refusal, self.now())
        if refusal.received != sha256(body).hex():
            raise LogError("the refusal is for another envelope")
        return RefusedError(refusal, statement.data, response.status_code)

    async def _proven(self, text: str, entry: bytes) -> TlogProof:
        proof = TlogProof.parse(text)
        await self._follow(proof.verify(entry, self._log))
        return proof

    async def _follow(self, head: Checkpoint) -> None:
        """Every head the party is shown must be of one log that only grows."""
        old, new = sorted([self.seen or head, head], key=lambda each: each.size)
        proof = await self._consistency(old.size, new.size)
        verify_consistency(old.size, old.root, new.size, new.root, proof)
        self.seen = new

    async def _consistency(self, old_size: int, new_size: int) -> list[bytes]:
        plan = plan_consistency(old_size, new_size)
        return plan.hashes({tile: await self._tile(tile) for tile in plan.tiles})

    async def _tile(self, tile: Tile) -> bytes:
        """A partial tile may be gone when the full one is there (C2SP tlog-tiles)."""
        try:
            return await self.get(f"/log/{tile.path}")
        except ServiceError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            full = msgspec.structs.replace(tile, width=TILE_WIDTH)
            return (await self.get(f"/log/{full.path}"))[: tile.width * HASH_SIZE]


def parse(data: bytes, type_: type[T]) -> T:
    """A JSON answer; fields that it has beyond `type_` are left aside. Raises MalformedError."""
    try:
        return msgspec.json.decode(data, type=type_)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the service's answer is not what was asked for: {error}") from error


async def read_trust(http: httpx.AsyncClient) -> Trust:
    """What a service says of itself, for practice: whoever trusts it on that trusts nobody else."""
    response = await _attempt(http, "GET", "/api/v1/trust")
    if not response.is_success:
        raise _unwilling(response)
    return decode(response.content, Trust)


async def _answer(http: httpx.AsyncClient, method: str, path: str, body: bytes | None) -> httpx.Response:
    """The first answer that is not 503, however it reads. Raises ServiceError when none comes."""
    for pause in PAUSES:
        with suppress(ServiceError):
            response = await _attempt(http, method, path, body)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return response
        await asyncio.sleep(pause)
    return await _attempt(http, method, path, body)


async def _attempt(
    http: httpx.AsyncClient, method: str, path: str, body: bytes | None = None
) -> httpx.Response:
    try:
        return await http.request(method, path, content=body)
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise ServiceError("unreachable", f"no answer from {http.base_url}: {reason}") from error


def _unwilling(response: httpx.Response) -> ServiceError:
    problem = _problem(response)
    said = problem.detail or problem.title or response.reason_phrase
    message = f"{said} ({response.status_code} {response.url.path})"
    return ServiceError(problem.code, message, response.status_code)


def _problem(response: httpx.Response) -> _Problem:
    try:
        return parse(response.content, _Problem)
    except VerificationError:
        return _Problem()
