"""A bidder's line to a service that is slow, away, or lies: promises, receipts, withdrawals, sealed files."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bids import client
from bids.client import BrokenPromiseError, RefusedError, Service, ServiceError, Upload
from bids.documents import digest
from bids.envelope import SealedFile, UploadRequest, Withdrawal, compose, entropy_size
from bids.receipts import DocumentReceipt, Promise, Receipt, Refusal, commitment_entry
from crypto.certificates import SigningKey
from crypto.checkpoint import TlogProof
from crypto.encoding import encode, from_base64, moment, sha256, to_base64
from crypto.errors import CertificateError, LockError, LogError, MalformedError, VerificationError
from crypto.merkle import leaf_hash
from crypto.statements import PAYLOAD_TYPE, Statement, pae, sign
from tests.builders import Life, a_bidder, inclusion, the_world
from tests.core.test_client import BID, MINUTE, Front

TOKEN = bytes(range(32))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long, and files go in small pieces."""
    monkeypatch.setattr(client, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(client, "POLL", 0.01)
    monkeypatch.setattr(client, "PROMISE_PATIENCE", 0.1)
    monkeypatch.setattr(client, "LARGEST_CHUNK", 1000)
    monkeypatch.setattr(client, "SMALLEST_CHUNK", 100)


@dataclass
class Box(Front):
    """A service that promises receipts and takes files, as a test wants it to.

    `meet` comes before everything else: an answer to give instead, an exception to raise, or nothing. `said`
    are changes to what the service signs; `asks` counts how often a receipt is asked for before it is there.
    """

    promises: bool = False
    asks: int = 2
    said: dict[str, Any] = field(default_factory=dict)
    promised: dict[str, Any] = field(default_factory=dict)
    meet: Callable[[httpx.Request], httpx.Response | None] = lambda request: None
    stored: bytes = b""
    size: int = 0
    requests: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.meet(request) or self.act(request)

    def act(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        match request.method, path.split("/")[5:]:
            case "POST", ["bids" | "withdrawals"]:
                return self.take(request.content)
            case "GET", ["receipts", _]:
                self.asks -= 1
                return self.take(self.taken) if self.asks <= 0 else self.promise()
            case "POST", ["uploads"]:
                self.requested = metadata(request)
                self.size = int(request.headers["Upload-Length"])
                return httpx.Response(201, headers={"Location": "http://elsewhere/"})
            case "HEAD", ["uploads", _]:
                return httpx.Response(200, headers=self.at() | {"Upload-Length": str(self.size)})
            case "PATCH", ["uploads", _]:
                return self.patch(request)
            case "GET", ["uploads", _]:
                return httpx.Response(200, content=self.document_receipt())
        return super().answer(request)

    def take(self, statement: bytes) -> httpx.Response:
        """The statement is in the box: its receipt, or at first the promise of it."""
        self.taken = statement
        if self.promises and self.asks > 0:
            return self.promise()
        return httpx.Response(201, content=self.receipted(self.word(Receipt, **self.said)))

    def promise(self) -> httpx.Response:
        until = moment(self.life.now + timedelta(seconds=60))
        promise = self.word(Promise, **{"included_by": until, **self.promised})
        signed = sign(promise, self.life.world.service)
        return httpx.Response(202, content=encode({"promise": to_base64(signed)}))

    def word(self, type_: type[Receipt], **changes: Any) -> Any:
        life, statement = self.life, Statement(self.taken)
        self.life.keep_certificate(life.world.service)
        values = {
            "signer": life.world.service.fingerprint,
            "tender": life.notice.tender,
            "notice": life.notice_id,
            "bidder": self.bidder.certificate.registration,
            "kind": "withdrawal" if "withdrawal" in statement.payload_type else "envelope",
            "time": moment(life.now),
            "salt": sha256(statement.data).hex(),
            "statement": statement.id,
            "status": life.status(),
        }
        return type_(**(values | changes))

    def receipted(self, receipt: Any, logged: bool = True) -> bytes:
        """The answer with that receipt, whose commitment gets into the log."""
        entry = commitment_entry(receipt.commitment())
        if entry not in self.life.entries and logged:
            self.life.entries.append(entry)
        index = self.life.entries.index(entry) if logged else 0
        leaves = tuple(leaf_hash(each) for each in self.life.entries)
        note = self.life.note(self.life.now)
        proof = TlogProof(index=index, hashes=tuple(inclusion(leaves, index)), checkpoint=note)
        signed = sign(receipt, self.life.world.service)
        return encode({"receipt": to_base64(signed), "proof": proof.encode()})

    def at(self) -> dict[str, str]:
        return {"Upload-Offset": str(len(self.stored))}

    def patch(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN.hex()}"
        assert request.headers["Content-Type"] == "application/offset+octet-stream"
        algorithm, checksum = request.headers["Upload-Checksum"].split(" ")
        assert (algorithm, from_base64(checksum)) == ("sha256", sha256(request.content))
        if int(request.headers["Upload-Offset"]) != len(self.stored):
            return problem(409, "wrong-offset")
        self.stored += request.content
        return httpx.Response(204, headers=self.at())

    def document_receipt(self) -> bytes:
        life, asked = self.life, self.requested.read(UploadRequest)
        self.life.keep_certificate(life.world.service)
        values: dict[str, Any] = {
            "signer": life.world.service.fingerprint,
            "tender": life.notice.tender,
            "notice": life.notice_id,
            "bidder": self.bidder.certificate.registration,
            "envelope": asked.envelope,
            "number": asked.number,
            "sha256": sha256(self.stored).hex(),
            "size": len(self.stored),
            "time": moment(life.now),
            "salt": "ab" * 32,
        }
        return self.receipted(DocumentReceipt(**(values | self.said)))

    def sent_by(self, method: str) -> list[httpx.Request]:
        return [each for each in self.requests if each.method == method]


def metadata(request: httpx.Request) -> Statement:
    name, value = request.headers["Upload-Metadata"].split(" ")
    assert name == "request"
    return Statement(from_base64(value))


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=encode({"code": code, "detail": code}), headers=headers)


def an_envelope(box: Box, key: SigningKey | None = None) -> bytes:
    terms = box.life.terms
    return compose({"bid": BID}, terms, key or box.bidder, box.life.world.entropy(entropy_size(terms)))


def a_withdrawal(box: Box) -> bytes:
    about = {"tender": box.life.notice.tender, "notice": box.life.notice_id, "previous": "a" * 64}
    return sign(Withdrawal(signer=box.bidder.fingerprint, **about), box.bidder)


async def submit(box: Box, envelope: bytes, **how: Any) -> Receipt:
    deadline = box.life.notice.deadline
    return await line(box).submit(envelope, box.life.terms, deadline, **how)


def line(box: Box) -> Service:
    http = httpx.AsyncClient(transport=httpx.MockTransport(box.answer), base_url="http://service")
    return Service(http, box.life.world.trust, lambda: box.life.now + MINUTE)


# ── promises and receipts ────────────────────────────────────────────────────────────────────────────


async def test_a_promise_is_kept_before_the_receipt_that_takes_its_place() -> None:
    box, kept = Box(Life(), promises=True), list[bytes]()
    receipt = await submit(box, an_envelope(box), keep=kept.append)
    promised, received = [msgspec.json.decode(each) for each in kept]
    assert set(promised) == {"promise"}
    assert Statement(from_base64(received["receipt"])).read(Receipt) == receipt
    assert [each.url.path.split("/")[5] for each in box.sent_by("GET") if "receipts" in each.url.path] == [
        "receipts"
    ] * 2


async def test_a_promise_takes_no_receipts_place() -> None:
    box, kept = Box(Life()), list[bytes]()
    envelope = an_envelope(box)
    first = await submit(box, envelope, keep=kept.append)
    box.promises, box.asks = True, 2
    assert await submit(box, envelope, keep=kept.append, held=kept[0]) == first
    assert [set(msgspec.json.decode(each)) for each in kept] == [{"receipt", "proof"}] * 2


async def test_a_receipt_that_does_not_come_in_time_leaves_the_promise_as_evidence() -> None:
    box, kept = Box(Life(), promises=True, asks=10**9), list[bytes]()
    with pytest.raises(BrokenPromiseError, match="the time is over") as broken:
        await submit(box, an_envelope(box), keep=kept.append)
    (answer,) = kept
    assert from_base64(msgspec.json.decode(answer)["promise"]) == broken.value.promise
    promise = Statement(broken.value.promise).verify(Promise, box.life.world.service.certificate)
    assert promise.statement == Statement(box.taken).id


@pytest.mark.parametrize(
    "changes",
    [
        {"salt": "cd" * 32},
        {"time": moment(Life().now - MINUTE)},
        {"in_doubt": True},
    ],
    ids=["salt", "time", "doubt"],
)
async def test_a_receipt_unlike_the_promise_is_no_receipt(changes: dict[str, Any]) -> None:
    box, kept = Box(Life(), promises=True, said=changes), list[bytes]()
    with pytest.raises(BrokenPromiseError, match="something else"):
        await submit(box, an_envelope(box), keep=kept.append)
    assert len(kept) == 1


async def test_what_was_promised_and_is_forgotten_or_refused_is_a_broken_promise() -> None:
    box = Box(Life(), promises=True)
    box.meet = lambda request: problem(404, "no-such-statement") if "receipts" in request.url.path else None
    with pytest.raises(BrokenPromiseError, match="knows nothing"):
        await submit(box, an_envelope(box))
    box, kept = Box(Life(), promises=True, asks=10**9), list[bytes]()
    envelope = an_envelope(box)
    with pytest.raises(BrokenPromiseError):
        await submit(box, envelope, keep=kept.append)
    box.meet = lambda request: refused(box, request) if request.method == "POST" else None
    with pytest.raises(BrokenPromiseError, match="refused later") as broken:
        await submit(box, envelope, held=kept[0])
    assert Statement(broken.value.against or b"").read(Refusal).reason == "after-deadline"
    with pytest.raises(RefusedError):
        await submit(box, envelope)


def refused(box: Box, request: httpx.Request) -> httpx.Response:
    service = box.life.world.service
    box.life.keep_certificate(service)
    refusal = Refusal(
        signer=service.fingerprint,
        tender=box.life.notice.tender,
        received=sha256(request.content).hex(),
        reason="after-deadline",
        detail="too late",
        time=moment(box.life.now),
    )
    said = {"code": "after-deadline", "refusal": to_base64(sign(refusal, service))}
    return httpx.Response(422, content=encode(said))


async def test_the_same_envelope_again_has_to_get_what_was_said_the_first_time() -> None:
    box, kept = Box(Life()), list[bytes]()
    envelope = an_envelope(box)
    first = await submit(box, envelope, keep=kept.append)
    assert await submit(box, envelope, held=kept[0]) == first
    box.said = {"salt": "cd" * 32}
    with pytest.raises(BrokenPromiseError, match="first said something else") as broken:
        await submit(box, envelope, held=kept[0])
    assert broken.value.promise == from_base64(msgspec.json.decode(kept[0])["receipt"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"included_by": moment(Life().now + timedelta(seconds=61))}, "later than it may"),
        ({"statement": "a" * 64}, "another envelope"),
        ({"kind": "withdrawal"}, "another envelope"),
        ({"bidder": "B-2"}, "another envelope"),
        ({"tender": "ocds-0s3al1-other"}, "another envelope"),
        ({"notice": "a" * 64}, "another envelope"),
        ({"time": Life().notice.deadline}, "after the deadline"),
    ],
)
async def test_a_promise_of_something_else_is_none(changes: dict[str, Any], said: str) -> None:
    box, kept = Box(Life(), promises=True, promised=changes), list[bytes]()
    with pytest.raises(LogError, match=said) as error:
        await submit(box, an_envelope(box), keep=kept.append)
    assert not isinstance(error.value, BrokenPromiseError)
    assert kept == []


async def test_a_receipt_in_doubt_may_be_late_and_says_so() -> None:
    box = Box(Life(), said={"in_doubt": True})
    box.life.now = box.life.notice.closes
    assert (await submit(box, an_envelope(box))).in_doubt
    box.said = {}
    with pytest.raises(LogError, match="after the deadline"):
        await submit(box, an_envelope(box))


async def test_a_withdrawal_gets_a_receipt_of_its_own_kind() -> None:
    box = Box(Life(), promises=True)
    withdrawal, terms, deadline = a_withdrawal(box), box.life.terms, box.life.notice.deadline
    receipt = await line(box).withdraw(withdrawal, terms, deadline)
    assert (receipt.kind, receipt.statement) == ("withdrawal", Statement(withdrawal).id)
    assert box.requests[0].url.path.endswith("/withdrawals")
    box.said = {"kind": "envelope"}
    with pytest.raises(LogError, match="another withdrawal"):
        await line(box).withdraw(withdrawal, terms, deadline)
    with pytest.raises(MalformedError):
        await line(box).withdraw(an_envelope(box), terms, deadline)


async def test_nothing_is_kept_of_a_receipt_whose_commitment_is_not_in_the_log() -> None:
    box, kept = Box(Life()), list[bytes]()
    box.meet = lambda request: forged(box, request) if request.method == "POST" else None
    with pytest.raises(VerificationError):
        await submit(box, an_envelope(box), keep=kept.append)
    assert kept == []


def forged(box: Box, request: httpx.Request) -> httpx.Response:
    box.taken = request.content
    return httpx.Response(201, content=box.receipted(box.word(Receipt), logged=False))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"promise":1}', b'{"promise":"e30="}', b"[" * 9999])
@pytest.mark.parametrize("status", [200, 201, 202])
async def test_garbage_for_a_receipt_is_a_typed_error(status: int, body: bytes) -> None:
    box = Box(Life())
    box.meet = lambda request: httpx.Response(status, content=body) if request.method == "POST" else None
    with pytest.raises(VerificationError):
        await submit(box, an_envelope(box))


# ── pushback and lost answers ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [429, 503])
async def test_who_is_told_to_come_back_comes_back_with_the_same_envelope(status: int) -> None:
    box, turns = Box(Life()), iter([problem(status, "busy", **{"Retry-After": "1"})] * 2)
    box.meet = lambda request: next(turns, None) if request.method == "POST" else None
    start = time.monotonic()
    receipt = await submit(box, an_envelope(box))
    assert time.monotonic() - start >= 2
    assert {each.content for each in box.sent_by("POST")} == {box.taken}
    assert receipt.statement == Statement(box.taken).id


async def test_whoever_says_come_back_without_end_is_believed_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.5)
    box = Box(Life())
    box.meet = lambda request: problem(503, "busy", **{"Retry-After": "1"})
    with pytest.raises(ServiceError) as error:
        await submit(box, an_envelope(box))
    assert (error.value.code, error.value.status, error.value.retry_after) == ("busy", 503, 1)


@pytest.mark.parametrize("said", ["-1", "1e9", "soon", "9" * 400, "٣", ""])
async def test_a_senseless_time_to_come_back_does_not_hold_anybody_up(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(client, "LONGEST_PAUSE", 0.05)
    box = Box(Life())
    body, headers = problem(503, "busy").content, [(b"Retry-After", said.encode())]
    turns = iter([httpx.Response(503, content=body, headers=headers)])
    box.meet = lambda request: next(turns, None) if request.method == "POST" else None
    assert (await submit(box, an_envelope(box))).statement == Statement(box.taken).id


async def test_a_lost_answer_changes_nothing() -> None:
    box, lost = Box(Life()), iter([True, True])

    def meet(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and next(lost, False):
            box.act(request)
            raise httpx.ReadError("the line broke")
        return None

    box.meet = meet
    receipt = await submit(box, an_envelope(box))
    assert len(box.sent_by("POST")) == 3
    assert box.life.entries.count(commitment_entry(receipt.commitment())) == 1


# ── sealed files ─────────────────────────────────────────────────────────────────────────────────────


def a_file(box: Box, folder: Path, size: int = 4500) -> Upload:
    """A sealed file of that many bytes, asked for."""
    path = folder / "1"
    path.write_bytes(bytes(i % 251 for i in range(size)))
    found = digest(path)
    request = UploadRequest(
        signer=box.bidder.fingerprint,
        tender=box.life.notice.tender,
        notice=box.life.notice_id,
        envelope="e" * 64,
        number=1,
        token=sha256(TOKEN).hex(),
        time=moment(box.life.now),
    )
    listed = SealedFile(number=1, sha256=found.sha256, size=found.size)
    return Upload(request=sign(request, box.bidder), token=TOKEN, file=listed, path=path)


async def upload(box: Box, file: Upload, **how: Any) -> DocumentReceipt:
    return await line(box).upload(file, box.life.terms, box.life.notice.complete, **how)


async def test_a_file_goes_in_pieces_to_where_the_envelope_says(tmp_path: Path) -> None:
    box, told, kept = Box(Life()), list[int](), list[bytes]()
    file = a_file(box, tmp_path)
    receipt = await upload(box, file, keep=kept.append, tell=told.append)
    assert box.stored == file.path.read_bytes()
    assert told == [0, 1000, 2000, 3000, 4000, 4500]
    assert (receipt.file, receipt.envelope) == (file.file, "e" * 64)
    assert len(kept) == 1
    places = {each.url.path.rpartition("/")[2] for each in box.sent_by("PATCH")}
    assert places == {file.file.id("e" * 64)}
    assert {each.url.host for each in box.requests} == {"service"}
    assert all(each.headers["Tus-Resumable"] == "1.0.0" for each in box.sent_by("PATCH"))


async def test_after_lost_answers_only_what_is_missing_is_sent(tmp_path: Path) -> None:
    box, lost = Box(Life()), iter([True, False, True])

    def meet(request: httpx.Request) -> httpx.Response | None:
        if request.method == "PATCH" and next(lost, False):
            box.act(request)
            raise httpx.ReadError("the line broke")
        return None

    box.meet = meet
    file = a_file(box, tmp_path)
    await upload(box, file)
    assert b"".join(each.content for each in box.sent_by("PATCH")) == box.stored == file.path.read_bytes()
    assert [len(each.content) for each in box.sent_by("PATCH")][:3] == [1000, 500, 500]


async def test_somebody_else_takes_up_what_was_begun(tmp_path: Path) -> None:
    box = Box(Life())
    file = a_file(box, tmp_path)
    box.stored, box.size = file.path.read_bytes()[:3100], 4500
    told = list[int]()
    await upload(box, file, tell=told.append)
    assert (told[0], sum(len(each.content) for each in box.sent_by("PATCH"))) == (3100, 1400)
    assert box.stored == file.path.read_bytes()


@pytest.mark.parametrize(
    "answer", [(409, "wrong-offset"), (460, "checksum-mismatch"), (503, "busy"), (429, "x")]
)
async def test_what_stands_in_the_way_once_is_overcome(tmp_path: Path, answer: tuple[int, str]) -> None:
    box, turns = Box(Life()), iter([problem(*answer)])
    box.meet = lambda request: next(turns, None) if request.method == "PATCH" else None
    file = a_file(box, tmp_path)
    await upload(box, file)
    assert box.stored == file.path.read_bytes()


@pytest.mark.parametrize(
    ("status", "code"), [(460, "document-differs"), (410, "gone"), (413, "too-large"), (404, "no-such")]
)
async def test_what_will_not_pass_is_said_at_once(tmp_path: Path, status: int, code: str) -> None:
    box = Box(Life())
    box.meet = lambda request: problem(status, code) if request.method == "PATCH" else None
    with pytest.raises(ServiceError) as error:
        await upload(box, a_file(box, tmp_path))
    assert (error.value.code, len(box.sent_by("PATCH"))) == (code, 1)


async def test_a_service_that_gets_no_further_is_given_up(tmp_path: Path) -> None:
    box = Box(Life())
    box.meet = lambda request: problem(500, "internal") if request.method == "PATCH" else None
    with pytest.raises(ServiceError):
        await upload(box, a_file(box, tmp_path))
    assert len(box.sent_by("PATCH")) == 1 + len(client.PAUSES)


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Offset": "4501", "Upload-Length": "4500"},
        {"Upload-Offset": "0", "Upload-Length": "4499"},
        {"Upload-Offset": "-1", "Upload-Length": "4500"},
        {"Upload-Offset": "0x10", "Upload-Length": "4500"},
        {"Upload-Offset": "9" * 30, "Upload-Length": "4500"},
        {"Upload-Length": "4500"},
        {"Upload-Offset": "0"},
    ],
)
async def test_a_senseless_state_of_a_file_is_a_typed_error(tmp_path: Path, headers: dict[str, str]) -> None:
    box = Box(Life())
    box.meet = lambda request: httpx.Response(200, headers=headers) if request.method == "HEAD" else None
    with pytest.raises(MalformedError):
        await upload(box, a_file(box, tmp_path))
    assert box.sent_by("PATCH") == []


@pytest.mark.parametrize("offset", ["0", "999", "1001", "4500"])
async def test_another_offset_than_follows_from_what_was_sent_is_not_believed(
    tmp_path: Path, offset: str
) -> None:
    box = Box(Life())
    box.meet = lambda request: (
        httpx.Response(204, headers={"Upload-Offset": offset}) if request.method == "PATCH" else None
    )
    with pytest.raises(MalformedError, match="another part of the file"):
        await upload(box, a_file(box, tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "a" * 64}, "another file"),
        ({"size": 4499}, "another file"),
        ({"number": 2}, "another file"),
        ({"envelope": "a" * 64}, "another envelope"),
        ({"bidder": "B-2"}, "another envelope"),
        ({"tender": "ocds-0s3al1-other"}, "another envelope"),
        ({"notice": "a" * 64}, "another envelope"),
        ({"time": moment(Life().notice.complete)}, "end of the grace"),
    ],
)
async def test_a_receipt_for_another_file_is_none(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    box, kept = Box(Life(), said=changes), list[bytes]()
    with pytest.raises(LogError, match=re.escape(said)):
        await upload(box, a_file(box, tmp_path), keep=kept.append)
    assert kept == []


async def test_another_file_than_the_envelope_lists_is_not_sent(tmp_path: Path) -> None:
    box = Box(Life())
    file = a_file(box, tmp_path)
    file.path.write_bytes(b"x" * 4500)
    with pytest.raises(LockError):
        await upload(box, file)
    assert box.requests == []


async def test_a_receipt_for_a_file_signed_by_anybody_else_is_none(tmp_path: Path) -> None:
    box = Box(Life())
    rival = a_bidder(the_world(), 2)
    box.life.keep_certificate(rival)

    def meet(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or "uploads" not in request.url.path:
            return None
        answer = msgspec.json.decode(box.document_receipt())
        payload = Statement(from_base64(answer["receipt"])).read(DocumentReceipt)
        forged = msgspec.structs.replace(payload, signer=rival.fingerprint)
        answer["receipt"] = to_base64(signed_anyhow(forged, rival))
        return httpx.Response(200, content=encode(answer))

    box.meet = meet
    with pytest.raises(CertificateError, match="does not sign"):
        await upload(box, a_file(box, tmp_path))


def signed_anyhow(payload: DocumentReceipt, key: SigningKey) -> bytes:
    """A right signature in a wrong role."""
    kind, body = PAYLOAD_TYPE.format(purpose=payload.PURPOSE), encode(payload)
    signature = {"keyid": key.fingerprint, "sig": to_base64(key.sign(pae(kind, body)))}
    return encode({"payload": to_base64(body), "payloadType": kind, "signatures": [signature]})
