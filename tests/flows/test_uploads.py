"""Sealed files by tus 1.0.0, over real HTTP: pieces, broken lines, two senders at once, wrong bytes."""

import asyncio
import hashlib
import logging
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import LocalStore

import bids.store as box
import bids.uploads
import procurement.uploads
from bids.envelope import SealedFile, UploadRequest, compose, entropy_size
from bids.receipts import DocumentReceipt, Held, commitment_entry
from bids.uploads import PART, Depot
from crypto.certificates import SigningKey
from crypto.checkpoint import VerifyingKey
from crypto.encoding import moment, sha256, to_base64
from crypto.errors import VerificationError
from crypto.statements import sign
from procurement import store
from procurement.authorities import local_beacon
from procurement.service import House, embedded_witness, working
from procurement.timekeeping import Clock
from procurement.web.uploads import parse_checksum, parse_metadata, parse_number, parse_token
from tests.builders import a_lot
from tests.flows.doomed import ServiceProcess
from tests.flows.people import PracticeTender, Town, wait_until
from tests.flows.test_ceremony import listening
from tests.flows.test_openapi import app_of

LONG = 600.0
SIZE = 300_000
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"


class Sender:
    """A bidder with an accepted envelope that lists `files`, and its line to the service."""

    def __init__(self, tender: PracticeTender, key: SigningKey, files: Sequence[bytes]) -> None:
        self.tender, self.key, self.files = tender, key, list(files)
        self.tokens = {number: secrets.token_bytes(32) for number, _ in enumerate(files, 1)}
        self.envelope = ""

    @property
    def listed(self) -> tuple[SealedFile, ...]:
        return tuple(
            SealedFile(number=number, sha256=sha256(each).hex(), size=len(each))
            for number, each in enumerate(self.files, 1)
        )

    async def bid(self, previous: str | None = None, amount: str = "1000") -> str:
        terms = self.tender.terms
        entropy = secrets.token_bytes(entropy_size(terms))
        contents = self.tender.contents(amount)
        sealed = compose(contents, terms, self.key, entropy, previous, documents=self.listed)
        self.envelope = (await self.tender.submit(sealed)).statement
        return self.envelope

    def request(self, number: int = 1, **changes: Any) -> bytes:
        values: dict[str, Any] = {
            "signer": self.key.fingerprint,
            "tender": self.tender.ocid,
            "notice": self.tender.notice_id,
            "envelope": self.envelope,
            "number": number,
            "token": sha256(self.tokens[number]).hex(),
            "time": moment(datetime.now(UTC)),
        }
        return sign(UploadRequest(**(values | changes)), self.key)

    async def create(
        self, http: httpx.AsyncClient, number: int = 1, size: int | None = None, **changes: Any
    ) -> httpx.Response:
        length = len(self.files[number - 1]) if size is None else size
        metadata = {"Upload-Length": str(length), "Upload-Metadata": said(self.request(number, **changes))}
        return await http.post(f"{self.tender.path}/uploads", headers=TUS | metadata)

    def path(self, number: int = 1) -> str:
        return f"{self.tender.path}/uploads/{self.listed[number - 1].id(self.envelope)}"

    def bearer(self, number: int = 1) -> dict[str, str]:
        return TUS | {"Authorization": f"Bearer {self.tokens[number].hex()}"}

    async def offset(self, http: httpx.AsyncClient, number: int = 1) -> int:
        answer = await http.head(self.path(number), headers=self.bearer(number))
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Upload-Length"] == str(len(self.files[number - 1]))
        return int(answer.headers["Upload-Offset"])

    async def send(
        self,
        http: httpx.AsyncClient,
        data: bytes | AsyncIterator[bytes],
        offset: int = 0,
        number: int = 1,
        checksum: str | None = None,
    ) -> httpx.Response:
        piece = {"Content-Type": BYTES, "Upload-Offset": str(offset)}
        piece |= {"Upload-Checksum": checksum} if checksum else {}
        return await http.patch(self.path(number), content=data, headers=self.bearer(number) | piece)

    async def receipt(self, http: httpx.AsyncClient, number: int = 1) -> DocumentReceipt:
        """Verified as a bidder does: it is the service's, about this file, and in the log."""
        for _ in range(50):
            answer = await http.get(self.path(number), headers=self.bearer(number))
            if answer.status_code != 202:
                break
        assert answer.status_code == 200, answer.text
        held, town = Held.parse(answer.content), self.tender.town
        now = datetime.now(UTC)
        receipt = await town.line().verified_unless_revoked(held.receipt, DocumentReceipt, now)
        assert (receipt.envelope, receipt.bidder) == (self.envelope, self.key.certificate.registration)
        assert receipt.file == self.listed[number - 1]
        assert receipt.tender == self.tender.ocid
        assert held.proof is not None
        held.proof.verify(commitment_entry(receipt.commitment()), VerifyingKey.parse(town.trust.log))
        return receipt

    async def stored(self) -> bytes:
        """The document, put together from the parts in the store."""
        async with depot_of(self.tender.town) as depot:
            [document] = await box.load_documents(depot.pool, self.tender_id)
            return b"".join([each async for each in depot.read(self.tender_id, document.source)])

    @property
    def tender_id(self) -> Any:
        return store.id_of(self.tender.ocid)

    def objects(self) -> list[Path]:
        folder = Path(self.tender.town.house.documents) / str(self.tender_id)
        return [each for each in folder.rglob("*") if each.is_file()]


@pytest.fixture
async def http(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """A client that speaks through a real server."""
    async with listening(app_of(town)) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


@asynccontextmanager
async def depot_of(town: Town) -> AsyncIterator[Depot]:
    """The service's store, as another process sees it."""
    async with asyncpg.create_pool(town.dsn, min_size=1, max_size=2) as pool:
        yield Depot(pool, LocalStore(town.house.documents), secrets.token_bytes)


async def a_sender(town: Town, *files: bytes, grace: int = 0, **how: Any) -> Sender:
    """With an accepted bid, by default with one file."""
    how = {"lead": LONG, "document_limit": 3, "document_size": 64 << 20, "upload_grace": grace} | how
    bidder = await town.bidder("Sender")
    tender = await town.publish(a_lot(), **how)
    sender = Sender(tender, bidder, files or (secrets.token_bytes(SIZE),))
    await sender.bid()
    return sender


def said(request: bytes) -> str:
    return f"request {to_base64(request)}"


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    return answer.status_code, str(answer.json()["code"])


# ── the way it goes ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_that_comes_in_pieces_is_there_and_has_a_receipt_from_the_log(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town, secrets.token_bytes(2 * PART + SIZE))
    [file] = sender.files
    made = await sender.create(http)
    assert (made.status_code, made.headers["Location"]) == (201, sender.path())
    assert made.headers["Upload-Offset"] == "0"
    assert parsedate_to_datetime(made.headers["Upload-Expires"]) == sender.tender.notice.complete.replace(
        microsecond=0
    )
    there = 0
    for end in (1, PART + 7, PART + 7, len(file)):
        answer = await sender.send(http, file[there:end], there)
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end))
        there = await sender.offset(http)
        assert there == end
        if end < len(file):
            unfinished = await http.get(sender.path(), headers=sender.bearer())
            assert code(unfinished) == (409, "not-complete")
    receipt = await sender.receipt(http)
    assert not receipt.in_doubt
    assert (await sender.receipt(http)).commitment() == receipt.commitment()
    assert await sender.stored() == file
    assert max(each.stat().st_size for each in sender.objects()) == PART
    assert (await sender.send(http, b"", len(file))).status_code == 204
    assert code(await sender.send(http, b"", 0)) == (409, "wrong-offset")


async def test_what_is_offered_is_said(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town)
    for path in (f"{sender.tender.path}/uploads", sender.path()):
        answer = await http.options(path)
        assert answer.status_code == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Extension"] == "creation,checksum,expiration,termination"
        assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
        assert int(answer.headers["Tus-Max-Size"]) == 4 << 30


async def test_the_same_request_again_goes_on_with_the_same_upload(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    first = await sender.create(http)
    await sender.send(http, sender.files[0][:1000])
    lost, sender.tokens[1] = sender.tokens[1], secrets.token_bytes(32)
    again = await sender.create(http)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Upload-Offset"] == "1000"
    assert await sender.offset(http) == 1000
    former = await http.get(sender.path(), headers=TUS | {"Authorization": f"Bearer {lost.hex()}"})
    assert code(former) == (404, "no-such-upload")


async def test_a_file_that_came_with_the_replaced_bid_need_not_come_again(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town, secrets.token_bytes(SIZE), secrets.token_bytes(10))
    await sender.create(http)
    await sender.send(http, sender.files[0])
    await sender.receipt(http)
    objects, first = sender.objects(), await sender.bid(previous=sender.envelope)
    made = await sender.create(http)
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, str(SIZE))
    assert (await sender.receipt(http)).envelope == first
    assert sender.objects() == objects
    other = Sender(sender.tender, await town.bidder("Copier"), sender.files)
    await other.bid()
    assert (await other.create(http)).headers["Upload-Offset"] == "0"


async def test_a_file_of_no_bytes_is_there_at_once(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town, b"")
    assert (await sender.create(http)).headers["Upload-Offset"] == "0"
    await sender.receipt(http)


# ── broken lines, other processes, two at once ───────────────────────────────────────────────────────────


async def test_what_came_before_the_line_broke_counts_and_nobody_is_alarmed(
    town: Town, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    await broken_off(http, town, sender, sender.files[0][:123_456])
    assert await until(lambda: sender.offset(http), 123_456)
    rest = await sender.send(http, sender.files[0][123_456:], 123_456)
    assert rest.headers["Upload-Offset"] == str(SIZE)
    await sender.receipt(http)
    assert await sender.stored() == sender.files[0]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_a_sender_who_falls_silent_is_let_go_and_keeps_what_came(
    town: Town, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bids.uploads, "SILENCE", 1.0)
    sender = await a_sender(town)
    await sender.create(http)

    async def stalling() -> AsyncIterator[bytes]:
        yield sender.files[0][:1000]
        await asyncio.sleep(3)

    answer = await sender.send(http, stalling())
    assert code(answer) == (408, "request-timeout")
    assert await sender.offset(http) == 1000


async def test_of_two_who_send_the_same_piece_one_is_heard(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    answers = await asyncio.gather(*(sender.send(http, sender.files[0][:-1]) for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [204, 409, 409, 409, 409]
    assert await sender.offset(http) == SIZE - 1
    assert len(sender.objects()) == 1
    await sender.send(http, sender.files[0][-1:], SIZE - 1)
    await sender.receipt(http)
    assert await sender.stored() == sender.files[0]


async def test_another_process_goes_on_where_the_first_one_was(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town, secrets.token_bytes(PART + SIZE))
    [file] = sender.files
    await sender.create(http)
    await sender.send(http, file[:PART])
    async with another(town) as second:
        await sender.send(second, file[PART : PART + 5], PART)
        await sender.send(http, file[PART + 5 : -1], PART + 5)
        assert (await sender.send(second, file[-1:], len(file) - 1)).status_code == 204
        receipt = await sender.receipt(second)
    assert (await sender.receipt(http)).commitment() == receipt.commitment()
    assert await sender.stored() == file


async def test_what_came_before_a_kill_of_everything_is_there_after_it(open_folder: Path) -> None:
    process = ServiceProcess(open_folder)
    await process.start()
    try:
        async with httpx.AsyncClient(base_url=process.url, timeout=30, trust_env=False) as http:
            town = await Town.settle(http, House.below(open_folder), process.dsn)
            sender = await a_sender(town, secrets.token_bytes(2 * PART + SIZE))
            await sender.create(http)
            killed = asyncio.Event()
            slowly = asyncio.create_task(sender.send(http, halting(sender.files[0], PART + SIZE, killed)))
            assert await until(lambda: sender.offset(http), PART)
            before = await sender.offset(http)
            process.kill(all_of_it=True)
            killed.set()
            with pytest.raises(httpx.TransportError):
                await slowly
        await process.start()
        async with httpx.AsyncClient(base_url=process.url, timeout=30, trust_env=False) as http:
            town.http = http
            there = await sender.offset(http)
            assert 0 < before <= there < len(sender.files[0])
            answer = await sender.send(http, sender.files[0][there:], there)
            assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(2 * PART + SIZE))
            await sender.receipt(http)
            assert await sender.stored() == sender.files[0]
    finally:
        process.end()


async def test_a_file_whose_last_byte_was_stored_by_a_process_that_was_killed_then_is_there(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    async with depot_of(town) as depot:
        upload = await box.load_upload(depot.pool, sender.tender_id, sender.listed[0].id(sender.envelope))
        assert upload is not None
        assert await depot.receive(sender.tender_id, upload, pieces(sender.files[0])) == SIZE
        assert not await box.load_documents(depot.pool, sender.tender_id)
    assert await sender.offset(http) == SIZE
    await sender.receipt(http)


async def test_whoever_asks_at_once_for_a_file_that_has_come_gets_one_and_the_same_receipt(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    async with depot_of(town) as depot, another(town) as second:
        upload = await box.load_upload(depot.pool, sender.tender_id, sender.listed[0].id(sender.envelope))
        assert upload is not None
        await depot.receive(sender.tender_id, upload, pieces(sender.files[0]))
        asked = [sender.receipt(each) for each in (http, second) * 4]
        receipts = await asyncio.gather(*asked)
        assert len({each.commitment() for each in receipts}) == 1
        assert len(await box.load_documents(depot.pool, sender.tender_id)) == 1
    await sender.bid(previous=sender.envelope)
    made = await asyncio.gather(*(sender.create(http) for _ in range(4)))
    assert {(each.status_code, each.headers["Upload-Offset"]) for each in made} == {(201, str(SIZE))}


async def test_while_memory_is_short_parts_are_smaller(
    town: Town, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bids.uploads, "BUDGET", 0)
    sender = await a_sender(town, secrets.token_bytes(PART))
    await sender.create(http)
    await sender.send(http, pieces(sender.files[0], 50_000))
    await sender.receipt(http)
    assert max(each.stat().st_size for each in sender.objects()) < PART / 8
    assert await sender.stored() == sender.files[0]


async def test_what_comes_slowly_is_durable_soon(
    town: Town, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bids.uploads, "LINGER", -1.0)  # at once, however coarse the clock is
    sender = await a_sender(town)
    await sender.create(http)
    seen = asyncio.Event()
    slowly = asyncio.create_task(sender.send(http, halting(sender.files[0], 200_000, seen)))
    assert await until(lambda: sender.offset(http), 200_000)
    assert not slowly.done()
    seen.set()
    assert (await slowly).headers["Upload-Offset"] == str(SIZE)


async def test_one_bidder_does_not_take_all_places(
    town: Town, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procurement.uploads, "MOST_EACH", 2)
    monkeypatch.setattr(procurement.uploads, "MOST_AT_ONCE", 3)
    sender = await a_sender(town, *(secrets.token_bytes(SIZE) for _ in range(3)))
    other = Sender(sender.tender, await town.bidder("Other"), [secrets.token_bytes(SIZE)] * 2)
    await other.bid()
    for who, number in ((sender, 1), (sender, 2), (sender, 3), (other, 1), (other, 2)):
        await who.create(http, number)

    seen = asyncio.Event()

    def going_on(who: Sender, number: int) -> asyncio.Task[httpx.Response]:
        slowly = halting(who.files[number - 1], 100_000, seen)
        return asyncio.create_task(who.send(http, slowly, number=number))

    async def nothing_more(who: Sender, number: int) -> int:
        return (await who.send(http, b"", number=number)).status_code

    under_way = [going_on(sender, 1), going_on(sender, 2)]
    assert await until(lambda: nothing_more(sender, 3), 429)
    third = await sender.send(http, b"x", number=3)
    assert code(third) == (429, "too-many-requests")
    assert third.headers["Retry-After"]
    under_way.append(going_on(other, 1))
    assert await until(lambda: nothing_more(other, 2), 503)
    full = await other.send(http, b"x", number=2)
    assert code(full) == (503, "busy")
    assert full.headers["Retry-After"]
    seen.set()
    assert [each.status_code for each in await asyncio.gather(*under_way)] == [204] * 3
    assert (await sender.send(http, sender.files[2], number=3)).status_code == 204


async def test_nobody_fills_the_store_by_replacing_its_bid_again_and_again(
    town: Town, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procurement.uploads, "MOST_BIDS", 2)
    sender = await a_sender(town, secrets.token_bytes(SIZE), document_limit=1, document_size=SIZE)
    for _ in range(2):
        await sender.create(http)
        assert (await sender.send(http, sender.files[0])).status_code == 204
        sender.files = [secrets.token_bytes(SIZE)]
        await sender.bid(previous=sender.envelope)
    assert (await sender.create(http)).status_code == 201
    assert code(await sender.send(http, sender.files[0])) == (413, "too-much")
    other = Sender(sender.tender, await town.bidder("Other"), [secrets.token_bytes(SIZE)])
    await other.bid()
    await other.create(http)
    assert (await other.send(http, other.files[0])).status_code == 204


async def test_files_of_a_bid_that_stands_come_although_amended_terms_take_none(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    await sender.tender.amend(document_limit=0, document_size=0)
    assert (await sender.create(http)).status_code == 201
    assert (await sender.send(http, sender.files[0])).status_code == 204
    await sender.receipt(http)


async def test_a_file_under_way_while_the_grace_moves_is_in_time_by_the_grace_that_there_is(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town, lead=5, margin=30)
    await sender.create(http)
    later = sender.tender.notice.closes + timedelta(seconds=20)

    async def slowly() -> AsyncIterator[bytes]:
        [file] = sender.files
        yield file[:100]
        before = sender.tender.notice.closes
        await sender.tender.amend(deadline=moment(later))
        await wait_until(before + timedelta(seconds=0.5))
        yield file[100:]

    assert (await sender.send(http, slowly())).status_code == 204


# ── wrong bytes ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_piece_with_a_checksum_counts_as_a_whole_or_not_at_all(
    town: Town, http: httpx.AsyncClient, algorithm: str
) -> None:
    sender = await a_sender(town, secrets.token_bytes(PART + SIZE))
    [file] = sender.files
    await sender.create(http)
    digest = b64encode(hashlib.new(algorithm, file, usedforsecurity=False).digest()).decode()
    checksum = f"{algorithm} {digest}"
    damaged = await sender.send(http, file[:-1] + bytes([file[-1] ^ 1]), checksum=checksum)
    assert code(damaged) == (460, "checksum-differs")
    await broken_off(http, town, sender, file[:-1], checksum=checksum)
    assert await until(lambda: asyncio.sleep(0, not sender.objects()), True)
    assert await sender.offset(http) == 0
    assert (await sender.send(http, file, checksum=checksum)).status_code == 204
    await sender.receipt(http)
    assert await sender.stored() == file


async def test_a_file_that_is_not_the_one_in_the_envelope_begins_anew(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    await sender.send(http, bytes(1000))
    answer = await sender.send(http, sender.files[0][1000:], 1000)
    assert code(answer) == (460, "document-differs")
    assert await sender.offset(http) == 0
    assert not sender.objects()
    await sender.send(http, sender.files[0][:1000])
    assert (await sender.send(http, sender.files[0][1000:], 1000)).status_code == 204
    await sender.receipt(http)


async def test_no_more_comes_than_the_file_has(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    assert code(await sender.send(http, bytes(SIZE + 1))) == (413, "too-large")
    assert code(await sender.send(http, pieces(bytes(SIZE + 1)))) == (413, "too-large")
    assert await sender.offset(http) < SIZE
    rest = await sender.offset(http)
    assert code(await sender.send(http, b"x", rest + 1)) == (409, "wrong-offset")


# ── whose it is, and until when ──────────────────────────────────────────────────────────────────────────


async def test_only_who_has_the_token_gets_to_an_upload(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    wrong = TUS | {"Authorization": f"Bearer {'0' * 64}"}
    nowhere = sender.path().replace(sender.path()[-8:], "00000000")
    came = set()
    for path, headers in ((sender.path(), wrong), (nowhere, sender.bearer())):
        for method in ("HEAD", "GET", "PATCH", "DELETE"):
            extra = {"Content-Type": BYTES, "Upload-Offset": "0"} if method == "PATCH" else {}
            answer = await http.request(method, path, headers=headers | extra)
            assert answer.status_code == 404
            came |= {answer.content} - {b""}
    assert len(came) == 1, "nobody learns whether an upload exists"
    for given_ in ("", "Bearer", "Bearer 12", "Basic " + "0" * 64, "Bearer " + "g" * 64):
        answer = await http.get(sender.path(), headers={"Authorization": given_})
        assert code(answer) == (401, "token-missing")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert await sender.offset(http) == 0


async def test_an_upload_is_made_by_who_signed_the_envelope_and_for_what_it_lists(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    rival = Sender(sender.tender, await town.bidder("Rival"), sender.files)
    rival.envelope = sender.envelope
    assert code(await rival.create(http)) == (404, "no-such-envelope")
    assert code(await sender.create(http, envelope="0" * 64)) == (404, "no-such-envelope")
    sender.tokens[2], sender.files[1:] = bytes(32), [b"never listed"]
    assert code(await sender.create(http, 2)) == (404, "not-listed")
    assert code(await sender.create(http, size=SIZE - 1)) == (422, "wrong-size")
    assert code(await sender.create(http, size=5 << 30)) == (413, "too-large")
    assert code(await sender.create(http, notice="0" * 64)) == (409, "another-tender")
    before = moment(datetime.now(UTC) - timedelta(hours=1))
    assert code(await sender.create(http, time=before)) == (409, "time-wrong")
    unsigned = sender.request().replace(b'"sig":"', b'"sig":"AAAA')
    headers = TUS | {"Upload-Length": str(SIZE), "Upload-Metadata": said(unsigned)}
    answer = await http.post(f"{sender.tender.path}/uploads", headers=headers)
    assert code(answer) == (403, "signature-invalid")
    assert (await town.rows(sender.tender.ocid))["upload"] == []


async def test_files_of_a_replaced_bid_are_not_begun_any_more(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town)
    former = sender.envelope
    await sender.bid(previous=former)
    assert code(await sender.create(http, envelope=former)) == (409, "not-latest")


async def test_an_upload_that_is_broken_off_leaves_nothing(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    await sender.send(http, sender.files[0][:1000])
    assert sender.objects()
    assert (await http.delete(sender.path(), headers=sender.bearer())).status_code == 204
    assert not sender.objects()
    gone = await http.get(sender.path(), headers=sender.bearer())
    assert code(gone) == (404, "no-such-upload")
    await sender.create(http)
    await sender.send(http, sender.files[0])
    receipt = await sender.receipt(http)
    refused = await http.delete(sender.path(), headers=sender.bearer())
    assert code(refused) == (409, "document-stored")
    assert (await sender.receipt(http)).commitment() == receipt.commitment()


async def test_after_the_grace_nothing_comes_and_only_what_was_there_stays(
    town: Town, http: httpx.AsyncClient
) -> None:
    files = [secrets.token_bytes(SIZE) for _ in range(3)]
    grace = ceil(3 * town.pace)
    sender = await a_sender(town, *files, lead=2, margin=8, grace=grace)
    await sender.tender.deadline()
    await sender.create(http, 1)
    await sender.create(http, 2)
    await sender.send(http, files[0], number=1)
    await sender.send(http, files[1][:1000], number=2)
    async with depot_of(town) as depot:  # as a process leaves it that is killed before the row
        await depot.put(
            depot.name(sender.tender_id, sender.listed[1].id(sender.envelope), 1000), bytearray(5)
        )
    assert len(sender.objects()) == 3
    await sender.tender.deadline(grace)
    assert code(await sender.send(http, files[1][1000:], 1000, 2)) == (410, "after-grace")
    assert (await http.head(sender.path(2), headers=sender.bearer(2))).status_code == 410
    assert code(await sender.create(http, 3)) == (410, "after-grace")
    assert (await sender.create(http, 1)).status_code == 201
    await sender.receipt(http, 1)
    closed = await sender.tender.close()
    assert [(each.envelope, each.number) for each in closed.closing.documents] == [(sender.envelope, 1)]
    assert [(each.envelope, each.number) for each in closed.closing.missing] == [
        (sender.envelope, 2),
        (sender.envelope, 3),
    ]
    assert await until(lambda: asyncio.sleep(0, len(sender.objects())), 1)
    await sender.receipt(http, 1)
    assert await sender.stored() == files[0]


async def test_a_piece_that_ends_after_the_grace_is_late(town: Town, http: httpx.AsyncClient) -> None:
    sender = await a_sender(town, lead=2.5, margin=4)
    await sender.create(http)
    late = asyncio.Event()
    slowly = asyncio.create_task(sender.send(http, halting(sender.files[0], 200_000, late)))
    await sender.tender.deadline(0.2)
    late.set()
    answer = await slowly
    assert code(answer) == (410, "after-grace")
    assert not (await sender.tender.close()).closing.documents


async def test_while_the_clock_is_in_doubt_files_are_taken_and_marked(
    town: Town, http: httpx.AsyncClient
) -> None:
    ahead = timedelta()
    sender = await a_sender(town)
    async with another(town, Clock(lambda: ahead)) as turned:
        await sender.create(turned)
        ahead = timedelta(hours=1)
        assert (await sender.send(turned, sender.files[0])).status_code == 204
        answer = await turned.get(sender.path(), headers=sender.bearer())
    receipt = Held.parse(answer.content).receipt.read(DocumentReceipt)
    assert receipt.in_doubt
    assert receipt.time > sender.tender.notice.deadline


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_headers_that_say_nothing_or_two_things_are_refused(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    await sender.create(http)
    path, bearer = sender.path(), list(sender.bearer().items())
    piece = [("Content-Type", BYTES), ("Upload-Offset", "0")]
    refused = [
        (bearer[1:] + piece, (412, "wrong-version")),
        ([("Tus-Resumable", "0.2.2"), *bearer[1:], *piece], (412, "wrong-version")),
        ([*bearer, ("Content-Type", "application/json"), piece[1]], (415, "wrong-media-type")),
        ([*bearer, piece[0]], (400, "malformed")),
        ([*bearer, *piece, piece[1]], (400, "malformed")),
        ([*bearer, bearer[1], *piece], (400, "malformed")),
        *(
            ([*bearer, piece[0], ("Upload-Offset", wrong)], (400, "malformed"))
            for wrong in ("", "-1", "+1", "01", "1e3", "0x1", "1 2", "9" * 400)
        ),
        *(
            ([*bearer, *piece, ("Upload-Checksum", wrong)], (400, "malformed"))
            for wrong in ("", "md5 AAAA", "sha1", "sha1 AAAA", "sha256 !", f"sha1 {'A' * 43}=")
        ),
    ]
    for headers, expected in refused:
        answer = await http.patch(path, content=b"x", headers=headers)
        assert code(answer) == expected, headers
    assert (await http.patch(path, headers=bearer[1:])).headers["Tus-Version"] == "1.0.0"
    assert await sender.offset(http) == 0


async def test_what_is_made_needs_a_length_and_a_request_and_nothing_else(
    town: Town, http: httpx.AsyncClient
) -> None:
    sender = await a_sender(town)
    request = said(sender.request())
    for length, metadata in (
        (None, request),
        ("-1", request),
        (str(SIZE), None),
        (str(SIZE), "request"),
        (str(SIZE), f"{request},filename cHJpY2VzLnhsc3g="),
        (str(SIZE), f"filename cHJpY2VzLnhsc3g=,{request}"),
        (str(SIZE), f"request {to_base64(b'{}')}"),
        (str(SIZE), f"request {'A' * 20_000}"),
    ):
        given_ = {"Upload-Length": length, "Upload-Metadata": metadata}
        headers = TUS | {name: value for name, value in given_.items() if value is not None}
        answer = await http.post(f"{sender.tender.path}/uploads", headers=headers)
        assert code(answer) == (400, "malformed"), given_
    headers = TUS | {"Upload-Length": str(SIZE), "Upload-Metadata": request}
    answer = await http.post(f"{sender.tender.path}/uploads", headers=headers, content=b"bytes")
    assert code(answer) == (400, "malformed")


PARSERS: tuple[Callable[[str | None], object], ...] = (
    parse_checksum,
    parse_metadata,
    parse_token,
    lambda text: parse_number(text, "Upload-Offset"),
)


@given(
    st.one_of(st.none(), st.text(st.characters(max_codepoint=255)), st.from_regex("(?i)sha1 .*|bearer .*"))
)
def test_whatever_a_header_says_it_is_read_or_refused(text: str | None) -> None:
    for parse in PARSERS:
        with suppress(VerificationError):
            parse(text)


# ── what the tests stand on ──────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def another(town: Town, clock: Clock | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A second service on the same house, with nothing of the first one's memory, which does not lead."""
    witnesses = embedded_witness(town.house, "http://127.0.0.1:9")
    beacon = local_beacon(town.house.keys, 1)
    async with (
        working(town.house, town.dsn, witnesses, beacon, clock or Clock()) as app,
        listening(app) as address,
        httpx.AsyncClient(base_url=address, timeout=30) as client,
    ):
        yield client


async def pieces(data: bytes, size: int = 64 * 1024, pause: float = 0) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
        await asyncio.sleep(pause)


async def halting(data: bytes, before: int, goes_on: asyncio.Event) -> AsyncIterator[bytes]:
    """So many bytes, and the rest once it may go on."""
    async for piece in pieces(data[:before]):
        yield piece
    await goes_on.wait()
    yield data[before:]


async def broken_off(
    http: httpx.AsyncClient, town: Town, sender: Sender, data: bytes, checksum: str | None = None
) -> None:
    """Announces the whole file, sends `data`, and is gone once the service has taken all of it."""
    uploads: Any = app_of(town).dependencies["uploads"]
    address = urlsplit(str(http.base_url))
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    said = sender.bearer() | {"Content-Type": BYTES, "Upload-Offset": "0", "Host": "service"}
    said |= {"Upload-Checksum": checksum} if checksum else {}
    said["Content-Length"] = str(len(sender.files[0]))
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    writer.write(f"PATCH {sender.path()} HTTP/1.1\r\n{lines}\r\n".encode() + data)
    await writer.drain()
    depot = uploads.dependency()._depot
    assert await until(lambda: asyncio.sleep(0, depot.buffered), len(data) % PART)
    writer.transport.abort()


async def until(look: Any, expected: object) -> bool:
    """Whether `look` comes to what is expected."""
    for _ in range(1200):
        if await look() == expected:
            return True
        await asyncio.sleep(0.05)
    return False
