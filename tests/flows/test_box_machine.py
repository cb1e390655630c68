"""The bid box against a model that fits on a page: whatever bidders do in whatever order, and however often
the service is killed meanwhile, the closing statement is what they were told."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from bids.envelope import (
    SealedFile,
    SubmissionTerms,
    UploadRequest,
    Withdrawal,
    compose,
    entropy_size,
)
from bids.receipts import Closing, DocumentReceipt, Promise, Receipt, Refusal
from crypto.certificates import Certificate, SigningKey
from crypto.encoding import from_base64, moment, sha256, to_base64
from crypto.statements import Statement, sign
from procurement.client import read_closing, read_notice
from procurement.service import House
from tests.builders import a_lot
from tests.conftest import fresh_database
from tests.flows.doomed import DoomedService, Point, doomed_service
from tests.flows.people import PracticeTender, Town

T = TypeVar("T")
Route = str

BIDDERS = st.integers(0, 1)
SELDOM = st.sampled_from([False, False, False, True])
"""A new service takes a while."""
SOON = 8
"""Statements in the box before a tender may close."""
POINTS = [
    Point("INSERT ON envelope"),
    Point("INSERT ON log_queue"),
    Point("INSERT ON envelope", at_commit=True),
    Point("INSERT ON log_entry"),
]
LARGE = 5_000
"""Bytes of a sealed file."""
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {"Content-Type": "application/offset+octet-stream"}


@dataclass
class Link:
    """One statement that is in the box."""

    data: bytes
    kind: str
    document: bytes | None = None
    receipt: Receipt | None = None
    stored: bool = False
    token: bytes = b""
    stands: bool = True
    """Whether it came under terms that still count."""

    @property
    def id(self) -> str:
        return Statement(self.data).id

    @property
    def file(self) -> SealedFile:
        assert self.document
        return SealedFile(number=1, sha256=sha256(self.document).hex(), size=len(self.document))


@dataclass
class Model:
    """What the box should hold: a chain for each bidder, the last link of which counts."""

    chains: dict[int, list[Link]] = field(default_factory=dict)
    closed: bool = False

    @property
    def size(self) -> int:
        return sum(map(len, self.chains.values()))

    def latest(self, bidder: int) -> Link | None:
        return self.chains[bidder][-1] if bidder in self.chains else None

    def add(self, bidder: int, link: Link) -> None:
        self.chains.setdefault(bidder, []).append(link)

    def amend(self, *, stand: bool) -> None:
        for link in (link for chain in self.chains.values() for link in chain):
            link.stands = link.stands and stand

    def last(self, *, stand: bool) -> list[Link]:
        """Envelopes that end a chain, those that stand, or those that do not."""
        ends = [chain[-1] for chain in self.chains.values()]
        return [each for each in ends if each.kind == "envelope" and each.stands == stand]


class Stage:
    """A service on which one example is played after the other, each with a tender of its own."""

    service: DoomedService
    http: httpx.AsyncClient
    town: Town
    bidders: list[SigningKey]

    def __init__(self, postgres: str, template: str, folder: Path) -> None:
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        self.happened: Counter[str] = Counter()
        self.run(self._begin(postgres, template, House.below(folder)))

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(act)

    async def _begin(self, postgres: str, template: str, house: House) -> None:
        enter = self._stack.enter_async_context
        dsn = await enter(fresh_database(postgres, f"machine_{uuid4().hex}", template))
        self.service = await enter(doomed_service(house, dsn))
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = await enter(
            httpx.AsyncClient(base_url=self.service.url, limits=limits, timeout=30, trust_env=False)
        )
        self.town = await Town.settle(self.http, house, dsn)
        self.bidders = [await self.town.bidder(f"Bidder {i}", f"bidder-{i}") for i in range(2)]

    def end(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    @property
    def key(self) -> Certificate:
        return Certificate((self.town.house.keys / "service.der").read_bytes())

    async def open(self) -> PracticeTender:
        """A tender that takes bids, and files for a while longer, until the clock is turned."""
        now, network = self.service.clock.now(), self.town.trust.networks[0]
        deadline = now + timedelta(seconds=120)
        times: dict[str, Any] = {
            "published": moment(now),
            "deadline": moment(deadline),
            "round": str(network.round_at(deadline + timedelta(seconds=20))),
            "upload_grace": 5,
            "document_limit": 1,
            "document_size": LARGE,
        }
        notice = self.town.notice(a_lot(), **times)
        tender = PracticeTender(self.town, notice, sign(notice, self.town.officer))
        await tender.publish()
        return tender


class Box(RuleBasedStateMachine):
    """Every rule does one thing over HTTP and compares the answer with the model's."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.tender = self.stage.run(self.stage.open())
        self.before: list[SubmissionTerms] = []
        """Terms that were amended."""

    # ── what bidders do ──────────────────────────────────────────────────────────────────────────────

    @rule(bidder=BIDDERS, with_file=st.booleans())
    def submit(self, bidder: int, with_file: bool) -> None:
        """The first envelope, or the next one of the chain."""
        link = self.envelope(bidder, self.previous(bidder), with_file)
        if self.model.closed:
            self.refused("bids", link.data, "after-deadline")
        else:
            self.accepted(bidder, link)

    @rule(bidder=BIDDERS, at=st.sampled_from(POINTS), now=SELDOM)
    @precondition(lambda self: not self.model.closed)
    def submit_while_the_service_is_killed(self, bidder: int, at: Point, now: bool) -> None:
        """Whoever sends the same again gets the receipt, wherever the service was when it died."""
        if not now:
            return
        link = self.envelope(bidder, self.previous(bidder), with_file=False)
        self.stage.run(self.killed_at(at, link))
        self.accepted(bidder, link)

    @rule(bidder=BIDDERS)
    def fork(self, bidder: int) -> None:
        """An envelope that comes after another one than the latest."""
        if bidder in self.model.chains:
            wrong = self.envelope(bidder, None, with_file=False)
            self.refused("bids", wrong.data, "after-deadline" if self.model.closed else "not-latest")

    @rule(bidder=BIDDERS)
    def withdraw(self, bidder: int) -> None:
        """The latest envelope; what is withdrawn already cannot be."""
        latest = self.model.latest(bidder)
        if latest is None:
            return
        link = Link(self.withdrawal(bidder, latest.id), "withdrawal")
        if self.model.closed:
            self.refused("withdrawals", link.data, "after-deadline")
        elif latest.kind == "withdrawal":
            self.refused("withdrawals", link.data, "nothing-to-withdraw")
        else:
            self.accepted(bidder, link)

    @rule(bidder=BIDDERS, which=st.integers(0, 5))
    def send_again(self, bidder: int, which: int) -> None:
        """Whatever is in the box gets its receipt, after the deadline, too."""
        chain = self.model.chains.get(bidder, [])
        if chain:
            link = chain[which % len(chain)]
            assert self.receipt_for(link) == link.receipt
            self.stage.happened["sent again"] += 1

    @rule(bidder=BIDDERS, part=st.sampled_from([1, LARGE // 2, LARGE]))
    @precondition(lambda self: not self.model.closed)
    def upload(self, bidder: int, part: int) -> None:
        """The next `part` bytes of the file that the latest envelope lists."""
        latest = self.model.latest(bidder)
        if latest and latest.document and not latest.stored:
            self.stage.run(self.sent_on(bidder, latest, part))

    @rule(bidder=BIDDERS)
    @precondition(lambda self: self.before and not self.model.closed)
    def submit_under_the_terms_before(self, bidder: int) -> None:
        under = self.before[-1]
        stale = self.envelope(bidder, self.previous(bidder), with_file=False, under=under)
        self.refused("bids", stale.data, "wrong-terms")

    # ── what happens to them ─────────────────────────────────────────────────────────────────────────

    @rule(now=SELDOM)
    def crash(self, now: bool) -> None:
        """SIGKILL at whatever moment it is, and a new service."""
        if now:
            self.stage.service.kill()
            self.stage.run(self.stage.service.start())

    @rule(stand=st.booleans(), further=st.sampled_from([0, 1, 120]), now=st.booleans())
    @precondition(lambda self: not self.model.closed)
    def amend(self, stand: bool, further: int, now: bool) -> None:
        """The terms change; the deadline, if it moves, by a little or past the round."""
        if not now:
            return
        deadline = moment(self.tender.notice.closes + timedelta(seconds=further))
        description = f"The {len(self.before) + 2}nd edition"
        self.before.append(self.tender.terms)
        self.stage.run(self.tender.amend(stand=stand, deadline=deadline, description=description))
        self.model.amend(stand=stand)
        self.stage.happened["amended"] += 1

    @rule()
    @precondition(lambda self: not self.model.closed and self.model.size >= SOON)
    def close(self) -> None:
        """The deadline passes."""
        self.stage.service.clock.travel(self.tender.notice.closes)
        self.model.closed = True

    def teardown(self) -> None:
        """The closing statement is the model."""
        self.stage.service.clock.travel(self.tender.notice.complete)
        closing = self.stage.run(self.closing())
        assert {self.owner(chain): chain for chain in closing.chains} == {
            bidder: tuple(each.id for each in chain) for bidder, chain in self.model.chains.items()
        }
        told = {each.id: each.receipt for chain in self.model.chains.values() for each in chain}
        for each in closing.commitments:
            receipt = told.pop(each.statement)
            assert receipt
            assert (each.kind, each.time, each.salt) == (receipt.kind, receipt.time, receipt.salt)
        assert not told
        assert set(closing.counted()) == {each.id for each in self.model.last(stand=True)}
        assert set(closing.superseded) == {each.id for each in self.model.last(stand=False)}
        self.stage.happened["superseded"] += len(closing.superseded)
        assert closing.terms == (*(each.terms for each in self.before), self.tender.terms.terms)
        listed = [each for each in self.model.last(stand=True) if each.document]
        assert {each.envelope for each in closing.missing} == {each.id for each in listed if not each.stored}
        assert {each.envelope for each in closing.documents} >= {each.id for each in listed if each.stored}
        self.stage.run(self.stage.town.verify_log())

    # ── how ──────────────────────────────────────────────────────────────────────────────────────────

    def previous(self, bidder: int) -> str | None:
        latest = self.model.latest(bidder)
        return latest.id if latest else None

    def owner(self, chain: tuple[str, ...]) -> int:
        [bidder] = [
            each for each, links in self.model.chains.items() if {link.id for link in links} & set(chain)
        ]
        return bidder

    def envelope(
        self, bidder: int, previous: str | None, with_file: bool, under: SubmissionTerms | None = None
    ) -> Link:
        document = secrets.token_bytes(LARGE) if with_file else None
        link = Link(b"", "envelope", document)
        files = (link.file,) if document else ()
        terms, key = under or self.tender.terms, self.stage.bidders[bidder]
        entropy = secrets.token_bytes(entropy_size(terms))
        contents = self.tender.contents("1000000")
        link.data = compose(contents, terms, key, entropy, previous, documents=files)
        return link

    def withdrawal(self, bidder: int, previous: str) -> bytes:
        key = self.stage.bidders[bidder]
        about = {"tender": self.tender.ocid, "notice": self.tender.notice_id}
        return sign(Withdrawal(signer=key.fingerprint, previous=previous, **about), key)

    def accepted(self, bidder: int, link: Link) -> None:
        link.receipt = self.receipt_for(link)
        assert link.receipt.statement == link.id
        self.stage.happened[f"{link.kind} kept"] += 1
        self.model.add(bidder, link)

    def receipt_for(self, link: Link) -> Receipt:
        route = "bids" if link.kind == "envelope" else "withdrawals"
        return self.stage.run(self.receipt(route, link.data))

    async def receipt(self, route: Route, data: bytes) -> Receipt:
        """The receipt; a promise comes before it while the log is behind."""
        answer = await self.tender.post(route, data)
        promised = None
        while answer.status_code == httpx.codes.ACCEPTED:
            promised = Statement(from_base64(answer.json()["promise"])).verify(Promise, self.stage.key)
            await asyncio.sleep(0.2)
            answer = await self.stage.http.get(f"{self.tender.path}/receipts/{Statement(data).id}")
        assert answer.status_code in (200, 201), answer.text
        receipt = Statement(from_base64(answer.json()["receipt"])).verify(Receipt, self.stage.key)
        assert promised is None or promised.commitment() == receipt.commitment()
        return receipt

    def refused(self, route: Route, data: bytes, reason: str) -> None:
        answer = self.stage.run(self.tender.post(route, data))
        refusal = Statement(from_base64(answer.json()["refusal"])).verify(Refusal, self.stage.key)
        assert (refusal.reason, refusal.statement) == (reason, Statement(data).id)
        self.stage.happened[reason] += 1

    async def killed_at(self, point: Point, link: Link) -> None:
        async with self.stage.service.held_at(point) as held:
            attempt = asyncio.ensure_future(self.tender.post("bids", link.data))
            await held()
            self.stage.service.kill()
            await asyncio.wait([attempt])
            attempt.exception()
        self.stage.happened["killed"] += 1
        await self.stage.service.start()

    async def sent_on(self, bidder: int, link: Link, part: int) -> None:
        """From where the service says that the upload stands."""
        assert link.document
        at = await self.upload_of(bidder, link)
        token = {"Authorization": f"Bearer {link.token.hex()}"}
        path = f"{self.tender.path}/uploads/{link.file.id(link.id)}"
        offset = int((await self.stage.http.head(path, headers=TUS | token)).headers["Upload-Offset"])
        assert offset == at
        piece = link.document[offset : offset + part]
        headers = TUS | token | PIECE | {"Upload-Offset": str(offset)}
        answer = await self.stage.http.patch(path, content=piece, headers=headers)
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
        assert int(answer.headers["Upload-Offset"]) == offset + len(piece)
        if offset + len(piece) == LARGE:
            answer = await self.stage.http.get(path, headers=token)
            while answer.status_code == httpx.codes.ACCEPTED:
                await asyncio.sleep(0.2)
                answer = await self.stage.http.get(path, headers=token)
            said = Statement(from_base64(answer.json()["receipt"])).verify(DocumentReceipt, self.stage.key)
            assert (said.envelope, said.sha256, said.size) == (link.id, link.file.sha256, LARGE)
            link.stored = True
            self.stage.happened["file stored"] += 1

    async def upload_of(self, bidder: int, link: Link) -> int:
        """Asked for anew each time, as a client does that has lost its memory; how far it has come."""
        key, link.token = self.stage.bidders[bidder], secrets.token_bytes(32)
        asked = UploadRequest(
            signer=key.fingerprint,
            tender=self.tender.ocid,
            notice=self.tender.notice_id,
            envelope=link.id,
            number=1,
            token=sha256(link.token).hex(),
            time=moment(self.stage.service.clock.now()),
        )
        metadata = f"request {to_base64(sign(asked, key))}"
        headers = TUS | {"Upload-Length": str(LARGE), "Upload-Metadata": metadata}
        answer = await self.stage.http.post(f"{self.tender.path}/uploads", headers=headers)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return int(answer.headers.get("Upload-Offset", 0))

    async def closing(self) -> Closing:
        line = self.stage.town.line()
        closed = await read_closing(line, await read_notice(line, self.tender.ocid))
        closed.closing.check()
        return closed.closing


@pytest.fixture
def stage(postgres: str, migrated: str, open_folder: Path) -> Iterator[Stage]:
    stage = Stage(postgres, migrated, open_folder)
    yield stage
    stage.end()


def test_the_box_holds_what_a_simple_model_holds(stage: Stage) -> None:
    machine = type("Box", (Box,), {"stage": stage})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert set(stage.happened) == {
        "envelope kept",
        "withdrawal kept",
        "file stored",
        "sent again",
        "killed",
        "not-latest",
        "nothing-to-withdraw",
        "after-deadline",
        "wrong-terms",
        "amended",
        "superseded",
    }
    assert stage.happened["superseded"]


def test_a_bid_that_is_still_being_kept_when_the_deadline_passes_is_not_refused_when_it_comes_again(
    stage: Stage,
) -> None:
    """Whoever took it in has been killed, and its commit, which was under way, has yet to end."""

    async def sent_again() -> tuple[int, dict[str, Any]]:
        tender = await stage.open()
        envelope = tender.seal(stage.bidders[0])
        async with stage.service.held_at(Point("INSERT ON envelope", at_commit=True)) as held:
            attempt = asyncio.ensure_future(tender.post("bids", envelope))
            await held()
            stage.service.kill()
            await asyncio.wait([attempt])
            attempt.exception()
            await stage.service.start()
            stage.service.clock.travel(tender.notice.closes)
            again = asyncio.ensure_future(tender.post("bids", envelope))
            await asyncio.sleep(1)
        answer = await again
        while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            answer = await tender.post("bids", envelope)
        return answer.status_code, answer.json()

    status, said = stage.run(sent_again())
    assert status in (201, 202), said
