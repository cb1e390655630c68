"""A witness that others wrote watches our log through a whole tender, and their client asks our witness.
`make interop` installs both."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from crypto.checkpoint import (
    Checkpoint,
    VerifyingKey,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from crypto.encoding import sha256
from crypto.merkle import Frontier, leaf_hash
from crypto.witness import Request
from procurement.authorities import log_key
from procurement.service import House
from procurement.settings import Witnesses
from procurement.witness import Memory, create
from tests.builders import a_lot
from tests.core.test_witness import LOG_KEY
from tests.core.test_witness_folder import running
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


ASK = """
import json, sys
from aics_tlog import MerkleTree
from aics_witness.feeder import FeederError, WitnessClient
url, vkey = sys.argv[1:]
with WitnessClient(url, vkey) as client:
    for note, entries in json.load(sys.stdin):
        tree = MerkleTree(each.encode() for each in entries)
        try:
            print(json.dumps(["co-signed", client.submit(note, tree.consistency_proof)]))
        except FeederError as error:
            print(json.dumps([type(error).__name__, str(error)]))
"""
"""Their client, told notes with the entries of the trees that they are of."""


def test_their_client_asks_our_witness(tmp_path: Path) -> None:
    """A log that grows, one that shows another past, and one that was rolled back."""
    witness = create(tmp_path / "ours", "ours.example/witness").verifier
    entries = [f"entry {number}" for number in range(300)]
    told = [(note_of(some), some) for some in (entries[:1], entries[:7], entries[:7], entries)]
    forked = ["another entry", *entries[1:]]
    told += [(note_of(some), some) for some in ([*forked, "and one more"], forked, entries[:5])]
    with running(tmp_path / "ours", "--log", LOG_KEY.verifier.encode()) as line:
        done = subprocess.run(
            [sys.executable, "-c", ASK, f"http://127.0.0.1:{line.port}", witness.encode()],
            input=json.dumps(told),
            env={**os.environ, "PYTHONPATH": str(INSTALLED)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(each) for each in done.stdout.splitlines()]
    assert [outcome for outcome, _ in answers] == [
        *["co-signed"] * 4,
        *["WitnessRejected"] * 2,
        "WitnessAhead",
    ]
    for (note, _), (_, line) in zip(told[:4], answers, strict=False):
        verify_cosignatures(note + line, [witness], 1)
    kinds = [path.name.rsplit("-", 2)[0] for path in Memory(tmp_path / "ours").conflicts()]
    assert kinds == ["another-tree", "older", "unproven"]


def note_of(entries: list[str]) -> str:
    frontier, _ = Frontier().extend(leaf_hash(each.encode()) for each in entries)
    checkpoint = Checkpoint(origin=LOG_KEY.verifier.name, size=frontier.size, root=frontier.root)
    return sign_checkpoint(checkpoint, LOG_KEY)


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
