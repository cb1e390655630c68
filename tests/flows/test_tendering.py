"""Two officers by the command line, from the draft to the published tender, and a stranger who reads it;
broken off, repeated, refused. The service is the real one, behind a port of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bids.client import Service
from crypto.encoding import encode, moment
from crypto.errors import CertificateError
from crypto.statements import Statement, sign
from procurement import editions
from procurement.client import read_notice
from procurement.editions import Edition
from procurement.enquiries import Enquiry
from procurement.service import House
from procurement.tendering import changes, draft, officer
from procurement.tendering.folder import Folder
from procurement.tenders import Notice
from tests.conftest import fresh_database
from tests.core.test_tendering import filled
from tests.flows.conftest import running
from tests.flows.people import Town
from tests.flows.test_bidding import Person
from tests.flows.test_ceremony import Ended, listening, passphrase_in, run
from tests.ports import free_port

KST = "+09:00"


class Desk(Person):
    """An officer with a file, who runs commands."""

    async def run(self, command: str, *more: str | Path) -> Ended:
        """A command, in a thread of its own: the service lives in this one."""
        return await asyncio.to_thread(run, "tender", command, *more)

    async def begin(self, template: str = "open", **changes: Any) -> str:
        """A folder with a draft that is filled in; the ocid."""
        await self.ok("new", self.folder, "--key", self.file, "--template", template)
        return self.fill(**changes)

    def fill(self, **changes: Any) -> str:
        """The draft, as somebody fills it in with an editor; the committee is the town's."""
        path = self.folder / "notice.json"
        fields = filled(draft.read(path.read_bytes())) | times(40) | changes
        path.write_text(json.dumps(fields, ensure_ascii=False))
        found = {"committee": self.town.committee, "transcript": self.town.transcript, "phase": "done"}
        (self.folder / "committee.json").write_bytes(encode(found))
        return str(fields["tender"])

    def attach(self, data: bytes) -> dict[str, str]:
        """A file beside the draft, and how the draft names it."""
        (self.folder / "spec.pdf").write_bytes(data)
        return {
            "file": "spec.pdf",
            "id": "spec",
            "documentType": "technicalSpecifications",
            "title": "The desks, drawn",
            "language": "ko",
        }

    @property
    def signed(self) -> Statement:
        found = Folder(self.folder).signed
        assert found is not None
        return found


def times(days: float) -> dict[str, str]:
    """A deadline so many days from now, and an opening an hour later, in Korean time."""
    deadline = datetime.now(UTC) + timedelta(days=days)
    return {
        name: (time + timedelta(hours=9)).strftime("%Y-%m-%d %H:%M") + KST
        for name, time in (("deadline", deadline), ("opening", deadline + timedelta(hours=1)))
    }


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "passphrase"
    folder.mkdir()
    with passphrase_in(folder):
        yield


@pytest.fixture(scope="module")
async def here(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, str]]:
    """A town whose service knows its own address, which log-in is bound to."""
    house = House.below(tmp_path_factory.mktemp("town"))
    port = free_port()
    async with (
        fresh_database(postgres, f"tendering_{uuid4().hex}", migrated) as dsn,
        running(dsn, house, f"http://127.0.0.1:{port}") as client,
        listening(client._transport.app, port) as url,  # type: ignore[attr-defined]  # the application itself
    ):
        yield await Town.settle(client, house, dsn), url


async def an_officer(here: tuple[Town, str], folder: Path, name: str) -> Desk:
    desk = Desk(*here, folder, name)
    await desk.enrol("officer")
    return desk


@pytest.fixture
async def kim(here: tuple[Town, str], tmp_path: Path) -> Desk:
    return await an_officer(here, tmp_path, "kim")


@pytest.fixture
async def park(here: tuple[Town, str], tmp_path: Path) -> Desk:
    return await an_officer(here, tmp_path, "park")


# ── from the draft to the tender ─────────────────────────────────────────────────────────────────────


async def test_a_tender_from_its_draft_to_a_stranger(here: tuple[Town, str], kim: Desk, park: Desk) -> None:
    town, _ = here
    said = await kim.ok("new", kim.folder, "--key", kim.file, "--template", "open")
    assert "title: what is bought, in a line" in said
    assert "the deadline would be right from" in said
    blank = await kim.run("check", kim.folder)
    assert blank.status == 1
    assert "number: the entity's own number" in blank.out

    document = kim.attach(b"Of oak, twelve of them.")
    ocid = kim.fill(documents=[document], description="Desks of oak.")
    assert "the draft would be published" in await kim.ok("check", kim.folder)
    assert "the draft would be published" in await kim.ok("check", kim.folder, "--offline")
    tried = await kim.ok("preview", kim.folder)
    assert "these bids are made up" in tried
    assert "would win: Bidder F" in tried
    assert "is not above the ceiling 20,000,000" in tried

    sent = await kim.ok("publish", kim.folder, "--yes")
    for words in ("School desks", "tendering: 7 days", "Desks of oak.", "signed by", "Member 3", ocid):
        assert words.lower() in sent.lower()
    assert "document spec is there" in sent
    shown = await park.ok("countersign", ocid, "--key", park.file, "--yes")
    for words in ("Filled in", "kim", "SHA-256", "lowest-price/1", "legal period"):
        assert words.lower() in shown.lower()
    assert f"{ocid} is published" in shown

    line = Service(town.http, town.trust)
    tender = await read_notice(line, ocid)
    assert (tender.notice_id, tender.notice.title) == (kim.signed.id, "School desks")
    assert tender.notice.practice is False
    assert await line.get(f"/api/v1/tenders/{ocid}/documents/spec") == b"Of oak, twelve of them."
    stands = await kim.ok("status", ocid, "--key", kim.file)
    assert "Hand in sealed bids: the bidders; under way since" in stands
    assert "rule: tendering: 7 days (국가계약법 시행령 제35조제1항)" in stands
    in_korean = await kim.ok("status", ocid, "--key", kim.file, "--language", "ko")
    assert "봉인된 입찰서 제출" in in_korean
    answer = await town.http.get(f"/api/v1/tenders/{ocid}/steps", params={"language": "es"})
    assert answer.json()["steps"][0]["what"] == "Publicar el anuncio"
    page = (await town.http.get(f"/tenders/{ocid}")).text
    assert "Where it stands" in page
    assert "국가계약법 시행령 제35조제1항" in page


async def test_whatever_is_done_again_goes_on_and_changes_nothing(kim: Desk, park: Desk) -> None:
    ocid = await kim.begin()
    first = await kim.ok("publish", kim.folder, "--yes")
    signed = kim.signed.id
    again = await kim.ok("publish", kim.folder)  # nothing is asked any more
    assert kim.signed.id == signed
    assert f"statement {signed}" in first
    assert f"statement {signed}" in again
    assert f"{ocid} is published" in await park.ok("countersign", ocid, "--key", park.file, "--yes")
    assert await park.ok("countersign", ocid, "--key", park.file) == f"{ocid} is published\n"
    assert await kim.ok("publish", kim.folder) == f"{ocid} is published\n"


async def test_a_publication_that_broke_off_goes_on(kim: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ocid = await kim.begin()
    kim.fill(documents=[kim.attach(b"Of oak.")])

    async def breaks_off(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error", "line")

    with monkeypatch.context() as broken:
        broken.setattr(Service, "post", breaks_off)
        assert "Input/output error" in await kim.fails("publish", kim.folder, "--yes")
    signed = kim.signed.id
    assert f"{ocid} waits for a second officer: statement {signed}" in await kim.ok("publish", kim.folder)


async def test_a_notice_may_be_countersigned_before_its_time(kim: Desk, park: Desk) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    published = later.strftime("%Y-%m-%d %H:%M") + "Z"
    ocid = await kim.begin(published=published)
    await kim.ok("publish", kim.folder, "--yes")
    for _ in range(2):
        shown = await park.ok("countersign", ocid, "--key", park.file, "--yes")
        assert f"{ocid} is countersigned, and will be published at {later:%Y-%m-%dT%H:%M}:00.000Z" in shown


@pytest.mark.parametrize("template", officer.templates())
async def test_every_template_makes_a_tender(kim: Desk, park: Desk, template: str) -> None:
    changes: dict[str, Any] = {}
    if template in ("kr-negotiation", "eu-open", "framework"):
        changes["evaluators"] = [kim.town.evaluator.fingerprint]
    ocid = await kim.begin(template, **times(50), **changes)
    assert "would be published" in await kim.ok("check", kim.folder)
    await kim.ok("preview", kim.folder)
    await kim.ok("publish", kim.folder, "--yes")
    assert f"{ocid} is published" in await park.ok("countersign", ocid, "--key", park.file, "--yes")


# ── after publication ────────────────────────────────────────────────────────────────────────────────


async def published(kim: Desk, park: Desk, **changes: Any) -> str:
    ocid = await kim.begin(**changes)
    await kim.ok("publish", kim.folder, "--yes")
    await park.ok("countersign", ocid, "--key", park.file, "--yes")
    return ocid


async def asked(town: Town, ocid: str, question: str) -> str:
    """By a business. Returns the question's id."""
    asker = await town.bidder("Curious Carpenters")
    tender = await read_notice(Service(town.http, town.trust), ocid)
    enquiry = Enquiry(
        signer=asker.fingerprint,
        tender=ocid,
        notice=tender.notice_id,
        question=question,
        salt="5a" * 32,
        time=moment(datetime.now(UTC)),
    )
    answer = await town.http.post(f"/api/v1/tenders/{ocid}/enquiries", content=sign(enquiry, asker))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["statement"])


async def test_an_officer_reads_questions_and_answers_them_for_everybody(
    here: tuple[Town, str], kim: Desk, park: Desk
) -> None:
    town, _ = here
    until = times(30)["deadline"]
    ocid = await published(kim, park, enquiriesUntil=until)
    assert await kim.ok("questions", ocid, "--key", kim.file) == "nothing was asked\n"
    id = await asked(town, ocid, "We at Curious Carpenters ask: may it be ash?")
    shown = await park.ok("questions", ocid, "--key", park.file)
    assert "may it be ash?" in shown
    assert "not answered yet" in shown
    words = ["--text", "Oak only.", "--question", "May it be ash?"]
    said = await kim.ok("answer", ocid, id[:12], "--key", kim.file, *words, "--yes")
    assert "Question, for everybody: May it be ash?" in said
    assert await kim.ok("answer", ocid, id, "--key", kim.file, *words) == "answered already\n"
    page = (await town.http.get(f"/tenders/{ocid}")).text
    assert "May it be ash?" in page
    assert "Oak only." in page
    assert "Curious" not in page
    wrong = await kim.fails("answer", ocid, "ff", "--key", kim.file, *words, "--yes")
    assert "0 questions" in wrong


async def test_an_amendment_is_written_in_the_folder_and_countersigned(
    here: tuple[Town, str], kim: Desk, park: Desk
) -> None:
    town, _ = here
    ocid = await published(kim, park, description="Desks.")
    document = kim.attach(b"The drawings, once more.")
    kim.fill(description="Desks of oak.", documents=[document], **times(45))
    why = ["--reason", "The drawings were wrong."]
    shown = await kim.ok("amend", kim.folder, *why, "--yes")
    for words in ("Description: Desks of oak.", "Description, till now: Desks.", "they still count"):
        assert words in shown
    assert "document spec is there" in shown
    again = await kim.ok("amend", kim.folder, *why)  # nothing is asked any more
    assert again.splitlines()[-1] == shown.splitlines()[-1]
    agreed = await park.ok("countersign", ocid, "--key", park.file, "--yes")
    assert "Reason: The drawings were wrong." in agreed
    assert "Signed by: kim" in agreed
    tender = await read_notice(Service(town.http, town.trust), ocid)
    assert tender.notice.description == "Desks of oak."
    assert len(tender.editions) == 2
    line = Service(town.http, town.trust)
    assert await line.get(f"/api/v1/tenders/{ocid}/documents/spec") == b"The drawings, once more."
    assert await park.ok("countersign", ocid, "--key", park.file) == f"{ocid} is published\n"
    refused = await kim.fails("amend", kim.folder, *why, "--yes")
    assert "changes nothing" in refused


async def test_of_several_changes_the_newest_is_shown_and_another_can_be_chosen(
    here: tuple[Town, str], kim: Desk, park: Desk
) -> None:
    town, _ = here
    ocid = await published(kim, park)
    key: list[str | Path] = ["--key", park.file, "--yes"]
    ended = await kim.ok("cancel", ocid, "--key", kim.file, "--reason", "By mistake.", "--yes")
    for title in ("Desks of oka", "Desks of oak"):
        kim.fill(title=title)
        await kim.ok("amend", kim.folder, "--reason", f"{title}. {'x' * 200}", "--yes")
    assert "0 statements" in await park.fails("countersign", ocid, *key, "--statement", "zz")
    shown = await park.ok("countersign", ocid, *key)
    listed = [line for line in shown.splitlines() if line.startswith("  ")]
    kinds = ("end (cancelled), signed by kim", "amendment, signed by kim", "amendment, signed by kim")
    assert len(listed) == 3
    for line, kind, reason in zip(listed, kinds, ("By mistake.", "of oka", "of oak"), strict=True):
        assert kind in line
        assert reason in line
    assert shown.count("Desks of oka") == 1  # listed, and not what is shown
    tender = await read_notice(Service(town.http, town.trust), ocid)
    assert tender.notice.title == "Desks of oak"
    # The first amendment is void with that; what is left is the end, which nobody has to sign.
    kim.fill(title="Desks of ash")
    await kim.ok("amend", kim.folder, "--reason", "Ash.", "--yes")
    id = ended.split("statement ")[1].split()[0]
    chosen = await park.ok("countersign", ocid, *key, "--statement", id[:8])
    assert "2 wait for a second officer" in chosen
    assert "The tender ends: cancelled" in chosen


async def test_a_change_that_does_not_verify_is_left_out_and_said(
    kim: Desk, park: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ocid = await published(kim, park)
    ended = await kim.ok("cancel", ocid, "--key", kim.file, "--reason", "By mistake.", "--yes")
    kim.fill(title="Desks of oak")
    await kim.ok("amend", kim.folder, "--reason", "Oak.", "--yes")
    id = ended.split("statement ")[1].split()[0]
    verified = Service.verified_unless_revoked

    async def expired(self: Service, statement: Statement, *more: Any) -> Any:
        if statement.id == id:
            raise CertificateError("the certificate has expired")
        return await verified(self, statement, *more)

    monkeypatch.setattr(Service, "verified_unless_revoked", expired)
    ended_well = await park.run("countersign", ocid, "--key", park.file, "--yes")
    assert ended_well.status == 0
    assert "Reason: Oak." in ended_well.out
    assert "wait for a second officer" not in ended_well.out
    [line] = ended_well.err.splitlines()
    assert (
        line == "openseal: left out: termination that waits and does not verify: the certificate has expired"
    )


async def test_what_cannot_be_amended_is_said_before_anything_is_signed(kim: Desk, park: Desk) -> None:
    await published(kim, park)
    kim.fill(**times(12))
    assert "moves earlier" in await kim.fails("amend", kim.folder, "--reason", "Hurry.", "--yes")
    assert Folder(kim.folder).amendment is None


@pytest.mark.parametrize(
    ("ahead", "words"), [(39.5, "a day after the amendment"), (41, "the deadline has passed")]
)
async def test_an_amendment_that_comes_too_late_is_neither_signed_nor_countersigned(
    kim: Desk, park: Desk, monkeypatch: pytest.MonkeyPatch, ahead: float, words: str
) -> None:
    ocid = await published(kim, park)
    kim.fill(title="Desks of oak")
    check = editions.check_in_time

    def later_on(latest: Edition, amended: Notice, now: datetime) -> None:
        check(latest, amended, now + timedelta(days=ahead))

    with monkeypatch.context() as later:
        later.setattr(editions, "check_in_time", later_on)  # the officers' check: the service has its own
        assert words in await kim.fails("amend", kim.folder, "--reason", "Oak.", "--yes")
    assert Folder(kim.folder).amendment is None
    await kim.ok("amend", kim.folder, "--reason", "Oak.", "--yes")
    with monkeypatch.context() as later:
        later.setattr(editions, "check_in_time", later_on)
        later.setattr(changes, "countersign", broken_off)
        assert words in await park.fails("countersign", ocid, "--key", park.file, "--yes")


async def test_a_tender_is_cancelled_by_two_officers(here: tuple[Town, str], kim: Desk, park: Desk) -> None:
    town, _ = here
    ocid = await published(kim, park)
    why = ["--reason", "The school closes."]
    shown = await kim.ok("cancel", ocid, "--key", kim.file, *why, "--yes")
    assert "The tender ends: cancelled" in shown
    assert "openseal: " in await kim.fails("countersign", ocid, "--key", kim.file, "--yes")
    await park.ok("countersign", ocid, "--key", park.file, "--yes")
    answer = await town.http.get(f"/api/v1/tenders/{ocid}/timeline")
    assert answer.json()["status"] == "terminated"
    assert "The school closes." in (await town.http.get(f"/tenders/{ocid}")).text
    assert "is over" in await kim.fails("cancel", ocid, "--key", kim.file, *why, "--yes")


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────


async def test_too_short_a_period_is_refused_with_the_date_that_would_be_right(
    here: tuple[Town, str], kim: Desk
) -> None:
    town, _ = here
    await kim.begin(**times(3))
    before = draft.earliest(Folder(kim.folder).fields, datetime.now(UTC))
    ended = await kim.run("check", kim.folder)
    assert ended.status == 1
    assert "tendering: 7 days (국가계약법 시행령 제35조제1항) is not kept" in ended.out
    refused = await kim.fails("publish", kim.folder, "--yes")
    assert "is not kept" in refused
    assert Folder(kim.folder).signed is None
    # Whoever signs it anyway is refused by the service, for the same reason.
    key = town.officer
    notice = officer.write(Folder(kim.folder), key.fingerprint, datetime.now(UTC))

    answer = await town.http.post("/api/v1/tenders", content=sign(notice, key))
    assert (answer.status_code, answer.json()["code"]) == (409, "period-too-short")
    earliest = [before, draft.earliest(Folder(kim.folder).fields, datetime.now(UTC))]  # midnight may come
    right = {each.isoformat(timespec="minutes") for each in earliest if each}
    assert any(f"would be right from {each} on" in ended.out for each in right)
    assert any(each in answer.json()["detail"] for each in right)


async def test_a_notice_without_a_law_is_published_for_practice_only(kim: Desk, park: Desk) -> None:
    await kim.begin(legal={}, **times(1))
    assert "periods-unstated" in (await kim.run("check", kim.folder)).out
    ocid = kim.fill(legal={}, practice=True, **times(1))
    await kim.ok("publish", kim.folder, "--yes")
    shown = await park.ok("countersign", ocid, "--key", park.file, "--yes")
    assert "this tender is for practice, exempt from the legal periods" in shown


async def test_nobody_countersigns_what_they_signed_or_what_is_not_there(kim: Desk, park: Desk) -> None:
    ocid = await kim.begin()
    await kim.ok("publish", kim.folder, "--yes")
    assert "openseal: " in await kim.fails("countersign", ocid, "--key", kim.file, "--yes")
    other = await park.fails("countersign", ocid, "--key", park.file, "--yes", "--statement", "zz")
    assert f"no notice with the ocid {ocid} and a statement zz… waits" in other
    missing = await park.fails("countersign", "ocds-0s3al1-nothing", "--key", park.file, "--yes")
    assert "no notice with the ocid ocds-0s3al1-nothing waits" in missing


async def test_who_is_asked_and_says_no_has_signed_nothing(
    kim: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kim.begin()
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "nothing was done" in await kim.fails("publish", kim.folder)
    assert Folder(kim.folder).signed is None


async def test_only_officers_write_notices(here: tuple[Town, str], tmp_path: Path) -> None:
    hanbit = Desk(*here, tmp_path, "hanbit")
    await hanbit.enrol("business")
    refused = await hanbit.fails("new", hanbit.folder, "--key", hanbit.file, "--template", "open")
    assert "notices are an officer's" in refused
    assert not hanbit.folder.exists()
    refused = await hanbit.fails("countersign", "ocds-0s3al1-1", "--key", hanbit.file, "--yes")
    assert "notices are an officer's" in refused


async def test_people_who_are_not_certified_are_named(here: tuple[Town, str], kim: Desk) -> None:
    town, _ = here
    await kim.begin("kr-negotiation", evaluators=[town.members[0].key.fingerprint], **times(50))
    ended = await kim.run("check", kim.folder)
    assert ended.status == 1
    assert "evaluator" in ended.out
    assert "would be published" in await kim.ok("check", kim.folder, "--offline")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"title": 1}', "[" * 10_000, '{"signer": "me"}'])
async def test_garbage_in_a_draft_is_one_line_and_a_status(kim: Desk, content: str) -> None:
    await kim.begin()
    (kim.folder / "notice.json").write_text(content)
    ended = await kim.run("check", kim.folder)
    assert ended.status == 1
    await kim.fails("publish", kim.folder, "--yes")
    await kim.fails("preview", kim.folder)


async def test_a_folder_or_template_that_is_none_is_one_line(kim: Desk, tmp_path: Path) -> None:
    for command in ("check", "preview", "publish"):
        assert "openseal tender new makes one" in await kim.fails(command, tmp_path / "nothing")
    refused = await kim.fails("new", kim.folder, "--key", kim.file, "--template", "favour")
    assert "there are eu-open" in refused
    await kim.begin()
    assert "is not empty" in await kim.fails("new", kim.folder, "--key", kim.file, "--template", "open")


async def test_a_file_that_changed_after_it_was_signed_is_not_handed_in(kim: Desk) -> None:
    await kim.begin()
    kim.fill(documents=[kim.attach(b"Of oak.")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(officer, "hand_in", broken_off)
        await kim.fails("publish", kim.folder, "--yes")
    kim.attach(b"Of pine.")
    assert "changed" in await kim.fails("publish", kim.folder)
    assert kim.signed.read(Notice).documents[0].size == 7


async def broken_off(*_: Any, **__: Any) -> None:
    raise OSError(5, "Input/output error", "line")
