"""A tender's pages: what they say of the box, in whose words, and how little they weigh."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bids.envelope import Section
from procurement.evaluation import QualityPrice, WeightedCriterion
from procurement.evaluation.explain import Language
from procurement.notices import TranslatedItem, TranslatedLot, Translation
from procurement.service import House
from procurement.tenders import Bid, Item, Lot, LotOffer, padded
from procurement.web.look import when
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town, until
from tests.flows.test_clock import Turned, town_under
from tests.flows.test_documents import enclose, seal
from tests.flows.test_own_bids import withdraw
from tests.flows.test_silence import upload


async def page(tender: PracticeTender, more: str = "") -> str:
    answer = await tender.town.http.get(f"/tenders/{tender.ocid}{more}")
    tender.town.http.cookies.clear()  # the language would stay for the tests to come
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
    contents: dict[Section, bytes] = {"bid": padded(bid)}
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


KOREAN = Translation(
    language="ko",
    title="초등학교 책상",
    description="참나무로 만듭니다.",
    lots=(TranslatedLot(id="1", title="책상", items=(TranslatedItem(id="1", description="책상 열두 개"),)),),
)


async def test_a_reader_reads_the_translation_first_and_is_told_what_binds(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600, translations=(KOREAN,), description="Of oak.")
    korean, english, spanish = [await page(tender, f"?lang={each}") for each in ("ko", "en", "es")]
    assert "<h1><span>초등학교 책상</span></h1>" in korean
    assert '<span lang="en">School desks</span>' in korean
    assert "참나무로 만듭니다." in korean
    assert "<li>책상 열두 개, 12 EA</li>" in korean
    assert "<h1><span>School desks</span></h1>" in english
    assert "초등학교" not in english
    assert '<h1><span lang="en">School desks</span></h1>' in spanish
    assert "Twelve school desks, 12 EA" in spanish


@pytest.mark.parametrize("language", ["en", "ko", "es"])
async def test_who_holds_the_locks_and_each_step_is_named(town: Town, language: Language) -> None:
    tender = await town.publish(a_lot(), lead=600)
    shown = await page(tender, f"?lang={language}")
    assert [each for each in ("Member 1", "Member 2", "Member 3", "Officer Kim") if each not in shown] == []
    assert tender.notice.round in shown
    assert when(language, tender.notice.opens) in shown
    assert shown.count('<li id="step-') == 9


async def test_what_an_amendment_changed_is_said_in_words(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    await tender.amend(standstill=7200, stand=False)
    shown = await page(tender, "?lang=ko")
    assert "<dt>이의제기 기간</dt><dd>없음</dd>" in shown
    assert "<dt>이의제기 기간</dt><dd>2시간</dd>" in shown
    assert "The drawings were wrong." in shown
    assert "이전에 낸 입찰은 무효이므로 다시 봉인하여 제출해야 합니다." in shown


async def test_all_that_the_notice_says_is_on_a_page_with_dates_as_people_read_them(town: Town) -> None:
    said = "<b>Of oak</b>, by 2031-02-03T04:05:06Z, not 2031-02-30T04:05:06Z."
    tender = await town.publish(a_lot(), lead=600, description=said)
    shown = await page(tender, "/notice?lang=es")
    assert "<dt>Descripción</dt><dd>&lt;b&gt;Of oak&lt;/b&gt;, by <time" in shown
    assert when("es", tender.notice.opens) in shown
    assert "3 de febrero de 2031" in shown
    assert "not 2031-02-30T04:05:06Z." in shown


async def test_there_is_no_page_of_a_lot_that_is_not_there(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    found = {
        "/lots/1": 200,
        "/lots/2": 404,
        "/lots/1/prices.svg": 404,
        "/lots/1/scores.svg": 404,
        "/lots/x y": 400,
    }
    for more, status in found.items():
        assert (await town.http.get(f"/tenders/{tender.ocid}{more}")).status_code == status, more
    assert "Nothing is drawn yet." in await page(tender, "/draws?lang=en")


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────

MOST = 40 * 1024
BIDS, LOTS = 50, 3


def a_weighed_lot(id: str) -> Lot:
    """A lot of many items that a panel scores by three criteria."""
    titles = ("Quality of the wood", "Plan of delivery to the schools", "Warranty and repair")
    criteria = tuple(
        WeightedCriterion(id=f"c{at}", title=title, points="100", weight="20")
        for at, title in enumerate(titles)
    )
    items = tuple(
        Item(id=str(at), description=f"Desk of size {at} for a school", unit="EA") for at in range(40)
    )
    return Lot(
        id=id, title=f"Desks {id}", items=items, rules=QualityPrice(criteria=criteria, price_weight="40")
    )


async def weight(http: httpx.AsyncClient, address: str) -> int:
    """Bytes that come for a page, with all that it loads but scripts."""
    answer = await http.get(address)
    assert answer.status_code == 200, address
    loaded = re.findall(
        r'<img[^>]* src="([^"]+)"|<link rel="(?:stylesheet|icon)" href="([^"]+)"', answer.text
    )
    sizes = [int(answer.headers["content-length"])]
    for each in (one or other for one, other in loaded):
        part = await http.get(each.replace("&amp;", "&"))
        assert part.status_code == 200, each
        sizes.append(int(part.headers["content-length"]))
    return sum(sizes)


async def test_no_page_of_a_tender_with_many_bids_is_heavy(town: Town) -> None:
    bidders = [await town.bidder(f"Maker of Desks number {at}, Limited") for at in range(BIDS)]
    lots = [a_weighed_lot(str(at + 1)) for at in range(LOTS)]
    tender = await town.publish(*lots, lead=12)
    envelopes = [tender.seal(each, str(900_000 + 1_237 * at)) for at, each in enumerate(bidders)]
    answers = await asyncio.gather(*(tender.post("bids", each) for each in envelopes))
    assert {each.status_code for each in answers} <= {201, 202}
    await tender.close()
    await tender.order("technical")
    opened = await tender.opened("technical")
    assert len(opened) == BIDS
    await tender.score({id: str(50 + (7 * at) % 50) for at, id in enumerate(opened)})
    await tender.order("price")
    await tender.opened("price")
    await tender.evaluated()
    await tender.intend()
    await tender.award()
    pages = ["", "/notice", "/enquiries", "/bids", "/bids?page=2", "/draws"]
    pages += [f"/lots/{lot.id}{page}" for lot in lots for page in ("", "?page=2")]
    weights = {each: await weight(town.http, f"/tenders/{tender.ocid}{each}") for each in pages}
    assert {each: size for each, size in weights.items() if size > MOST} == {}
    everybody = [
        name
        for each in ("/lots/2", "/lots/2?page=2")
        for name in re.findall(r'<a href="/suppliers/[^"]+">([^<]+)</a>', await page(tender, each))
    ]
    assert sorted(everybody) == sorted(each.certificate.name for each in bidders)
    assert "Page 2 of 2" in await page(tender, "/bids?page=99&lang=en")
