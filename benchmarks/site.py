"""The site as an old phone on a slow line meets it, and what sealing costs a browser.

A real service with 25 open tenders, one that is decided, and a real Chromium.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.intake import LONG, a_rush
from benchmarks.measuring import Measure, Scale
from tests.browser.conftest import FLAGS
from tests.builders import a_lot
from tests.flows.test_life import awarded

ROOT = Path(__file__).parents[1]
NODE = Path(sys.prefix) / "bin"
LIGHTHOUSE = ROOT / "build" / "interop" / "node_modules" / ".bin" / "lighthouse"
ROWS = 25
LIST = "/tenders?practice=shown"
CONTENT = json.dumps({"kind": "bid", "offers": [{"amount": "100000", "lot": "1"}]})
SLOW_LINE = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
"""Milliseconds, and bytes per second."""
SLOW_PROCESSOR = 6
"""How many times as slow."""
_COMPRESSED = (
    "const [{ brotliCompressSync }, { readFileSync }] = [require('node:zlib'), require('node:fs')];"
    "console.log(brotliCompressSync(readFileSync(0)).length)"
)
_PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
  for (const { startTime } of list.getEntriesByName("first-contentful-paint")) done(startTime);
}).observe({ type: "paint", buffered: true }))"""
"""Milliseconds; a page may be loaded before it is painted."""
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")

T = TypeVar("T")


class Site(NamedTuple):
    """Where it is, and what is looked at."""

    origin: str
    open: str
    decided: str
    """Paths of two tenders."""

    @property
    def pages(self) -> list[str]:
        """Paths of pages for everybody."""
        entity = "/entities/KR-1234"
        return ["/", LIST, self.open, self.decided, "/entities", entity, "/bidder", "/practice", "/login"]


def list_page_bytes(scale: Scale) -> Iterator[Measure]:
    """Bytes transferred for a list of 25 tenders, and the most for any public page without JavaScript."""

    def measured(site: Site, browser: Browser) -> tuple[int, int]:
        with _context(browser, java_script_enabled=False) as context:
            weights = {path: _transferred(context, site.origin + path) for path in site.pages}
        return weights[LIST], max(weights.values())

    rows, heaviest = _at_the_site(measured)
    yield Measure(name="list_page_bytes", value=rows, unit="B", goal=20_480)
    yield Measure(name="public_page_bytes", value=heaviest, unit="B", goal=40_960)


def sealing_bytes(scale: Scale) -> Iterator[Measure]:
    """What sealing adds to a form, in one file as it would be served; and all scripts of the page for a bid
    as they come over the line."""

    def measured(site: Site, browser: Browser) -> int:
        with _context(browser) as context:
            return _transferred(context, f"{site.origin}{site.open}/bid", "Script")

    added = _node("-e", _COMPRESSED, given=_bundle("adds.ts", "esm"))
    yield Measure(name="sealing_bytes", value=int(added), unit="B", goal=61_440)
    yield Measure(name="bid_page_script_bytes", value=_at_the_site(measured), unit="B")


def first_paint(scale: Scale) -> Iterator[Measure]:
    """Until something can be read: 50 KB/s, 400 ms, a processor six times as slow; of the slowest page."""

    def measured(site: Site, browser: Browser) -> float:
        return max(
            median(_first_paint(browser, site.origin + path) for _ in range(scale.rounds))
            for path in site.pages
        )

    yield Measure(name="first_paint_s", value=_at_the_site(measured), unit="s", goal=1.5)


def lighthouse(scale: Scale) -> Iterator[Measure]:
    """The lowest score of Lighthouse in any of its categories on any public page, on its own slow phone."""

    def measured(site: Site, _: Browser) -> float:
        return min(score for path in site.pages[: scale.audits] for score in _audited(site.origin + path))

    yield Measure(name="lighthouse_min", value=_at_the_site(measured), unit="", goal=95, better="more")


def seal_chromium(scale: Scale) -> Iterator[Measure]:
    """To seal and sign one bid in a browser that has sealed one before; and a large file, in a worker."""

    def measured(site: Site, browser: Browser) -> tuple[list[float], dict[str, float]]:
        notice = httpx.get(f"{site.origin}/api/v1{site.open}").raise_for_status().json()
        with _context(browser, bypass_csp=True) as context:
            page = context.new_page()
            page.goto(site.origin)
            page.add_script_tag(content=_bundle("page.ts"))
            given = [notice["notice"], notice["noticeId"], CONTENT, scale.sample]
            times = page.evaluate("given => sealing.bids(...given)", given)
            file = page.evaluate("given => sealing.file(...given)", [_bundle("worker.ts"), scale.upload])
        return times, file

    times, file = _at_the_site(measured)
    yield Measure(name="seal_chromium_ms", value=median(times), unit="ms", goal=10)
    yield Measure(name="seal_file_mib_per_s", value=scale.upload / file["seconds"], unit="MiB/s")
    yield Measure(name="seal_file_gap_ms", value=file["gap"], unit="ms", goal=100)


# ── the site ─────────────────────────────────────────────────────────────────────────────────────────────


def _at_the_site(measured: Callable[[Site, Browser], T]) -> T:
    async def run() -> T:
        async with _a_site() as site:
            return await asyncio.to_thread(_with_browser, measured, site)

    return asyncio.run(run())


def _with_browser(measured: Callable[[Site, Browser], T], site: Site) -> T:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        try:
            return measured(site, browser)
        finally:
            browser.close()


@asynccontextmanager
async def _a_site() -> AsyncIterator[Site]:
    async with a_rush(0) as rush:
        town = rush.town
        decided = await town.publish(a_lot())
        for number in range(3):
            await decided.bid(await town.bidder(f"Bidder {number}"), str(100 + number))
        await decided.close()
        await decided.order("bid")
        await decided.opened("bid")
        await awarded(decided)
        still_open = [
            await town.publish(a_lot(), lead=LONG, title=f"Desks for school {number} 학교 책상")
            for number in range(ROWS)
        ]
        origin = f"http://localhost:{rush.process.port}"  # where browsers let scripts seal
        yield Site(origin, f"/tenders/{still_open[0].ocid}", f"/tenders/{decided.ocid}")


def _chromium() -> str | None:
    return os.environ.get("OPENSEAL_CHROMIUM") or shutil.which("chromium")


@contextmanager
def _context(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    context = browser.new_context(**options)
    try:
        yield context
    finally:
        context.close()


# ── what is measured ─────────────────────────────────────────────────────────────────────────────────────


def _transferred(context: BrowserContext, address: str, kind: str | None = None) -> int:
    """Bytes that come over the line for a page that was never seen before, all of them or those of a kind."""
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}
    cdp.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    cdp.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])}),
    )
    cdp.send("Network.enable")
    cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    _open(page, address)
    page.close()
    return sum(size for id, size in sizes.items() if kind in (None, kinds.get(id)))


def _first_paint(browser: Browser, address: str) -> float:
    with _context(browser) as context:
        page = context.new_page()
        cdp = context.new_cdp_session(page)
        cdp.send("Network.emulateNetworkConditions", SLOW_LINE)
        cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_PROCESSOR})
        _open(page, address)
        return float(page.evaluate(_PAINTED)) / 1000


def _open(page: Page, address: str) -> None:
    answer = page.goto(address, wait_until="load")
    assert answer
    assert answer.status == 200, f"{address}: {answer.status}"


def _audited(address: str) -> Sequence[float]:
    options = ["--output=json", "--quiet", f"--only-categories={','.join(CATEGORIES)}"]
    flags = f"--chrome-flags={' '.join(FLAGS)}"
    environment = os.environ | {"CHROME_PATH": _chromium() or "", "PATH": f"{NODE}:{os.environ['PATH']}"}
    done = subprocess.run(
        [LIGHTHOUSE, address, *options, flags], env=environment, capture_output=True, check=True
    )
    report = json.loads(done.stdout)
    return [report["categories"][each]["score"] * 100 for each in CATEGORIES]


def _bundle(name: str, form: str = "iife") -> str:
    """One of browser/'s scripts with all that it imports, minified."""
    esbuild = ROOT / "node_modules" / "esbuild" / "bin" / "esbuild"
    entry = Path(__file__).parent / "browser" / name
    return _node(esbuild, entry, "--bundle", "--minify", f"--format={form}", "--target=es2020")


def _node(*arguments: str | Path, given: str = "") -> str:
    """What Node prints."""
    command = [NODE / "node", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=True, text=True, cwd=ROOT)
    return done.stdout
