import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.draws import Draw, PublicRandomness, ticket
from crypto.errors import MalformedError

FACTS = json.loads((Path(__file__).parents[1] / "vectors" / "draws.json").read_text())
RANDOMNESS = PublicRandomness(
    tender=FACTS["tender"],
    lot=FACTS["lot"],
    notice=bytes.fromhex(FACTS["notice"]),
    beacon=bytes.fromhex(FACTS["beacon"]),
    mandate=bytes.fromhex(FACTS["mandate"]),
)


def first_eight_bytes(seed: bytes, i: int) -> int:
    return int.from_bytes(hashlib.sha256(seed + i.to_bytes(8, "big")).digest()[:8], "big")


def test_seeds_are_those_of_other_programs() -> None:
    assert RANDOMNESS.seed("reserve-prices").hex() == FACTS["reservePrices"]["seed"]
    assert RANDOMNESS.seed("tie-break").hex() == FACTS["tieBreak"]["seed"]


def test_tickets_put_tied_bids_into_the_known_order() -> None:
    seed = RANDOMNESS.seed("tie-break")
    ranked = sorted(FACTS["tieBreak"]["envelopes"], key=lambda each: ticket(seed, bytes.fromhex(each)))
    assert ranked == FACTS["tieBreak"]["order"]


def test_numbers_shuffle_the_known_preliminary_prices() -> None:
    prices = sorted(int(price) for price in FACTS["reservePrices"]["prices"])
    draw = RANDOMNESS.draw("reserve-prices")
    base, points = int(FACTS["reservePrices"]["base"]), FACTS["reservePrices"]["basisPoints"]
    edges = [base * (15 * (10_000 - points) + 2 * points * k) // 15_000_000 for k in range(16)]
    drawn = [100 * (low + 1 + draw.uniform(high - low)) for low, high in pairwise(edges)]
    assert drawn == prices
    for i in range(14, 0, -1):
        j = draw.uniform(i + 1)
        drawn[i], drawn[j] = drawn[j], drawn[i]
    assert drawn == [int(price) for price in FACTS["reservePrices"]["prices"]]


@pytest.mark.parametrize(
    "changed",
    [
        {"tender": "ocds-0s3al1-T2"},
        {"lot": "1"},
        {"notice": b"\x01" * 32},
        {"beacon": b"\x01" * 48},
        {"mandate": b"\x01" * 48},
        {"mandate": b""},
    ],
)
def test_every_field_changes_the_seed(changed: dict[str, object]) -> None:
    fields = {name: getattr(RANDOMNESS, name) for name in RANDOMNESS.__struct_fields__}
    assert PublicRandomness(**{**fields, **changed}).seed("panel") != RANDOMNESS.seed("panel")


def test_text_cannot_move_from_the_tender_into_the_lot() -> None:
    one = PublicRandomness(tender="ocds-1", lot="23", notice=bytes(32), beacon=bytes(48))
    other = PublicRandomness(tender="ocds-12", lot="3", notice=bytes(32), beacon=bytes(48))
    assert one.seed("tie-break") != other.seed("tie-break")


@pytest.mark.parametrize("changed", [{"notice": b""}, {"beacon": b"\x01" * 32}, {"mandate": b"\x01"}])
def test_signatures_and_notice_of_another_size_are_refused(changed: dict[str, bytes]) -> None:
    fields: dict[str, Any] = {"notice": bytes(32), "beacon": bytes(48), "mandate": bytes(48), **changed}
    with pytest.raises(MalformedError):
        PublicRandomness(tender="ocds-1", **fields)


def test_values_of_the_incomplete_last_stretch_are_skipped() -> None:
    n = 2**63 + 1  # nearly half of all blocks fall into the last stretch
    seed = next(
        seed
        for i in range(100)
        if first_eight_bytes(seed := bytes([i]) * 32, 0) >= n > first_eight_bytes(seed, 1)
    )
    draw = Draw(seed)
    assert draw.uniform(n) == first_eight_bytes(seed, 1)
    assert draw.uniform(2**64) == first_eight_bytes(seed, 2)


@given(seed=st.binary(min_size=32, max_size=32), sizes=st.lists(st.integers(1, 2**64), max_size=8))
def test_numbers_stay_below_their_bound_and_repeat_for_a_seed(seed: bytes, sizes: list[int]) -> None:
    one, other = Draw(seed), Draw(seed)
    for n in sizes:
        number = one.uniform(n)
        assert 0 <= number < n
        assert number == other.uniform(n)


def test_every_number_comes_up_about_equally_often() -> None:
    draw = Draw(bytes(32))
    numbers = [draw.uniform(6) for _ in range(6000)]
    assert all(900 < numbers.count(face) < 1100 for face in range(6))


@pytest.mark.parametrize("n", [0, -1, 2**64 + 1])
def test_a_draw_among_no_numbers_is_refused(n: int) -> None:
    with pytest.raises(MalformedError):
        Draw(bytes(32)).uniform(n)
