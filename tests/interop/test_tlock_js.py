"""drand's own JavaScript, unmodified from npm, against the embedded beacon of a running service.

`make interop` installs it into build/interop.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto.beacon import LocalBeacon, Network
from crypto.locks import Opener, seal
from procurement.authorities import local_beacon
from procurement.service import House, embedded_witness, working
from procurement.timekeeping import Clock
from tests.conftest import fresh_database
from tests.interop import age
from tests.relays import dead_address, serving

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INSTALLED = ROOT / "build" / "interop"
PLAINTEXTS = [
    b"A",
    "낙찰가 1,000,000원".encode(),
    secrets.token_bytes(2 * age.CHUNK),
    secrets.token_bytes(age.CHUNK + 1),
]


class Drand:
    """The script beside this file, run by Node on one network."""

    def __init__(self, url: str, beacon: LocalBeacon) -> None:
        self.url = f"{url}/beacon"
        self.beacon = beacon

    @property
    def network(self) -> Network:
        return self.beacon.network

    async def run(self, *arguments: str, given: bytes = b"") -> tuple[int, bytes, str]:
        """Exit status, standard output, standard error."""
        process = await asyncio.create_subprocess_exec(
            ROOT / ".venv" / "bin" / "node",
            HERE / "drand.mjs",
            *arguments,
            cwd=INSTALLED,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(given), 60)
        return process.returncode or 0, out, err.decode()

    async def __call__(self, command: str, *arguments: str, given: bytes = b"") -> bytes:
        pinned = self.network.chain_hash, self.network.public_key
        status, out, err = await self.run(command, self.url, *pinned, *arguments, given=given)
        assert status == 0, err
        return out


@pytest.fixture(scope="module")
async def drand(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Drand]:
    assert (INSTALLED / "node_modules").is_dir(), "make interop comes first"
    house = House.below(tmp_path_factory.mktemp("interop"))
    beacon = local_beacon(house.keys, 1)
    async with (
        fresh_database(postgres, "interop", migrated) as dsn,
        working(house, dsn, embedded_witness(house, dead_address()), beacon, Clock()) as app,
        serving(app) as url,
    ):
        yield Drand(url, beacon)


def now_and_then(network: Network) -> int:
    """A round that has come."""
    return network.round_at(datetime.now(UTC)) - 1


async def test_drand_client_finds_the_chain(drand: Drand) -> None:
    status, out, err = await drand.run("chains", drand.url)
    assert (status, out.decode()) == (0, drand.network.chain_hash), err


async def test_drand_client_verifies_our_rounds(drand: Drand) -> None:
    for number in (1, now_and_then(drand.network)):
        round = json.loads(await drand("round", str(number)))
        signed = drand.beacon.sign(number, datetime.now(UTC))
        expected = (number, signed.signature.hex(), signed.randomness.hex())
        assert (round["round"], round["signature"], round["randomness"]) == expected
    assert json.loads(await drand("round", "latest"))["round"] >= now_and_then(drand.network) - 2


async def test_drand_client_pins_our_network(drand: Drand) -> None:
    key = drand.network.public_key
    status, _, err = await drand.run("round", drand.url, drand.network.chain_hash, key[:-2] + "00", "1")
    assert status != 0
    assert "did not match the verification params" in err


@pytest.mark.parametrize("plaintext", PLAINTEXTS, ids=len)
async def test_what_tlock_js_seals_our_library_opens(drand: Drand, plaintext: bytes) -> None:
    number = now_and_then(drand.network)
    file = age.parse((await drand("seal", str(number), given=plaintext)).decode())
    assert (file.round, file.chain) == (number, drand.network.chain_hash)
    signature = drand.beacon.sign(number, datetime.now(UTC)).signature
    file_key = Opener([drand.network.lock(number)], [signature]).open(file.capsule)
    assert file.open(file_key) == plaintext


@pytest.mark.parametrize("plaintext", PLAINTEXTS, ids=len)
async def test_what_our_library_seals_tlock_js_opens(drand: Drand, plaintext: bytes) -> None:
    number = now_and_then(drand.network)
    assert await drand("open", given=sealed(drand.network, number, plaintext).encode()) == plaintext


async def test_tlock_js_waits_for_our_round(drand: Drand) -> None:
    number = now_and_then(drand.network) + 1000
    armored = await drand("seal", str(number), given=b"not yet")
    assert age.parse(armored.decode()).round == number
    pinned = drand.network.chain_hash, drand.network.public_key
    status, out, err = await drand.run("open", drand.url, *pinned, given=armored)
    assert status != 0
    assert out == b""
    assert "too early to decrypt" in err


def sealed(network: Network, number: int, plaintext: bytes) -> str:
    file_key = secrets.token_bytes(16)
    capsule = seal([network.lock(number)], file_key, secrets.token_bytes(16))
    return age.write(number, network.chain_hash, capsule, file_key, secrets.token_bytes(16), plaintext)
