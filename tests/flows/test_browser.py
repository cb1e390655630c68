"""A bidder's browser against the real service: from the notice to all receipts, over a line that drops."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

import bids.store as box
from bids.envelope import Envelope
from bids.receipts import Refusal
from crypto import stream
from crypto.encoding import encode, sha256
from crypto.statements import Statement
from procurement import store
from procurement.tenders import Bid, LotOffer, Restricted
from tests.builders import a_lot
from tests.core.test_browser_twins import handed, handed_contents
from tests.flows.people import PracticeTender, Town
from tests.flows.test_ceremony import listening
from tests.flows.test_openapi import app_of
from tests.flows.test_uploads import depot_of
from tests.twins import Twins

LEAD = 15.0
LONG = 600.0
BID = encode(Bid(offers=(LotOffer(lot="1", amount="1000000"),)))
SECRET = encode(Restricted(text="담당자 김철수, 010-0000-0000"))


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Twins() as running:
        yield running


class Cutting:
    """A line that breaks a connection after so many bytes from the browser, as many times as it is told."""

    def __init__(self, target: str, after: int, times: int) -> None:
        parts = urlsplit(target)
        self.target, self.after, self.left = (parts.hostname, parts.port), after, times
        self.cut = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            back, forth = await asyncio.open_connection(*self.target)
            passing = asyncio.create_task(pass_on(back, writer))
            passed = 0
            while data := await reader.read(16_384):
                passed += len(data)
                if self.left and passed > self.after:
                    self.left, self.cut = self.left - 1, self.cut + 1
                    break
                forth.write(data)
                await forth.drain()
            passing.cancel()
            forth.close()
        writer.close()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(16_384):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def broken(target: str, after: int, times: int) -> AsyncIterator[tuple[str, Cutting]]:
    line = Cutting(target, after, times)
    server = await asyncio.start_server(line, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", line


async def called(twins: Twins, call: str, **given: Any) -> Any:
    """While the browser waits for the service, the service goes on."""
    return await asyncio.to_thread(twins, call, **given)


async def test_a_browser_bids_with_documents_over_a_line_that_drops(town: Town, twins: Twins) -> None:
    tender = await town.publish(a_lot(), lead=LEAD, document_limit=2, document_size=8_000_000)
    bidder, plain = await town.bidder("마을 목공 협동조합"), secrets.token_bytes(3_000_000)
    asked = {"key": handed(bidder), "tender": tender.ocid, "plain": plain.hex()}
    contents = {"contents": handed_contents({"bid": BID}), "restricted": handed_contents({"bid": SECRET})}
    async with listening(app_of(town)) as url, broken(url, 400_000, 4) as (base, line):
        made = await called(twins, "journey", base=base, **asked, **contents)
    assert line.cut == 4
    envelope = bytes.fromhex(made["envelope"])
    assert Statement(envelope).verify(Envelope, bidder.certificate).signer == bidder.fingerprint
    assert [each["number"] for each in made["stored"]] == [1, 2]
    file, restricted = await stored(tender)
    assert b"".join(stream.open(bytes.fromhex(made["key"]), [file])) == plain
    assert sha256(restricted).hex() == made["stored"][1]["sha256"]
    closed = await tender.close()
    assert closed.closing.counted() == (Statement(envelope).id,)
    await tender.order("bid")
    opened = (await tender.opened("bid"))[Statement(envelope).id]
    assert opened["offers"] == [{"lot": "1", "amount": "1000000"}]
    assert opened["documents"][0]["sha256"] == sha256(plain).hex()


async def stored(tender: PracticeTender) -> list[bytes]:
    """The sealed files of the tender, by number, as the service has them."""
    id = store.id_of(tender.ocid)
    async with depot_of(tender.town) as depot:
        found = sorted(await box.load_documents(depot.pool, id), key=lambda each: each.number)
        return [b"".join([piece async for piece in depot.read(id, each.source)]) for each in found]


async def test_a_browser_takes_its_bid_back(town: Town, twins: Twins) -> None:
    tender, bidder = await town.publish(a_lot(), lead=LONG), await town.bidder("Bidder")
    bid = await tender.bid(bidder, "1000")
    async with listening(app_of(town)) as base:
        asked = {"base": base, "key": handed(bidder), "tender": tender.ocid}
        receipt = await called(twins, "withdraw", **asked, previous=bid)
    assert (receipt["kind"], receipt["tender"]) == ("withdrawal", tender.ocid)


async def test_a_browser_keeps_a_signed_refusal(town: Town, twins: Twins) -> None:
    tender, bidder = await town.publish(a_lot(), lead=LONG), await town.bidder("Bidder")
    await tender.bid(bidder, "1000")
    again = tender.seal(bidder)
    async with listening(app_of(town)) as base:
        refused = await called(twins, "refused", base=base, envelope=again.hex(), tender=tender.ocid)
    assert refused["reason"] == "not-latest"
    assert Statement(bytes.fromhex(refused["data"])).read(Refusal).received == sha256(again).hex()
