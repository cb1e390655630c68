"""Several witnesses, all of them needed: without one a service goes on, but nothing is opened."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from crypto.checkpoint import Checkpoint, Note, VerifyingKey
from crypto.log import HttpWitness
from crypto.statements import sign
from crypto.trust import WitnessPolicy
from crypto.witness import Request
from procurement import archive
from procurement.authorities import log_key
from procurement.service import House
from procurement.settings import Settings, Witnesses
from tests.builders import a_lot, panel_rules
from tests.flows.conftest import running_under
from tests.flows.people import Town, wait_until
from tests.relays import dead_address

WITNESS = (sys.executable, "-m", "procurement", "witness")


class OurWitness:
    """`openseal witness` with a folder and an address of its own, which can be stopped and started."""

    def __init__(self, house: House, folder: Path) -> None:
        self._log, self.folder = log_key(house.keys).verifier.encode(), folder
        self.url = dead_address()
        self.vkey = self.do("init", "--name", f"{folder.name}.example/witness")[1].strip()
        self._process: asyncio.subprocess.Process | None = None

    def do(self, command: str, *options: str) -> tuple[int, str]:
        """How a command of it ends, and what it prints."""
        done = subprocess.run([*WITNESS, command, self.folder, *options], stdout=subprocess.PIPE, text=True)
        return done.returncode, done.stdout

    async def start(self) -> None:
        options = ("--log", self._log, "--port", str(httpx.URL(self.url).port))
        self._process = await asyncio.create_subprocess_exec(
            *WITNESS, "run", self.folder, *options, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline()  # it listens

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.communicate()
        self._process = None


def watched_by(*witnesses: OurWitness) -> Witnesses:
    """All of them, as the operator sets it."""
    setting = f"{len(witnesses)}:{','.join(f'{each.vkey}@{each.url}' for each in witnesses)}"
    found = Settings.load({"OPENSEAL_WITNESSES": setting}).witnesses
    assert found is not None
    return found


@pytest.fixture
async def witnesses(house: House, tmp_path: Path) -> AsyncIterator[list[OurWitness]]:
    """Two, at work."""
    found = [OurWitness(house, tmp_path / name) for name in ("first", "second")]
    await asyncio.gather(*(each.start() for each in found))
    yield found
    for each in found:
        await each.stop()


async def test_a_closing_waits_for_the_whole_quorum_and_bids_do_not(
    dsn: str, house: House, witnesses: list[OurWitness]
) -> None:
    async with running_under(watched_by(*witnesses), dsn, house) as http:
        town = await Town.settle(http, house, dsn)
        assert town.trust.witnesses == WitnessPolicy(keys=tuple(each.vkey for each in witnesses), quorum=2)
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
        past = archive.unpack((await tender.get("record")).content)["log/closing"].decode()
    assert len(town.trust.witnesses.verify(past)) == 2, "both stand in the record"
    await shows_a_rollback(witnesses[0], past)


async def shows_a_rollback(witness: OurWitness, past: str) -> None:
    """The log comes with a head of its past, as it would after the database was put back."""
    assert witness.do("show")[0] == 0
    async with httpx.AsyncClient() as client:
        asked = HttpWitness(witness.url, VerifyingKey.parse(witness.vkey), client)
        answer = await asked.add_checkpoint(Request(old_size=0, proof=(), checkpoint=past).encode())
    size = Checkpoint.parse(Note.parse(past).text).size
    status, shown = witness.do("show")
    assert (answer.status, status) == (409, 0), "anybody may have sent it"
    assert f"note: log openseal.local/log came with {size} entries after {int(answer.body)} were" in shown


async def test_no_order_is_taken_before_the_quorum_has_seen_the_closing(
    dsn: str, house: House, witnesses: list[OurWitness]
) -> None:
    async with running_under(watched_by(*witnesses), dsn, house) as http:
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
    async with running_under(watched_by(*witnesses), dsn, house) as http:
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
