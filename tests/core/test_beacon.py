import copy
import json
import pickle
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import bls
from crypto.beacon import (
    QUICKNET,
    SCHEME,
    LocalBeacon,
    Network,
    info_of,
    parse_info,
    parse_round,
    public_round_of,
)
from crypto.encoding import decode, encode
from crypto.errors import BeaconError, MalformedError, VerificationError

FACTS = json.loads((Path(__file__).parents[1] / "vectors" / "beacon.json").read_text())
SECRET = bytes(31) + b"\x2a"
GENESIS = datetime(2026, 1, 1, tzinfo=UTC)
LOCAL = LocalBeacon(SECRET, genesis=int(GENESIS.timestamp()), period=30)
moments = st.integers(-(10**16), 10**16).map(
    lambda microseconds: GENESIS + timedelta(microseconds=microseconds)
)


def signature_of(round: int) -> bytes:
    return next(bytes.fromhex(fact["signature"]) for fact in FACTS["rounds"] if int(fact["round"]) == round)


def test_quicknet_is_the_network_that_drand_describes() -> None:
    fields = {name: value for name, value in FACTS["network"].items() if name not in ("source", "chainHash")}
    assert msgspec.convert(fields, Network) == QUICKNET
    assert QUICKNET.chain_hash == FACTS["network"]["chainHash"]


@pytest.mark.parametrize("fact", FACTS["rounds"], ids=lambda fact: fact["round"])
def test_recorded_rounds_verify(fact: dict[str, str]) -> None:
    signature = bytes.fromhex(fact["signature"])
    beacon = QUICKNET.verify_round(int(fact["round"]), signature)
    assert (beacon.round, beacon.signature) == (int(fact["round"]), signature)
    assert beacon.randomness.hex() == fact.get("randomness", beacon.randomness.hex())


def test_at_least_one_recorded_round_has_its_randomness() -> None:
    assert any("randomness" in fact for fact in FACTS["rounds"])


@pytest.mark.parametrize("round", [999, 1001, 123, 0, -1, 2**64])
def test_the_signature_of_another_round_is_refused(round: int) -> None:
    with pytest.raises(BeaconError):
        QUICKNET.verify_round(round, signature_of(1000))


def test_the_signature_of_another_network_is_refused() -> None:
    with pytest.raises(BeaconError):
        LOCAL.network.verify_round(1000, signature_of(1000))


@given(st.binary(max_size=60) | st.binary(min_size=48, max_size=48))
def test_garbage_is_no_rounds_signature(data: bytes) -> None:
    with pytest.raises(BeaconError):
        QUICKNET.verify_round(1000, data)


def test_a_network_with_a_bad_key_signs_nothing() -> None:
    broken = msgspec.structs.replace(QUICKNET, public_key="c0" + "00" * 95)
    with pytest.raises(BeaconError):
        broken.verify_round(1000, signature_of(1000))


@pytest.mark.parametrize(
    "changed",
    [
        {"public_key": LOCAL.network.public_key},
        {"genesis": QUICKNET.genesis + 1},
        {"period": 4},
        {"group_hash": "00" * 32},
        {"beacon_id": "fastnet"},
        {"beacon_id": "default"},
    ],
)
def test_every_field_changes_the_chain_hash(changed: dict[str, Any]) -> None:
    assert msgspec.structs.replace(QUICKNET, **changed).chain_hash != QUICKNET.chain_hash


def test_the_default_beacon_id_is_not_hashed() -> None:
    """As drand has it for the network that was there before networks had names."""
    fact = FACTS["defaultNetwork"]
    default = Network(
        public_key=fact["publicKey"],
        genesis=fact["genesis"],
        period=fact["period"],
        group_hash=fact["groupHash"],
        scheme=SCHEME,
        beacon_id="default",
    )
    assert default.chain_hash == fact["chainHash"]


# Rounds and times


def test_round_one_comes_at_genesis() -> None:
    assert LOCAL.network.time_of(1) == GENESIS
    assert LOCAL.network.round_at(GENESIS) == 1
    assert LOCAL.network.round_at(GENESIS - timedelta(days=1)) == 1


def test_rounds_are_rounded_up_so_that_nothing_opens_early() -> None:
    assert LOCAL.network.round_at(GENESIS + timedelta(seconds=30)) == 2
    assert LOCAL.network.round_at(GENESIS + timedelta(seconds=30, microseconds=1)) == 3
    assert LOCAL.network.round_at(GENESIS + timedelta(microseconds=1)) == 2


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    seoul = timezone(timedelta(hours=9))
    assert LOCAL.network.round_at(GENESIS.astimezone(seoul)) == LOCAL.network.round_at(GENESIS)


@given(moment=moments, period=st.integers(1, 100_000), genesis=st.integers(0, 2**32))
def test_the_round_of_a_moment_is_the_first_that_does_not_come_before_it(
    moment: datetime, period: int, genesis: int
) -> None:
    network = msgspec.structs.replace(QUICKNET, period=period, genesis=genesis)
    round = network.round_at(moment)
    assert network.time_of(round) >= moment
    assert round == 1 or network.time_of(round - 1) < moment


@pytest.mark.parametrize("round", [0, -5, 10**12, 2**63, 10**40])
def test_rounds_outside_the_calendar_are_refused(round: int) -> None:
    with pytest.raises(BeaconError):
        QUICKNET.time_of(round)


# The local beacon


def test_a_local_beacon_signs_from_its_rounds_time_on() -> None:
    for now in (GENESIS + timedelta(seconds=60), GENESIS + timedelta(days=1)):
        beacon = LOCAL.sign(3, now)
        assert LOCAL.network.verify_round(3, beacon.signature) == beacon


@pytest.mark.parametrize("early", [timedelta(microseconds=1), timedelta(seconds=30), timedelta(days=1)])
def test_a_local_beacon_refuses_before_its_rounds_time(early: timedelta) -> None:
    with pytest.raises(BeaconError):
        LOCAL.sign(3, GENESIS + timedelta(seconds=60) - early)


@pytest.mark.parametrize("round", [0, -1, 2**63])
def test_a_local_beacon_refuses_rounds_that_never_come(round: int) -> None:
    with pytest.raises(BeaconError):
        LOCAL.sign(round, GENESIS + timedelta(days=1))


def test_a_restarted_local_beacon_is_the_same_network_with_the_same_signatures() -> None:
    again = LocalBeacon(SECRET, genesis=int(GENESIS.timestamp()), period=30)
    assert again.network == LOCAL.network
    assert again.sign(2, GENESIS + timedelta(days=1)) == LOCAL.sign(2, GENESIS + timedelta(days=2))


def test_a_local_beacon_shows_its_key_to_nobody() -> None:
    secret = 0x5EC2E75EC2E75EC2E75EC2E7
    beacon = LocalBeacon(secret.to_bytes(32, "big"), genesis=0, period=30)
    for text in (repr(beacon), str(beacon), repr([beacon.network]), encode(beacon.network).decode()):
        assert f"{secret:x}" not in text
        assert str(secret) not in text
    assert not hasattr(beacon, "__dict__")
    assert [name for name in dir(beacon) if not name.startswith("_")] == ["network", "sign"]
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(beacon)


@pytest.mark.parametrize(
    ("secret", "genesis", "period"),
    [
        (bytes(32), 0, 30),
        (bls.ORDER.to_bytes(32, "big"), 0, 30),
        (b"\x01" * 31, 0, 30),
        (SECRET, 0, 0),
        (SECRET, -1, 30),
        (SECRET, 2**53, 30),
    ],
)
def test_a_local_beacon_that_cannot_be_is_refused(secret: bytes, genesis: int, period: int) -> None:
    with pytest.raises(MalformedError):
        LocalBeacon(secret, genesis=genesis, period=period)


# drand's HTTP API


def test_the_bodies_are_drands() -> None:
    info = json.loads(msgspec.json.encode(info_of(QUICKNET)))
    assert info == {
        "public_key": FACTS["network"]["publicKey"],
        "period": 3,
        "genesis_time": 1692803367,
        "hash": FACTS["network"]["chainHash"],
        "groupHash": FACTS["network"]["groupHash"],
        "schemeID": "bls-unchained-g1-rfc9380",
        "metadata": {"beaconID": "quicknet"},
    }
    beacon = QUICKNET.verify_round(1000, signature_of(1000))
    body = json.loads(msgspec.json.encode(public_round_of(beacon)))
    assert body == {
        "round": 1000,
        "randomness": next(fact["randomness"] for fact in FACTS["rounds"] if "randomness" in fact),
        "signature": signature_of(1000).hex(),
    }


def test_a_relays_bodies_are_read_and_verified() -> None:
    info = {**json.loads(msgspec.json.encode(info_of(QUICKNET))), "later": "field"}
    assert parse_info(json.dumps(info).encode(), QUICKNET.chain_hash) == QUICKNET
    beacon = QUICKNET.verify_round(1000, signature_of(1000))
    assert parse_round(msgspec.json.encode(public_round_of(beacon)), QUICKNET) == beacon


@pytest.mark.parametrize(
    "changed",
    [{"period": 4}, {"hash": "00" * 32}, {"public_key": LOCAL.network.public_key}, {"genesis_time": 0}],
)
def test_a_relay_of_another_network_is_refused(changed: dict[str, Any]) -> None:
    info = {**json.loads(msgspec.json.encode(info_of(QUICKNET))), **changed}
    with pytest.raises(BeaconError):
        parse_info(json.dumps(info).encode(), QUICKNET.chain_hash)
    with pytest.raises(BeaconError):
        parse_info(msgspec.json.encode(info_of(LOCAL.network)), QUICKNET.chain_hash)


@pytest.mark.parametrize("changed", [{"round": 1001}, {"randomness": "00" * 32}, {"signature": "00" * 48}])
def test_a_relays_altered_round_is_refused(changed: dict[str, Any]) -> None:
    beacon = QUICKNET.verify_round(1000, signature_of(1000))
    body = {**json.loads(msgspec.json.encode(public_round_of(beacon))), **changed}
    with pytest.raises(BeaconError):
        parse_round(json.dumps(body).encode(), QUICKNET)


BODIES = [
    msgspec.json.encode(info_of(QUICKNET)),
    msgspec.json.encode(public_round_of(QUICKNET.verify_round(1000, signature_of(1000)))),
]


@settings(deadline=None)
@given(st.sampled_from(BODIES), st.integers(0, 1000), st.binary(max_size=4))
def test_garbage_from_a_relay_is_refused_with_a_typed_error(body: bytes, at: int, junk: bytes) -> None:
    at %= len(body)
    altered = body[:at] + junk + body[at + max(1, len(junk)) :]
    for data in (altered, body[:at], junk, b"[" * 10_000, b" " * 20_000):
        with suppress(VerificationError):
            assert parse_info(data, QUICKNET.chain_hash) == QUICKNET
        with suppress(VerificationError):
            assert parse_round(data, QUICKNET).signature == signature_of(1000)


def test_a_network_has_one_encoding() -> None:
    assert decode(encode(QUICKNET), Network) == QUICKNET
    with pytest.raises(MalformedError):
        decode(encode(QUICKNET).replace(b"rfc9380", b"swapped"), Network)
