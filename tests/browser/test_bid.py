"""A business bids in its browser, against a real service: from the empty form to why it ranked so."""

import asyncio
import base64
import json
import re
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser, BrowserContext, Page, expect

from crypto.certificates import Role, SigningKey
from procurement.evaluation import LowestPrice
from procurement.service import House
from procurement.tenders import Declaration, Item, Lot
from tests.browser.conftest import Service
from tests.builders import a_lot
from tests.flows import people
from tests.flows.people import PracticeTender

T = TypeVar("T")

DOCUMENTS = {"document_limit": 4, "document_size": 64 << 20, "upload_grace": 60}
TAXES = Declaration(id="taxes", text="국세와 지방세를 완납하였습니다.")


class Loop:
    """A loop in a thread of its own: in this one the browser's runs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def run() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.end()


@pytest.fixture(scope="module")
def town(service: Service, run: Loop) -> Iterator[people.Town]:
    async def settle() -> people.Town:
        http = httpx.AsyncClient(base_url=service.origin, timeout=60)
        return await people.Town.settle(http, House.below(service.folder), "")

    found = run(settle())
    yield found
    run(found.http.aclose())


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en")
    yield context
    context.close()


def holds(page: Page, key: SigningKey, private: Any, origin: str) -> None:
    page.route("**/inject.js", lambda route: route.fulfill(path="/tmp/inject.js", content_type="text/javascript"))
    page.goto(f"{origin}/login")
    page.add_script_tag(url="/inject.js")
    pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    text = lambda data: base64.b64encode(data).decode()
    page.evaluate(
        "(a) => inject(...a)",
        [text(pkcs8), text(key.certificate.der), key.fingerprint, key.certificate.name, key.certificate.registration],
    )


def test_dev(context: BrowserContext, town: people.Town, run: Loop, service: Service) -> None:
    tender = run(town.publish(a_lot(), lead=600, margin=600, declarations=(TAXES,), **DOCUMENTS))
    private = ec.generate_private_key(ec.SECP256R1())
    key = run(town.enrol(Role.BUSINESS, "한빛 가구", key=private))
    page = context.new_page()
    page.on("console", lambda message: print("CONSOLE", message.text))
    page.on("pageerror", lambda error: print("ERROR", error))
    holds(page, key, private, service.origin)
    page.goto(f"{service.origin}/tenders/{tender.ocid}/bid")
    page.get_by_text("Your device has verified the tender").wait_for(timeout=20000)
    page.screenshot(path="/tmp/a.png", full_page=True)
    page.get_by_label("Your price for all of it").fill("1200000")
    page.get_by_label("국세와 지방세를 완납하였습니다.").check()
    page.get_by_role("button", name="Check and go on").click()
    page.locator("#review").wait_for(timeout=20000)
    page.screenshot(path="/tmp/b.png", full_page=True)
    page.get_by_role("button", name="Seal, sign and send").click()
    page.get_by_text("Your bid is in the box.").wait_for(timeout=20000)
    page.screenshot(path="/tmp/c.png", full_page=True)
