"""A party's own line to a service: it sends statements, and believes no answer that it has not verified.

Each party has a `Service` of its own, with its own pinned trust and its own memory of the log: a service
that shows two parties different logs has to keep up two histories for ever.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec

from bids.documents import Digest, verify_file
from bids.envelope import Envelope, SealedFile, SubmissionTerms, UploadRequest, Withdrawal
from bids.receipts import (
    PROMISED,
    DocumentReceipt,
    Held,
    Kind,
    Promise,
    Receipt,
    Refusal,
    commitment_entry,
)
from crypto.beacon import Beacon, Network, parse_round
from crypto.certificates import Certificate, Role
from crypto.checkpoint import Checkpoint, TlogProof, VerifyingKey
from crypto.encoding import Base64, decode, from_base64, milliseconds, parse_moment, sha256, to_base64
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
"""Seconds that a party waits for what should be there by now, and goes on asking where it is told to come
back."""
LONGEST_PAUSE = 30.0
"""Seconds: a service that asks for a longer one is asked again after this."""
PROMISE_PATIENCE = PROMISED.total_seconds() + LONGEST_PAUSE
"""Seconds after which a promise is broken, counted from when it came: by no clock that anybody may set."""
LARGEST_CHUNK = 4 * 1024 * 1024
SMALLEST_CHUNK = 64 * 1024
"""Bytes of a sealed file that are sent at once. After each lost answer it is half as many."""
TUS = "1.0.0"
"""The version of the resumable upload protocol."""
_COME_BACK = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS}
_FINAL = {"document-differs"}  # codes after which sending a part of a file again is no use

Clock = Callable[[], datetime]
Keep = Callable[[bytes], None]
"""Puts a verified answer of the service where it is not lost, before anybody is told of it."""
Headers = Mapping[str, str]
P = TypeVar("P", bound=Payload)
T = TypeVar("T")


def utc_now() -> datetime:
    """The time, aware UTC."""
    return datetime.now(UTC)


class ServiceError(Exception):
    """The service says no, or nothing. `code` is that of its problem, or `unreachable` with status 0;
    `retry_after` the seconds after which it wants to be asked again, if it says any."""

    def __init__(self, code: str, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after


class RefusedError(ServiceError):
    """An envelope was turned away; `statement` is the signed refusal, which the bidder keeps as evidence."""

    def __init__(self, refusal: Refusal, statement: bytes, status: int) -> None:
        super().__init__(refusal.reason, refusal.detail, status)
        self.refusal = refusal
        self.statement = statement


class BrokenPromiseError(LogError):
    """The service does not stand by what it said of an envelope or withdrawal. `promise` is its signed word
    and `against`, if there is any, the later one that contradicts it: the evidence."""

    code = "promise-broken"

    def __init__(self, message: str, promise: bytes, against: bytes | None = None) -> None:
        super().__init__(message)
        self.promise = promise
        self.against = against


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file on its way after its envelope: `request` is the signed UploadRequest, `token` what its
    token is the SHA-256 of, `path` where the sealed file lies."""

    request: bytes
    token: bytes
    file: SealedFile
    path: Path

    def __repr__(self) -> str:
        return f"Upload({self.file.number})"


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


class _Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What is handed in, who signed it, alone or jointly, and where; `deadline` as in the notice."""

    statement: Statement
    kind: Kind
    bidders: tuple[str, ...]
    terms: SubmissionTerms
    deadline: str
    keep: Keep

    @property
    def path(self) -> str:
        return f"{_tender(self.terms)}/{'bids' if self.kind == 'envelope' else 'withdrawals'}"

    @property
    def receipt_path(self) -> str:
        return f"{_tender(self.terms)}/receipts/{self.statement.id}"


class _Entry(msgspec.Struct, frozen=True):
    entry: Base64
    proof: str
    statement: Base64 | None = None


class _Word(NamedTuple):
    """What the service signed of a submission, promise or receipt; `data` is the statement."""

    receipt: Receipt
    data: bytes


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

    async def hand_in(self, path: str, source: Path, size: int, offer: bytes) -> None:
        """Send the file at `source`, of `size` bytes, with the signed statement that offers it. Sent again
        when no answer comes. Raises OSError."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Openseal-Statement": to_base64(offer),
        }
        for pause in (*PAUSES, None):
            try:
                response = await _attempt(self._http, "PUT", path, _read_chunks(source, size), headers)
                if response.is_success:
                    return
                error = unwilling(response)
            except ServiceError as lost:
                error = lost
            if pause is None or not (error.status == 0 or error.status in _COME_BACK):
                raise error
            await asyncio.sleep(lengthened(max(pause, error.retry_after)))

    async def submit(
        self,
        envelope: bytes,
        terms: SubmissionTerms,
        deadline: str,
        keep: Keep = lambda answer: None,
        held: bytes | None = None,
    ) -> Receipt:
        """The receipt for a sealed envelope: signed by the service, in time, and its commitment in the log.

        `keep` is given each verified answer, the last one before this returns: perhaps a promise, then the
        receipt. `held` is what was kept when the same envelope was sent before, which the new answer must
        agree with. Raises RefusedError where the service turns the envelope away with a signed reason, and
        BrokenPromiseError.
        """
        own = Statement(envelope)
        bidders = own.signer, *own.read(Envelope).consortium
        sent = _Submission(
            statement=own, kind="envelope", bidders=bidders, terms=terms, deadline=deadline, keep=keep
        )
        return await self._submit(sent, held)

    async def withdraw(
        self,
        withdrawal: bytes,
        terms: SubmissionTerms,
        deadline: str,
        keep: Keep = lambda answer: None,
        held: bytes | None = None,
    ) -> Receipt:
        """The receipt for a signed withdrawal; everything else as for `submit`."""
        own = Statement(withdrawal)
        own.read(Withdrawal)
        sent = _Submission(
            statement=own, kind="withdrawal", bidders=(own.signer,), terms=terms, deadline=deadline, keep=keep
        )
        return await self._submit(sent, held)

    async def upload(
        self,
        upload: Upload,
        terms: SubmissionTerms,
        complete: datetime,
        keep: Keep = lambda answer: None,
        tell: Callable[[int], None] = lambda sent: None,
    ) -> DocumentReceipt:
        """The receipt for a sealed file: signed by the service, in time, and its commitment in the log.

        What the service has of the file already is not sent again, whoever sent it. `complete` is the end of
        the grace; `tell` is told how many bytes are there, `keep` is given the verified receipt. Raises
        LockError where the file at `upload.path` is another one than the envelope lists, and OSError.
        """
        request = Statement(upload.request)
        place = f"{_tender(terms)}/uploads/{upload.file.id(request.read(UploadRequest).envelope)}"
        await asyncio.to_thread(verify_file, upload.path, upload.file)
        await self._create(upload, terms)
        await self._transfer(upload, place, tell)
        answer = await self._stored(upload, place)
        receipt = await self._document_receipt(answer, request, upload.file, terms, complete)
        keep(answer)
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

    async def _submit(self, sent: _Submission, held: bytes | None) -> Receipt:
        before = await self._read_held(sent, held)
        try:
            response = await self._request("POST", sent.path, sent.statement.data)
        except RefusedError as error:
            if before is None:
                raise
            said = "what was taken first was refused later"
            raise BrokenPromiseError(said, before.data, error.statement) from error
        answer = Held.parse(response.content)
        if answer.proof is None:
            promised = await self._read(sent, answer, Promise, before)
            if before is None or isinstance(before.receipt, Promise):  # a receipt that is held is worth more
                sent.keep(response.content)
                before = promised
            response = await self._redeem(sent, promised.data)
            answer = Held.parse(response.content)
        receipt = (await self._read(sent, answer, Receipt, before)).receipt
        await self._committed(answer, receipt)
        sent.keep(response.content)
        return receipt

    async def _read_held(self, sent: _Submission, held: bytes | None) -> _Word | None:
        """What the service said when it was sent this before."""
        if held is None:
            return None
        answer = Held.parse(held)
        return await self._read(sent, answer, Receipt if answer.proof else Promise)

    async def _read(
        self, sent: _Submission, answer: Held, type_: type[Receipt], before: _Word | None = None
    ) -> _Word:
        """The service's signed word that it has taken just this, in time, from bidders who counted; the same
        commitment as it spoke of `before`."""
        statement = answer.receipt
        receipt = await self.verified_unless_revoked(statement, type_, self.now())
        if milliseconds(receipt.time) >= milliseconds(sent.deadline) and not receipt.in_doubt:
            raise LogError(f"the receipt says that the {sent.kind} came after the deadline")
        if isinstance(receipt, Promise):
            _check_promised(receipt)
        taken = parse_moment(receipt.time)
        bidder, *_ = [
            await self.certificate(each, Role.BUSINESS, taken, receipt.status) for each in sent.bidders
        ]
        said = receipt.tender, receipt.notice, receipt.bidder, receipt.kind, receipt.statement
        own = sent.terms.tender, sent.terms.notice, bidder.registration, sent.kind, sent.statement.id
        if said != own:
            raise LogError(f"the receipt is for another {sent.kind}")
        word = _Word(receipt, statement.data)
        _check_agree(before, word)
        return word

    async def _redeem(self, sent: _Submission, promise: bytes) -> httpx.Response:
        """The answer with the receipt that was promised."""
        end = time.monotonic() + PROMISE_PATIENCE
        while time.monotonic() < end:
            try:
                response = await self._request("GET", sent.receipt_path)
            except ServiceError as error:
                if error.status == httpx.codes.NOT_FOUND:
                    raise BrokenPromiseError("the service knows nothing of it any more", promise) from error
                raise
            if response.status_code != httpx.codes.ACCEPTED:
                return response
            await asyncio.sleep(_retry_after(response) or POLL)
        raise BrokenPromiseError("the log does not have what was promised, and the time is over", promise)

    async def _create(self, upload: Upload, terms: SubmissionTerms) -> None:
        """Let the service make room for the file, or find what it has of it. Where that is follows from the
        envelope: whatever address the service gives is left aside."""
        metadata = f"request {to_base64(upload.request)}"
        headers = {"Upload-Length": str(upload.file.size), "Upload-Metadata": metadata} | _tus(upload)
        await self._request("POST", f"{_tender(terms)}/uploads", b"", headers)

    async def _transfer(self, upload: Upload, place: str, tell: Callable[[int], None]) -> None:
        """Send what is missing, from wherever the service has got to, until nothing is; as long as it gets
        further at times."""
        size, misses = LARGEST_CHUNK, 0
        offset = furthest = await self._offset(upload, place)
        tell(offset)
        while offset < upload.file.size:
            chunk = await asyncio.to_thread(_read_chunk, upload.path, offset, size)
            try:
                offset = await self._patch(upload, place, offset, chunk)
            except ServiceError as error:
                if misses == len(PAUSES) or not _passing(error):
                    raise
                await asyncio.sleep(lengthened(max(PAUSES[misses], error.retry_after)))
                size, misses = max(SMALLEST_CHUNK, size // 2), misses + 1
                offset = await self._offset(upload, place)
            if offset > furthest:
                furthest, misses = offset, 0
            tell(offset)

    async def _patch(self, upload: Upload, place: str, offset: int, chunk: bytes) -> int:
        """How many bytes are there after `chunk` was sent, once."""
        headers = _tus(upload) | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {to_base64(sha256(chunk))}",
        }
        response = await _attempt(self._http, "PATCH", place, chunk, headers)
        if not response.is_success:
            raise unwilling(response)
        after = _stated(response, "Upload-Offset")
        if after != offset + len(chunk):
            raise MalformedError("the service says that another part of the file came than was sent")
        return after

    async def _offset(self, upload: Upload, place: str) -> int:
        """How many bytes the service has."""
        response = await self._request("HEAD", place, headers=_tus(upload))
        offset = _stated(response, "Upload-Offset")
        if offset > upload.file.size or _stated(response, "Upload-Length") != upload.file.size:
            raise MalformedError("the service speaks of a file of another size")
        return offset

    async def _stored(self, upload: Upload, place: str) -> bytes:
        """The answer with the receipt for a file that is all there, waited for."""
        end = time.monotonic() + PATIENCE
        while True:
            response = await self._request("GET", place, headers=_tus(upload))
            if response.status_code != httpx.codes.ACCEPTED:
                return response.content
            if time.monotonic() > end:
                raise ServiceError("log-behind", "the file is there; the log is behind: ask again later", 202)
            await asyncio.sleep(_retry_after(response) or POLL)

    async def _document_receipt(
        self,
        data: bytes,
        request: Statement,
        file: SealedFile,
        terms: SubmissionTerms,
        complete: datetime,
    ) -> DocumentReceipt:
        answer, asked = Held.parse(data), request.read(UploadRequest)
        receipt = await self.verified_unless_revoked(answer.receipt, DocumentReceipt, self.now())
        bidder = await self._certificate(request.signer)
        said = receipt.tender, receipt.notice, receipt.bidder, receipt.envelope
        if said != (terms.tender, terms.notice, bidder.registration, asked.envelope):
            raise LogError("the receipt is for a file of another envelope")
        if (receipt.number, receipt.sha256, receipt.size) != (file.number, file.sha256, file.size):
            raise LogError("the receipt is for another file")
        if parse_moment(receipt.time) >= complete and not receipt.in_doubt:
            raise LogError("the receipt says that the file came after the end of the grace")
        await self._committed(answer, receipt)
        return receipt

    async def _entry(self, path: str, seconds: float) -> tuple[_Entry, Proven]:
        answer = parse(await self.wait_for(path, seconds), _Entry)
        entry = from_base64(answer.entry)
        proof = await self._proven(TlogProof.parse(answer.proof), entry)
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

    async def _request(
        self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None
    ) -> httpx.Response:
        response = await _answer(self._http, method, path, body, headers)
        if not response.is_success:
            raise await self._failure(response, body)
        return response

    async def _failure(self, response: httpx.Response, body: bytes | None) -> ServiceError:
        problem = _problem(response)
        if problem.refusal is None or body is None:
            return unwilling(response)
        statement = Statement(from_base64(problem.refusal))
        refusal = await self.verified_unless_revoked(statement, Refusal, self.now())
        if refusal.received != sha256(body).hex():
            raise LogError("the refusal is for another envelope")
        return RefusedError(refusal, statement.data, response.status_code)

    async def _committed(self, answer: Held, receipt: Receipt | DocumentReceipt) -> None:
        """The log has the commitment that `receipt`, the one in `answer`, is about."""
        if answer.proof is None:
            raise MalformedError("the receipt comes without its place in the log")
        await self._proven(answer.proof, commitment_entry(receipt.commitment()))

    async def _proven(self, proof: TlogProof, entry: bytes) -> TlogProof:
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
        raise unwilling(response)
    return decode(response.content, Trust)


async def read(http: httpx.AsyncClient, path: str) -> bytes:
    """What is at `path` for everybody. Raises ServiceError."""
    response = await _answer(http, "GET", path, None)
    if not response.is_success:
        raise unwilling(response)
    return response.content


async def download(http: httpx.AsyncClient, path: str, into: Path, largest: int) -> Digest:
    """Put what is at `path` into the file `into`, no more than a byte beyond `largest` of it; says what came.

    Raises ServiceError, OSError.
    """
    for pause in (*PAUSES, None):
        try:
            return await _download(http, path, into, largest)
        except ServiceError as error:
            if pause is None or not _passing(error):
                raise
            await asyncio.sleep(lengthened(max(pause, error.retry_after)))
    raise AssertionError


async def _download(http: httpx.AsyncClient, path: str, into: Path, largest: int) -> Digest:
    hashed, size = hashlib.sha256(), 0
    try:
        async with http.stream("GET", path) as response:
            if not response.is_success:
                await response.aread()
                raise unwilling(response)
            with into.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk[: largest + 1 - size])
                    hashed.update(chunk[: largest + 1 - size])
                    size = min(size + len(chunk), largest + 1)
                    if size > largest:
                        break
    except httpx.TransportError as error:
        raise _unreachable(http, error) from error
    return Digest(sha256=hashed.hexdigest(), size=size)


async def _answer(
    http: httpx.AsyncClient, method: str, path: str, body: bytes | None, headers: Headers | None = None
) -> httpx.Response:
    """The first answer that does not ask to come back, however it reads; the same is sent each time.

    A service that says when to come back is asked again for a minute. Raises ServiceError when none comes.
    """
    end = time.monotonic() + PATIENCE
    for pause in PAUSES:
        asked = 0.0
        with suppress(ServiceError):
            response = await _attempt(http, method, path, body, headers)
            if response.status_code not in _COME_BACK:
                return response
            asked = _retry_after(response)
        await asyncio.sleep(lengthened(max(pause, asked)))
    while True:
        response = await _attempt(http, method, path, body, headers)
        asked = _retry_after(response)
        if response.status_code not in _COME_BACK or not asked or time.monotonic() > end:
            return response
        await asyncio.sleep(lengthened(asked))


async def _attempt(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    body: bytes | AsyncIterator[bytes] | None = None,
    headers: Headers | None = None,
) -> httpx.Response:
    try:
        return await http.request(method, path, content=body, headers=headers)
    except httpx.TransportError as error:
        raise _unreachable(http, error) from error


def _unreachable(http: httpx.AsyncClient, error: httpx.TransportError) -> ServiceError:
    return ServiceError(
        "unreachable", f"no answer from {http.base_url}: {str(error) or type(error).__name__}"
    )


def _retry_after(response: httpx.Response) -> float:
    """The seconds that the service asks for; 0 where it says nothing that is a number of them."""
    said = response.headers.get("Retry-After", "")
    return min(float(said), LONGEST_PAUSE) if said.isascii() and said.isdigit() else 0.0


def lengthened(seconds: float) -> float:
    """As long, or a little longer: everybody who was sent away is not back at the same moment."""
    return seconds * (1 + secrets.randbelow(256) / 1024)


def unwilling(response: httpx.Response) -> ServiceError:
    """What an answer says that is none of success."""
    problem = _problem(response)
    said = problem.detail or problem.title or response.reason_phrase
    message = f"{said} ({response.status_code} {response.url.path})"
    return ServiceError(problem.code, message, response.status_code, _retry_after(response))


def _passing(error: ServiceError) -> bool:
    """Whether what stood in the way of a part of a file may be gone the next time: no answer, somebody else
    at the same offset, damage on the way, or a service that asks to come back."""
    return error.status in {0, 409, 423, 460, 500, 502, 504, *_COME_BACK} and error.code not in _FINAL


def _check_agree(before: _Word | None, now: "_Word") -> None:
    """The same commitment, whenever one asks. Raises BrokenPromiseError."""
    if before is None:
        return
    names = set(Receipt.__struct_fields__) - {"signer"}  # whose certificate may have been renewed meanwhile
    if any(getattr(before.receipt, name) != getattr(now.receipt, name) for name in names):
        said = "the service first said something else of the same statement"
        raise BrokenPromiseError(said, before.data, now.data)


def _check_promised(promise: Promise) -> None:
    if parse_moment(promise.included_by) > parse_moment(promise.time) + PROMISED:
        raise LogError("the service promises what it owes for later than it may")


async def _read_chunks(path: Path, size: int) -> AsyncIterator[bytes]:
    """The file, some of it at a time."""
    for offset in range(0, size, LARGEST_CHUNK):
        yield await asyncio.to_thread(_read_chunk, path, offset, LARGEST_CHUNK)


def _read_chunk(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _tender(terms: SubmissionTerms) -> str:
    return f"/api/v1/tenders/{terms.tender}"


def _tus(upload: Upload) -> dict[str, str]:
    return {"Tus-Resumable": TUS, "Authorization": f"Bearer {upload.token.hex()}"}


def _stated(response: httpx.Response, header: str) -> int:
    """A number of bytes. Raises MalformedError."""
    text = response.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise MalformedError(f"the service does not say its {header}")
    return int(text)


def _problem(response: httpx.Response) -> _Problem:
    try:
        return parse(response.content, _Problem)
    except VerificationError:
        return _Problem()
