"""``python -m tests.load.chaos [KILLS [SEED]]``: bids come in while the service is killed, again and again.

A real `openseal serve` on a folder of its own. Its processes get SIGKILL at random moments, and at named
points where a trigger in the database holds them: after a change, or in the middle of its commit. Bidders
submit, replace and withdraw as real ones do: one statement after the other, the same one again until there
is an answer. Tenders close all the while. Afterwards all of them are opened, and what every bidder holds is
compared with what was published.
"""

import asyncio
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx

from bids.client import ServiceError
from bids.envelope import SealedFile, UploadRequest, Withdrawal, compose, entropy_size
from bids.receipts import (
    ZERO,
    Closing,
    DocumentReceipt,
    Promise,
    Receipt,
    Refusal,
    commitment,
    commitment_entry,
)
from crypto.certificates import Certificate, SigningKey
from crypto.checkpoint import TlogProof, VerifyingKey, verify_checkpoint
from crypto.encoding import from_base64, moment, parse_moment, sha256, to_base64
from crypto.merkle import Frontier, leaf_hash
from crypto.statements import Statement, sign
from procurement.client import read_bids
from procurement.service import House
from tests.builders import a_lot
from tests.flows.doomed import (
    Point,
    ServiceProcess,
    alive,
    answering,
    descendants,
    gone,
    held_at,
    in_a_folder,
)
from tests.flows.people import PracticeTender, Town
from tests.load.crowd import businesses

REACHED = 4.0
"""Seconds in which somebody has to come to a named point, else another one has its turn."""
GRACE = 3
"""Seconds after the deadline in which files may follow."""
LARGEST = 200_000
"""Bytes of a sealed file."""
UNAVAILABLE = {408, 429, 502, 503, 504}
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {"Content-Type": "application/offset+octet-stream"}

_GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

EVERYTHING, SUPERVISOR, POSTMASTER, BACKEND = "everything", "supervisor", "postmaster", "backend"
WITNESS, WEB, BACK = "witness", "web worker", "sequencer"
AT_RANDOM = {WEB: 6, BACK: 6, BACKEND: 4, POSTMASTER: 3, WITNESS: 2, SUPERVISOR: 1, EVERYTHING: 1}
"""Who is killed at random moments, and how often in proportion."""
AT_POINTS = [
    (Point("INSERT ON envelope"), (WEB, BACKEND, POSTMASTER)),
    (Point("INSERT ON envelope", at_commit=True), (WEB, BACKEND, POSTMASTER, EVERYTHING)),
    (Point("INSERT ON party"), (WEB, BACKEND)),
    (Point("INSERT ON log_queue"), (WEB, BACKEND)),
    (Point("INSERT ON log_queue", at_commit=True), (WEB, POSTMASTER)),
    (Point("INSERT ON log_entry"), (BACK, BACKEND)),
    (Point("INSERT ON log_entry", at_commit=True), (BACK, BACKEND)),
    (Point("UPDATE OF size ON log_head"), (BACK, POSTMASTER)),
    (Point("UPDATE OF size ON log_head", at_commit=True), (BACK, POSTMASTER, EVERYTHING)),
    (Point("UPDATE OF published_size ON log_head"), (BACK, BACKEND)),
    (Point("UPDATE OF published_size ON log_head", at_commit=True), (BACK, SUPERVISOR)),
    (Point("INSERT ON log_checkpoint"), (BACK, WITNESS)),
    (Point("UPDATE OF shut_at ON tender"), (BACK, BACKEND)),
    (Point("UPDATE OF shut_at ON tender", at_commit=True), (BACK, POSTMASTER)),
    (Point("INSERT ON statement"), (BACK,)),
]
"""Where somebody is held, and who may be killed then."""


class Battered(ServiceProcess):
    """The command `openseal serve`, which writes what it has to say into a file."""

    def launch(self, port: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "procurement", "serve", "--port", str(port)]
        with (self.folder / "said").open("a") as said:
            return subprocess.Popen(
                [*command, "--data-dir", str(self.folder)],
                stdout=subprocess.DEVNULL,
                stderr=said,
                text=True,
                env=self._environment,
            )

    def stop(self) -> tuple[int, list[int]]:
        """SIGTERM: the exit status, and which of its processes outlive it."""
        family = descendants(self.pid)
        self._process.terminate()
        return self._process.wait(timeout=30), [pid for pid in family if alive(pid)]

    def strike(self, *, all_of_it: bool) -> None:
        """SIGKILL to the service alone, or to all of its processes at once. PostgreSQL, left alone, may still
        be writing when this returns."""
        family = {pid: kind_of(pid) for pid in descendants(self.pid)}
        self._process.send_signal(signal.SIGSTOP)  # it is not to see its children die
        for pid in family if all_of_it else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        gone([pid for pid, kind in family.items() if kind in (WEB, BACK)])  # they listen at the address

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def processes(self, whose: str) -> list[int]:
        """Those of one kind that are there now."""
        return [pid for pid in descendants(self.pid) if kind_of(pid) == whose]


def kind_of(pid: int) -> str:
    """What a process of the service does."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"
    if "procurement.web.witness" in command:
        return WITNESS
    if name.startswith("postgres"):
        return BACKEND if "[local]" in command else "" if command.startswith("postgres:") else POSTMASTER
    return {"openseal-web": WEB, "openseal-back": BACK}.get(name, "")


class Pace(NamedTuple):
    """How much goes on at the same time. Times are in seconds."""

    clients: int = 16
    """Bidders that are at it at the same time."""
    crowd: int = 120
    """Bidders from whom those are."""
    lead: float = 24
    """For which a tender takes bids."""
    afresh: float = 8
    """From one tender to the next."""
    margin: float = 30
    """From a deadline to the round."""


@dataclass
class Sent:
    """One statement of a bidder, and everything that the service ever said about it."""

    data: bytes
    amount: str | None
    """Of an envelope; None for a withdrawal."""
    receipts: list[tuple[Statement, TlogProof]] = field(default_factory=list)
    promises: list[Statement] = field(default_factory=list)
    refusals: list[Statement] = field(default_factory=list)
    fulfilled: datetime | None = None
    """When the first receipt came."""
    document: bytes = b""
    """The sealed file that the envelope lists, if it lists one."""
    stored: tuple[Statement, TlogProof] | None = None
    """The receipt for that."""

    @property
    def id(self) -> str:
        return Statement(self.data).id

    @property
    def file(self) -> SealedFile:
        return SealedFile(number=1, sha256=sha256(self.document).hex(), size=len(self.document))


@dataclass
class Chain:
    """What one bidder sent to one tender, in its order."""

    bidder: SigningKey
    sent: list[Sent] = field(default_factory=list)


@dataclass
class Contest:
    """A tender and those who bid for it."""

    tender: PracticeTender
    chains: dict[str, Chain] = field(default_factory=dict)


class Storm:
    """Bidders, killers and a town in which tenders go on."""

    def __init__(self, process: Battered, town: Town, crowd: list[SigningKey], seed: int, pace: Pace) -> None:
        self.process, self.town, self.crowd, self.pace = process, town, crowd, pace
        self.chance = random.Random(seed)
        self.contests: list[Contest] = []
        self.killed: Counter[tuple[str, str]] = Counter()
        self.oddities: list[str] = []
        self.heads: dict[int, bytes] = {}
        self.busy: set[tuple[str, str]] = set()
        self.outages: list[tuple[datetime, datetime]] = []
        """From a kill to the next answer of the whole service."""
        self.over = asyncio.Event()

    async def rage(self, kills: int) -> None:
        """All of it, until so many were killed; returns once nobody waits for an answer any more."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.publish())
            tasks.create_task(self.watch())
            for _ in range(self.pace.clients):
                tasks.create_task(self.bid())
            await self.kill(kills)
            self.over.set()

    # ── tenders ──────────────────────────────────────────────────────────────────────────────────────

    async def publish(self) -> None:
        """A new tender every so often. One whose publication got no answer stays without bids."""
        while not self.over.is_set():
            files = {"document_limit": 1, "document_size": LARGEST, "upload_grace": GRACE}
            pace = {"lead": self.pace.lead, "margin": self.pace.margin}
            notice = self.town.notice(a_lot(), standstill=0, **files, **pace)
            tender = PracticeTender(self.town, notice, sign(notice, self.town.officer))
            try:
                await tender.office.post("/api/v1/tenders", tender.statement)
                await tender.countersign(tender.notice_id)
            except ServiceError:
                continue
            self.contests.append(Contest(tender))
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), self.pace.afresh)

    # ── bidders ──────────────────────────────────────────────────────────────────────────────────────

    async def bid(self) -> None:
        """One statement after the other, for whichever bidder, to whichever tender is open."""
        async with client(self.process.url) as http:
            while not self.over.is_set():
                now = datetime.now(UTC)
                open_ones = [each for each in self.contests if now < each.tender.notice.closes]
                if not open_ones:
                    await asyncio.sleep(0.1)
                    continue
                contest, key = self.chance.choice(open_ones), self.chance.choice(self.crowd)
                mine = contest.tender.ocid, key.fingerprint
                if mine not in self.busy:
                    self.busy.add(mine)
                    chain = contest.chains.setdefault(key.fingerprint, Chain(key))
                    await self.say_next(http, contest.tender, chain)
                    self.busy.discard(mine)

    async def say_next(self, http: httpx.AsyncClient, tender: PracticeTender, chain: Chain) -> None:
        """A first bid, another one instead, or none any more; sometimes the same twice at once."""
        last = chain.sent[-1] if chain.sent else None
        if last and last.refusals:
            return  # the deadline has passed
        if last and last.amount and self.chance.random() < 0.25:
            word = Withdrawal(
                signer=chain.bidder.fingerprint, tender=tender.ocid, notice=tender.notice_id, previous=last.id
            )
            sent, route = Sent(sign(word, chain.bidder), None), "withdrawals"
        else:
            sent, route = await asyncio.to_thread(self.sealed, tender, chain.bidder, last), "bids"
        chain.sent.append(sent)
        times = 2 if self.chance.random() < 0.1 else 1
        await asyncio.gather(*(self.deliver(http, f"{tender.path}/{route}", sent) for _ in range(times)))
        if sent.document and sent.receipts:
            await self.upload(http, tender, chain.bidder, sent)

    def sealed(self, tender: PracticeTender, bidder: SigningKey, last: Sent | None) -> Sent:
        """A bid, with a file in one of five."""
        size = self.chance.randrange(LARGEST) if self.chance.random() < 0.2 else 0
        sent = Sent(b"", str(self.chance.randrange(10**5, 10**7)), document=secrets.token_bytes(size))
        contents, files = tender.contents(sent.amount or ""), (sent.file,) if size else ()
        entropy = secrets.token_bytes(entropy_size(tender.terms))
        previous = last.id if last else None
        sent.data = compose(contents, tender.terms, bidder, entropy, previous, documents=files)
        return sent

    async def upload(
        self, http: httpx.AsyncClient, tender: PracticeTender, bidder: SigningKey, sent: Sent
    ) -> None:
        """From wherever it stands, until there is a receipt or it is too late."""
        secret = secrets.token_bytes(32)
        asked = UploadRequest(
            signer=bidder.fingerprint,
            tender=tender.ocid,
            notice=tender.notice_id,
            envelope=sent.id,
            number=1,
            token=sha256(secret).hex(),
            time=moment(datetime.now(UTC)),
        )
        metadata = f"request {to_base64(sign(asked, bidder))}"
        creation = {"Upload-Length": str(len(sent.document)), "Upload-Metadata": metadata}
        path = f"{tender.path}/uploads/{sent.file.id(sent.id)}"
        token = TUS | {"Authorization": f"Bearer {secret.hex()}"}
        while not sent.stored:
            with suppress(httpx.TransportError):
                made = await http.post(f"{tender.path}/uploads", headers=TUS | creation)
                if made.status_code == httpx.codes.GONE:
                    return
                if made.status_code != httpx.codes.CREATED:
                    await self.wait_as_told(made)
                    continue
                await self.send_rest(http, path, token, sent)
            await asyncio.sleep(0.1)

    async def send_rest(self, http: httpx.AsyncClient, path: str, token: dict[str, str], sent: Sent) -> None:
        """One piece, or all that is missing; the receipt, once there is nothing more to send."""
        found = await http.head(path, headers=token)
        at = int(found.headers.get("upload-offset", -1))
        if 0 <= at < len(sent.document):
            piece = sent.document[at:][: self.chance.choice((20_000, LARGEST))]
            await http.patch(path, content=piece, headers=token | PIECE | {"Upload-Offset": str(at)})
        elif at == len(sent.document):
            answer = await http.get(path, headers=token)
            if answer.status_code == httpx.codes.OK:
                said = self.json_of(answer)
                sent.stored = Statement(from_base64(said["receipt"])), TlogProof.parse(said["proof"])

    async def deliver(self, http: httpx.AsyncClient, path: str, sent: Sent) -> None:
        """The same again until there is a receipt or a refusal."""
        while True:
            try:
                answer = await http.post(path, content=sent.data)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            said = self.json_of(answer)
            if answer.status_code == httpx.codes.CREATED:
                return self.note_receipt(sent, said)
            if answer.status_code == httpx.codes.ACCEPTED:
                sent.promises.append(Statement(from_base64(said["promise"])))
                return await self.collect(http, answer.headers["location"], sent)
            if refusal := said.get("refusal"):
                sent.refusals.append(Statement(from_base64(refusal)))
                return None
            await self.wait_as_told(answer)

    async def collect(self, http: httpx.AsyncClient, path: str, sent: Sent) -> None:
        """The receipt that a promise was given for."""
        while True:
            try:
                answer = await http.get(path)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == httpx.codes.OK:
                return self.note_receipt(sent, self.json_of(answer))
            if answer.status_code == httpx.codes.ACCEPTED:
                await asyncio.sleep(0.3)
            else:
                await self.wait_as_told(answer)

    async def wait_as_told(self, answer: httpx.Response) -> None:
        """Anything but a request to come later is not what a bidder may be told."""
        if answer.status_code not in UNAVAILABLE:
            self.oddities.append(f"{answer.status_code} {answer.url.path}: {answer.text[:200]}")
        await asyncio.sleep(min(1.0, float(answer.headers.get("retry-after", 0.2))))

    def note_receipt(self, sent: Sent, said: dict[str, Any]) -> None:
        proof = TlogProof.parse(said["proof"])
        sent.receipts.append((Statement(from_base64(said["receipt"])), proof))
        sent.fulfilled = sent.fulfilled or datetime.now(UTC)
        self.note_head(proof.checkpoint)

    def json_of(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            return dict(json.loads(answer.content))
        except ValueError:
            return {}

    # ── observers ────────────────────────────────────────────────────────────────────────────────────

    async def watch(self) -> None:
        """Reads the log's head all the time, as strangers do."""
        async with client(self.process.url) as http:
            while not self.over.is_set():
                with suppress(httpx.TransportError):
                    answer = await http.get("/log/checkpoint")
                    if answer.is_success:
                        self.note_head(answer.text)
                await asyncio.sleep(0.2)

    def note_head(self, note: str) -> None:
        """Two trees of one size are a fork."""
        head = verify_checkpoint(note, VerifyingKey.parse(self.town.trust.log))
        assert self.heads.setdefault(head.size, head.root) == head.root, f"two trees of {head.size} leaves"

    # ── killers ──────────────────────────────────────────────────────────────────────────────────────

    async def kill(self, kills: int) -> None:
        """So many, one after the other; the next often comes before the last is mended."""
        while self.killed.total() < kills:
            await asyncio.sleep(self.chance.choice((0.1, 0.5, 1.0, 2.0)))
            if self.process.ended:
                self.oddities.append(f"the service ended by itself with {self.process._process.returncode}")
                await self.start()
            if self.chance.random() < 0.5:
                point, victims = self.chance.choice(AT_POINTS)
                await self.kill_at(point, self.chance.choice(victims))
            else:
                [whom] = self.chance.choices(list(AT_RANDOM), list(AT_RANDOM.values()))
                await self.kill_now(whom, "any moment")

    async def kill_at(self, point: Point, whom: str) -> None:
        """Nobody may come there, or what holds them may die with them."""
        with suppress(*_GONE):
            await asyncio.wait_for(self.let_go(point), REACHED)
            async with held_at(self.process.dsn, point) as held:
                with suppress(TimeoutError):
                    await asyncio.wait_for(held(), REACHED)
                    await self.kill_now(whom, str(point))
        await self.released(point)

    async def released(self, point: Point) -> None:
        """Whatever was killed meanwhile, nobody is held there any more."""
        for _ in range(100):
            with suppress(*_GONE):
                return await asyncio.wait_for(self.let_go(point), REACHED)
            await asyncio.sleep(0.1)
        raise AssertionError(f"the database does not come back after {point}")

    async def let_go(self, point: Point) -> None:
        connection = await asyncpg.connect(self.process.dsn)
        try:
            await connection.execute(f"DROP TRIGGER IF EXISTS held ON {point.change.rpartition(' ')[2]}")
        finally:
            await connection.close(timeout=2)

    async def kill_now(self, whom: str, where: str) -> None:
        """All of the named kind at a named point, one of them at random moments."""
        if whom in (SUPERVISOR, EVERYTHING):
            since = datetime.now(UTC)
            await asyncio.to_thread(self.process.strike, all_of_it=whom == EVERYTHING)
            self.killed[whom, where] += 1
            await self.start()
            self.outages.append((since, datetime.now(UTC)))
            return
        there = self.process.processes(whom)
        if there and (where == "any moment" or whom == BACKEND):
            there = [self.chance.choice(there)]
        for pid in there:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if there:
            self.killed[whom, where] += 1
            await asyncio.to_thread(gone, there)

    async def start(self) -> None:
        await self.process.start()


class Reckoning:
    """What everybody was told, held against what was published."""

    def __init__(self, storm: Storm) -> None:
        self.storm, self.town = storm, storm.town
        self.service = Certificate((storm.town.house.keys / "service.der").read_bytes())
        self.counts: Counter[str] = Counter()
        self.promised_late: list[str] = []
        self.revealed: set[bytes] = set()

    async def settle(self) -> None:
        """Raises AssertionError, or VerificationError, at the first word that was not kept."""
        assert not self.storm.oddities, self.storm.oddities[:5]
        for contest in self.storm.contests:
            await self.check_contest(contest)
        entries = await self.town.verify_log()
        self.check_heads(entries)
        await self.check_commitments(entries)

    async def check_contest(self, contest: Contest) -> None:
        """The closing is what bidders were told, each bid opens to what was sealed, the record verifies."""
        tender = contest.tender
        closed = await tender.close()
        listed = {each.statement: each for each in closed.closing.commitments}
        closed.closing.check()
        chains = {chain[0]: list(chain) for chain in closed.closing.chains}
        for chain in contest.chains.values():
            self.check_chain(tender, chain, listed, chains)
        assert not chains, "nobody else's chain is in the closing"
        self.check_files(tender, contest, closed.closing)
        self.revealed |= {self.entry_of(tender, each) for each in listed.values()}
        self.counts["tenders"] += 1
        await self.check_opening(contest, closed.closing.counted())

    def check_chain(
        self, tender: PracticeTender, chain: Chain, listed: dict[str, Any], chains: dict[str, list[str]]
    ) -> None:
        """Each statement was kept or refused; those kept are the closing's chain, in the order they came."""
        for sent in chain.sent:
            self.check_words(tender, sent, listed)
        kept = [each.id for each in chain.sent if each.receipts]
        if kept:
            assert chains.pop(kept[0], None) == kept, "the chain is what its bidder was given receipts for"

    def check_words(self, tender: PracticeTender, sent: Sent, listed: dict[str, Any]) -> None:
        """Receipts are one and the same and hold; a refusal excludes them."""
        self.counts["statements"] += 1
        assert bool(sent.receipts) != bool(sent.refusals), (
            f"kept or refused; never both, never neither: {sent}"
        )
        for refusal in sent.refusals:
            said = refusal.verify(Refusal, self.service)
            assert (said.statement, said.reason) == (sent.id, "after-deadline")
            assert parse_moment(said.time) >= tender.notice.closes
            assert sent.id not in listed
            self.counts["refusals"] += 1
        for statement, proof in sent.receipts:
            receipt = statement.verify(Receipt, self.service)
            self.check_receipt(receipt, sent, listed)
            entry = commitment_entry(receipt.commitment())
            proof.verify(entry, VerifyingKey.parse(self.town.trust.log))
            assert proof.index == listed[sent.id].index
            self.counts["receipts"] += 1
        for statement in sent.promises:
            self.check_promise(statement.verify(Promise, self.service), sent, listed)

    def check_files(self, tender: PracticeTender, contest: Contest, closing: Closing) -> None:
        """Each file of a counted bid is listed as stored or as missing; those with a receipt as stored."""
        stored = {each.envelope: each for each in closing.documents}
        missing = {each.envelope for each in closing.missing}
        assert not missing & set(stored)
        sent = {each.id: each for chain in contest.chains.values() for each in chain.sent}
        listed = {id for id in closing.counted() if sent[id].document}
        assert missing <= listed <= missing | set(stored), "stored or missing"
        for id, there in stored.items():
            self.revealed.add(
                commitment_entry(
                    commitment("document", tender.notice_id, there.time, there.salt, sent[id].file.id(id))
                )
            )
        for id, each in sent.items():
            if each.stored:
                statement, proof = each.stored
                receipt = statement.verify(DocumentReceipt, self.service)
                proof.verify(commitment_entry(receipt.commitment()), VerifyingKey.parse(self.town.trust.log))
                assert (stored[id].time, stored[id].salt) == (receipt.time, receipt.salt)
                assert (receipt.envelope, receipt.sha256, stored[id].index) == (
                    id,
                    each.file.sha256,
                    proof.index,
                )
                self.counts["receipts for files"] += 1

    def check_receipt(self, receipt: Receipt, sent: Sent, listed: dict[str, Any]) -> None:
        assert receipt.statement == sent.id
        there = listed[sent.id]
        assert (there.kind, there.time, there.salt) == (receipt.kind, receipt.time, receipt.salt)

    def check_promise(self, promise: Promise, sent: Sent, listed: dict[str, Any]) -> None:
        self.check_receipt(promise, sent, listed)
        self.counts["promises"] += 1
        by = parse_moment(promise.included_by)
        assert parse_moment(promise.time) < by <= parse_moment(promise.time) + timedelta(seconds=60)
        assert sent.fulfilled
        if sent.fulfilled > by:
            down = [
                each for each in self.storm.outages if each[0] < by and each[1] > by - timedelta(seconds=60)
            ]
            self.promised_late.append(f"{promise.statement[:8]}: {sent.fulfilled - by} late")
            assert down, "a promise is broken only while the log is down"

    async def check_opening(self, contest: Contest, counted: Sequence[str]) -> None:
        tender = contest.tender
        amounts = {each.id: each.amount for chain in contest.chains.values() for each in chain.sent}
        await tender.round()
        await tender.order("bid")
        await tender.opened("bid")
        for bid in await read_bids(tender.office, tender.ocid):
            content = json.loads(bytes(bid.parts[0].content))
            assert content["offers"][0]["amount"] == amounts.pop(bid.envelope), "it opens to what was sealed"
            self.counts["opened"] += 1
        assert not set(counted) & set(amounts), "each counted bid was opened"
        if counted:
            await tender.evaluated()
            await tender.intend()
            await tender.award()
            await tender.verified_record()
            self.counts["records"] += 1

    def entry_of(self, tender: PracticeTender, each: Any) -> bytes:
        return commitment_entry(commitment(each.kind, tender.notice_id, each.time, each.salt, each.statement))

    def check_heads(self, entries: Sequence[bytes]) -> None:
        """Every head that anybody ever saw is a prefix of the log that is there now."""
        frontier, wanted = Frontier(), dict(self.storm.heads)
        for size in range(len(entries) + 1):
            if size:
                frontier, _ = frontier.extend([leaf_hash(entries[size - 1])])
            if size in wanted:
                assert frontier.root == wanted.pop(size), f"the tree of {size} leaves was another one"
                self.counts["heads"] += 1
        assert not wanted, "the log was longer once"

    async def check_commitments(self, entries: Sequence[bytes]) -> None:
        """Each commitment in the log is revealed by a closing, or was to nothing."""
        connection = await asyncpg.connect(self.town.dsn)
        covers = await connection.fetch("SELECT salt, made_at FROM cover")
        await connection.close()
        for each in covers:
            at, salt = moment(each["made_at"].astimezone(UTC)), each["salt"].hex()
            self.revealed.add(commitment_entry(commitment("cover", ZERO, at, salt, ZERO)))
        committed = [each for each in entries if json.loads(each)["t"] == "commitment"]
        assert set(committed) <= self.revealed, "a commitment in the log that nobody answers for"
        self.counts["commitments"], self.counts["entries"] = len(committed), len(entries)


async def run(kills: int, process: Battered, seed: int, pace: Pace) -> tuple[Storm, Reckoning]:
    """The storm, and the reckoning after it. Raises AssertionError or VerificationError."""
    await process.start()
    async with client(process.url) as http:
        house = House.below(process.folder)
        town = await Town.settle(http, house, process.dsn)
        storm = Storm(process, town, await businesses(house, process.dsn, pace.crowd), seed, pace)
        await storm.rage(kills)
        if process.ended:
            await process.start()
        await answering(process.url)
        reckoning = Reckoning(storm)
        await reckoning.settle()
    assert process.stop() == (0, [])
    return storm, reckoning


def client(url: str) -> httpx.AsyncClient:
    """One that makes a new connection for every request: services come and go."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False)


def table(storm: Storm, reckoning: Reckoning) -> str:
    """Kills per point and victim, and what was checked afterwards."""
    rows = [f"{where:<48}{whom:<12}{times:>5}" for (whom, where), times in sorted(storm.killed.items())]
    rows.append(f"{'kill -9':<60}{storm.killed.total():>5}\n")
    rows += [f"{what:<60}{count:>5}" for what, count in reckoning.counts.items()]
    rows.append(f"{'promises later than promised (the log was down)':<60}{len(reckoning.promised_late):>5}")
    return "\n".join([*rows, *reckoning.promised_late])


def main(kills: int, seed: int) -> None:
    """Prints the table. A word that was not kept is an error; what the service wrote is printed, too."""
    start = time.monotonic()
    print(f"{kills} kills, seed {seed}", flush=True)
    with in_a_folder(Battered) as process:
        try:
            print(table(*asyncio.run(run(kills, process, seed, Pace()))))
        except BaseException:
            print((process.folder / "said").read_text()[-5000:], file=sys.stderr)
            raise
    print(f"every word was kept, in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    kills, seed = [*map(int, sys.argv[1:]), *(200, secrets.randbits(32))[len(sys.argv) - 1 :]]
    main(kills, seed)
