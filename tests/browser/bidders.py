"""Businesses at browsers of their own, and the people of their tenders, whose loop runs in another thread."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from copy import copy
from pathlib import Path
from threading import Thread
from typing import Any, Self, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Browser, Locator, Page, expect

from crypto.certificates import Role, SigningKey
from crypto.encoding import encode, to_base64
from procurement.registry.holding import Holding
from procurement.registry.safe import Safe
from procurement.service import House
from tests.browser.conftest import HURRIED, Service
from tests.flows.people import PracticeTender, Town

T = TypeVar("T")

WORDS = "correct horse battery"


class People:
    """The people of practice tenders; the browser's loop runs in this thread, theirs in another."""

    town: Town

    def __init__(self, service: Service) -> None:
        self.service = service
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.town = self(self._settle())
        return self

    def __exit__(self, *_: object) -> None:
        self(self.town.http.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it."""
        return self.begin(work).result()

    def begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """It goes on while the browser does something else."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _settle(self) -> Town:
        http = httpx.AsyncClient(base_url=self.service.origin, timeout=60)
        return await Town.settle(http, House.below(self.service.folder), "")


class Bidder:
    """A business with a browser, in which its key is; `holds` of a file that another machine made."""

    def __init__(
        self, browser: Browser, people: People, folder: Path, name: str = "한빛 가구", **options: Any
    ) -> None:
        self.people, self.folder = people, folder
        self.key, file = self._enrolled(name)
        self.context = browser.new_context(**({"locale": "en"} | options))
        self.page = self.context.new_page()
        self._restore(file)

    def _enrolled(self, name: str) -> tuple[SigningKey, Path]:
        private, town = ec.generate_private_key(ec.SECP256R1()), self.people.town
        key = self.people(town.enrol(Role.BUSINESS, name, key=private))
        number = f"p256:{private.private_numbers().private_value:064x}"
        certificate = to_base64(key.certificate.der)
        holding = Holding(service=self.origin, trust=town.trust, key=number, certificate=certificate)
        file = self.folder / f"{key.fingerprint}.key"
        Safe(file, WORDS).write(encode(holding))
        return key, file

    def _restore(self, file: Path) -> None:
        self.page.goto(f"{self.origin}/bidder")
        form = self.page.locator("form[data-act=restore]")
        form.locator("input[type=file]").set_input_files(file)
        form.locator("input[type=password]").fill(WORDS)
        form.locator("button").last.click()
        expect(self.page.locator("[data-state=certified]")).to_be_visible(timeout=60_000)

    @property
    def origin(self) -> str:
        return self.people.service.origin

    def anew(self, folder: Path) -> Self:
        """At the same browser, which has the key and one empty tab, and nothing of any bid."""
        for each in self.context.pages:
            each.close()
        self.context.set_offline(False)
        self.context.unroute_all()
        self.context.clear_cookies()
        self.folder, self.page = folder, self.context.new_page()
        self.page.goto(f"{self.origin}/assets/manifest.json")  # where no script of ours runs
        self.page.evaluate(FORGOTTEN)
        return self

    def beside(self, folder: Path) -> Self:
        """In another tab."""
        other = copy(self)
        other.folder, other.page = folder, self.context.new_page()
        return other

    def hurry(self) -> None:
        """The page loses no time between attempts from the next time on that it is loaded."""
        self.page.add_init_script(HURRIED)

    def open(self, tender: PracticeTender, language: str = "en") -> Page:
        """The page for a bid, once it has verified the tender."""
        self.page.goto(f"{self.origin}/tenders/{tender.ocid}/bid?lang={language}")
        self.told("verified")
        return self.page

    def word(self, name: str) -> str:
        """What the page says by that word."""
        return (self.page.locator(f"[data-word='{name}']").text_content() or "").strip()

    def told(self, word: str) -> None:
        """Waits until the page says it."""
        expect(self.page.locator("#told")).to_have_text(self.word(f"told-{word}"))

    def price(self, amount: str, lot: str = "1") -> None:
        self.page.locator(f"[id='amount:{lot}']").fill(amount)

    def add(self, *files: Path) -> None:
        """Documents, sealed when this returns."""
        before = self.page.locator("#documents > li").count()
        self.page.locator("#files").set_input_files(files)
        for place in range(before, before + len(files)):
            row = self.page.locator("#documents > li").nth(place)
            expect(row.locator("[data-slot=state]")).to_have_text(self.word("document-sealed"))

    def check(self) -> None:
        """The preflight, which finds nothing."""
        self.page.locator("#check").click()
        expect(self.page.locator("#review")).to_be_visible()

    def bid(self, amount: str) -> None:
        """A whole bid, sealed and sent, its receipt verified."""
        self.price(amount)
        self.check()
        self.page.locator("#seal").click()
        self.told("accepted")

    def link(self, number: int) -> Locator:
        """The card of what was sealed as that number."""
        return self.page.locator(f"#chain article[data-number='{number}']")

    def is_at(self, number: int, state: str) -> None:
        """Waits until what was sealed as that number has come so far."""
        expect(self.link(number)).to_have_attribute("data-state", state)

    def act(self, number: int, word: str) -> None:
        """Presses a button of a card."""
        self.link(number).get_by_role("button", name=self.word(word), exact=True).first.click()

    def save(self, number: int, word: str) -> bytes:
        """What a button of a card lets save."""
        with self.page.expect_download() as download:
            self.act(number, word)
        path = self.folder / download.value.suggested_filename
        download.value.save_as(path)
        return path.read_bytes()

    def kept(self) -> list[dict[str, Any]]:
        """Everything that lies in the browser's database, as text of each value's bytes."""
        found: list[dict[str, Any]] = self.page.evaluate(KEPT)
        return found


class Lives:
    """Tenders whose deadlines pass while others are prepared: whoever waits for one yields, and is taken up
    again later."""

    def __init__(self, browser: Browser, people: People, folder: Path) -> None:
        self.browser, self.people, self.folder = browser, people, folder
        self._bidder = Bidder(browser, people, folder)
        self._begun: dict[Life, Iterator[None]] = {}

    def begin(self, life: "Life") -> None:
        """Up to where it waits."""
        folder = self.folder / life.__name__
        folder.mkdir()
        steps = life(self._bidder.beside(folder))
        next(steps)
        self._begun[life] = steps

    def end(self, life: "Life") -> None:
        """All that is left of it."""
        if life not in self._begun:
            self.begin(life)
        assert list(self._begun[life]) == []

    def close(self) -> None:
        self._bidder.context.close()


Life = Callable[[Bidder], Iterator[None]]

FORGOTTEN = """async () => {
  const opened = await new Promise((resolve, reject) => {
    const request = indexedDB.open("openseal");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const stores = [...opened.objectStoreNames].filter((each) => !["identity", "keys"].includes(each));
  await new Promise((resolve, reject) => {
    const emptied = opened.transaction(stores, "readwrite");
    for (const each of stores) emptied.objectStore(each).clear();
    emptied.oncomplete = resolve;
    emptied.onerror = () => reject(emptied.error);
  });
  opened.close();
  const folder = await navigator.storage.getDirectory();
  for await (const name of folder.keys()) await folder.removeEntry(name, { recursive: true });
}"""
KEPT = """async () => {
  const opened = await new Promise((resolve, reject) => {
    const request = indexedDB.open("openseal");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const found = [];
  const shown = async (value) => {
    if (value instanceof CryptoKey) return value.extractable ? "extractable" : "";
    if (value instanceof Blob) return await value.text();
    const bytes = value instanceof ArrayBuffer || ArrayBuffer.isView(value);
    if (bytes) return new TextDecoder("latin1").decode(value);
    if (!value || typeof value !== "object") return String(value);
    return (await Promise.all(Object.values(value).map(shown))).join(" ");
  };
  for (const store of opened.objectStoreNames) {
    const all = await new Promise((resolve) => {
      const request = opened.transaction(store).objectStore(store).getAll();
      request.onsuccess = () => resolve(request.result);
    });
    for (const value of all) found.push({ store, text: await shown(value) });
  }
  opened.close();
  return found;
}"""
