"""Five officials with a file each make a committee, open a tender and keep their shares, by the command line
and over HTTP; and what two of them with the operator's whole disk can do, which is nothing."""

import asyncio
import html
import io
import re
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bids.envelope import Envelope
from bids.orders import OrderRefusal
from crypto import bls
from crypto.ceremony import Ceremony, Commitment, Complaint, Convening, Participant, Secrets, read_word
from crypto.certificates import Role, SigningKey
from crypto.committee import Committee, Share
from crypto.encoding import decode, encode, from_base64, moment, to_base64
from crypto.errors import RevokedError, VerificationError
from crypto.locks import Opener
from crypto.statements import Statement, sign
from procurement import record
from procurement.__main__ import main
from procurement.committee import paper
from procurement.committee.member import Seat, backup, read_board
from procurement.evaluation import Rules
from procurement.registry import applicant, safe
from procurement.registry.holding import Holding, load
from procurement.registry.safe import Safe
from procurement.registry.statements import Reason
from procurement.service import House
from tests.builders import a_lot, panel_rules, the_world
from tests.conftest import fresh_database
from tests.flows.conftest import running
from tests.flows.people import PracticeTender, Town

CHEAP = 1, 1, 8
"""What a guess at a passphrase costs here; what it costs else, tests/core and tests/browser pay."""
OUR_WORDS = "다섯 사람이 함께 연다"
THRESHOLD, SIZE = 3, 5


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Officials:
    """An officer and five members, each with a file of their own; commands are run as they would run them."""

    def __init__(self, town: Town, url: str, folder: Path, threshold: int = 2, size: int = 3) -> None:
        self.town, self.url, self.folder, self.threshold = town, url, folder, threshold
        self.files = [folder / f"member-{i}" for i in range(1, size + 1)]

    async def run(self, *arguments: str | Path) -> Ended:
        """A command line, in a thread of its own: the service lives in this one."""
        return await asyncio.to_thread(run, "committee", *arguments)

    async def ok(self, *arguments: str | Path) -> str:
        ended = await self.run(*arguments)
        assert ended.status == 0, ended.err
        return ended.out

    async def enrol(self, file: Path, name: str, role: str = "committee") -> str:
        """Apply, be approved, fetch the certificate; its fingerprint."""
        number = f"G-{secrets.token_hex(4)}"
        asked = ["--service", self.url, "--role", role, "--name", name, "--registration", number]
        applied = await asyncio.to_thread(run, "enrol", file, *asked)
        assert applied.status == 0, applied.err
        await applicant.approve(self.town.line(), self.town.registrar, applied.out.split()[1])
        return (await asyncio.to_thread(run, "enrol", file)).out.strip()

    async def convene(self) -> str:
        """Everybody enrols; the officer convenes; the ceremony's id."""
        await self.enrol(self.folder / "officer", "Officer Han", "officer")
        names = [f"{house} official" for house in ("City", "Province", "School", "Court", "Audit")]
        prints = [await self.enrol(file, name) for file, name in zip(self.files, names, strict=False)]
        created = await self.ok(
            "create", self.folder / "officer", *prints, "--threshold", str(self.threshold)
        )
        return created.strip()

    async def each(self, command: str, *more: str) -> list[str]:
        return [await self.ok(command, file, *more) for file in self.files]

    async def made(self) -> "Officials":
        """The whole ceremony; the committee is ready for notices."""
        id = await self.convene()
        await self.each("join", id, "--yes")
        await self.each("deal")
        self.memories = [load(Safe(file, OUR_WORDS)) for file in self.files]
        await self.each("check")
        assert "with 2 others' it opened a canary" in await self.ok("rehearse", self.files[0])
        await self.each("sign")
        done = msgspec.json.decode(await self.ok("status", self.files[0], "--json"))
        self.committee = decode(encode(done["committee"]), Committee)
        self.transcript = tuple(done["transcript"])
        return self

    async def publish(self, rules: Rules | None = None, **changes: Any) -> PracticeTender:
        """A tender that this committee opens."""
        how = {"committee": self.committee, "transcript": self.transcript, **changes}
        return await self.town.publish(a_lot(rules), **how)

    def holding(self, number: int) -> Holding:
        return load(Safe(self.files[number - 1], OUR_WORDS))


def run(*arguments: str | Path) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@contextmanager
def passphrase_in(folder: Path) -> Iterator[None]:
    """Commands find a passphrase there, and files are sealed under it at next to no cost."""
    path = folder / "passphrase"
    path.write_text(OUR_WORDS + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENSEAL_PASSPHRASE_FILE", str(path))
        patch.setattr(safe, "COST", CHEAP)
        yield


@asynccontextmanager
async def listening(app: Any, port: int = 0) -> AsyncIterator[str]:
    """The service behind a port of its own; commands have no other way to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        # Longer than clients keep a connection: else one may be closed while a request is on its way there.
        server = Quiet(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_keep_alive=60))
        task = asyncio.create_task(server.serve([taken]))
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


class Quiet(uvicorn.Server):
    """Signals are the test run's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture(scope="module")
async def here(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, str]]:
    """A town whose service also listens on a port, and its address."""
    house = House.below(tmp_path_factory.mktemp("town"))
    async with (
        fresh_database(postgres, f"ceremony_{uuid4().hex}", migrated) as dsn,
        running(dsn, house) as client,
        listening(client._transport.app) as url,  # type: ignore[attr-defined]  # the application itself
    ):
        yield await Town.settle(client, house, dsn), url


@pytest.fixture(scope="module")
async def officials(
    here: tuple[Town, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Officials]:
    """Five officials who have made a committee of 3 in 5."""
    folder = tmp_path_factory.mktemp("officials")
    with passphrase_in(folder):
        yield await Officials(*here, folder, THRESHOLD, SIZE).made()


# ── from the ceremony to the opened bids ─────────────────────────────────────────────────────────────


async def test_five_members_open_a_tender_and_one_of_them_from_paper(officials: Officials) -> None:
    tender = await officials.publish(lead=4.0)
    one, two, three, four, five = officials.files
    bidder = await officials.town.bidder("Bidder")
    bid = await tender.bid(bidder, "700")
    page = officials.folder / "page.html"
    await officials.ok("backup", two, page)
    early = await officials.run("erase", two, "--yes")
    assert (early.status, f"still needed to open {tender.ocid}" in early.err) == (1, True), early
    await officials.ok("erase", two, "--anyway", "--yes")
    assert not two.exists()
    restored = await officials.ok("restore", two, lines_of(page), "--service", officials.url)
    assert "member 2 again; the share works" in restored
    await tender.close()
    await tender.round()
    reason = "I was not told about this tender."
    refused = await officials.ok("refuse", five, "--tender", tender.ocid, "--reason", reason, "--yes")
    shown = [await officials.ok("sign", file, "--tender", tender.ocid, "--yes") for file in (one, two, four)]
    for text in shown:
        assert "Order that opens the bid part of" in text
        assert "box closed with 1 bidders' envelopes, witnessed" in text
        assert encode(tender.terms.order("bid", None)).decode() in text
    assert (await tender.opened("bid"))[bid]["offers"][0]["amount"] == "700"
    assert (await tender.happened()).count("order:partial") == THRESHOLD
    published = Statement((await tender.get(f"statements/{refused.split()[-1]}")).content)
    assert reason.encode() in published.payload
    await tender.evaluated()
    await tender.intend()
    await tender.award()
    data = await tender.verified_record()
    verdict = await asyncio.to_thread(record.verify, data, officials.town.trust)
    assert f"committee member 5 refused the order on part bid: {reason}" in verdict.reservations
    late = await officials.run("refuse", three, "--tender", tender.ocid, "--reason", "Too late.", "--yes")
    assert (late.status, late.out.count("published")) == (1, 0)


def lines_of(page: Path) -> Path:
    """What somebody types in from the sheet."""
    found = re.search(r"<pre>\n(.*?)\n</pre>", page.read_text(), flags=re.S)
    assert found
    typed = page.with_suffix(".txt")
    typed.write_text(html.unescape(found[1]).lower())
    return typed


async def test_prices_are_shown_bid_by_bid_and_signed_after_the_panel(officials: Officials) -> None:
    tender = await officials.publish(panel_rules(), lead=3.0)
    bid = await tender.bid(await officials.town.bidder("Bidder"), "90000000")
    await tender.close()
    order = ("--tender", tender.ocid, "--yes", "--part")
    opening = officials.files[2:]
    for file in opening:
        await officials.ok("sign", file, *order, "technical")
    await tender.opened("technical")
    early = await officials.run("sign", opening[0], *order, "price")
    assert (early.status, "every evaluator has scored" in early.err) == (1, True)
    await tender.score({bid: "45"})
    for file in opening:
        shown = await officials.ok("sign", file, *order, "price")
        assert '"part":"price"' in shown
        assert "signed and sent: 1" in shown
    assert (await tender.opened("price"))[bid]["offers"][0]["amount"] == "90000000"


async def test_everything_said_in_a_ceremony_is_in_the_log_and_no_secret_is_anywhere(
    officials: Officials,
) -> None:
    board = await read_board(officials.town.line(), officials.committee.ceremony)
    entries = await officials.town.verify_log()
    logged = [each for each in entries if officials.committee.ceremony.encode() in each]
    assert len([each for each in logged if b'"t":"ceremony:word"' in each]) == 1 + 4 * SIZE
    assert board.ceremony.phase == "done"
    disk = everything(officials.town.house) + "\n".join(
        line for rows in (await officials.town.rows()).values() for line in rows
    )
    for holding in [*officials.memories, *(officials.holding(n) for n in range(1, SIZE + 1))]:
        kept = [holding.key, holding.share]
        kept += [holding.secrets.polynomial, holding.secrets.mailbox] if holding.secrets else []
        for secret in filter(None, kept):
            assert secret not in disk
            assert to_base64(bytes.fromhex(secret)) not in disk


def everything(house: House) -> str:
    """Every file of the operator's, as hex and as text."""
    root = house.keys.parent
    data = [path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()]
    return "\n".join(each.hex() + "\n" + each.decode("latin-1") for each in data)


# ── k − 1 colluders and the operator ─────────────────────────────────────────────────────────────────


async def test_two_colluders_with_the_operators_whole_disk_do_not_open(officials: Officials) -> None:
    """They try with everything that there is, the beacon's key included; a third share would be enough."""
    tender = await officials.publish(lead=3)
    envelope = Statement(tender.seal(await officials.town.bidder("Hopeful"), "555"))
    await tender.submit(envelope.data)
    await tender.round()
    capsule = envelope.read(Envelope).parts[0].capsule
    locks = tender.terms.locks("bid", envelope.read(Envelope).context.bid)
    path = f"/beacon/{tender.notice.network.chain_hash}/public/{tender.notice.round}"
    time = bytes.fromhex((await officials.town.http.get(path)).json()["signature"])
    rows = [line for lines in (await officials.town.rows()).values() for line in lines]
    disk = unfolded(everything(officials.town.house) + "\n".join(rows))
    board = await read_board(officials.town.line(), officials.committee.ceremony)
    colluders = [officials.holding(n).own_share for n in (1, 2)]
    order = tender.terms.order("bid", None)

    def opens(signature: bytes) -> bool:
        try:
            return len(Opener(locks, [time, signature]).open(capsule)) == 32
        except VerificationError:
            return False

    def combined(shares: Sequence[Share]) -> bytes:
        points = {each.member: bls.parse_g1(each.sign(order, bytes(47) + b"\x01")) for each in shares}
        return bls.interpolate_at_zero(points).to_compressed_bytes()

    third = officials.holding(4).own_share
    assert opens(combined([*colluders, third])), "the attack works with k shares"

    attempts = {combined(few) for n in (1, 2) for few in combinations(colluders, n)}
    attempts |= {each.sign(order, bytes(47) + b"\x01") for each in colluders}
    attempts |= {bytes.fromhex(each) for each in re.findall(r"(?<![0-9a-f])[0-9a-f]{96}(?![0-9a-f])", disk)}
    attempts.add(board.ceremony.rehearsed())
    assert len(attempts) > 10
    scalars = {bytes.fromhex(each) for each in re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", disk)}
    scalars |= {bytes.fromhex(each) for memory in officials.memories[:2] for each in secrets_of(memory)}
    assert third.export() not in scalars
    for scalar in scalars:
        try:
            guess = Share(4, scalar)
        except VerificationError:
            continue
        attempts.add(combined([*colluders, guess]))
        attempts.add(guess.sign(order, bytes(47) + b"\x01"))
    assert [each.hex() for each in attempts if opens(each)] == []
    assert not readable(board.ceremony, scalars, beyond=2)


def secrets_of(holding: Holding) -> list[str]:
    assert holding.secrets
    return [holding.key, holding.secrets.polynomial, holding.secrets.mailbox]


def unfolded(text: str) -> str:
    """The text, with everything in it that is base64 as text and hex too, twice over."""
    for _ in range(2):
        found = {each for each in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text) if len(each) % 4 == 0}
        for each in found:
            try:
                data = from_base64(each)
            except VerificationError:
                continue
            text += "\n" + data.decode("latin-1") + "\n" + data.hex()
        text += "\n" + "\n".join(
            bytes.fromhex(h).decode("latin-1") for h in re.findall(r"\\x((?:[0-9a-f]{2}){40,})", text)
        )
    return text


def readable(ceremony: Ceremony, keys: set[bytes], beyond: int) -> list[int]:
    """Members after the first `beyond` whose mail one of the keys opens."""
    mailboxes = {word.mailbox: n for n, word in ceremony.of(Commitment).items()}
    publics = [
        X25519PrivateKey.from_private_bytes(each).public_key().public_bytes_raw().hex() for each in keys
    ]
    assert any(public in mailboxes for public in publics), "the colluders' own mail is readable"
    return [mailboxes[each] for each in publics if mailboxes.get(each, 0) > beyond]


# ── a member's client is not led astray ──────────────────────────────────────────────────────────────


async def test_nothing_is_signed_before_the_round_for_another_committee_or_unasked(
    officials: Officials,
) -> None:
    file = officials.files[0]
    foreign = await officials.town.publish(a_lot(), lead=3)
    ended = await officials.run("sign", file, "--tender", foreign.ocid, "--yes")
    assert (ended.status, "another committee" in ended.err) == (1, True)
    tender = await officials.publish(lead=3)
    ended = await officials.run("sign", file, "--tender", tender.ocid, "--part", "price", "--yes")
    assert (ended.status, "parts are bid" in ended.err) == (1, True)
    ended = await officials.run("sign", file, "--tender", tender.ocid)
    assert (ended.status, "nobody is there to be asked" in ended.err) == (1, True)
    assert datetime.now(UTC) >= tender.notice.opens, "it had waited for closing and round first"
    assert "order:partial" not in await tender.happened()


async def test_another_past_of_the_log_is_noticed_the_next_time(officials: Officials) -> None:
    tender = await officials.publish(lead=30.0)
    file = officials.files[4]
    seat = Seat(Safe(file, OUR_WORDS), officials.town.line(), officials.holding(5))
    await seat.tender(tender.ocid)
    remembered = officials.holding(5)
    assert remembered.seen_size
    forked = msgspec.structs.replace(remembered, seen_root="77" * 32)
    seat = Seat(Safe(file, OUR_WORDS), officials.town.line(), forked)
    with pytest.raises(VerificationError):
        await seat.tender(tender.ocid)


async def test_steps_out_of_turn_say_who_is_awaited(here: tuple[Town, str], tmp_path: Path) -> None:
    with passphrase_in(tmp_path):
        officials = Officials(*here, tmp_path)
        id = await officials.convene()
        one, *others = officials.files
        joined = await officials.ok("join", one, id, "--yes")
        assert "Officer Han convened 3 members, of whom 2 open:" in joined
        assert "1 City official (you)" in joined
        assert "awaited to join: 2 Province official, 3 School official" in joined
        assert (await officials.ok("join", one, id, "--yes")) == joined, "the same again changes nothing"
        for command in ("deal", "check", "rehearse", "sign"):
            ended = await officials.run(command, one)
            assert ended.status == 1, command
            assert ended.err.count("\n") == 1
        for file in others:
            await officials.ok("join", file, id, "--yes")
        assert "awaited to deal: 2" in await officials.ok("deal", one)
        assert "awaited to deal: 2" in await officials.ok("deal", one)
        assert "dealing" in await officials.ok("status", one)
        assert (await officials.run("backup", one, tmp_path / "early.html")).status == 1


async def test_a_wrong_share_ends_the_ceremony_with_the_culprits_name(
    here: tuple[Town, str], tmp_path: Path
) -> None:
    with passphrase_in(tmp_path):
        officials = Officials(*here, tmp_path)
        id = await officials.convene()
        await officials.each("join", id, "--yes")
        for file in officials.files[:2]:
            await officials.ok("deal", file)
        await deal_noise(officials, liar=3, victim=2)
        ended = await officials.run("check", officials.files[1])
        assert ended.status == 1
        assert "member 3 School official sent member 2 Province official a bad share" in ended.err
        for file in officials.files:
            again = await officials.run("check", file)
            assert (again.status, "member 3 School official" in again.err) == (1, True)
        complained = officials.holding(2)
        assert complained.share is None
        board = await read_board(officials.town.line(), id)
        assert board.ceremony.phase == "broken"
        assert any(isinstance(read_word(Statement(from_base64(each))), Complaint) for each in complained.said)


async def deal_noise(officials: Officials, liar: int, victim: int) -> None:
    holding = officials.holding(liar)
    seat = Seat(Safe(officials.files[liar - 1], OUR_WORDS), officials.town.line(), holding)
    board = await seat.board()
    assert holding.secrets
    participant = Participant(board.ceremony, seat.key.fingerprint, holding.secrets, secrets.token_bytes)
    dealing = participant.deal()
    shares = [*dealing.shares]
    shares[victim - 1] = to_base64(secrets.token_bytes(80))
    bad = sign(msgspec.structs.replace(dealing, shares=tuple(shares)), seat.key)
    await seat.service.post(f"/api/v1/ceremonies/{board.ceremony.id}/words", bad)


# ── the board ────────────────────────────────────────────────────────────────────────────────────────


async def answer(town: Town, path: str, body: bytes) -> tuple[int, str]:
    response = await town.http.post(f"/api/v1/ceremonies{path}", content=body)
    return response.status_code, response.json().get("code", "")


async def test_the_board_refuses_what_is_no_ceremony(here: tuple[Town, str]) -> None:
    town, world = here[0], the_world()
    keys = [await town.enrol(Role.COMMITTEE, f"Member {i}") for i in range(3)]

    def convening(members: Sequence[SigningKey], key: SigningKey = town.officer, **changes: Any) -> bytes:
        given: dict[str, Any] = {
            "signer": key.fingerprint,
            "threshold": 2,
            "members": tuple(each.fingerprint for each in members),
            "nonce": secrets.token_hex(32),
            "time": moment(datetime.now(UTC)),
        }
        return sign(Convening(**(given | changes)), key)

    twin = await town.enrol(Role.COMMITTEE, "Again", keys[0].certificate.registration)
    assert await answer(town, "", convening([keys[0], twin, keys[1]])) == (422, "committee-invalid")
    assert await answer(town, "", convening(keys, threshold=4)) == (422, "committee-invalid")
    assert await answer(town, "", convening([*keys[:2], town.officer])) == (403, "certificate-invalid")
    unknown = convening([world.enrol(Role.COMMITTEE, f"Stranger {i}", f"S-{i}") for i in range(3)])
    assert await answer(town, "", unknown) == (403, "certificate-invalid")
    old = convening(keys, time="2020-01-01T00:00:00.000Z")
    assert await answer(town, "", old) == (409, "time-wrong")
    assert await answer(town, "", b"{}") == (400, "malformed")
    good = convening(keys)
    id = Statement(good).id
    assert await answer(town, f"/{id}/words", good) == (400, "malformed")
    absent = await town.http.get(f"/api/v1/ceremonies/{id}")
    assert (absent.status_code, absent.json()["code"]) == (404, "no-such-ceremony")
    for _ in range(2):
        assert await answer(town, "", good) == (201, "")
    ceremony = Ceremony(id, Statement(good).read(Convening))
    own = Secrets(polynomial=secrets.token_hex(32), mailbox=secrets.token_hex(32))
    words = [Participant(ceremony, key.fingerprint, own, secrets.token_bytes).commit() for key in keys]
    first = sign(words[0], keys[0])
    assert await answer(town, f"/{'77' * 32}/words", first) == (404, "no-such-ceremony")
    both = await asyncio.gather(*(answer(town, f"/{id}/words", first) for _ in range(8)))
    assert both == [(201, "")] * 8
    other = sign(msgspec.structs.replace(words[0], commitment="00" * 32), keys[0])
    assert await answer(town, f"/{id}/words", other) == (422, "committee-invalid")
    forged = sign(words[1], keys[1]).replace(b'"sig":"', b'"sig":"AAAA', 1)
    assert (await answer(town, f"/{id}/words", forged))[0] in (400, 403)
    shown = (await town.http.get(f"/api/v1/ceremonies/{id}")).json()
    assert (shown["phase"], shown["awaited"], len(shown["words"])) == ("committing", [2, 3], 1)
    assert from_base64(shown["convening"]) == good


async def test_nobody_joins_a_committee_with_somebody_who_was_revoked_since(
    here: tuple[Town, str], tmp_path: Path
) -> None:
    town, url = here
    private = Ed25519PrivateKey.generate()
    own = await town.enrol(Role.COMMITTEE, "Member 1", key=private)
    others = [await town.enrol(Role.COMMITTEE, f"Member {i}") for i in (2, 3)]
    convening = Convening(
        signer=town.officer.fingerprint,
        threshold=2,
        members=tuple(each.fingerprint for each in (own, *others)),
        nonce=secrets.token_hex(32),
        time=moment(datetime.now(UTC)),
    )
    line, data = town.line(), sign(convening, town.officer)
    await line.post("/api/v1/ceremonies", data)
    board = await read_board(line, Statement(data).id)
    holding = Holding(
        service=url,
        trust=town.trust,
        key=private.private_bytes_raw().hex(),
        certificate=to_base64(own.certificate.der),
    )
    seat = Seat(Safe(tmp_path / "file", OUR_WORDS), line, holding)
    await applicant.revoke(line, town.registrar, others[0].fingerprint, Reason.PRIVILEGE_WITHDRAWN)
    with pytest.raises(RevokedError):
        await seat.join(board)
    assert not (tmp_path / "file").exists()


async def test_a_refusal_is_a_members_own_and_said_once(
    here: tuple[Town, str],
) -> None:
    town, _ = here
    tender = await town.publish(a_lot(), lead=20.0)
    one, two, _ = town.members

    async def refuses(key: SigningKey, **changes: Any) -> tuple[int, str]:
        given = {**tender.about(key), "part": "bid", "member": 1, "reason": "No.", **changes}
        response = await tender.post("order-refusals", sign(OrderRefusal(**given), key))
        return response.status_code, response.json().get("code", "")

    assert await refuses(two.key) == (422, "committee-invalid")
    assert await refuses(one.key, member=15) == (422, "committee-invalid")
    assert await refuses(one.key, part="price") == (422, "committee-invalid")
    assert await refuses(one.key, notice="11" * 32) == (422, "committee-invalid")
    stranger = await town.enrol(Role.COMMITTEE, "Stranger")
    assert await refuses(stranger) == (422, "committee-invalid")
    time = moment(datetime.now(UTC))
    assert await refuses(one.key, time=time) == (201, "")
    assert await refuses(one.key, time=time) == (201, "")
    assert await refuses(one.key, reason="Another.") == (409, "said-before")
    assert await refuses(two.key, member=2) == (201, "")
    assert (await tender.happened()) == [
        "tender:published",
        "tender:countersigned",
        "order:refused",
        "order:refused",
    ]


# ── the file and the paper ───────────────────────────────────────────────────────────────────────────


async def test_a_members_file_is_for_its_owner_and_passphrase(officials: Officials, tmp_path: Path) -> None:
    file = officials.files[2]
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(VerificationError, match="passphrase does not open"):
        load(Safe(file, OUR_WORDS + "!"))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(VerificationError):
        load(Safe(damaged, OUR_WORDS))
    holding = officials.holding(3)
    assert (holding.secrets, holding.member) == (None, 3)
    assert holding.share
    assert holding.share not in repr(holding) + repr(backup(holding))


async def test_a_plain_backup_needs_no_passphrase_and_a_miscopied_line_is_named(
    officials: Officials, tmp_path: Path
) -> None:
    page = tmp_path / "plain.html"
    await officials.ok("backup", officials.files[2], page, "--plain")
    assert page.stat().st_mode & 0o777 == 0o600
    assert "not encrypted" in page.read_text()
    assert "<svg" in page.read_text()
    typed = lines_of(page)
    lines = typed.read_text().splitlines()
    found = paper.read("\n".join(lines), "")
    assert found.share == officials.holding(3).own_share.export()
    lines[3] = lines[3][:5] + ("a" if lines[3][5] != "a" else "b") + lines[3][6:]
    typed.write_text("\n".join(lines))
    ended = await officials.run("restore", tmp_path / "new", typed, "--service", officials.url)
    assert (ended.status, "line 4 of the back-up was not copied right" in ended.err) == (1, True)
    assert not (tmp_path / "new").exists()


async def test_a_backup_of_another_share_is_not_restored(officials: Officials, tmp_path: Path) -> None:
    honest = backup(officials.holding(3))
    changes: list[dict[str, Any]] = [
        {"share": (5).to_bytes(32, "big")},
        {"member": 4},
        {"key": bytes(31) + b"\x07"},
        {"certificate": backup(officials.holding(4)).certificate},
        {"ceremony": "11" * 32},
    ]
    for change in changes:
        other = msgspec.structs.replace(honest, **change)
        lines = tmp_path / "lines"
        lines.write_text(paper.write(other, None, b""))
        ended = await officials.run("restore", tmp_path / "new", lines, "--service", officials.url)
        assert ended.status == 1, change
        assert not (tmp_path / "new").exists()


async def test_commands_never_replace_a_file(officials: Officials) -> None:
    file = officials.files[2]
    before = file.read_bytes()
    asked = ("--service", officials.url, "--role", "officer", "--name", "X", "--registration", "X-1")
    assert (await asyncio.to_thread(run, "enrol", file, *asked)).status == 2
    assert (await officials.run("backup", officials.files[0], file)).status == 2
    assert file.read_bytes() == before
