"""Finding a tender as people do: from the front page to the tender, on an old phone, without JavaScript."""

import asyncio
import secrets
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from crypto.encoding import moment
from procurement.notices import Classification, LegalBasis, Translation
from procurement.service import House
from procurement.tenders import Contact, Item, Lot, Organisation
from tests.browser.conftest import Service
from tests.browser.looks import AA, check_accessible, check_scrolls_one_way
from tests.builders import a_lot
from tests.flows import people

T = TypeVar("T")

ENTITY = Organisation(id="KR-4513000", name="전라북도 정읍시 농업기술센터")
WHAT = (
    *("사무용", "책상", "의자", "도로", "보수", "전산", "장비", "급식", "농산물", "차량"),
    *("임대", "청소", "용역", "체육관", "조명", "교체", "하수", "정비", "소방", "설비"),
)
LIGHT = 20_480
"""Bytes of the page with 25 tenders, with all that it loads."""


class Market:
    """A service with tenders in earnest that take bids, and a practice tender that was awarded."""

    def __init__(self, origin: str, supplier: str) -> None:
        self.origin, self.supplier = origin, supplier

    def pages(self) -> list[str]:
        """Every kind of page of this part of the site."""
        return [
            *("/", "/tenders", "/tenders?text=zzzz", "/tenders?stage=open&classification=5610"),
            *("/tenders?since=soon&least=x", "/tenders?practice=only", "/entities"),
            *(f"/entities/{ENTITY.id}", "/nothing"),
            *(f"/suppliers/{self.supplier}?practice=only", "/suppliers/nobody"),
        ]


@pytest.fixture(scope="module")
def market(service: Service, site: str) -> Market:
    elsewhere(publish_many(service))
    with httpx.Client(base_url=site) as http:
        found = http.get("/api/v1/tenders", params={"stage": "awarded", "practice": "only"}).json()["tenders"]
        [awarded, *_] = found
        [lot] = http.get(f"/api/v1/tenders/{awarded['tender']}/evaluation").json()["evaluation"]["lots"]
    return Market(site, lot["evaluation"]["ranking"][0]["bidder"])


def elsewhere(what: Coroutine[Any, Any, T]) -> T:
    """What comes of it in a thread of its own: in this one the browser's loop runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, what).result()


async def publish_many(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.origin, timeout=60) as http:
        town = await people.Town.settle(http, House.below(service.folder), "")
        await asyncio.gather(*(publish(town, number) for number in range(28)))


async def publish(town: people.Town, number: int) -> None:
    """A tender as a public office in Korea has many."""
    deadline = datetime.now(UTC).replace(hour=1, minute=number, second=0, microsecond=0) + timedelta(days=90)
    deadline -= timedelta(days=(deadline.weekday() - 2) % 7)  # a Wednesday
    one, two, three = (WHAT[(number * each + each) % len(WHAT)] for each in (1, 3, 7))
    code = Classification(scheme="UNSPSC", id=f"561017{number:02}")
    item = Item(id="1", description=f"{one} {two}", classification=code)
    tender = await _tender(
        town,
        title=f"2026년 {one} {two} {three} 구매 설치({number + 1}차)",
        translations=(Translation(language="en", title=f"Purchase no. {number + 1} of the year"),),
        lots=(a_lot(), a_lot(id="2"))
        if number
        else (Lot(id="1", title=one, items=(item,), rules=a_lot().rules),),
        deadline=moment(deadline),
        round=str(town.trust.networks[0].round_at(deadline + timedelta(minutes=30))),
        estimated_value=str(12_345_600 * (number + 1)),
        number=f"R26BK{number:08}-{secrets.randbelow(900) + 100}",
    )
    assert tender


async def _tender(town: people.Town, *, lots: Sequence[Any], **said: Any) -> str:
    tender = await town.publish(
        *lots,
        language="ko",
        practice=False,
        procuring_entity=ENTITY,
        contact=Contact(name="김담당", email="kim@jeongeup.example", telephone="+82-63-539-0000"),
        category="goods",
        legal=LegalBasis(jurisdiction="kr-national", procedure="open"),
        **said,
    )
    return tender.ocid


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def test_a_visitor_finds_a_tender_without_javascript(market: Market, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, locale="ko-KR")
    page = context.new_page()
    page.goto(market.origin)
    assert page.get_by_role("heading", level=1).inner_text().startswith("개찰 전에는")
    page.get_by_label("무엇을 찾으십니까?").fill("책상")
    page.get_by_role("button", name="검색").click()
    page.wait_for_url("**/tenders?text=*")
    assert page.locator("article").count() > 1
    page.get_by_text("상세 조건").click()
    page.get_by_label("품목분류번호 앞자리").fill("56101700")
    page.get_by_label("진행단계").select_option("open")
    page.get_by_role("button", name="조건 적용").click()
    page.wait_for_url("**stage=open**")
    [title] = page.locator("article h3").all_inner_texts()
    shared = context.new_page()
    shared.goto(page.url)
    assert shared.locator("article h3").all_inner_texts() == [title]
    page.locator("article h3").get_by_role("link").click()
    page.wait_for_url("**/tenders/ocds-*")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    context.close()


def test_pages_lead_on_and_back_and_the_entity_to_its_tenders(
    market: Market, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{market.origin}/tenders")
    first = page.locator("article h3").all_inner_texts()
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url("**after=*")
    second = page.locator("article h3").all_inner_texts()
    assert len(first) == 25
    assert second
    assert not set(first) & set(second)
    page.get_by_role("link", name="Previous page").click()
    page.wait_for_url("**before=*")
    assert page.locator("article h3").all_inner_texts() == first
    page.locator("article").first.get_by_role("link", name=ENTITY.name).click()
    page.locator(".figures").get_by_role("link").first.click()
    page.wait_for_url(f"**/tenders?entity={ENTITY.id}")
    expect(page.locator("article")).to_have_count(25)


def test_the_list_of_25_tenders_is_light_and_asks_nobody_else(
    market: Market, context: BrowserContext
) -> None:
    for language in ("en", "ko", "es"):
        page = context.new_page()
        came = transferred(page, f"{market.origin}/tenders?lang={language}")
        assert page.locator("article").count() == 25
        assert all(url.startswith(market.origin) for url in came), came
        assert not [url for url in came if url.endswith(".js")]
        assert sum(came.values()) <= LIGHT, came
        page.close()


def transferred(page: Page, address: str) -> dict[str, int]:
    """By address of whatever the page loads: bytes that came for it, headers included."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    urls: dict[str, str] = {}
    sizes: dict[str, int] = {}
    cdp.on("Network.responseReceived", lambda said: urls.update({said["requestId"]: said["response"]["url"]}))
    cdp.on(
        "Network.loadingFinished",
        lambda said: sizes.update({said["requestId"]: int(said["encodedDataLength"])}),
    )
    page.goto(address, wait_until="networkidle")
    return {
        urls[id]: size for id, size in sizes.items() if not urls[id].startswith("data:")
    }  # the browser's own


@pytest.mark.parametrize("language", ["en", "ko", "es"])
def test_no_page_has_an_accessibility_violation_and_an_old_phone_scrolls_one_way_only(
    market: Market, browser: Browser, language: str
) -> None:
    context = browser.new_context(locale=language)
    for path in market.pages():
        page = context.new_page()
        page.goto(market.origin + path)
        assert page.locator("html").get_attribute("lang") == language
        page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
        check_accessible(page, AA)
        check_scrolls_one_way(page)
        page.close()
    context.close()


def test_what_is_wrong_in_the_form_is_said_in_words_and_led_to(
    market: Market, context: BrowserContext
) -> None:
    page = context.new_page()
    answer = page.goto(f"{market.origin}/tenders?since=soon&text=desks")
    assert answer is not None
    assert answer.status == 400
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.locator("#since")).to_be_focused()
    assert page.get_by_label("What are you looking for?").input_value() == "desks"


def test_a_wrong_address_is_answered_in_the_readers_language(market: Market, browser: Browser) -> None:
    context = browser.new_context(locale="es-PE", java_script_enabled=False)
    page = context.new_page()
    for path in ("/nothing", "/tenders/nothing", "/entities/nothing"):
        answer = page.goto(market.origin + path)
        assert answer is not None
        assert answer.status == 404
        assert page.get_by_role("heading", level=1).inner_text() == "Aquí no hay nada"
        assert "{" not in page.locator("body").inner_text()
    context.close()
