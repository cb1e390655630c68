"""A business at its browser: a key is made and saved, a registrar approves, and the same key logs in; what is in a
file that the browser saved the commands open, and the other way round."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from crypto.encoding import from_base64
from crypto.statements import Statement
from procurement.registry.holding import Holding, load
from procurement.registry.safe import Safe
from procurement.registry.statements import Application
from tests.browser.conftest import run
from tests.browser.test_desk import Town, town

__all__ = ["town"]

WORDS = "바다 위의 달 correct horse"
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
WITHOUT_ED25519 = """
const made = crypto.subtle.generateKey.bind(crypto.subtle);
crypto.subtle.generateKey = (algorithm, ...rest) =>
  algorithm.name === "Ed25519" ? Promise.reject(new DOMException("", "NotSupportedError")) : made(algorithm, ...rest);
"""
"""What a browser of some years ago does."""


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, browser: Browser, town: Town, folder: Path, **options: Any) -> None:
        self.town, self.folder = town, folder
        self.context = browser.new_context(**options)
        self.page = self.open()

    def open(self, path: str = "/bidder") -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.goto(f"{self.town.service.origin}{path}")
        return page

    def at(self, heading: str) -> None:
        """Waits for the page to be there."""
        expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()

    def fill(self, name: str, number: str, people: str = "홍길동", words: str = WORDS) -> None:
        page = self.page
        self.at("Register your business")
        page.get_by_label("Name of the business").fill(name)
        page.get_by_label("Business registration number").fill(number)
        page.get_by_label("Who may bind the business").fill(people)
        page.get_by_label("A passphrase for the back-up").first.fill(words)
        page.get_by_label("The same passphrase again").first.fill(words)

    def make_key(self, name: str, number: str, **more: str) -> None:
        self.fill(name, number, **more)
        self.page.get_by_role("button", name="Make the key").click()
        self.at("Save your key before anything else")

    def save(self) -> Path:
        """The key file, where browsers put it."""
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name="Save the key file").click()
        path = self.folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def show(self, file: Path, words: str = WORDS) -> None:
        """Chooses the file in the form that is there, and sends it."""
        form = self.page.locator("form:has(input[type=file]):visible").first
        form.get_by_label("Key file").set_input_files(file)
        form.get_by_label("Its passphrase").fill(words)
        form.locator("button").click()

    def registered(self, name: str, number: str) -> Path:
        """From nothing to a certificate."""
        self.make_key(name, number)
        file = self.save()
        self.show(file)
        self.at("A registrar looks at your application")
        approve(self.town, self.application())
        self.at(name)
        return file

    def application(self) -> str:
        return self.page.locator("[data-fill=application]").inner_text()

    def trouble(self) -> str:
        self.page.get_by_role("alert").wait_for()
        return self.page.get_by_role("alert").inner_text()


@pytest.fixture
def person(browser: Browser, town: Town, tmp_path: Path) -> Iterator[Person]:
    person = Person(browser, town, tmp_path)
    yield person
    person.context.close()


def approve(town: Town, application: str) -> str:
    """What a registrar reads who admits somebody."""
    return town.run("registrar", "approve", town.file("registrar"), application, "--yes")


def command(file: Path, *command: str) -> str:
    """What a command prints about a file that the browser saved."""
    passphrase = file.with_suffix(".words")
    passphrase.write_text(WORDS)
    return run(*command, str(file), passphrase=passphrase)


def a_number() -> str:
    return f"KR-{secrets.token_hex(6)}"


def opened(file: Path, words: str = WORDS) -> Holding:
    return load(Safe(file, words))


# ── registration ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_village_cooperative_registers_and_comes_in(person: Person) -> None:
    page, number = person.page, a_number()
    person.make_key("두물머리 영농조합", number, people="홍길동\n임꺽정 (KR-7)\n  성춘향 (대표)\n")
    page.reload()
    person.at("Save your key before anything else")
    file = person.save()
    assert file.name == f"openseal-{number}.key"
    person.show(file, "another horse than that")
    assert "The passphrase does not open this file" in person.trouble()
    person.show(file)
    person.at("A registrar looks at your application")
    application = person.application()
    said = Statement(from_base64(opened(file).application or "")).read(Application)
    assert [(each.name, each.person) for each in said.representatives] == [
        ("홍길동", None),
        ("임꺽정", "KR-7"),
        ("성춘향 (대표)", None),
    ]
    page.reload()
    person.at("A registrar looks at your application")
    assert person.application() == application
    shown = approve(person.town, application)
    assert f"business 두물머리 영농조합, number {number}" in shown
    person.at("두물머리 영농조합")
    fingerprint = page.locator("[data-fill=fingerprint]").inner_text()
    assert fingerprint == shown.split()[-1]
    page.reload()
    person.at("두물머리 영농조합")
    page.get_by_role("button", name="Log in to your own bids").click()
    page.wait_for_url("**/desk/bids")
    assert "No envelope of yours" in page.locator("main").inner_text()
    assert command(file, "enrol") == fingerprint
    assert len(command(file, "login")) == 19
