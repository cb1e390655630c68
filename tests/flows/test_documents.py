"""Documents of a tender from the bidder's files to the officials' desks: who may read which, and when."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import httpx
import msgspec
import pytest
from litestar.exceptions import LitestarException

from bids.client import Upload
from bids.documents import seal_file
from bids.envelope import (
    SealedFile,
    Section,
    UploadRequest,
    compose,
    entropy_size,
    seal_restricted,
)
from crypto import stream
from crypto.certificates import Role, SigningKey
from crypto.encoding import moment, sha256
from crypto.statements import sign
from procurement.__main__ import main
from procurement.documents import check_before_sealing
from procurement.tenders import Bid, Document, LotOffer, Proposal, Restricted, padded
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town
from tests.flows.test_life import NEGOTIATION
from tests.flows.test_login import log_in

SKIPS = True
"""Nothing here is about how time passes."""
TAKES = {"document_limit": 9, "document_size": 8 * 1024 * 1024, "upload_grace": 3}
PLANS = b"Plans of the desks. " * 300_000
"""Long enough for several chunks, and for several objects in the store."""
COSTING = b"How the price comes about.\n" * 99
DIPLOMA = b"Lee Ji-eun, master carpenter, born 1984-05-17"
MANAGER = "Site manager: <b>Lee Ji-eun</b>, 010-2345-6789"


class Enclosed(NamedTuple):
    """A bidder's file, sealed."""

    document: Document
    file: SealedFile
    path: Path


class Handed(NamedTuple):
    """A bid that was handed in: its id, and its sealed files by number."""

    envelope: str
    files: Mapping[int, Enclosed]


def enclose(folder: Path, number: int, title: str, data: bytes, **changes: Any) -> Enclosed:
    source, target, key = folder / f"{number}.txt", folder / f"{number}.sealed", secrets.token_bytes(32)
    source.write_bytes(data)
    sealed = seal_file(source, target, key)
    document = Document(
        number=number,
        title=title,
        format="text/plain",
        key=key.hex(),
        sha256=sealed.plain.sha256,
        size=sealed.plain.size,
    )
    file = SealedFile(number=number, sha256=sealed.sealed.sha256, size=sealed.sealed.size)
    return Enclosed(msgspec.structs.replace(document, **changes), file, target)


def seal(
    tender: PracticeTender,
    key: SigningKey,
    contents: dict[Section, bytes],
    files: Sequence[Enclosed],
    restricted: Mapping[Section, bytes],
    folder: Path,
) -> tuple[bytes, list[Enclosed]]:
    """An envelope, and all sealed files that it lists."""
    entropy = secrets.token_bytes(entropy_size(tender.terms))
    sealed = list(files)
    for name, data in seal_restricted(restricted, tender.terms, key.fingerprint, entropy).items():
        number, path = len(sealed) + 1, folder / f"{name}.restricted"
        path.write_bytes(data)
        file = SealedFile.restricted(number, name, data)
        sealed.append(Enclosed(files[0].document, file, path))
    listed = [each.file for each in sealed]
    return compose(contents, tender.terms, key, entropy, documents=listed), sealed


async def upload(tender: PracticeTender, key: SigningKey, envelope: str, each: Enclosed) -> None:
    """As a bidder's client does; the receipt is verified."""
    token = secrets.token_bytes(32)
    request = UploadRequest(
        signer=key.fingerprint,
        tender=tender.ocid,
        notice=tender.notice_id,
        envelope=envelope,
        number=each.file.number,
        token=sha256(token).hex(),
        time=moment(tender.town.now()),
    )
    sent = Upload(request=sign(request, key), token=token, file=each.file, path=each.path)
    receipt = await tender.town.line().upload(sent, tender.terms, tender.notice.complete)
    assert (receipt.envelope, receipt.sha256) == (envelope, each.file.sha256)


async def handed_in(tender: PracticeTender, key: SigningKey, folder: Path) -> Handed:
    """1 public with the proposal, 2 public with the price, 3 restricted, 4 public and never sent; 5 and 6 are
    the restricted contents of both parts, of which the price's names nothing."""
    plans = enclose(folder, 1, "Plans/../of: the desks 책상.txt", PLANS)
    costing = enclose(folder, 2, "Costing", COSTING)
    diploma = enclose(folder, 3, "Diploma", DIPLOMA)
    never = enclose(folder, 4, "Never sent", b"")
    files = [plans, costing, diploma, never]
    proposal = Proposal(proposal="Oak.", documents=(plans.document, never.document))
    price = Bid(offers=(LotOffer(lot="1", amount="1000"),), documents=(costing.document,))
    contents: dict[Section, bytes] = {"technical": padded(proposal), "price": padded(price)}
    restricted: dict[Section, bytes] = {
        "technical": padded(Restricted(text=MANAGER, documents=(diploma.document,))),
        "price": padded(Restricted(text="Our bank: Nonghyup")),
    }
    check_before_sealing(tender.notice, contents, restricted, [each.file for each in files], ())
    envelope, sealed = seal(tender, key, contents, files, restricted, folder)
    receipt = await tender.submit(envelope)
    for each in sealed:
        if each is not never:
            await upload(tender, key, receipt.statement, each)
    return Handed(receipt.statement, {each.file.number: each for each in sealed})


async def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


class Reader:
    """Somebody who is logged in."""

    def __init__(self, tender: PracticeTender, handed: Handed, headers: dict[str, str]) -> None:
        self.tender, self.headers = tender, headers
        self.public = f"{tender.path}/bids/{handed.envelope}"
        self.desk = f"/desk/tenders/{tender.ocid}/bids/{handed.envelope}/documents"

    async def get(self, path: str) -> httpx.Response:
        answer = await self.tender.town.http.get(path, headers=self.headers)
        self.tender.town.http.cookies.clear()
        return answer

    async def document(self, number: int) -> httpx.Response:
        return await self.get(f"{self.desk}/{number}")

    async def reads(self, number: int, data: bytes) -> httpx.Response:
        """Gets that document, opened, to be kept as a file."""
        answer = await self.document(number)
        assert answer.status_code == 200, answer.text
        assert answer.content == data
        assert answer.headers["Content-Length"] == str(len(data))
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
        return answer

    async def all_of_it(self) -> dict[str, Any]:
        answer = await self.get(f"{self.public}/all-documents")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


async def test_documents_through_a_tenders_life(town: Town, tmp_path: Path) -> None:
    tender = await town.publish(a_lot(NEGOTIATION), lead=6, margin=6, **TAKES)
    bidder, stranger = await town.bidder("Hanbit"), await town.enrol(Role.OFFICER, "Officer Cho")
    given = await handed_in(tender, bidder, tmp_path)
    public, officer, evaluator, second, business, foreign = [
        Reader(tender, given, await log_in(town, key) if key else {})
        for key in (None, town.officer, town.evaluator, town.second, bidder, stranger)
    ]

    async def nothing_yet() -> None:
        for path in ("documents", "documents/1", "documents/3"):
            await refused(await public.get(f"{public.public}/{path}"), 404, "not-yet")
        for reader in (officer, second, evaluator):
            await refused(await reader.document(1), 404, "not-yet")
            await refused(await reader.get(f"{reader.public}/all-documents"), 404, "not-yet")

    await nothing_yet()
    await tender.close()
    await nothing_yet()
    await tender.round()
    await tender.order("technical")
    await tender.opened("technical")

    # ── the technical part is open, the price is not ──
    listed = (await public.get(f"{public.public}/documents")).json()["documents"]
    assert [each["number"] for each in listed] == [1, 2, 3, 4, 5, 6]
    assert [each["access"] for each in listed] == [
        "public",
        *["restricted"] * 2,
        "public",
        *["restricted"] * 2,
    ]
    assert [each["state"] for each in listed] == [*["stored"] * 3, "missing", *["stored"] * 2]
    assert listed[0] == {
        "number": 1,
        "access": "public",
        "state": "stored",
        "sha256": given.files[1].file.sha256,
        "size": given.files[1].file.size,
        "title": given.files[1].document.title,
        "format": "text/plain",
    }
    assert not any("title" in each or "fault" in each for each in listed if each["access"] == "restricted")
    sealed = await public.get(f"{public.public}/documents/1")
    assert sealed.content == given.files[1].path.read_bytes()
    assert sealed.headers["Content-Length"] == str(given.files[1].file.size)
    assert "Content-Encoding" not in sealed.headers
    key = bytes.fromhex(given.files[1].document.key)
    assert b"".join(stream.open(key, [sealed.content])) == PLANS
    page = (await public.get(f"/tenders/{tender.ocid}/bids")).text
    assert f'href="{public.public}/documents/1"' in page
    assert "Diploma" not in page
    for number in (2, 3, 5, 6):
        await refused(await public.get(f"{public.public}/documents/{number}"), 403, "document-restricted")
    for number in (4, 7):
        await refused(await public.get(f"{public.public}/documents/{number}"), 404, "no-such-document")
    nobody = f"{tender.path}/bids/{'0' * 64}/documents"
    await refused(await public.get(nobody), 404, "no-such-statement")

    for reader in (officer, second, evaluator):
        answer = await reader.reads(1, PLANS)
        name = unquote(answer.headers["Content-Disposition"].rpartition("''")[2])
        assert name == "1 Plans_.._of_ the desks 책상.txt"
        await reader.reads(3, DIPLOMA)
        assert MANAGER in (await reader.document(5)).text
        for number in (2, 4, 6, 7):
            await refused(await reader.document(number), 404, "no-such-document")
        page = (await reader.get(reader.desk)).text
        for shown in (
            "Hanbit",
            "Diploma",
            escape(MANAGER),
            f'href="{reader.desk}/3"',
            "Missing: it did not come in time",
        ):
            assert shown in page
        assert not {each for each in ("Costing", "<b>") if each in page}
        seen = await reader.all_of_it()
        assert seen["texts"] == {"technical": MANAGER}
        assert {each["number"]: each.get("title") for each in seen["documents"]}[3] == "Diploma"
    assert (await public.document(1)).headers["Location"] == "/login"
    await refused(await business.document(1), 403, "role-not-admitted")
    await refused(await foreign.document(1), 409, "another-officer")
    await refused(await foreign.get(f"{foreign.public}/all-documents"), 409, "another-officer")
    auditor = Reader(tender, given, await log_in(town, town.auditor))
    journal = [each["what"] for each in (await auditor.get("/api/v1/journal")).json()["entries"]]
    assert f"GET {evaluator.desk}/3" in journal

    # ── the price, too ──
    await tender.score({given.envelope: "40"})
    await tender.order("price")
    await tender.opened("price")
    await evaluator.reads(2, COSTING)
    assert (await officer.all_of_it())["texts"] == {"technical": MANAGER, "price": "Our bank: Nonghyup"}
    assert (await public.get(f"{public.public}/documents/2")).content == given.files[2].path.read_bytes()
    for number in (3, 5, 6):
        await refused(await public.get(f"{public.public}/documents/{number}"), 403, "document-restricted")
    for answer in (await public.get(f"{tender.path}/bids"), await public.get(f"{public.public}/documents")):
        for secret in (MANAGER, "Diploma", given.files[3].document.key):
            assert secret not in answer.text

    # ── and from the record ──
    await tender.evaluated()
    await tender.intend()
    await tender.award()
    record, download, out = tmp_path / "record.zip", tmp_path / "download", tmp_path / "opened.txt"
    record.write_bytes(await tender.verified_record())
    download.write_bytes(sealed.content)
    with pytest.raises(SystemExit) as ended:
        main(["document", str(record), str(download), "--out", str(out)])
    assert not ended.value.code
    assert out.read_bytes() == PLANS


async def test_what_does_not_open_to_what_its_bid_says_is_given_to_nobody_opened(
    town: Town, tmp_path: Path
) -> None:
    """Its bidder's fault costs it the document, and not the bid."""
    tender = await town.publish(a_lot(), lead=6, margin=6, **TAKES)
    bidder = await town.bidder("Careless")
    files = [
        enclose(tmp_path, 1, "Another key", b"a" * 100, key="0" * 64),
        enclose(tmp_path, 2, "Another hash", b"b" * 100, sha256="0" * 64),
        enclose(tmp_path, 3, "Another hash of many chunks", PLANS, sha256="0" * 64),
        enclose(tmp_path, 4, "Another size", b"d" * 100, size=99),
        enclose(tmp_path, 5, "In order", b"e" * 100),
    ]
    absent = msgspec.structs.replace(files[4].document, number=9)
    documents = (*(each.document for each in files), absent)
    bid = Bid(offers=(LotOffer(lot="1", amount="1000"),), documents=documents)
    restricted: dict[Section, bytes] = {"bid": b"no restricted content at all"}
    envelope, sealed = seal(tender, bidder, {"bid": padded(bid)}, files, restricted, tmp_path)
    handed = Handed((await tender.submit(envelope)).statement, {})
    await asyncio.gather(*(upload(tender, bidder, handed.envelope, each) for each in sealed))
    await tender.close()
    await tender.order("bid")
    assert "reason" not in (await tender.opened("bid"))[handed.envelope]

    officer = Reader(tender, handed, await log_in(town, town.officer))
    await refused(await officer.document(1), 422, "lock-mismatch")
    await refused(await officer.document(2), 422, "lock-mismatch")
    with pytest.raises(LitestarException, match="after response started"):  # the line breaks off
        await officer.document(3)
    await refused(await officer.document(4), 422, "lock-mismatch")
    await officer.reads(5, b"e" * 100)
    for number in (6, 9):
        await refused(await officer.document(number), 404, "no-such-document")
    assert (await officer.all_of_it())["texts"] == {}
    listed = (await officer.get(f"{officer.public}/documents")).json()["documents"]
    faults = {each["number"]: each.get("fault") for each in listed}
    assert faults == {1: None, 2: None, 3: None, 4: "size-differs", 5: None, 6: None, 9: "not-enclosed"}
    assert (await officer.get(f"{officer.public}/documents/4")).content == files[3].path.read_bytes()
    await refused(await officer.get(f"{officer.public}/documents/6"), 403, "document-restricted")


async def test_a_store_that_is_away_and_a_declared_conflict_keep_documents_from_officials(
    town: Town, tmp_path: Path
) -> None:
    tender = await town.publish(a_lot(), lead=5, margin=5, **TAKES)
    bidder = await town.bidder("Bidder")
    one = enclose(tmp_path, 1, "One", b"one")
    bid = Bid(offers=(LotOffer(lot="1", amount="1000"),), documents=(one.document,))
    envelope, _ = seal(tender, bidder, {"bid": padded(bid)}, [one], {}, tmp_path)
    handed = Handed((await tender.submit(envelope)).statement, {})
    await upload(tender, bidder, handed.envelope, one)
    await tender.close()
    await tender.order("bid")
    await tender.opened("bid")
    second = Reader(tender, handed, await log_in(town, town.second))
    await second.reads(1, b"one")
    for each in Path(town.house.documents).rglob("*"):
        if each.is_file():
            each.rename(each.with_name("lost"))
    for path in (f"{second.desk}/1", f"{second.public}/documents/1"):
        answer = await second.get(path)
        await refused(answer, 503, "store-away")
        assert answer.headers["Retry-After"]
    await tender.declare(town.second, conflict=True)
    await refused(await second.document(1), 409, "conflict-declared")
    await refused(await second.get(f"{second.public}/all-documents"), 409, "conflict-declared")


async def test_a_second_officer_reads_what_documents_a_notice_takes(town: Town) -> None:
    headers = await log_in(town, town.second)
    for changes, said in (
        (
            TAKES,
            ("At most 9, restricted content", "at most 8,388,608 bytes", "for 3 seconds after the deadline"),
        ),
        (TAKES | {"upload_grace": 0}, ("Until the deadline, not after it",)),
        ({}, ("<dt>Documents</dt><dd>None</dd>",)),
    ):
        notice = town.notice(a_lot(), lead=60, margin=6, **changes)
        await town.line().post("/api/v1/tenders", sign(notice, town.officer))
        page = (await town.http.get("/desk/drafts", headers=headers)).text
        [own] = [each for each in page.split("<article")[1:] if notice.tender in each]
        for each in said:
            assert each in own
