"""A business at its browser: a key is made and saved, a registrar approves, and the same key logs in. A file
that the browser saved is opened by the commands, and the other way round."""

import base64
import json
import re
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from crypto.certificates import Role
from crypto.encoding import decode, encode, from_base64, sha256, to_base64
from crypto.statements import Statement
from crypto.trust import Trust
from procurement.registry.holding import Holding, load
from procurement.registry.safe import Safe
from procurement.registry.statements import Application
from tests.browser.conftest import HURRIED, run_here
from tests.browser.looks import check_accessible, check_scrolls_one_way
from tests.browser.test_desk import Town, town

__all__ = ["town"]

WORDS = "바다 위의 달 correct horse"
TOWNS_WORDS = "correct horse battery"
WITHOUT_ED25519 = """
const made = crypto.subtle.generateKey.bind(crypto.subtle);
crypto.subtle.generateKey = async (algorithm, ...rest) => {
  if (algorithm.name === "Ed25519") throw new DOMException("", "NotSupportedError");
  return made(algorithm, ...rest);
};
"""
"""What a browser of some years ago does."""


_STORED = """
const database = await new Promise((resolve) => {
  const opening = indexedDB.open("openseal");
  opening.onsuccess = () => resolve(opening.result);
});
const read = (name) => new Promise((resolve) => {
  const asked = database.transaction(name).objectStore(name).getAll();
  asked.onsuccess = () => resolve(asked.result);
});
"""
EXPORTED = f"""async () => {{ {_STORED}
const keys = await read("keys");
return Promise.all(keys.map((key) => crypto.subtle.exportKey("jwk", key).catch(() => "refused")));
}}"""
"""What comes of exporting every key that the browser keeps."""
KEPT = f"""async () => {{ {_STORED}
const values = [...(await read("identity")), ...(await read("memory"))];
return values.flatMap(({{ data }}) => [...new Uint8Array(data)]);
}}"""
"""What it keeps of somebody, as it is kept."""


SWAPPED = f"""async () => {{ {_STORED}
const [value] = await read("memory");
await new Promise((resolve) => {{
  const writing = database.transaction("identity", "readwrite");
  writing.objectStore("identity").put(value, "current");
  writing.oncomplete = resolve;
}});
database.close();
}}"""
"""Puts something that the browser has sealed itself into another place."""


class Person:
    """Somebody at a browser of their own."""

    def __init__(
        self, browser: Browser, town: Town, folder: Path, *, trust: bytes = b"", **options: Any
    ) -> None:
        """`trust` is what the service says of itself instead of the truth."""
        self.town, self.folder = town, folder
        self.context = browser.new_context(**options)
        self.context.add_init_script(HURRIED)
        if trust:
            self.pretend(trust)
        self.page = self.open()

    def open(self, path: str = "/bidder") -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.goto(f"{self.town.service.origin}{path}")
        return page

    def pretend(self, trust: bytes) -> None:
        self.context.route("**/api/v1/trust", lambda route: route.fulfill(body=trust))

    def at(self, heading: str) -> None:
        """Waits for the page to be there, and done: while it works it takes no other form."""
        expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(self.page.locator("#working")).to_be_hidden()

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
        path = Path(tempfile.mkdtemp(dir=self.folder)) / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def show(self, file: Path, words: str = WORDS) -> None:
        """Chooses the file in the form that is there, and sends it."""
        form = self.page.locator("form:has(input[type=file]):visible").first
        form.get_by_label("Key file").set_input_files(file)
        form.get_by_label("Its passphrase").fill(words)
        form.locator("button").click()

    def restore(self, file: Path, words: str = WORDS) -> None:
        """Chooses the file where somebody comes back."""
        form = self.page.locator("[data-act=restore]")
        form.get_by_label("Key file").set_input_files(file)
        form.get_by_label("Its passphrase").fill(words)
        form.get_by_role("button", name="Restore the key").click()

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

    def trouble(self, said: str = "") -> None:
        """Waits until the page says what went wrong."""
        expect(self.page.get_by_role("alert")).to_contain_text(said or re.compile(r"\S"))
        expect(self.page.locator("#working")).to_be_hidden()

    def says(self, text: str | re.Pattern[str]) -> None:
        """Waits until it is to be read."""
        expect(self.page.locator("main")).to_contain_text(text)

    def comes_in(self) -> None:
        """Logs in with the key, which leads to one's own bids."""
        self.page.get_by_role("button", name="Log in to your own bids").click()
        self.page.wait_for_url("**/desk/bids")


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
    return run_here(*command, str(file), passphrase=passphrase)


def reject(town: Town, application: str, reason: str) -> None:
    town.run("registrar", "reject", town.file("registrar"), application, "--reason", reason, "--yes")


def revoke(town: Town, certificate: str) -> None:
    reason = ("--reason", "keyCompromise")
    town.run("registrar", "revoke", town.file("registrar"), certificate, *reason, "--yes")


def everything(request: Request) -> bytes:
    """All that goes out with a request."""
    heads = json.dumps(request.all_headers()) if request.method != "GET" else ""
    return f"{request.url} {heads} ".encode() + (request.post_data_buffer or b"")


def changed_trust(person: Person) -> bytes:
    """The trust file of a service that somebody has set up in place of the one that was there, which the
    browser has come to know before."""
    page = person.page
    expect(page.locator("#bidder")).to_be_visible()
    trust = decode(page.request.get(f"{person.town.service.origin}/api/v1/trust").body(), Trust)
    other = encode(
        msgspec.structs.replace(trust, roots=trust.roots | {Role.BUSINESS: trust.roots[Role.OFFICER]})
    )
    person.pretend(other)
    return other


def lose_answer(route: Route) -> None:
    """The service gets what was sent, and its answer goes astray."""
    route.fetch()
    route.abort()


def look(page: Page) -> None:
    """By day and by night, on a screen of 320 pixels."""
    check_scrolls_one_way(page)
    check_accessible(page)


def audit(page: Page, state: str, *clicks: str) -> None:
    """A state in each language, before and after all that the clicks show."""
    address = page.url.split("?")[0].replace("/login", "/bidder")
    for language in ("en", "ko", "es"):
        page.goto(f"{address}?lang={language}")
        page.locator(f"[data-state={state}]").wait_for()
        look(page)
        for each in [each for selector in clicks for each in page.locator(selector).all()]:
            if each.is_visible():
                each.click()
        if clicks:
            look(page)


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
    assert re.fullmatch(rf"openseal-{number}-\d{{4}}-\d\d-\d\d\.key", file.name)
    person.show(file, "another horse than that")
    person.trouble("The passphrase does not open this file")
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
    person.comes_in()
    person.says("No envelope of yours")
    assert command(file, "enrol") == fingerprint
    assert len(command(file, "login")) == 19


def test_whoever_wants_to_try_it_out_is_registered_at_once(person: Person) -> None:
    page = person.page
    page.get_by_label("A name to practise under").fill("두물머리 영농조합")
    page.get_by_role("button", name="Register for practice").click()
    person.at("두물머리 영농조합")
    expect(page.get_by_text("This registration is for practice tenders only.")).to_be_visible()
    number = page.locator("[data-state=certified] [data-fill=registration]").inner_text()
    assert re.fullmatch(r"practice-[0-9a-f]{16}", number)
    person.comes_in()
    page.goto(f"{person.town.service.origin}/bidder")
    page.locator("summary", has_text="Bid under another registration").click()
    page.get_by_role("button", name="Begin another registration").click()
    expect(page.locator("#step-back-sure-wrong")).to_contain_text("Please confirm this first.")
    page.get_by_label("I have a back-up of this key").check()
    page.get_by_role("button", name="Begin another registration").click()
    person.at("Register your business")


def test_what_a_registrar_rejects_is_told_and_begun_again(person: Person) -> None:
    person.make_key("두물머리 상사", a_number())
    person.show(person.save())
    person.at("A registrar looks at your application")
    reject(person.town, person.application(), "서류가 다릅니다.")  # the page finds it by itself
    person.at("Your application was not approved")
    person.says("서류가 다릅니다.")
    person.page.get_by_role("button", name="Begin again").click()
    person.at("Register your business")


def test_a_key_that_was_saved_late_still_gets_its_application_through(person: Person) -> None:
    ten_minutes_ago = datetime.now(UTC) - timedelta(minutes=10)
    person.page.clock.set_fixed_time(ten_minutes_ago)
    person.make_key("Hanbit", a_number())
    file = person.save()
    person.page.clock.set_fixed_time(datetime.now(UTC))
    person.show(file)
    person.at("A registrar looks at your application")
    then = Statement(from_base64(opened(file).application or ""))
    assert person.application() != then.id


def test_a_clock_that_is_wrong_is_said_to_be(person: Person) -> None:
    person.page.clock.set_fixed_time(datetime.now(UTC) + timedelta(minutes=10))
    person.make_key("Hanbit", a_number())
    person.show(person.save())
    person.trouble("This device's clock is more than five minutes off")
    person.at("Send your application")
    person.page.clock.set_fixed_time(datetime.now(UTC))
    person.page.get_by_role("button", name="Send the application").click()
    person.at("A registrar looks at your application")


def test_a_line_that_is_cut_loses_nothing(person: Person) -> None:
    person.make_key("Hanbit", a_number())
    file = person.save()
    person.context.route("**/api/v1/registrations", lambda route: route.abort())
    person.show(file)
    person.trouble("The service does not answer")
    person.context.unroute("**/api/v1/registrations")
    person.page.reload()
    person.at("Send your application")
    person.page.get_by_role("button", name="Send the application").click()
    person.at("A registrar looks at your application")


def test_a_browser_without_ed25519_has_a_p256_key_that_the_commands_sign_with(person: Person) -> None:
    person.context.add_init_script(WITHOUT_ED25519)
    person.page.reload()
    file = person.registered("도서관 상사", a_number())
    assert opened(file).key.startswith("p256:")
    assert command(file, "enrol") == person.page.locator("[data-fill=fingerprint]").inner_text()
    assert len(command(file, "login")) == 19
    person.comes_in()


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("Name of the business", "가" * 22, "This name is too long"),
        ("Name of the business", "Han\u200bbit", "characters that no certificate can hold"),
        ("Business registration number", "123 45", "1 to 64 digits"),
        ("Who may bind the business", "홍길동\n" * 21, "1 to 20 people"),
        ("The same passphrase again", "another horse than that", "The two passphrases differ"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(person: Person, field: str, text: str, said: str) -> None:
    person.fill("Hanbit", a_number())
    place = person.page.get_by_label(field).first
    place.fill(text)
    person.page.get_by_role("button", name="Make the key").click()
    expect(place).to_have_attribute("aria-invalid", "true")
    expect(place).to_be_focused()
    expect(person.page.locator(f"#{place.get_attribute('id')}-wrong")).to_contain_text(said)


def test_a_passphrase_is_judged_while_it_is_typed(person: Person) -> None:
    person.fill("Hanbit Library", "KR-1234567890")
    said = person.page.locator("[data-strength=register-passphrase]")
    for words, judged in {
        "correct": "Too short",
        "aaaaaaaaaaaaaaaa": "Easy to guess",
        "12345678901234": "Easy to guess",
        "Hanbit Library KR-1234567890": "Easy to guess",
        "wonderfulthing1": "Easy to guess",
        WORDS: "Strong",
    }.items():
        person.page.get_by_label("A passphrase for the back-up").first.fill(words)
        expect(said).to_contain_text(judged)


# ── key files ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_of_the_command_is_restored_in_a_browser_and_logs_in(person: Person) -> None:
    page = person.page
    person.at("I have a key file already")
    person.restore(Path(person.town.file("business")), TOWNS_WORDS)
    person.at("Hanbit & Sons")
    page.goto(f"{person.town.service.origin}/login")
    page.get_by_role("button", name="Log in with this key").click()
    page.wait_for_url("**/desk/bids")
    page.goto(f"{person.town.service.origin}/desk")
    expect(page.locator("dl")).to_contain_text("Hanbit & Sons")


def test_a_file_of_the_browser_is_restored_in_another_one(
    person: Person, browser: Browser, tmp_path: Path
) -> None:
    file = person.registered("두물머리 영농조합", a_number())
    other = Person(browser, person.town, tmp_path)
    other.restore(file)
    other.at("두물머리 영농조합")
    other.page.get_by_text("Check the back-up").click()
    other.show(file)
    expect(other.page.locator("#checked")).to_contain_text("it holds the key of this browser")
    with other.page.expect_download() as download:
        other.page.get_by_role("link", name="Save the newer key file").click()
    newer = opened(Path(download.value.path()))
    assert newer.certificate is not None
    assert newer.application is None
    assert newer.key == opened(file).key
    other.context.close()


def test_what_is_no_file_of_ones_own_is_refused_in_words(person: Person, tmp_path: Path) -> None:
    genuine = Path(person.town.file("business")).read_bytes()
    damaged = {
        "empty": (b"", "This is not a key file"),
        "other": (b"%PDF-1.7" + genuine, "This is not a key file"),
        "short": (genuine[:40], "This is not a key file"),
        "cut": (genuine[:-1], "does not open this file"),
        "flipped": (genuine[:60] + bytes([genuine[60] ^ 1]) + genuine[61:], "does not open this file"),
    }
    for name, (data, said) in damaged.items():
        (tmp_path / name).write_bytes(data)
        person.restore(tmp_path / name, TOWNS_WORDS)
        person.trouble(said)
    person.restore(Path(person.town.file("officer")), TOWNS_WORDS)
    person.trouble("This file is of an official")
    person.restore(tmp_path / "cut", "correct horse batterie")
    person.trouble("does not open this file")


@pytest.mark.parametrize(
    "broken", [{"key": "77" * 32}, {"key": f"p256:{'77' * 32}"}, {"certificate": "AAAA"}]
)
def test_a_file_that_opens_and_lies_is_not_believed(
    person: Person, tmp_path: Path, broken: dict[str, str]
) -> None:
    holding = load(Safe(Path(person.town.file("business")), TOWNS_WORDS))
    Safe(tmp_path / "file", WORDS).write(encode(msgspec.structs.replace(holding, **broken)))
    person.restore(tmp_path / "file")
    person.trouble()
    person.page.reload()
    person.at("Register your business")


def test_another_ones_file_is_no_back_up(person: Person) -> None:
    person.make_key("Hanbit", a_number())
    person.show(Path(person.town.file("business")), TOWNS_WORDS)
    person.trouble("it holds another key than this browser's")


def test_the_private_key_leaves_the_browser_in_its_back_up_only(person: Person) -> None:
    sent: list[bytes] = []
    person.context.on("request", lambda request: sent.append(everything(request)))
    person.page.reload()
    file = person.registered("두물머리 영농조합", a_number())
    person.comes_in()
    secret = bytes.fromhex(opened(file).key)
    texts = [secret.hex(), to_base64(secret), base64.urlsafe_b64encode(secret).decode(), WORDS]
    log = b"\n".join(sent)
    assert b"/api/v1/registrations" in log
    for form in [secret, *(each.encode() for each in texts)]:
        assert form not in log
    assert person.page.evaluate(EXPORTED) == ["refused", "refused"]  # one that signs, one that encrypts
    kept = bytes(person.page.evaluate(KEPT))
    assert len(kept) > 500
    assert "두물머리".encode() not in kept
    assert secret not in kept


# ── whom to trust ────────────────────────────────────────────────────────────────────────────────────────


def test_a_service_with_other_keys_is_refused_until_somebody_has_compared(person: Person) -> None:
    person.make_key("Hanbit", a_number())
    offered = changed_trust(person)
    person.page.reload()
    person.at("The service's keys have changed")
    expect(person.page.locator("#offered")).to_have_text(sha256(offered).hex())
    expected = person.page.get_by_label("The SHA-256 that you were told")
    expected.fill("77" * 32)
    person.page.get_by_role("button", name="Trust the service as it is now").click()
    expect(person.page.locator("#expected-wrong")).to_contain_text("That is not what the service names now")
    expected.fill(sha256(offered).hex())
    person.page.get_by_role("button", name="Trust the service as it is now").click()
    person.at("Save your key before anything else")


def test_a_file_of_another_service_is_refused_and_nothing_is_pinned(person: Person, browser: Browser) -> None:
    offered = changed_trust(person)
    person.context.clear_cookies()
    person.page.reload()
    person.at("The service's keys have changed")
    other = Person(browser, person.town, person.folder, trust=offered)
    other.restore(Path(person.town.file("business")), TOWNS_WORDS)
    other.trouble("This file is of another service")
    other.context.close()


def test_anothers_certificate_is_not_believed(person: Person) -> None:
    person.make_key("Hanbit", a_number())
    person.show(person.save())
    person.at("A registrar looks at your application")
    holding = load(Safe(Path(person.town.file("business")), TOWNS_WORDS))
    answer = {"statement": person.application(), "state": "approved", "certificate": holding.certificate}
    person.context.route("**/api/v1/registrations/*", lambda route: route.fulfill(json=answer))
    person.page.get_by_role("button", name="Look now").click()
    person.trouble("Your certificate does not count here")
    person.at("A registrar looks at your application")


# ── certificates that end ────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_is_renewed_with_a_new_key_and_a_new_back_up(person: Person) -> None:
    page = person.page
    first = person.registered("두물머리 영농조합", a_number())
    before = page.locator("[data-fill=fingerprint]").inner_text()
    page.locator("summary", has_text="Renew the certificate").click()
    form = page.locator("[data-act=renew]")
    form.get_by_label("A passphrase for the back-up").fill(WORDS)
    form.get_by_label("The same passphrase again").fill(WORDS)
    form.get_by_role("button", name="Renew").click()
    person.at("Save your key before anything else")
    expect(page.get_by_role("button", name="Begin again")).to_be_hidden()
    second = person.save()
    person.show(second)
    person.at("두물머리 영농조합")
    after = page.locator("[data-fill=fingerprint]").inner_text()
    assert after != before
    assert opened(second).signing_key.fingerprint == after
    assert opened(second).key != opened(first).key
    person.comes_in()


def test_a_renewal_whose_answer_is_lost_is_taken_up_again(person: Person) -> None:
    page = person.page
    person.registered("두물머리 영농조합", a_number())
    before = page.locator("[data-fill=fingerprint]").inner_text()
    person.context.route("**/api/v1/renewals", lose_answer)
    page.locator("summary", has_text="Renew the certificate").click()
    form = page.locator("[data-act=renew]")
    form.get_by_label("A passphrase for the back-up").fill(WORDS)
    form.get_by_label("The same passphrase again").fill(WORDS)
    form.get_by_role("button", name="Renew").click()
    person.trouble("The service does not answer")
    person.context.unroute("**/api/v1/renewals")
    page.reload()
    expect(page.get_by_text("The back-up of your renewed key was lost on the way.")).to_be_visible()
    assert page.locator("[data-fill=fingerprint]").inner_text() != before


def test_a_certificate_that_has_ended_or_was_revoked_is_told_in_words(person: Person) -> None:
    page = person.page
    person.registered("두물머리 영농조합", a_number())
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=320))
    page.reload()
    expect(page.get_by_text("Your certificate ends within 60 days.")).to_be_visible()
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=400))
    page.reload()
    expect(page.get_by_text("Your certificate has ended.")).to_be_visible()
    revoke(person.town, page.locator("[data-fill=fingerprint]").inner_text())
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(seconds=1))
    page.reload()
    expect(page.get_by_text("Your certificate has ended.")).to_be_hidden()
    expect(page.locator("[data-warn=revoked]")).to_be_visible()
    page.get_by_role("button", name="Log in to your own bids").click()
    person.trouble("Your certificate was revoked")


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────────────


def test_two_tabs_have_one_identity_between_them(person: Person) -> None:
    first, second = person.page, person.open()
    person.fill("Hanbit", a_number())
    person.page = second
    person.fill("Duru", a_number())
    make = 'document.querySelector("[data-act=register]").requestSubmit()'
    first.evaluate(make)
    second.evaluate(make)
    for each in (first, second):
        person.page = each
        person.at("Save your key before anything else")
    said = [
        each.get_by_role("alert").inner_text()
        for each in (first, second)
        if each.get_by_role("alert").is_visible()
    ]
    assert len(said) == 1
    assert "Somebody is registered in this browser already" in said[0]
    first.get_by_text("Erase everything").click()
    first.get_by_label("I have a back-up of the key").check()
    first.get_by_role("button", name="Erase").click()
    for each in (first, second):
        person.page = each
        person.at("Register your business")


def test_a_practised_hand_needs_no_mouse(person: Person) -> None:
    page, keys = person.page, person.page.keyboard
    person.at("Register your business")
    page.get_by_role("link", name="Register", exact=True).focus()
    keys.press("Enter")
    expect(page).to_have_url(re.compile("#"))
    for text in ("두물머리", a_number(), "홍길동", "", WORDS, WORDS):
        keys.press("Tab")
        keys.insert_text(text)
    keys.press("Enter")
    heading = page.get_by_role("heading", name="Save your key before anything else")
    expect(heading).to_be_focused()
    keys.press("Tab")
    with page.expect_download() as download:
        keys.press("Enter")
    keys.press("Tab")
    with page.expect_file_chooser() as chooser:
        keys.press("Space")
    chooser.value.set_files(download.value.path())
    keys.press("Tab")
    keys.insert_text(WORDS)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="A registrar looks at your application")).to_be_focused()


def test_without_javascript_the_page_says_what_to_do_instead(
    browser: Browser, town: Town, tmp_path: Path
) -> None:
    person = Person(browser, town, tmp_path, java_script_enabled=False)
    said = person.page.locator("main").inner_text()
    assert "need JavaScript, which is switched off here" in said
    assert f"openseal enrol FILE --service {town.service.origin} --role business" in said
    assert person.page.locator("input:visible").count() == 0
    person.context.close()


def test_a_browser_that_keeps_nothing_is_told_so(person: Person) -> None:
    person.context.add_init_script("delete Window.prototype.indexedDB; delete window.indexedDB")
    person.page.reload()
    person.at("This browser cannot keep a key")


def test_what_somebody_has_altered_in_the_browsers_files_is_not_read(person: Person) -> None:
    person.make_key("Hanbit", a_number())
    person.page.evaluate(SWAPPED)
    person.page.reload()
    person.trouble("What this browser keeps here can no longer be read")
    expect(person.page.locator("[data-state]:visible")).to_have_count(0)
    person.page.get_by_text("Erase everything").click()
    person.page.get_by_label("I have a back-up of the key").check()
    person.page.get_by_role("button", name="Erase").click()
    person.at("Register your business")


def test_every_state_reads_well_in_every_language_by_day_and_night_on_an_old_phone(person: Person) -> None:
    page, number = person.page, a_number()
    audit(page, "start", "[data-act=register] button")
    person.page.goto(f"{person.town.service.origin}/bidder?lang=en")
    person.make_key("두물머리 영농조합 " + "가" * 12, number)
    audit(page, "unsaved", "[data-act=try] button")
    page.goto(f"{person.town.service.origin}/bidder?lang=en")
    person.show(Path(person.town.file("business")), "no words of theirs")
    person.trouble()
    look(page)
    person.show(person.save())
    person.at("A registrar looks at your application")
    application = person.application()
    audit(page, "waiting")
    approve(person.town, application)
    page.goto(f"{person.town.service.origin}/bidder?lang=en")
    person.at("두물머리 영농조합 " + "가" * 12)
    page.goto(f"{person.town.service.origin}/login")
    page.get_by_role("button", name="Log in with this key").wait_for()
    look(page)
    audit(page, "certified", "details > summary")
    changed_trust(person)
    audit(page, "changed")
