import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from itertools import combinations, count
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crypto import bls, selftest
from crypto.errors import MalformedError, SignatureError

FACTS = json.loads((Path(__file__).parents[1] / "vectors" / "curve.json").read_text())
FIELD = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
DST = b"OPENSEAL-TEST"
SECRET = 0x2A
PUBLIC_KEY = bls.times_g2(SECRET)
scalars = st.integers(1, bls.ORDER - 1)


def compressed(x: int, y: int) -> bytes:
    """The ZCash form: three flag bits before x; the third says which of the two y."""
    flags = 0b101 if y > FIELD // 2 else 0b100
    return (flags << 381 | x).to_bytes(48, "big")


@pytest.mark.parametrize("fact", FACTS["hashToCurve"])
def test_hashing_to_the_curve_follows_rfc_9380(fact: dict[str, str]) -> None:
    point = bls.hash_to_g1(bytes.fromhex(fact["message"]), fact["dst"].encode())
    assert point.to_compressed_bytes() == compressed(int(fact["x"], 16), int(fact["y"], 16))


def test_pairings_have_drands_bytes() -> None:
    pair = (bls.G1(), bls.G2())
    assert bls.pairing_product([pair]).hex() == FACTS["pairing"]["generators"]
    assert bls.pairing_product([pair, pair]).hex() == FACTS["pairing"]["generatorsSquared"]
    h2 = hashlib.sha256(b"IBE-H2" + bls.pairing_product([pair])).hexdigest()[:32]
    assert h2 == FACTS["pairing"]["h2OfGenerators"]


@pytest.mark.parametrize("encoding", FACTS["refusedG2"]["points"])
def test_points_that_other_libraries_refuse_are_refused(encoding: str) -> None:
    with pytest.raises(MalformedError):
        bls.parse_g2(bytes.fromhex(encoding))


@pytest.mark.parametrize(
    "encoding",
    [
        b"\xff" * 48,
        b"\xe0" + bytes(47),
        b"\xc0" + bytes(46) + b"\x01",
        b"\xc0" + bytes(47),
        bytes(48),
        compressed(0, 2),  # on the curve, of order 3
        b"",
        bls.G1().to_compressed_bytes() + b"\x00",
        bls.G1().to_compressed_bytes()[:-1],
    ],
)
def test_signatures_that_are_no_points_of_the_group_are_refused(encoding: bytes) -> None:
    with pytest.raises(MalformedError):
        bls.parse_g1(encoding)


def test_a_coordinate_beyond_the_field_is_refused() -> None:
    for i in count():
        data = bls.hash_to_g1(bytes([i]), DST).to_compressed_bytes()
        flags, x = divmod(int.from_bytes(data, "big"), 2**381)
        if x + FIELD < 2**381:
            break
    with pytest.raises(MalformedError):
        bls.parse_g1((flags << 381 | x + FIELD).to_bytes(48, "big"))


@pytest.mark.parametrize("sign_bit", [0x00, 0x20])
def test_g2_off_the_subgroup_is_refused(sign_bit: int) -> None:
    # x = 2 is on the twist, and a point of the twist is in the subgroup with probability 2^-250.
    with pytest.raises(MalformedError):
        bls.parse_g2(bytes([0x80 | sign_bit]) + bytes(94) + b"\x02")


@settings(max_examples=300)
@given(st.binary(max_size=100) | st.binary(min_size=48, max_size=48) | st.binary(min_size=96, max_size=96))
def test_garbage_is_malformed_or_the_one_encoding_of_a_point(data: bytes) -> None:
    parsers: list[Callable[[bytes], bls.G1 | bls.G2]] = [bls.parse_g1, bls.parse_g2]
    for parse in parsers:
        with suppress(MalformedError):
            assert parse(data).to_compressed_bytes() == data


@pytest.mark.parametrize("value", [0, bls.ORDER, bls.ORDER + 1, 2**256 - 1])
def test_scalars_outside_the_group_order_are_refused(value: int) -> None:
    with pytest.raises(MalformedError):
        bls.parse_scalar(value.to_bytes(32, "big"))
    with pytest.raises(MalformedError):
        bls.times_g2(value)
    with pytest.raises(MalformedError):
        bls.sign(value, b"", DST, bytes(48))


def test_scalars_of_another_length_are_refused() -> None:
    for data in (b"", b"\x01" * 31, bytes(1) + b"\x01" * 32):
        with pytest.raises(MalformedError):
            bls.parse_scalar(data)
    with pytest.raises(MalformedError):
        bls.scalar_from(bytes(47))


@settings(max_examples=40, deadline=None)
@given(scalars, scalars)
def test_the_table_multiplies_as_the_curve_does(a: int, b: int) -> None:
    straight = bls.commitment_at([bls.times_g2(b), bls.G2()], a)  # b·G2 + a·G2
    assert straight == bls.times_g2(a) + bls.times_g2(b)
    assume((a + b) % bls.ORDER)
    assert straight == bls.times_g2((a + b) % bls.ORDER)


def test_the_table_covers_the_largest_scalar() -> None:
    assert bls.times_g2(bls.ORDER - 1) == -bls.G2()
    assert bls.times_g2(1) == bls.G2()


def test_points_that_cancel_out_are_refused() -> None:
    with pytest.raises(MalformedError):
        bls.add_g1([bls.G1(), -bls.G1()])
    with pytest.raises(MalformedError):
        bls.add_g2([bls.G2(), -bls.G2()])


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=40), st.binary(min_size=48, max_size=48))
def test_a_signature_verifies_and_does_not_depend_on_the_blinding(message: bytes, blinding: bytes) -> None:
    signature = bls.sign(SECRET, message, DST, blinding)
    assert signature == bls.times_g1(bls.hash_to_g1(message, DST), SECRET).to_compressed_bytes()
    assert bls.verify_signature(PUBLIC_KEY, message, DST, signature).to_compressed_bytes() == signature


def test_blinding_equal_to_the_secret_still_signs() -> None:
    blinding = (SECRET - 1).to_bytes(48, "big")
    assert bls.scalar_from(blinding) == SECRET
    bls.verify_signature(PUBLIC_KEY, b"m", DST, bls.sign(SECRET, b"m", DST, blinding))


def test_a_signature_of_another_key_message_or_domain_is_refused() -> None:
    signature = bls.sign(SECRET, b"m", DST, bytes(48))
    for key, message, dst in (
        (bls.times_g2(43), b"m", DST),
        (PUBLIC_KEY, b"n", DST),
        (PUBLIC_KEY, b"m", DST + b"2"),
    ):
        with pytest.raises(SignatureError):
            bls.verify_signature(key, message, dst, signature)


@settings(max_examples=20, deadline=None)
@given(st.lists(scalars, min_size=2, max_size=4))
def test_any_enough_points_of_a_polynomial_give_its_secret(coefficients: list[int]) -> None:
    base = bls.G1()
    values = {x: bls.polynomial_at(coefficients, x) for x in range(1, 6)}
    points = {x: bls.times_g1(base, value) for x, value in values.items() if value}
    for chosen in combinations(points, len(coefficients)):
        secret = bls.interpolate_at_zero({x: points[x] for x in chosen})
        assert secret == bls.times_g1(base, coefficients[0])


def test_the_self_test_passes() -> None:
    selftest.run()


@pytest.mark.parametrize("name", selftest.ANSWERS)
def test_the_self_test_names_what_computes_something_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(selftest.ANSWERS, name, "00")
    with pytest.raises(selftest.SelfTestFailed, match=f"^{name}$"):
        selftest.run()
