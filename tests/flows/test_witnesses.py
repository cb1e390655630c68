"""Several witnesses, all of them needed: without one a service goes on, but nothing is opened."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from crypto.checkpoint import WITNESS, SigningKey
from crypto.statements import sign
from procurement.authorities import log_key
from procurement.service import House
from procurement.settings import Witnesses
from procurement.web.witness import create_witness
from tests.builders import a_lot, panel_rules
from tests.flows.conftest import running_under
from tests.flows.people import Town, wait_until
from tests.relays import dead_address, serving


class OurWitness:
    """A witness of our own kind that can be stopped and started, with a key and a memory of its own."""

    def __init__(self, house: House, folder: Path) -> None:
        folder.mkdir()
        self.key = SigningKey(f"{folder.name}.example/witness", WITNESS, secrets.token_bytes(32))
        self.url = dead_address()
        self._log = log_key(house.keys).verifier
        self._folder = folder
        self._running = AsyncExitStack()

    async def start(self) -> None:
        app = create_witness(self._log, self.key, self._folder)
        await self._running.enter_async_context(serving(app, httpx.URL(self.url).port or 0))

    async def stop(self) -> None:
        await self._running.aclose()


@pytest.fixture
async def witnesses(house: House, tmp_path: Path) -> AsyncIterator[list[OurWitness]]:
    """Two, at work."""
    found = [OurWitness(house, tmp_path / name) for name in ("first", "second")]
    for each in found:
        await each.start()
    yield found
    for each in found:
        await each.stop()


async def test_a_closing_waits_for_the_whole_quorum_and_bids_do_not(
    dsn: str, house: House, witnesses: list[OurWitness]
) -> None:
    urls = {each.key.verifier.encode(): each.url for each in witnesses}
    async with running_under(Witnesses(quorum=2, urls=urls), dsn, house) as http:
        town = await Town.settle(http, house, dsn)
        assert town.trust.witnesses.quorum == 2
        tender = await town.publish(a_lot(), margin=8)
        await witnesses[1].stop()

        await tender.bid(await town.bidder("Bidder"), "100")
        await tender.until("tender:closed")
        await tender.deadline(2)
        closing = await tender.get("closing")
        assert (closing.status_code, closing.json()["code"]) == (404, "not-yet")
        assert await tender.status() == "closed"
        other = await town.publish(a_lot(), lead=600)
        await other.bid(await town.bidder("Another"), "100")

        await witnesses[1].start()
        closed = await tender.close()
        assert tender.notice.closes < closed.witnessed < tender.notice.opens
        await tender.order("bid")
        await tender.evaluated()
        await tender.intend()
        await tender.award()
        await tender.verified_record()


async def test_no_order_is_taken_before_the_quorum_has_seen_the_closing(
    dsn: str, house: House, witnesses: list[OurWitness]
) -> None:
    urls = {each.key.verifier.encode(): each.url for each in witnesses}
    async with running_under(Witnesses(quorum=2, urls=urls), dsn, house) as http:
        town = await Town.settle(http, house, dsn)
        tender = await town.publish(a_lot(), lead=3, margin=1)
        await tender.bid(await town.bidder("Bidder"), "100")
        await witnesses[0].stop()
        await tender.until("tender:closed")
        await tender.round()
        for member in town.members[:2]:
            early = member.sign_order(tender.terms, "bid", None, datetime.now(UTC), secrets.token_bytes)
            answer = await tender.post("opening-partials", sign(early, member.key))
            assert (answer.status_code, answer.json()["code"]) == (409, "not-witnessed")
        assert "order:partial" not in await tender.happened()

        await witnesses[0].start()
        closed = await tender.close()
        assert closed.witnessed >= tender.notice.opens, "and the officer has answered for it"
        await tender.order("bid")
        assert [each.amount for each in (await tender.evaluated())["1"].ranking] == ["100"]


async def test_a_round_that_came_before_the_quorum_had_seen_its_request_draws_no_panel(
    dsn: str, house: House, witnesses: list[OurWitness]
) -> None:
    """Nobody could show any more that it was not known when it was chosen. Bids are opened all the same."""
    urls = {each.key.verifier.encode(): each.url for each in witnesses}
    async with running_under(Witnesses(quorum=2, urls=urls), dsn, house) as http:
        town = await Town.settle(http, house, dsn)
        tender = await town.publish(a_lot(panel_rules()), seats=1)
        bid = await tender.bid(await town.bidder("Bidder"), "100")
        await tender.close()
        await witnesses[1].stop()
        soon = await tender.post("draw-requests", sign(tender.draw_request(5), town.officer))
        assert (soon.status_code, soon.json()["code"]) == (409, "round-too-soon")
        request = tender.draw_request(12)
        await tender.say("draw-requests", request, town.officer)
        await wait_until(tender.notice.network.time_of(int(request.round)) + timedelta(seconds=1))
        assert (await tender.get("draws")).json()["pending"]["trouble"] == "not-witnessed"

        await witnesses[1].start()
        await tender.until_shown("draws", lambda view: view["pending"]["trouble"] == "draw-late")
        assert "No panel can be drawn" in (await http.get(f"/tenders/{tender.ocid}")).text
        await tender.order("technical")
        await tender.opened("technical")
        await tender.declare(town.evaluator)
        sheet = sign(tender.sheet({bid: "80"}, town.evaluator), town.evaluator)
        answer = await tender.post("score-sheets", sheet)
        assert (answer.status_code, answer.json()["code"]) == (409, "panel-not-drawn")
        assert "panel:drawn" not in await tender.happened()
