"""A tender's page as people meet it, while the tender goes on: live, by the service's clock, and without any
of that."""

import re
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from procurement.evaluation import LowestPrice, QualityPrice, WeightedCriterion
from procurement.evaluation.explain import Language
from tests.browser.acting import Acting, acting
from tests.browser.conftest import Service
from tests.browser.looks import BEST, check_accessible, check_scrolls_one_way
from tests.builders import a_lot
from tests.flows.people import PracticeTender

LANGUAGES: list[Language] = ["en", "ko", "es"]
HOUR = 3600
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def people(service: Service) -> Iterator[Acting]:
    with acting(service) as people:
        yield people


@pytest.fixture(scope="module")
def running(people: Acting) -> PracticeTender:
    """A tender that takes bids, and has one."""
    town = people.town
    tender = people.do(town.publish(a_lot(LowestPrice(ceiling="2000000")), lead=HOUR, description="Of oak."))
    people.do(tender.bid(people.do(town.bidder("Hanbit <Timber>", "KR-777-HANBIT")), "1234567"))
    return tender


@pytest.fixture(scope="module")
def awarded(people: Acting) -> PracticeTender:
    """A tender of two lots, one of which a panel has scored, from the notice to the award."""
    town = people.town
    criteria = (
        WeightedCriterion(id="wood", title="Quality of the wood", points="100", weight="40"),
        WeightedCriterion(id="warranty", title="Warranty", points="100", weight="20"),
    )
    lots = a_lot(QualityPrice(criteria=criteria, price_weight="40")), a_lot(LowestPrice(), id="2")
    bidders = [people.do(town.bidder(name)) for name in ("한빛목재", "Saebyeok & Sons")]
    tender = people.do(town.publish(*lots, lead=6))
    for bidder, amount in zip(bidders, ("1500000", "1400000"), strict=True):
        people.do(tender.bid(bidder, amount))
    people.do(tender.close())
    people.do(tender.order("technical"))
    scored = people.do(tender.opened("technical"))
    people.do(tender.score(dict(zip(scored, ("91", "82"), strict=True))))
    people.do(tender.order("price"))
    for step in (tender.opened("price"), tender.evaluated(), tender.intend(), tender.award()):
        people.do(step)
    return tender


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB")
    yield context
    context.close()


def shown(context: BrowserContext, service: Service, tender: PracticeTender, more: str = "") -> Page:
    page = context.new_page()
    page.goto(f"{service.origin}/tenders/{tender.ocid}{more}")
    return page


# ── while it goes on ─────────────────────────────────────────────────────────────────────────────────


def test_what_happens_is_seen_without_loading_anew(
    context: BrowserContext, service: Service, people: Acting
) -> None:
    tender = people.do(people.town.publish(a_lot(), lead=HOUR))
    page = shown(context, service, tender)
    page.evaluate("window.sameAsBefore = true")
    page.get_by_text("This page goes on by itself").wait_for()
    expect(page.locator("#timeline ~ [data-part=timeline]")).not_to_contain_text("Terms amended")
    people.do(tender.amend(description="Of pine."))
    expect(page.locator("[data-part=timeline] .timeline")).to_contain_text(
        "Terms amended: Officer Kim", timeout=60_000
    )
    assert page.evaluate("window.sameAsBefore")


def test_a_step_that_begins_changes_what_the_page_calls_for(
    context: BrowserContext, service: Service, people: Acting
) -> None:
    tender = people.do(people.town.publish(a_lot(), lead=12, margin=2))
    page = shown(context, service, tender)
    call = page.get_by_role("link", name="Bid for this tender")
    call.wait_for()
    expect(call).to_have_count(0)
    expect(page.locator("[data-part=status]")).to_contain_text("Closed, not opened yet")
    expect(page.locator("#step-bidding")).to_contain_text("Done")
    people.do(tender.close())
    expect(page.locator("#step-closing")).to_contain_text("Done")
    people.do(tender.order("bid"))
    expect(page.locator("#step-opening-bid")).to_contain_text("Done")
    link = page.locator("[data-part=status]").get_by_role("link", name="Who bid, and what was opened")
    link.wait_for()


def test_focus_and_what_was_opened_stay_where_they_are(
    context: BrowserContext, service: Service, people: Acting
) -> None:
    tender = people.do(people.town.publish(a_lot(), lead=HOUR))
    page = shown(context, service, tender)
    rule = page.locator("#step-bidding summary")
    rule.click()
    page.get_by_text("This page goes on by itself").wait_for()
    page.locator("#event-0 a").focus()
    people.do(tender.amend(description="Of pine."))
    expect(page.locator(".timeline")).to_contain_text("Terms amended")
    assert page.evaluate("document.activeElement.closest('li').id") == "event-0"
    assert page.locator("#step-bidding details").get_attribute("open") is not None
    assert page.locator("[data-part=timeline]").get_attribute("aria-live") == "polite"


def seconds_left(page: Page) -> int:
    """As the page says it in English."""
    said = page.locator("[data-until]").inner_text()
    sizes = {"hour": 3600, "minute": 60, "second": 1, "day": 86400}
    return sum(
        int(count) * sizes[unit] for count, unit in re.findall(r"(\d+) (day|hour|minute|second)", said)
    )


@pytest.mark.parametrize("wrong", ["1999-12-31T23:59:00", "2040-01-01T00:00:00"])
def test_time_runs_down_by_the_services_clock_whatever_this_machines_says(
    browser: Browser, service: Service, people: Acting, wrong: str
) -> None:
    tender = people.do(people.town.publish(a_lot(), lead=600))
    context = browser.new_context(locale="en-GB")
    context.clock.install(time=wrong)
    page = shown(context, service, tender)
    page.get_by_text("This page goes on by itself").wait_for()
    assert page.evaluate("new Date().getFullYear()") in (1999, 2000, 2040)
    began, before = time.monotonic(), seconds_left(page)
    assert 0 < before <= 600 * people.town.pace
    page.clock.run_for(30_000)
    gone, meanwhile = before - seconds_left(page), time.monotonic() - began
    assert 28 <= gone <= 32 + meanwhile, "half a minute, and what was waited for"
    context.close()


def test_a_line_that_is_cut_is_said_and_taken_up_again(
    context: BrowserContext, service: Service, people: Acting
) -> None:
    tender = people.do(people.town.publish(a_lot(), lead=HOUR))
    page = shown(context, service, tender)
    line = page.locator("#line")
    expect(line).to_contain_text("goes on by itself")
    context.set_offline(True)
    expect(line).to_contain_text("is cut")
    people.do(tender.amend(description="Of pine."))
    expect(page.locator(".timeline")).not_to_contain_text("Terms amended")
    context.set_offline(False)
    expect(page.locator(".timeline")).to_contain_text("Terms amended")
    expect(line).to_contain_text("goes on by itself")


# ── without any of that ──────────────────────────────────────────────────────────────────────────────


def test_without_javascript_everything_is_there(
    browser: Browser, service: Service, running: PracticeTender, awarded: PracticeTender
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = shown(context, service, running)
    for words in (
        "Open for bids",
        "Time left",
        "Hand in sealed bids",
        "Tender published",
        "Member 2",
        "Of oak.",
    ):
        assert words in page.locator("main").inner_text(), words
    assert page.locator("#line").inner_text() == ""
    page.goto(f"{service.origin}/tenders/{awarded.ocid}")
    page.get_by_role("link", name="Ranking, scores and charts of lot 1").click()
    expect(page.locator(".ranking .first h3")).to_have_text("1. 한빛목재")
    page.locator(".first summary").click()
    expect(page.locator("#scores ~ .scroll")).to_contain_text("Quality of the wood")
    page.get_by_role("link", name="The draws, step by step").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The draws, step by step")
    context.close()


def pages_of(tender: PracticeTender) -> list[str]:
    return ["", "/notice", "/enquiries", *(f"/lots/{lot.id}" for lot in tender.notice.lots), "/draws"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_of_a_tender_has_an_accessibility_violation_and_an_old_phone_scrolls_one_way_only(
    browser: Browser, service: Service, running: PracticeTender, awarded: PracticeTender, language: Language
) -> None:
    context = browser.new_context(locale=language)
    pages = [(running, more) for more in pages_of(running)] + [(awarded, more) for more in pages_of(awarded)]
    for tender, more in [*pages, (awarded, "/bids")]:
        page = shown(context, service, tender, more)
        assert page.locator("html").get_attribute("lang") == language
        page.evaluate("document.querySelectorAll('main details').forEach(each => (each.open = true))")
        check_accessible(page, BEST)
        check_scrolls_one_way(page)
        page.close()
    context.close()


def test_a_korean_reader_reads_korean(browser: Browser, service: Service, running: PracticeTender) -> None:
    context = browser.new_context(locale="ko-KR")
    page = shown(context, service, running)
    main = page.locator("main").inner_text()
    for words in (
        "투찰 중",
        "이 입찰에 투찰하기",
        "봉인된 입찰서 제출",
        "최저가격이 1순위",
        "개찰위원 3인 중 2인",
    ):
        assert words in main, words
    assert re.search(r"남은 시간: (\d+시간 )?\d+분", main)
    assert re.search(r"\d{4}년 \d+월 \d+일\(.\) \d\d:\d\d KST", main)
    context.close()


def test_charts_are_drawn_and_read_out(
    context: BrowserContext, service: Service, awarded: PracticeTender
) -> None:
    page = shown(context, service, awarded, "/lots/1")
    charts = page.locator("img.chart")
    assert charts.count() == 2
    for chart in charts.all():
        chart.scroll_into_view_if_needed()
        expect(chart).not_to_have_js_property("naturalWidth", 0)
        assert chart.get_attribute("alt")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_printed_tender_shows_what_was_folded_in_black_on_white(
    browser: Browser, service: Service, running: PracticeTender, scheme: Scheme
) -> None:
    context = browser.new_context(color_scheme=scheme, locale="en-GB")
    page = shown(context, service, running)
    page.emulate_media(media="print", color_scheme=scheme)
    assert page.locator(".masthead ul").first.is_hidden()
    assert page.get_by_role("link", name="Bid for this tender").is_hidden()
    assert page.locator("#step-bidding details p").is_visible(), "what is folded cannot be opened on paper"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    for element in ("html", "body", ".card", ".tag.quiet", ".note"):
        ground = page.evaluate(
            "name => getComputedStyle(document.querySelector(name)).backgroundColor", element
        )
        assert luminous(ground), element
    context.close()


def luminous(colour: str) -> bool:
    """Whether black can be read on it; nothing is as light as paper."""
    *parts, alpha = [float(each) for each in re.findall(r"[0-9.]+", colour)] + [1.0] * ("rgba" not in colour)
    return alpha == 0 or min(parts) > 200


# ── nothing of bids before the closing ───────────────────────────────────────────────────────────────


def test_before_the_closing_neither_page_nor_network_tells_of_a_bid(
    context: BrowserContext, service: Service, people: Acting
) -> None:
    town = people.town
    tender = people.do(town.publish(a_lot(), lead=HOUR))
    bidders = [
        people.do(town.bidder(f"Secret {name}", f"KR-SECRET-{name}")) for name in ("Hanbit", "Saebyeok")
    ]
    page, heard = context.new_page(), list[str]()
    page.on("response", lambda answer: heard.append(f"{answer.url} {answer.headers}"))
    page.goto(f"{service.origin}/tenders/{tender.ocid}")
    page.get_by_text("This page goes on by itself").wait_for()
    before, asked = _still(page), len(heard)
    for bidder in bidders:
        people.do(tender.bid(bidder, "7654321"))
    page.wait_for_timeout(4000)
    assert _still(page) == before
    later = [each for each in heard[asked:] if "/assets/" not in each]
    assert later == [], "nothing is asked for while bids come in"
    page.reload()
    page.get_by_text("This page goes on by itself").wait_for()
    everything = page.content() + "".join(heard)
    telling: list[Any] = [each.fingerprint for each in bidders]
    telling += ["Secret", "SECRET", "7654321", "7,654,321"]
    assert [each for each in telling if each in everything] == []
    assert _still(page) == before


def _still(page: Page) -> str:
    """All that the page shows, but for how long it still is till the deadline: which goes on meanwhile."""
    return str(page.evaluate(STILL))


STILL = """() => {
  const left = document.querySelector("[data-until]").innerText;
  return document.querySelector("main").innerText.replace(left, "");
}"""
