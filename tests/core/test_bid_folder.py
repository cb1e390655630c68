"""A bid's folder between a bidder and a service that is away, slow, or lies: nothing is reported that is not
kept, and nothing that was kept is lost."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from bids import client
from bids.client import BrokenPromiseError, RefusedError, Service, ServiceError
from bids.receipts import Promise, Receipt
from crypto import durable
from crypto.certificates import Role, SigningKey
from crypto.encoding import to_base64
from crypto.errors import LogError, MalformedError
from crypto.statements import Statement
from procurement.bidding import bidder
from procurement.bidding.draft import Draft, DraftOffer, write
from procurement.bidding.folder import Element, Folder
from procurement.errors import FolderError
from procurement.registry.holding import Holding
from tests.builders import Life, a_notice, the_world
from tests.core.test_submitting import Box, line, problem, refused


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    monkeypatch.setattr(client, "POLL", 0.01)
    monkeypatch.setattr(client, "PROMISE_PATIENCE", 0.1)
    monkeypatch.setattr(bidder, "_BREATHER", 0.01)


class Desk:
    """A bidder with a folder, at a service that a test makes lie."""

    def __init__(self, path: Path, **how: Any) -> None:
        self.box = Box(Life(), **how)
        life, key = self.box.life, self.box.bidder
        holding = Holding(
            service="http://service",
            trust=life.world.trust,
            key="11" * 32,
            certificate=to_base64(key.certificate.der),
        )
        notice = Statement(life.statements[life.notice_id])
        draft = Draft(offers=(DraftOffer(lot="1", amount="900"),))
        self.folder = Folder.make(path / "bid", holding, path / "key", notice, (), draft)
        self.told = list[str]()

    @property
    def line(self) -> Service:
        return line(self.box)

    @property
    def last(self) -> Element:
        return Folder(self.folder.path).chain[-1]

    async def seal(self, key: SigningKey | None = None) -> Element:
        return await bidder.seal(self.line, self.folder, key or self.box.bidder)

    async def submit(self) -> Receipt:
        return await bidder.submit(self.line, self.folder, self.last, self.told.append)


async def test_a_receipt_is_on_disk_before_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    await desk.seal()
    assert [each.state for each in desk.folder.chain] == ["sealed"]
    replace = durable.replace

    def full(path: Path, data: bytes) -> None:
        if path.name == "receipt.json":
            raise OSError(28, "No space left on device", str(path))
        replace(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "replace", full)
        with pytest.raises(OSError, match="No space"):
            await desk.submit()
    assert (desk.last.state, desk.last.answer) == ("sent", None)
    receipt = await desk.submit()
    assert desk.last.receipt == receipt
    assert desk.last.state == "accepted"
    assert len({each.content for each in desk.box.sent_by("POST")}) == 1


async def test_a_promise_outlives_whoever_waits_for_its_receipt(tmp_path: Path) -> None:
    desk = Desk(tmp_path, promises=True, asks=10**9)
    await desk.seal()
    asked = asyncio.Event()
    desk.box.meet = lambda request: asked.set() if "receipts" in request.url.path else None
    waiting = asyncio.create_task(desk.submit())
    await asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert isinstance(desk.last.receipt, Promise)
    desk.box.asks = 2
    receipt = await desk.submit()
    assert (desk.last.state, desk.last.receipt) == ("accepted", receipt)


async def test_a_broken_promise_stays_in_the_folder(tmp_path: Path) -> None:
    desk = Desk(tmp_path, promises=True, asks=10**9)
    await desk.seal()
    with pytest.raises(BrokenPromiseError):
        await desk.submit()
    promised = desk.last.answer
    assert desk.last.state == "promised"
    desk.box.promises, desk.box.said = False, {"salt": "ef" * 32}
    with pytest.raises(BrokenPromiseError):
        await desk.submit()
    assert desk.last.answer == promised
    contradiction = Statement((desk.last.path / "contradiction.json").read_bytes())
    assert contradiction.read(Receipt).salt == "ef" * 32


async def test_a_refusal_is_kept_and_another_bid_may_be_sealed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    first = await desk.seal()
    desk.box.meet = lambda request: refused(desk.box, request) if request.method == "POST" else None
    with pytest.raises(RefusedError):
        await desk.submit()
    assert desk.last.state == "refused"
    assert desk.last.refusal is not None
    desk.box.meet = lambda request: None
    bidder.check_sealable(desk.folder, replace=False)
    await desk.seal()
    await desk.submit()
    assert [each.state for each in desk.folder.chain] == ["refused", "accepted"]
    assert desk.last.previous is None
    assert first.statement.id != desk.last.statement.id


async def test_a_service_that_is_away_for_a_while_is_asked_until_it_is_back(tmp_path: Path) -> None:
    desk, away = Desk(tmp_path), iter(range(7))

    def meet(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and next(away, None) is not None:
            raise httpx.ConnectError("nobody there")
        return None

    await desk.seal()
    desk.box.meet = meet
    await desk.submit()
    assert desk.last.state == "accepted"
    assert any("trying again" in each for each in desk.told)


async def test_what_the_service_says_no_to_is_not_tried_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.seal()
    desk.box.meet = lambda request: problem(404, "no-such-tender") if request.method == "POST" else None
    with pytest.raises(ServiceError):
        await desk.submit()
    assert len(desk.box.sent_by("POST")) == 1


async def test_what_was_sent_is_never_sealed_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.seal()
    desk.last.mark_sent()
    with pytest.raises(FolderError, match="submit finishes that first"):
        bidder.check_sealable(desk.folder, replace=True)
    with pytest.raises(FolderError, match="no bid in the box"):
        bidder.withdrawal(desk.folder, desk.box.bidder)
    await desk.submit()
    with pytest.raises(FolderError, match="--replace"):
        bidder.check_sealable(desk.folder, replace=False)
    bidder.check_sealable(desk.folder, replace=True)
    await desk.seal()
    assert desk.last.previous == desk.folder.chain[0].statement.id


async def test_a_withdrawal_that_was_broken_off_is_the_same_one_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.seal()
    await desk.submit()
    first = bidder.withdrawal(desk.folder, desk.box.bidder)
    assert bidder.withdrawal(desk.folder, desk.box.bidder).statement.id == first.statement.id
    receipt = await desk.submit()
    assert (receipt.kind, receipt.statement) == ("withdrawal", first.statement.id)
    with pytest.raises(FolderError, match="no bid in the box"):
        bidder.withdrawal(desk.folder, desk.box.bidder)


async def test_only_who_signed_a_bid_goes_on_with_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.seal()
    await desk.submit()
    renewed = the_world().enrol(Role.BUSINESS, "Bidder 1", desk.box.bidder.certificate.registration)
    with pytest.raises(FolderError, match="only that one"):
        bidder.withdrawal(desk.folder, renewed)
    assert len(desk.folder.chain) == 1


async def test_a_closing_that_leaves_out_what_has_a_receipt_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.seal()
    await desk.submit()
    desk.box.life.close()
    desk.box.life.now = desk.box.life.notice.opens
    desk.box.twist = lambda path, body: (
        body[:-1] + b',"status":"closed"}' if path.endswith("/timeline") else body
    )
    with pytest.raises(LogError, match="does not list number 1, for which there is a receipt"):
        await bidder.fate(desk.line, desk.folder)


async def test_a_log_that_forgets_what_it_showed_before_is_noticed_the_next_day(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.seal()
    await desk.submit()
    seen = Folder(desk.folder.path).seen
    assert seen is not None
    desk.box.life.entries.pop()
    desk.box.life.entries.append(b'{"c":"' + b"0" * 64 + b'","t":"commitment"}')
    again = desk.line
    again.seen = seen
    with pytest.raises(LogError):
        await bidder.seal(again, desk.folder, desk.box.bidder)


async def test_another_notice_than_in_the_folder_is_not_sealed_for(tmp_path: Path) -> None:
    desk, world = Desk(tmp_path), the_world()
    other = Box(Life(world, a_notice(world, title="Other desks")))
    with pytest.raises(FolderError, match="another notice"):
        await bidder.seal(line(other), desk.folder, other.bidder)
    assert desk.folder.chain == []


def test_a_damaged_folder_is_a_typed_error(tmp_path: Path) -> None:
    path = Desk(tmp_path).folder.path / "tender.json"
    data = path.read_bytes()
    for cut in range(0, len(data), 997):
        path.write_bytes(data[:cut])
        with pytest.raises((MalformedError, FolderError)):
            Folder(path.parent)


async def test_a_draft_is_read_anew_each_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    draft = Draft(offers=(DraftOffer(lot="1", amount="1,5"),))
    (desk.folder.path / "bid.json").write_bytes(write(draft))
    assert bidder.check(desk.folder) == [
        "lot 1: the amount is no plain number: digits, no separators, a point before decimals"
    ]
