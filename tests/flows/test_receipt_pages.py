"""The page of a receipt, for whoever knows the id of what was taken, and the same on paper."""

import asyncio
import html
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
import segno

from bids.receipts import DocumentReceipt, Held, Promise, Receipt
from crypto.checkpoint import Checkpoint, Note
from procurement.reception import Pushback
from procurement.web import receipts
from procurement.web.look import WORDS
from tests.builders import a_lot
from tests.core.test_sheets import a_sheet
from tests.flows.people import PracticeTender, Town
from tests.flows.test_consortium import joint_bid
from tests.flows.test_own_bids import with_files, withdraw
from tests.flows.test_reception import Elsewhere, reception
from tests.flows.test_silence import upload
from tests.pdf import Pdf

HOSTILE = '#read("/etc/passwd") = *Desks* <script>alert(1)</script> 책상'


async def page(tender: PracticeTender, id: str, more: str = "") -> httpx.Response:
    return await tender.town.http.get(f"/tenders/{tender.ocid}/receipts/{id}{more}")


async def paper(tender: PracticeTender, id: str, language: str = "en") -> Pdf:
    answer = await page(tender, id, f".pdf?lang={language}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/pdf"
    return Pdf(answer.content)


def said(answer: httpx.Response) -> str:
    """The words of a page."""
    assert answer.status_code == 200, answer.text
    text = re.sub(r"<[^>]+>", " ", answer.text.split("<main")[1].split("</main")[0])
    return " ".join(html.unescape(text).split())


def blankless(text: str) -> str:
    return re.sub(r"\s", "", text)


async def witnessed(tender: PracticeTender, id: str) -> str:
    """The page, once the witness has co-signed a checkpoint that has the entry."""
    for _ in range(1200):
        text = said(await page(tender, id))
        if "None has co-signed" not in text:
            return text
        await asyncio.sleep(0.1)
    raise AssertionError("no witness co-signed")


async def held(tender: PracticeTender, id: str) -> Held:
    answer = await tender.get(f"receipts/{id}")
    assert answer.headers["Cache-Control"] == "no-store"
    return Held.parse(answer.content)


async def test_whoever_knows_the_id_reads_the_receipt_and_has_it_on_paper(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600, title=HOSTILE)
    bidder = await town.bidder("Hanbit <b>& Sons</b>")
    id = await tender.bid(bidder, "900")
    text = await witnessed(tender, id)
    kept = await held(tender, id)
    receipt = kept.receipt.read(Receipt)
    assert kept.proof
    pdf = await paper(tender, id)
    inside = Held.parse(pdf.files["receipt.json"]).proof
    assert inside
    head = Checkpoint.parse(Note.parse(inside.checkpoint).text)
    facts = [
        "This is the receipt for a sealed bid",
        *(HOSTILE, tender.notice.number, tender.ocid, "Village school board", "Practice tender"),
        *(id, f"Hanbit <b>& Sons</b> ({bidder.certificate.registration})"),
        f"KST ({receipt.time} UTC)",
        f"KST ({tender.notice.deadline} UTC)",
        receipt.commitment().hex(),
        *(head.origin, head.root.hex(), str(kept.proof.index)),
        town.trust.witnesses.witnesses[0].name,
        "openseal verify --receipt",
    ]
    for fact in facts:
        assert fact in text, fact
        assert blankless(fact) in pdf.text, fact
    assert "900" not in re.sub(r"[0-9a-f]{64}|\d{4}-\d\d-\d\dT\S+", "", text)
    assert "root:" not in pdf.text


async def test_the_paper_carries_the_receipt_and_leads_back_to_the_page(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    id = await tender.bid(await town.bidder("Hanbit"), "900")
    pdf = await paper(tender, id)
    address = f"http://localhost/tenders/{tender.ocid}/receipts/{id}"
    assert pdf.qr() == [[*row] for row in segno.make_qr(address, error="m").matrix]
    assert address in pdf.text
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf.data
    inside = Held.parse(pdf.files["receipt.json"])
    assert inside.receipt.read(Receipt) == (await held(tender, id)).receipt.read(Receipt)


async def test_neither_is_kept_or_passed_on_by_anything_on_the_way(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    id = await tender.bid(await town.bidder("Hanbit"), "900")
    for more in ("", ".pdf"):
        answer = await page(tender, id, more)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert "Refresh" not in answer.headers
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(("language", "title"), [("ko", "증"), ("es", "recibo"), ("en", "receipt")])
async def test_it_speaks_the_readers_language(town: Town, language: str, title: str) -> None:
    tender = await town.publish(a_lot(), lead=600)
    id = await tender.bid(await town.bidder("한빛 & Ñandú"), "900")
    text, pdf = said(await page(tender, id, f"?lang={language}")), await paper(tender, id, language)
    town.http.cookies.clear()
    english = "This is the receipt for a sealed bid"
    heading = WORDS.say(language, english)  # type: ignore[arg-type]  # one of them
    assert title in heading
    assert (heading == english) == (language == "en")
    assert heading in text
    assert blankless(heading) in pdf.text
    assert "한빛&Ñandú" in pdf.text
    assert f"/Lang({language})".encode() in pdf.data


async def test_a_withdrawal_has_a_receipt_of_everybody_whose_bid_it_takes_back(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    lead, partner = await town.bidder("Lead"), await town.bidder("Partner")
    sent = (await joint_bid(tender, lead, partner)).statement
    id = await withdraw(tender, lead, sent)
    text, printed = said(await page(tender, id)), (await paper(tender, id)).text
    assert "This is the receipt for a withdrawal" in text
    for each in (lead, partner):
        assert f"{each.certificate.name} ({each.certificate.registration})" in text
        assert each.certificate.registration in printed


async def test_documents_are_named_with_their_receipts_and_travel_on_the_paper(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600, document_limit=2, document_size=1 << 20)
    bidder, files = await town.bidder("Hanbit"), [secrets.token_bytes(2000), secrets.token_bytes(10)]
    envelope, listed = with_files(tender, bidder, *files)
    id = (await tender.submit(envelope)).statement
    await upload(tender, bidder, id, listed[0], files[0])
    for _ in range(1200):
        pdf = await paper(tender, id)
        if "document-1.json" in pdf.files:
            break
        await asyncio.sleep(0.1)
    receipt = Held.parse(pdf.files["document-1.json"]).receipt.read(DocumentReceipt)
    assert (receipt.envelope, receipt.number, receipt.sha256) == (id, 1, listed[0].sha256)
    assert "document-2.json" not in pdf.files
    text = said(await page(tender, id))
    for expected in (
        *("2,000 bytes, sealed. Stored, with a receipt of", receipt.time, listed[0].sha256),
        *("10 bytes, sealed. Not there yet; it may come until", listed[1].sha256),
    ):
        assert expected in text
        assert blankless(expected) in pdf.text, pdf.text


async def test_after_the_closing_it_says_where_the_closing_lists_it(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=4)
    id = await tender.bid(await town.bidder("Hanbit"), "900")
    before = said(await page(tender, id))
    assert "Until the closing this page says who bids" in before
    assert "Closing statement" not in before
    await tender.close()
    after = said(await page(tender, id))
    proof = (await held(tender, id)).proof
    assert proof is not None
    assert f"Closing statement Lists it as entry {proof.index}" in after
    assert f"Listsitasentry{proof.index}" in (await paper(tender, id)).text
    assert "Until the closing" not in after


async def test_a_doubtful_clock_is_said(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    bidder = await town.bidder("Hanbit")
    async with reception(town, Elsewhere(3600)) as doubtful:
        kept = await doubtful.submit_bid(tender.ocid, tender.seal(bidder))
    text = "The service's clock was in doubt"
    assert text in said(await page(tender, kept.stored.id))
    assert blankless(text) in (await paper(tender, kept.stored.id)).text


@asynccontextmanager
async def standing_log(town: Town) -> AsyncIterator[None]:
    """Nothing gets an index meanwhile."""
    connection = await asyncpg.connect(town.dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM log_head FOR UPDATE")
            yield
    finally:
        await connection.close()


async def test_while_the_log_stands_still_the_promise_is_read_and_the_page_looks_again(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    async with standing_log(town):
        answer = await tender.post("bids", tender.seal(await town.bidder("Hanbit")))
        assert answer.status_code == 202
        id = answer.headers["Location"].rsplit("/", 1)[1]
        waiting, still = await page(tender, id), await page(tender, id, "?still=true")
        pdf = await paper(tender, id)
    assert waiting.headers["Refresh"] == str(receipts.LOOK_AGAIN)
    assert "Refresh" not in still.headers
    assert f'href="/tenders/{tender.ocid}/receipts/{id}"' in still.text
    [inside] = pdf.files.values()
    promise = Held.parse(inside).receipt.read(Promise)
    for text in (said(waiting), said(still)):
        assert "This is the promise of a receipt" in text
        assert promise.included_by in text
        assert promise.commitment().hex() in text
    assert "Thisisthepromiseofareceipt" in pdf.text
    for _ in range(1200):
        answer = await page(tender, id)
        if "Refresh" not in answer.headers:
            break
        await asyncio.sleep(0.1)
    assert "This is the receipt for a sealed bid" in said(answer)


async def test_of_what_is_not_in_the_box_there_is_no_receipt(town: Town) -> None:
    tender, other = await town.publish(a_lot(), lead=600), await town.publish(a_lot(), lead=600)
    id = await tender.bid(await town.bidder("Hanbit"), "900")
    for more in ("", ".pdf"):
        assert (await page(tender, "0" * 64, more)).status_code == 404
        assert (await page(other, id, more)).status_code == 404
        nowhere = await town.http.get(f"/tenders/ocds-0s3al1-nothing/receipts/{id}{more}")
        assert nowhere.status_code == 404
    reader = {"Accept": "text/html", "Accept-Language": "ko"}
    absent = await town.http.get(f"/tenders/{tender.ocid}/receipts/{'0' * 64}", headers=reader)
    assert absent.status_code == 404
    assert '<html lang="ko"' in absent.text
    for odd in ("x", id.upper(), f"{id}.exe", f"{id}.pdf.pdf", f"{id}%0a"):
        assert (await page(tender, odd)).status_code in (400, 404)


async def test_nobody_makes_the_service_slow_by_asking_for_paper(town: Town) -> None:
    """One sheet at a time, few that wait for it, and the page stays there for all."""
    tender = await town.publish(a_lot(), lead=600)
    id = await tender.bid(await town.bidder("Hanbit"), "900")
    printer, sheet = receipts.Printer(), a_sheet()
    printed = [asyncio.create_task(printer.print(sheet)) for _ in range(40)]
    assert (await page(tender, id)).status_code == 200
    came = await asyncio.gather(*printed, return_exceptions=True)
    assert len([each for each in came if isinstance(each, bytes)]) == receipts.AT_ONCE + receipts.WAITING
    assert all(isinstance(each, bytes | Pushback) for each in came)
    assert Pdf(await printer.print(sheet)).text
