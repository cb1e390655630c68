"""A bidder by the command line, from the draft to what became of the bid; broken off at every point, and
with a partner. The line to the service is a relay that tests cut, hold and measure."""

import asyncio
import secrets
import signal
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from bids.receipts import Receipt, Refusal
from crypto.encoding import decode, moment
from crypto.statements import Statement
from procurement.bidding.folder import Folder, Shown
from procurement.folders import locked
from procurement.registry import applicant
from procurement.service import House
from procurement.tenders import Bid, Declaration
from tests.builders import a_lot, panel_rules
from tests.conftest import fresh_database
from tests.flows.conftest import running
from tests.flows.people import PracticeTender, Town, wait_until
from tests.flows.test_ceremony import CHEAP, Ended, listening, passphrase_in, run
from tests.flows.test_reception import HEAD, held
from tests.relays import dead_address, serving
from tests.stamper import TimeAuthority

COMMAND = f"""
import sys
from procurement.__main__ import main
from procurement.registry import safe
safe.COST = {CHEAP}
main(sys.argv[1:])
"""
"""`openseal`, which opens files that were sealed at that cost."""
LONG = 600.0
"""Seconds to a deadline that does not come."""
DOCUMENTS: dict[str, Any] = {"document_limit": 4, "document_size": 32 * 1024 * 1024}
DECLARATION = Declaration(id="clean", text="We bribe nobody.")


class Relay:
    """A line to a service. `answers`: whether what the service says gets through; `room`: how many bytes may
    still go to it, if that is limited; `passed`: how many did."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._changed = asyncio.Condition()
        self.answers = True
        self.room: int | None = None
        self.passed = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def let(self, *, answers: bool = True, room: int | None = None) -> None:
        """From now on."""
        async with self._changed:
            self.answers, self.room, self.passed = answers, room, 0
            self._changed.notify_all()

    async def until_passed(self, count: int) -> None:
        """Wait until so many bytes went to the service."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: self.passed >= count)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        pumps = [
            asyncio.create_task(self._pump(reader, there_writer, up=True)),
            asyncio.create_task(self._pump(there_reader, writer, up=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in pumps:
                each.cancel()
            writer.close()
            there_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: bool) -> None:
        try:
            while chunk := await reader.read(16 * 1024):
                async with self._changed:
                    if up:
                        await self._changed.wait_for(lambda: self.room is None or self.room >= len(chunk))
                        self.room = None if self.room is None else self.room - len(chunk)
                        self.passed += len(chunk)
                        self._changed.notify_all()
                    else:
                        await self._changed.wait_for(lambda: self.answers)
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            return


class Person:
    """A bidder with a file and a folder, who runs commands."""

    def __init__(self, town: Town, url: str, folder: Path, name: str) -> None:
        self.town, self.url, self.name = town, url, name
        self.file, self.folder = folder / f"{name}.key", folder / name

    async def enrol(self, role: str = "business") -> "Person":
        asked = ["--service", self.url, "--role", role, "--name", self.name]
        more = ["--registration", f"B-{secrets.token_hex(6)}"]
        more += ["--representative", "Hong Gil-dong"] if role == "business" else []
        applied = await asyncio.to_thread(run, "enrol", self.file, *asked, *more)
        assert applied.status == 0, applied.err
        await applicant.approve(self.town.line(), self.town.registrar, applied.out.split()[1])
        fetched = await asyncio.to_thread(run, "enrol", self.file)
        assert fetched.status == 0, fetched.err
        self.fingerprint = fetched.out.strip()
        return self

    async def run(self, command: str, *more: str | Path) -> Ended:
        """A command on the folder, in a thread of its own: the service lives in this one."""
        return await asyncio.to_thread(run, "bid", command, self.folder, *more)

    async def ok(self, command: str, *more: str | Path) -> str:
        ended = await self.run(command, *more)
        assert ended.status == 0, ended.err
        return ended.out

    async def fails(self, command: str, *more: str | Path) -> str:
        ended = await self.run(command, *more)
        assert ended.status != 0, ended.out
        assert ended.err.startswith("openseal: ")
        assert ended.err.count("openseal: ") == 1 or "trying again" in ended.err
        return ended.err

    async def compose(self, tender: PracticeTender) -> str:
        return await self.ok("compose", "--key", self.file, "--tender", tender.ocid)

    def edit(self, **changes: Any) -> None:
        """The draft, as somebody fills it in with an editor."""
        path = self.folder / "bid.json"
        draft = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        path.write_bytes(msgspec.json.format(msgspec.json.encode(draft | changes)))

    def offer(self, amount: str, **changes: Any) -> None:
        declared = [{"id": DECLARATION.id, "declared": True}]
        self.edit(offers=[{"lot": "1", "amount": amount}], declarations=declared, **changes)

    async def seal(self, tender: PracticeTender, amount: str, **changes: Any) -> str:
        """A folder with a sealed bid."""
        await self.compose(tender)
        self.offer(amount, **changes)
        return await self.ok("seal", "--yes")

    @property
    def kept(self) -> Folder:
        return Folder(self.folder)

    async def process(self, command: str) -> asyncio.subprocess.Process:
        """The command as a process of its own, which can be killed."""
        arguments = [sys.executable, "-c", COMMAND, "bid", command, str(self.folder)]
        quiet = asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(*arguments, stdout=quiet, stderr=quiet)


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "passphrase"
    folder.mkdir()
    with passphrase_in(folder):
        yield


@pytest.fixture(scope="module")
async def here(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, Relay, str]]:
    """A town whose service is reached over a relay, and the address of that."""
    house = House.below(tmp_path_factory.mktemp("town"))
    async with (
        fresh_database(postgres, f"bidding_{uuid4().hex}", migrated) as dsn,
        running(dsn, house) as client,
        listening(client._transport.app) as url,  # type: ignore[attr-defined]  # the application itself
    ):
        relay = Relay(int(url.rpartition(":")[2]))
        async with relay.open() as address:
            yield await Town.settle(client, house, dsn), relay, address


@pytest.fixture
async def bidder(here: tuple[Town, Relay, str], tmp_path: Path) -> Person:
    """A bidder with a certificate."""
    return await Person(here[0], here[2], tmp_path, "bidder").enrol()


async def a_tender(here: tuple[Town, Relay, str], lead: float = LONG, **changes: Any) -> PracticeTender:
    return await here[0].publish(a_lot(), lead=lead, declarations=(DECLARATION,), **DOCUMENTS, **changes)


def a_document(person: Person, name: str, size: int) -> dict[str, Any]:
    """A file beside the draft, and how the draft names it."""
    (person.folder / name).write_bytes(secrets.token_bytes(size))
    return {"file": name}


# ── a whole life ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_bid_from_its_draft_to_its_rank(here: tuple[Town, Relay, str], bidder: Person) -> None:
    tender = await a_tender(here, lead=15, upload_grace=1)
    shown = await bidder.compose(tender)
    assert "School desks" in shown
    assert "We bribe nobody." in shown
    assert "lowest-price/1" in shown
    faults = (await bidder.run("check")).out
    assert "lot 1: no amount" in faults
    assert "declaration clean is not made: “We bribe nobody.”" in faults
    bidder.offer("700000", documents=[{"file": "plan.pdf"}, {"file": "staff.csv", "restricted": True}])
    assert "plan.pdf: there is no such file" in (await bidder.run("check")).out
    for name, size in (("plan.pdf", 200_000), ("staff.csv", 10)):
        a_document(bidder, name, size)
    assert "would open as a bid" in await bidder.ok("check")
    sealed = await bidder.ok("seal", "--yes")
    assert "700,000 KRW" in sealed
    assert "number 1 in the box since" in await bidder.ok("submit")
    assert f"no receipt yet, awaited until {moment(tender.notice.complete)}" in await bidder.ok("status")
    uploaded = await bidder.ok("upload")
    assert [line.split(":")[0] for line in uploaded.splitlines()] == ["file 1", "file 2", "file 3"]
    assert "every file has its receipt" in await bidder.ok("upload")
    before = await bidder.ok("status")
    assert before.count("there since") == 3
    await tender.close()
    assert "closed: number 1 is listed, it counts" in await bidder.ok("status")
    await tender.round()
    await tender.order("bid")
    await tender.evaluated()
    after = await bidder.ok("status")
    assert "part bid: opened" in after
    assert "lot 1: rank 1, valid" in after


async def test_keys_show_who_one_is(bidder: Person) -> None:
    ended = await asyncio.to_thread(run, "bid", "keys", bidder.file)
    assert ended.status == 0
    assert bidder.fingerprint in ended.out
    assert "business" in ended.out


async def test_what_opens_a_bid_is_for_its_bidders_eyes(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    await bidder.seal(await a_tender(here), "700")
    element = bidder.kept.chain[0]
    for path in (element.path, element.path / "sealed.json"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    found = decode((element.path / "sealed.json").read_bytes(), Shown).sealed()
    assert decode(found.contents["bid"], Bid).offers[0].amount == "700"


# ── replacing, withdrawing, being refused ────────────────────────────────────────────────────────────


async def test_a_bid_is_replaced_withdrawn_and_made_again(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    tender, relay = await a_tender(here), here[1]
    await bidder.compose(tender)
    document = a_document(bidder, "plan.pdf", 3_000_000)
    bidder.offer("900", documents=[document])
    await bidder.ok("seal", "--yes")
    await bidder.ok("submit")
    await bidder.ok("upload")
    bidder.offer("800", documents=[document])
    assert "--replace" in await bidder.fails("seal", "--yes")
    await bidder.ok("seal", "--replace", "--yes")
    await bidder.ok("submit")
    await relay.let()
    await bidder.ok("upload")
    assert relay.passed < 100_000  # the same file is there already
    first, second = bidder.kept.chain
    assert (first.previous, second.previous) == (None, first.statement.id)
    assert "withdrawn since" in await bidder.ok("withdraw", "--yes")
    assert "no bid in the box" in await bidder.fails("withdraw", "--yes")
    await bidder.ok("seal", "--yes")
    await bidder.ok("submit")
    third, fourth = bidder.kept.chain[2:]
    assert third.withdrawal
    assert (third.previous, fourth.previous) == (second.statement.id, third.statement.id)
    receipts = [each.receipt for each in bidder.kept.chain]
    assert [each.kind for each in receipts if each] == ["envelope", "envelope", "withdrawal", "envelope"]


async def test_a_bid_is_withdrawn_after_a_deadline_that_has_moved_unseen(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    tender = await a_tender(here, lead=8)
    await bidder.compose(tender)
    bidder.offer("900")
    await bidder.ok("seal", "--yes")
    await bidder.ok("submit")
    before = tender.notice.closes
    await tender.amend(deadline=moment(before + timedelta(minutes=5)))
    await wait_until(before + timedelta(seconds=0.2))
    assert "withdrawn since" in await bidder.ok("withdraw", "--yes")


async def test_nothing_is_withdrawn_or_sealed_without_a_yes(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    tender = await a_tender(here)
    await bidder.compose(tender)
    bidder.offer("900")
    assert "nobody is there to be asked" in await bidder.fails("seal")
    assert bidder.kept.chain == []
    await bidder.ok("seal", "--yes")
    ended = await bidder.run("withdraw", "--yes")
    assert (ended.out, "no bid in the box" in ended.err) == ("", True)  # before anything is shown
    await bidder.ok("submit")
    assert "nobody is there to be asked" in await bidder.fails("withdraw")
    assert len(bidder.kept.chain) == 1


async def test_what_is_asked_about_is_what_will_be_sealed_in_the_notices_words(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    await bidder.compose(await a_tender(here))
    bidder.offer("900", restricted="Account 123")
    assert not (await bidder.run("status")).out.count("number 1")
    bidder.edit(declarations=[{"id": DECLARATION.id, "text": "We bribe everybody.", "declared": True}])
    asked = (await bidder.run("seal")).out
    assert "declared: We bribe nobody." in asked
    assert "for officials alone: Account 123" in asked
    assert "everybody" not in await bidder.ok("seal", "--yes")


async def test_the_status_says_what_took_the_place_of_what(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    await bidder.compose(await a_tender(here))
    assert "nothing is sealed yet" in await bidder.ok("status")
    bidder.offer("900", documents=[a_document(bidder, "plan.pdf", 10)])
    for sealed in (("seal",), ("seal",), ("submit",), ("upload",), ("seal", "--replace")):
        await bidder.ok(*sealed, *(["--yes"] if sealed[0] == "seal" else []))
    assert "number 3 is sealed, not sent" in (await bidder.run("upload")).err
    await bidder.ok("submit")
    await bidder.ok("withdraw", "--yes")
    assert "the bid is withdrawn" in await bidder.fails("upload")
    said = [line.strip() for line in (await bidder.ok("status")).splitlines()]
    assert [line for line in said if line.startswith(("superseded", "taken back"))] == [
        "superseded by number 2",
        "superseded by number 3",
        "taken back by number 4",
    ]
    assert not any(line.startswith("file") for line in said)


async def test_only_a_business_begins_a_bid(
    here: tuple[Town, Relay, str], tmp_path: Path, bidder: Person
) -> None:
    officer = await Person(here[0], here[2], tmp_path, "officer").enrol("officer")
    tender = await a_tender(here)
    said = await officer.fails("compose", "--key", officer.file, "--tender", tender.ocid)
    assert "bids are a business's" in said
    assert not officer.folder.exists()


async def test_a_bidder_who_waits_for_a_slow_log_is_told_of_the_promise(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    await bidder.seal(await a_tender(here), "900")
    async with held(here[0], HEAD):
        sending = asyncio.create_task(bidder.run("submit"))
        for _ in range(2400):
            await asyncio.sleep(0.05)
            if bidder.kept.chain[0].state == "promised":
                break
    ended = await sending
    assert "the log is slow, and the receipt promised by" in ended.err
    assert "number 1 in the box since" in ended.out


async def test_a_refusal_is_kept_as_it_was_signed(here: tuple[Town, Relay, str], bidder: Person) -> None:
    tender = await a_tender(here, lead=5)
    await bidder.seal(tender, "900")
    await tender.deadline(0.2)
    said = await bidder.fails("submit")
    assert "refused at" in said
    (element,) = bidder.kept.chain
    refusal = Statement((element.path / "refusal.json").read_bytes()).read(Refusal)
    assert (refusal.reason, refusal.statement) == ("after-deadline", element.statement.id)
    assert element.state == "refused"
    assert "refused at" in await bidder.ok("status")
    assert "deadline has passed" in await bidder.fails("seal", "--yes")


async def test_whoever_is_not_answered_has_the_sealed_bid_stamped_by_somebody_else(
    here: tuple[Town, Relay, str], bidder: Person, tmp_path: Path
) -> None:
    authority, other = (TimeAuthority(tmp_path / name, name=name) for name in ("stamps", "other"))
    roots = authority.folder / "root.pem"
    await bidder.compose(await a_tender(here))
    told = ("--authority", dead_address(), "--roots", roots)
    assert "nothing is sealed yet" in await bidder.fails("stamp", *told)
    bidder.offer("900")
    await bidder.ok("seal", "--yes")
    assert "does not answer" in await bidder.fails("stamp", *told)
    async with serving(authority) as url:
        wrong = await bidder.fails("stamp", "--authority", url, "--roots", other.folder / "root.pem")
        assert "the time stamp does not hold" in wrong
        assert (await bidder.run("stamp", "--authority", url, "--roots", bidder.file)).status == 2
        assert f"stamped by CN={authority.by}" in await bidder.ok(
            "stamp", "--authority", url, "--roots", roots
        )
        kept = (bidder.folder / "1" / "statement.tsr").read_bytes()
        assert authority.verified((bidder.folder / "1" / "statement.json").read_bytes(), kept)
        await bidder.ok("stamp", "--authority", url, "--roots", roots)
        assert (bidder.folder / "1" / "statement.tsr").read_bytes() == kept, "the first one stays"
    assert f"stamped by CN={authority.by} at 20" in await bidder.ok("status")


async def test_whoever_bid_in_a_tender_that_is_cancelled_is_told_that_nothing_is_opened(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    tender = await a_tender(here, lead=10)
    await bidder.seal(tender, "900")
    await bidder.ok("submit")
    await tender.terminate()
    await tender.close()
    await tender.deadline(0.2)
    assert "never opened, for the tender has ended" in await bidder.ok("status")


async def test_a_draft_that_would_not_open_is_not_sealed(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    await bidder.compose(await a_tender(here))
    bidder.offer("7,000")
    assert "plain number" in await bidder.fails("seal", "--yes")
    (bidder.folder / "bid.json").write_bytes(b'{"offers": [')
    assert "the draft cannot be read" in await bidder.fails("check")
    assert "the draft cannot be read" in await bidder.fails("seal", "--yes")
    assert bidder.kept.chain == []


async def test_a_folder_is_made_once_and_used_by_one_command_at_a_time(
    here: tuple[Town, Relay, str], bidder: Person, tmp_path: Path
) -> None:
    tender = await a_tender(here)
    await bidder.seal(tender, "900")
    assert "is not empty" in await bidder.fails("compose", "--key", bidder.file, "--tender", tender.ocid)
    with locked(bidder.folder):
        assert "another command is at work" in await bidder.fails("submit")
    other = Person(here[0], here[2], tmp_path, "nowhere")
    assert "no bid's folder" in await other.fails("submit")
    assert "files follow a bid with a receipt" in await bidder.fails("upload")
    stranger = await Person(here[0], here[2], tmp_path, "stranger").enrol()
    await bidder.ok("submit")
    said = await bidder.fails("withdraw", "--key", stranger.file, "--yes")
    assert "only that one can go on" in said


# ── killed ───────────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_killed_before_the_answer_comes_submits_the_same_again(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    tender, relay = await a_tender(here), here[1]
    await bidder.seal(tender, "900")
    await relay.let(answers=False)
    process = await bidder.process("submit")
    await relay.until_passed(2000)
    await committed(tender, 1)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await relay.let()
    (element,) = bidder.kept.chain
    assert (element.state, element.answer) == ("sent", None)
    assert "submit finishes that first" in await bidder.fails("seal", "--yes")
    await bidder.ok("submit")
    receipt = bidder.kept.chain[0].receipt
    assert isinstance(receipt, Receipt)
    assert len((await tender.town.rows(tender.ocid))["envelope"]) == 1


async def test_who_is_killed_while_a_file_is_sent_goes_on_where_it_stopped(
    here: tuple[Town, Relay, str], bidder: Person
) -> None:
    tender, relay, size = await a_tender(here), here[1], 12_000_000
    await bidder.compose(tender)
    bidder.offer("900", documents=[a_document(bidder, "plan.pdf", size)])
    await bidder.ok("seal", "--yes")
    await bidder.ok("submit")
    await relay.let(room=9_000_000)
    process = await bidder.process("upload")
    await relay.until_passed(8_900_000)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await relay.let()
    await bidder.ok("upload")
    assert relay.passed < size - 6_000_000
    (element,) = bidder.kept.chain
    receipt = element.document_receipt(1)
    assert receipt is not None
    assert receipt.file == element.files[0]


async def test_whatever_was_left_half_sealed_is_no_bid(here: tuple[Town, Relay, str], bidder: Person) -> None:
    await bidder.compose(await a_tender(here))
    bidder.offer("900", documents=[a_document(bidder, "plan.pdf", 1000)])
    room = bidder.kept.room()
    (room / "files" / "1").write_bytes(b"half a file")
    assert bidder.kept.chain == []
    await bidder.ok("seal", "--yes")
    assert [each.number for each in bidder.kept.chain] == [1]
    assert not room.exists()
    assert bidder.kept.chain[0].file(1).stat().st_size == 1016


async def committed(tender: PracticeTender, count: int) -> None:
    """Wait until so many envelopes are in the box."""
    for _ in range(2400):
        if len((await tender.town.rows(tender.ocid))["envelope"]) == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nothing came into the box")


# ── with a partner ───────────────────────────────────────────────────────────────────────────────────


async def test_a_partner_looks_at_what_the_lead_has_sealed_and_co_signs(
    here: tuple[Town, Relay, str], bidder: Person, tmp_path: Path
) -> None:
    tender = await a_tender(here)
    partner = await Person(here[0], here[2], tmp_path, "partner").enrol()
    await bidder.compose(tender)
    bidder.offer("900", restricted="For the officer's eyes.")
    await bidder.ok("seal", "--partner", partner.fingerprint, "--yes")
    (element,) = bidder.kept.chain
    assert "has not co-signed" in await bidder.fails("submit")
    shown = element.path / "sealed.json"
    about = ["--key", str(partner.file), "--tender", tender.ocid]
    asked = await asyncio.to_thread(run, "bid", "co-sign", shown, *about)
    assert (asked.status, "900 KRW" in asked.out, "For the officer's eyes." in asked.out) == (1, True, True)
    signed = await asyncio.to_thread(run, "bid", "co-sign", shown, *about, "--yes")
    assert signed.status == 0, signed.err
    assert "in the box" in await bidder.ok("submit")
    assert (element.path / "refusal.json").exists()
    assert element.state == "accepted"


async def test_owners_of_a_joint_bid_are_named_before_anything_is_sealed_and_the_partner_reads_them(
    here: tuple[Town, Relay, str], bidder: Person, tmp_path: Path
) -> None:
    tender = await a_tender(here, owners_asked=True)
    partner = await Person(here[0], here[2], tmp_path, "partner").enrol()
    assert "natural persons who in the end own" in await bidder.compose(tender)
    own = {"persons": [{"name": "Kim Yu-na", "nationalities": ["KR", "US"]}]}
    bidder.offer("900")
    assert "the business that signs: a person has no name" in (await bidder.run("check")).out
    bidder.offer("900", owners=[own])
    assert "would open as a bid" in await bidder.ok("check")
    missing = f"owners of partner {partner.fingerprint} are missing"
    assert missing in (await bidder.run("check", "--partner", partner.fingerprint)).out
    assert missing in await bidder.fails("seal", "--partner", partner.fingerprint, "--yes")
    assert not bidder.kept.chain
    bidder.offer("900", owners=[own, {"partner": partner.fingerprint, "unnamed": "public"}])
    said = await bidder.ok("seal", "--partner", partner.fingerprint, "--yes")
    assert "Owners of the business that signs, public after the opening: Kim Yu-na (KR, US)" in said
    shown = bidder.kept.chain[0].path / "sealed.json"
    about = ["--key", str(partner.file), "--tender", tender.ocid, "--yes"]
    signed = await asyncio.to_thread(run, "bid", "co-sign", shown, *about)
    assert signed.status == 0, signed.err
    for words in (
        "Kim Yu-na (KR, US)",
        f"Owners of partner {partner.fingerprint}",
        "it belongs to a public body",
    ):
        assert words in " ".join(signed.out.split())
    assert "in the box" in await bidder.ok("submit")


async def test_a_bid_in_two_parts_has_its_prices_apart(here: tuple[Town, Relay, str], bidder: Person) -> None:
    town = here[0]
    tender = await town.publish(a_lot(panel_rules()), lead=LONG, **DOCUMENTS)
    await bidder.compose(tender)
    bidder.edit(offers=[{"lot": "1", "amount": "900"}])
    assert "the proposal is empty" in (await bidder.run("check")).out
    costs = a_document(bidder, "costs.csv", 100) | {"part": "price"}
    documents = [a_document(bidder, "method.pdf", 100), costs]
    bidder.edit(proposal="We have done this before.", documents=documents)
    await bidder.ok("seal", "--yes")
    await bidder.ok("submit")
    await bidder.ok("upload")
    shown = bidder.kept.chain[0].shown().sealed()
    assert b"method.pdf" in shown.contents["technical"]
    assert b"costs.csv" in shown.contents["price"]
    assert b'"900"' not in shown.contents["technical"]  # the digits alone may be in any hash or key
