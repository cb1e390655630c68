"""What a tender's page says of the box: until when documents may follow, who withdrew, what is missing, and
that the clock is in doubt."""

from datetime import timedelta
from pathlib import Path

from bids.envelope import Part
from procurement.service import House
from procurement.tenders import Bid, LotOffer, padded
from procurement.web.look import when
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town, until
from tests.flows.test_clock import Turned, town_under
from tests.flows.test_documents import enclose, seal
from tests.flows.test_own_bids import withdraw
from tests.flows.test_silence import upload


async def page(tender: PracticeTender, more: str = "") -> str:
    answer = await tender.town.http.get(f"/tenders/{tender.ocid}{more}")
    assert answer.status_code == 200
    return answer.text


async def test_a_tenders_page_names_the_grace_who_withdrew_and_which_documents_came(
    town: Town, tmp_path: Path
) -> None:
    takes = {"document_limit": 3, "document_size": 1 << 20, "upload_grace": 2}
    tender = await town.publish(a_lot(), lead=5, margin=6, **takes)
    bidder, leaves = await town.bidder("Hanbit & Sons"), await town.bidder("Saebyeok")
    titles = ("A <plan>", "Never sent")
    files = [enclose(tmp_path, number, title, title.encode()) for number, title in enumerate(titles, 1)]
    bid = Bid(offers=(LotOffer(lot="1", amount="100"),), documents=tuple(each.document for each in files))
    contents: dict[Part, bytes] = {"bid": padded(bid)}
    envelope, _ = seal(tender, bidder, contents, files, {}, tmp_path)
    id = (await tender.submit(envelope)).statement
    await upload(tender, bidder, id, files[0].file, files[0].path.read_bytes())
    await withdraw(tender, leaves, await tender.bid(leaves, "200"))
    before = await page(tender)
    assert when("en", tender.notice.complete) in before
    assert "at most 3 a bid" in before
    assert not [each for each in ("Hanbit", "Saebyeok", id, bidder.fingerprint) if each in before]
    assert leaves.certificate.registration not in before
    assert (await town.http.get(f"/tenders/{tender.ocid}/bids")).status_code == 404
    await tender.close()
    closed = await page(tender, "/bids")
    assert f"{leaves.certificate.registration}, on " in closed
    assert "1 bid counted at the closing." in closed
    assert not [each for each in ("Hanbit", id, "Document 1") if each in closed]
    await tender.order("bid")
    await tender.opened("bid")
    opened = await page(tender, "/bids")
    assert f"{leaves.certificate.registration}, on " in opened
    link = f"{tender.path}/bids/{id}/documents/1"
    assert f'<a href="{link}">Document 1: A &lt;plan&gt;</a>' in opened
    assert (await town.http.get(link)).content == files[0].path.read_bytes()
    assert "Document 2: Never sent, <strong>missing: it did not come in time</strong>" in "".join(
        opened.splitlines()
    )


async def test_a_tenders_page_says_while_the_clock_is_in_doubt_that_nothing_closes(
    postgres: str, migrated: str, open_folder: Path
) -> None:
    clock = Turned()
    async with town_under(clock, postgres, migrated, House.below(open_folder)) as town:
        tender = await town.publish(a_lot(), lead=600)
        assert "in doubt" not in await page(tender)
        clock.ahead = timedelta(hours=1)
        await until(lambda: page(tender), lambda shown: "The service's clock is in doubt: " in shown)
        clock.ahead = timedelta()
        await until(lambda: page(tender), lambda shown: "in doubt" not in shown)
