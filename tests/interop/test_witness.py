"""A witness that others wrote watches our log through a whole tender. `make interop` installs it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from crypto.checkpoint import Checkpoint, VerifyingKey, sign_checkpoint, verify_checkpoint
from crypto.encoding import sha256
from crypto.witness import Request
from procurement.authorities import log_key
from procurement.service import House
from procurement.settings import Witnesses
from tests.builders import a_lot
from tests.flows.conftest import running_under
from tests.flows.people import Town
from tests.relays import dead_address

INSTALLED = Path(__file__).parents[2] / "build" / "interop" / "witness"


class TheirWitness:
    """aics-witness: a folder with its configuration, key and database, and a process over it."""

    def __init__(self, folder: Path, log: VerifyingKey) -> None:
        self._folder = folder
        self.url = dead_address()
        self.vkey = self.do("init", "--name", "witness.example/theirs").split()[-1]
        self.do("add-log", "--origin", log.name, "--vkey", log.encode())

    def do(self, *command: str) -> str:
        """What a command of theirs prints."""
        done = subprocess.run(self._command(*command), env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[None]:
        listen = str(httpx.URL(self.url).netloc, "ascii")
        process = subprocess.Popen(self._command("serve", "--listen", listen), env=self._environment)
        try:
            self._wait_for_it()
            yield
        finally:
            process.terminate()
            assert process.wait(60) == 0

    def _wait_for_it(self) -> httpx.Response:
        for _ in range(1200):
            with suppress(httpx.TransportError):
                return httpx.get(f"{self.url}/healthz", trust_env=False).raise_for_status()
            time.sleep(0.05)
        raise AssertionError("their witness does not start")

    def _command(self, *command: str) -> list[str]:
        name, *options = command
        return [
            sys.executable,
            "-m",
            "aics_witness",
            name,
            "--config",
            str(self._folder / "w.json"),
            *options,
        ]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(INSTALLED)}


@pytest.fixture
def house(open_folder: Path) -> House:
    return House.below(open_folder)


@pytest.fixture
def theirs(house: House, tmp_path: Path) -> TheirWitness:
    assert INSTALLED.is_dir(), "make interop comes first"
    return TheirWitness(tmp_path, log_key(house.keys).verifier)


async def test_their_witness_watches_a_tender_from_notice_to_record(
    dsn: str, house: House, theirs: TheirWitness
) -> None:
    witnesses = Witnesses(quorum=1, urls={theirs.vkey: theirs.url})
    async with running_under(witnesses, dsn, house) as http:
        with theirs.serving():
            town = await Town.settle(http, house, dsn)
            assert town.trust.witnesses.keys == (theirs.vkey,)
            tender = await town.publish(a_lot(), margin=6)
            await tender.bid(await town.bidder("Bidder"), "100")
        await tender.bid(await town.bidder("Another"), "200")  # nobody watches for a while
        with theirs.serving():
            await tender.close()
            await tender.order("bid")
            await tender.evaluated()
            await tender.intend()
            await tender.award()
            await tender.verified_record()
            assert (await watched(town, theirs)).size > 10


async def test_their_witness_refuses_what_ours_refuses(dsn: str, house: House, theirs: TheirWitness) -> None:
    """A rewritten past and an older head, both signed with the log's own key."""
    witnesses = Witnesses(quorum=1, urls={theirs.vkey: theirs.url})
    key = log_key(house.keys)
    with theirs.serving():
        async with running_under(witnesses, dsn, house) as http:
            town = await Town.settle(http, house, dsn)
            await (await town.publish(a_lot(), lead=600)).bid(await town.bidder("Bidder"), "100")
            held = await watched(town, theirs)
        async with httpx.AsyncClient(base_url=theirs.url, trust_env=False) as client:
            for old, size, expected in [
                (held.size, held.size, {409, 422}),
                (held.size, held.size + 1, {422}),
                (held.size - 1, held.size - 1, {409}),
            ]:
                other = Checkpoint(origin=held.origin, size=size, root=bytes(32))
                body = Request(old_size=old, proof=(), checkpoint=sign_checkpoint(other, key)).encode()
                answer = await client.post("/add-checkpoint", content=body)
                assert answer.status_code in expected
            assert await kept(client, key.verifier) == held


async def watched(town: Town, theirs: TheirWitness) -> Checkpoint:
    """What their witness holds, once it is the whole log."""
    async with httpx.AsyncClient(base_url=theirs.url, trust_env=False) as client:
        for _ in range(100):
            held = await kept(client, VerifyingKey.parse(town.trust.log))
            if held.size == len(await town.verify_log()):
                return held
            await asyncio.sleep(0.05)
    raise AssertionError("their witness does not follow")


async def kept(client: httpx.AsyncClient, log: VerifyingKey) -> Checkpoint:
    """Their newest checkpoint of the log, as they show it to monitors."""
    note = (await client.get(f"/{sha256(log.name.encode()).hex()}/checkpoint")).text
    return verify_checkpoint(note, log)
