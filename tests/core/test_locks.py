import base64
import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import bls
from crypto.beacon import QUICKNET
from crypto.encoding import decode, encode
from crypto.errors import LockError, MalformedError, VerificationError
from crypto.locks import (
    MANDATE_DST,
    TIME_DST,
    Capsule,
    Layer,
    Lock,
    Opener,
    OpeningOrder,
    content_key,
    decrypt_content,
    encrypt_content,
    mandate_lock,
    seal,
    time_lock,
)

VECTORS = Path(__file__).parents[1] / "vectors"
TLOCK = json.loads((VECTORS / "tlock.json").read_text())
COMMITTEE = json.loads((VECTORS / "committee.json").read_text())
SIGNATURES = {
    int(fact["round"]): bytes.fromhex(fact["signature"])
    for fact in json.loads((VECTORS / "beacon.json").read_text())["rounds"]
}
ROUND = 1000
TIME, MANDATE = (
    QUICKNET.lock(ROUND),
    mandate_lock(bytes.fromhex(COMMITTEE["publicKey"]), COMMITTEE["order"].encode()),
)
TIME_KEY, MANDATE_KEY = SIGNATURES[ROUND], bytes.fromhex(COMMITTEE["signature"])
BOTH = Opener([TIME, MANDATE], [TIME_KEY, MANDATE_KEY])
MESSAGE, SIGMA = bytes(range(32)), bytes(range(100, 132))
SEALED = seal([TIME, MANDATE], MESSAGE, SIGMA)
CONTEXT = b'{"tender":"ocds-0s3al1-T1"}'
LAYERS: list[Layer] = ["content", "restricted"]


def capsule_of(fact: dict[str, Any]) -> Capsule:
    return Capsule(**{name: bytes.fromhex(fact[name]) for name in "uvw"})


def an_order(**fields: Any) -> OpeningOrder:
    return OpeningOrder(**{"tender": "ocds-1", "notice": "00" * 32, "part": "bid", "round": "1000", **fields})


# One lock: drand's tlock, byte for byte


@pytest.mark.parametrize("fact", TLOCK["sealed"]["cases"])
def test_one_lock_is_tlock(fact: dict[str, str]) -> None:
    message, sigma = bytes.fromhex(fact["message"]), bytes.fromhex(fact["sigma"])
    capsule = seal([TIME], message, sigma)
    assert capsule == capsule_of(fact)
    assert Opener([TIME], [TIME_KEY]).open(capsule) == message


@pytest.mark.parametrize("fact", TLOCK["sealed"]["cases"])
def test_the_steps_of_tlock_have_the_known_values(fact: dict[str, str]) -> None:
    r, size = int(fact["r"], 16), len(fact["message"]) // 2
    gt = bls.pairing_product(
        [(bls.times_g1(bls.hash_to_g1(TIME.message, TIME.dst), r), bls.parse_g2(TIME.public_key))]
    )
    assert gt.hex() == fact["gt"]
    assert sha256(b"IBE-H2" + gt).digest()[:size].hex() == fact["h2"]
    assert sha256(b"IBE-H4" + bytes.fromhex(fact["sigma"])).digest()[:size].hex() == fact["h4"]
    assert bls.times_g2(r).to_compressed_bytes().hex() == fact["u"]


@pytest.mark.parametrize("fact", TLOCK["openedFromTlockJs"]["cases"])
def test_what_tlock_js_sealed_opens(fact: dict[str, str]) -> None:
    assert Opener([TIME], [TIME_KEY]).open(capsule_of(fact)).hex() == fact["message"]


@pytest.mark.parametrize("fact", TLOCK["age"], ids=lambda fact: f"round {fact['round']}")
def test_age_containers_of_other_programs_open(fact: dict[str, str]) -> None:
    lines = fact["armored"].strip().splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----")
    data = base64.b64decode("".join(lines[1:-1]))
    header, mac, payload = split_age(data)
    stanza = header.decode().splitlines()
    assert stanza[:2] == ["age-encryption.org/v1", f"-> tlock {fact['round']} {QUICKNET.chain_hash}"]
    body = unpadded("".join(stanza[2:-1]))
    capsule = Capsule(u=body[:96], v=body[96:112], w=body[112:])
    round = int(fact["round"])
    file_key = Opener([QUICKNET.lock(round)], [SIGNATURES[round]]).open(capsule)
    assert hmac.digest(hkdf(file_key, b"", b"header"), header, "sha256") == mac
    assert open_stream(hkdf(file_key, payload[:16], b"payload"), payload[16:]).decode() == fact["plaintext"]


def split_age(data: bytes) -> tuple[bytes, bytes, bytes]:
    """An age v1 file: the header up to and with `---`, its MAC, and nonce with payload."""
    end = data.index(b"\n---") + 4
    line = data.index(b"\n", end)
    return data[:end], unpadded(data[end + 1 : line].decode()), data[line + 1 :]


def unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, 32 bytes."""
    return hmac.digest(hmac.digest(salt or bytes(32), key, "sha256"), info + b"\x01", "sha256")


def open_stream(key: bytes, payload: bytes) -> bytes:
    """age's STREAM: chunks of 64 KiB, the nonce an 11-byte counter and a flag on the last."""
    size = 64 * 1024 + 16
    chunks = [payload[i : i + size] for i in range(0, len(payload), size)]
    nonces = [i.to_bytes(11, "big") + bytes([i == len(chunks) - 1]) for i in range(len(chunks))]
    cipher = ChaCha20Poly1305(key)
    return b"".join(cipher.decrypt(nonce, chunk, None) for nonce, chunk in zip(nonces, chunks, strict=True))


def test_a_capsule_with_other_hash_functions_is_refused() -> None:
    container = bytes.fromhex(TLOCK["otherHashes"]["container"])
    u, lengths, v, w = container[2:98], container[98:106], container[106:138], container[146:178]
    assert lengths == container[138:146] == (32).to_bytes(8, "little")
    with pytest.raises(LockError):
        Opener([TIME], [TIME_KEY]).open(Capsule(u=u, v=v, w=w))


# Two locks: both keys, each its own


def test_the_sum_lock_is_that_of_other_programs() -> None:
    fact = TLOCK["sumLock"]
    message = bytes.fromhex(fact["message"])
    assert seal([TIME, MANDATE], message, bytes.fromhex(fact["sigma"])) == capsule_of(fact)
    assert BOTH.open(capsule_of(fact)) == message
    total = bls.add_g1([TIME.verify(TIME_KEY), MANDATE.verify(MANDATE_KEY)])
    assert total.to_compressed_bytes().hex() == fact["key"]


def test_the_order_of_the_locks_does_not_matter() -> None:
    assert seal([MANDATE, TIME], MESSAGE, SIGMA) == SEALED
    assert Opener([MANDATE, TIME], [MANDATE_KEY, TIME_KEY]).open(SEALED) == MESSAGE


DOUBLED = Lock(
    public_key=(bls.parse_g2(TIME.public_key) + bls.parse_g2(TIME.public_key)).to_compressed_bytes(),
    message=TIME.message,
    dst=TIME_DST,
)


@pytest.mark.parametrize(
    ("locks", "keys"),
    [
        ([TIME], [TIME_KEY]),
        ([MANDATE], [MANDATE_KEY]),
        ([DOUBLED], [(bls.parse_g1(TIME_KEY) + bls.parse_g1(TIME_KEY)).to_compressed_bytes()]),
        ([QUICKNET.lock(123), MANDATE], [SIGNATURES[123], MANDATE_KEY]),
    ],
    ids=["time alone", "mandate alone", "time doubled", "another round"],
)
def test_less_than_both_locks_does_not_open(locks: list[Lock], keys: list[bytes]) -> None:
    opener = Opener(locks, keys)  # genuine keys of these locks
    with pytest.raises(LockError):
        opener.open(SEALED)


def shifted(signature: bytes, by: bls.G1) -> bytes:
    return (bls.parse_g1(signature) + by).to_compressed_bytes()


@pytest.mark.parametrize(
    "keys",
    [
        [TIME_KEY, TIME_KEY],
        [MANDATE_KEY, TIME_KEY],
        [SIGNATURES[123], MANDATE_KEY],
        [shifted(TIME_KEY, bls.G1()), shifted(MANDATE_KEY, -bls.G1())],
        [bytes.fromhex(TLOCK["sumLock"]["key"]), MANDATE_KEY],
    ],
    ids=["one twice", "swapped", "another round", "right sum of wrong keys", "the sum itself"],
)
def test_each_key_must_be_that_of_its_own_lock(keys: list[bytes]) -> None:
    with pytest.raises(LockError):
        Opener([TIME, MANDATE], keys)


@pytest.mark.parametrize("empty", [b"\xc0" + bytes(47), b"\xff" * 48, b""], ids=["identity", "ones", "none"])
def test_nothing_in_place_of_a_key_is_refused(empty: bytes) -> None:
    with pytest.raises(MalformedError):
        Opener([TIME, MANDATE], [TIME_KEY, empty])
    with pytest.raises(VerificationError):
        Opener([TIME, MANDATE], [bytes.fromhex(TLOCK["sumLock"]["key"]), empty])


@pytest.mark.parametrize("keys", [[], [TIME_KEY], [TIME_KEY, MANDATE_KEY, MANDATE_KEY]])
def test_another_number_of_keys_than_locks_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(LockError):
        Opener([TIME, MANDATE], keys)


@pytest.mark.parametrize(
    "locks", [[], [TIME, TIME], [TIME, QUICKNET.lock(123)]], ids=["none", "same", "one key"]
)
def test_locks_that_one_key_holder_opens_alone_are_refused(locks: Sequence[Lock]) -> None:
    with pytest.raises(LockError):
        seal(locks, MESSAGE, SIGMA)
    with pytest.raises(LockError):
        Opener(locks, [TIME_KEY] * len(locks))


def test_a_mandate_for_another_part_round_bid_or_lot_does_not_open() -> None:
    secret = 7
    public_key = bls.times_g2(secret).to_compressed_bytes()
    price = {"part": "price", "bid": "ab" * 16, "lot": "1"}
    for order, other in (
        (an_order(), an_order(part="technical")),
        (an_order(), an_order(round="1001")),
        (an_order(**price), an_order(**price | {"lot": "2"})),
        (an_order(**price), an_order(**price | {"lot": None})),
        (an_order(**price), an_order(**price | {"bid": "cd" * 16})),
    ):
        signature = bls.sign(secret, encode(other), MANDATE_DST, bytes(48))
        with pytest.raises(LockError):
            Opener([mandate_lock(public_key, encode(order))], [signature])


# Properties


@settings(max_examples=40, deadline=None)
@given(pairs=st.integers(1, 32).flatmap(lambda n: st.tuples(*[st.binary(min_size=n, max_size=n)] * 2)))
def test_whatever_is_sealed_opens(pairs: tuple[bytes, bytes]) -> None:
    message, sigma = pairs
    assert BOTH.open(seal([TIME, MANDATE], message, sigma)) == message


@pytest.mark.parametrize("field", ["u", "v", "w"])
def test_no_bit_of_a_capsule_can_be_flipped(field: str) -> None:
    data = getattr(SEALED, field)
    for i in range(len(data)):
        flipped = data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :]
        parts = {"u": SEALED.u, "v": SEALED.v, "w": SEALED.w, field: flipped}
        with pytest.raises((LockError, MalformedError)):
            BOTH.open(Capsule(**parts))


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=96, max_size=96), st.binary(min_size=32, max_size=32), st.binary(max_size=33))
def test_garbage_never_opens(u: bytes, v: bytes, w: bytes) -> None:
    with pytest.raises((LockError, MalformedError)):
        BOTH.open(Capsule(u=u, v=v, w=w))


def test_truncated_and_mixed_capsules_do_not_open() -> None:
    short = Capsule(u=SEALED.u, v=SEALED.v[:31], w=SEALED.w[:31])
    other = seal([TIME, MANDATE], MESSAGE, bytes(32))
    for capsule in (
        short,
        Capsule(u=other.u, v=SEALED.v, w=SEALED.w),
        Capsule(u=SEALED.u, v=other.v, w=other.w),
    ):
        with pytest.raises(LockError):
            BOTH.open(capsule)


@pytest.mark.parametrize("point", json.loads((VECTORS / "curve.json").read_text())["refusedG2"]["points"])
def test_a_bad_point_is_malformed_wherever_it_stands(point: str) -> None:
    with pytest.raises(MalformedError):
        BOTH.open(Capsule(u=bytes.fromhex(point), v=SEALED.v, w=SEALED.w))
    with pytest.raises(MalformedError):
        seal([TIME, mandate_lock(bytes.fromhex(point), b"order")], MESSAGE, SIGMA)


@pytest.mark.parametrize(("u", "v", "w"), [(95, 32, 32), (96, 0, 0), (96, 33, 33), (96, 32, 31)])
def test_capsules_of_another_size_are_malformed(u: int, v: int, w: int) -> None:
    with pytest.raises(MalformedError):
        Capsule(u=bytes(u), v=bytes(v), w=bytes(w))


@pytest.mark.parametrize(("message", "sigma"), [(0, 0), (33, 33), (32, 31)])
def test_messages_of_another_size_are_not_sealed(message: int, sigma: int) -> None:
    with pytest.raises(MalformedError):
        seal([TIME], bytes(message), bytes(sigma))


@pytest.mark.parametrize("round", [0, -1, 2**63])
def test_a_round_that_never_comes_is_no_lock(round: int) -> None:
    with pytest.raises(MalformedError):
        time_lock(TIME.public_key, round)


# The opening order


def test_the_opening_order_has_one_form() -> None:
    order = an_order(tender="ocds-0s3al1-T1")
    assert encode(order).decode() == COMMITTEE["order"]
    assert decode(COMMITTEE["order"].encode(), OpeningOrder) == order
    hashed = bls.hash_to_g1(encode(order), MANDATE_DST).to_compressed_bytes().hex()
    assert hashed == COMMITTEE["orderHashed"]


def test_an_order_names_a_bid_exactly_where_it_opens_a_price_part() -> None:
    priced = an_order(part="price", bid="ab" * 16, lot="2")
    assert decode(encode(priced), OpeningOrder) == priced
    for fields in ({"part": "price"}, {"bid": "ab" * 16}, {"part": "technical", "bid": "ab" * 16}):
        with pytest.raises(MalformedError):
            an_order(**fields)


def test_an_order_names_a_lot_only_where_it_opens_a_price_part() -> None:
    for fields in ({"lot": "1"}, {"part": "technical", "lot": "1"}):
        with pytest.raises(MalformedError, match="names a lot"):
            an_order(**fields)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind":"openseal/opening-order/v1",', ""),
        ("opening-order", "rehearsal"),
        ('"1000"', "1000"),
        ('"1000"', '"01000"'),
        ('"bid"', '"price"'),
        ('"part"', '"lot":null,"part"'),
        ('"part":"bid",', '"part":"bid","part":"bid",'),
        ('-T1"', '-T1","zone":"1"'),
        ("-T1", "-T 1"),
        (":", ": "),
    ],
)
def test_orders_of_another_form_are_malformed(old: str, new: str) -> None:
    altered = COMMITTEE["order"].replace(old, new)
    assert altered != COMMITTEE["order"]
    with pytest.raises(MalformedError):
        decode(altered.encode(), OpeningOrder)


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_garbage_is_no_order(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data, OpeningOrder)


# Content


@pytest.mark.parametrize("layer", LAYERS)
def test_content_is_encrypted_as_specified(layer: Layer) -> None:
    bound = CONTEXT + SEALED.u + SEALED.v + SEALED.w
    key = hkdf(MESSAGE, sha256(bound).digest(), f"openseal/v1/{layer}".encode())
    assert content_key(MESSAGE, CONTEXT, SEALED, layer) == key
    ciphertext = encrypt_content(MESSAGE, CONTEXT, SEALED, b"prices", layer)
    assert ciphertext == ChaCha20Poly1305(key).encrypt(bytes(12), b"prices", bound)
    assert decrypt_content(MESSAGE, CONTEXT, SEALED, ciphertext, layer) == b"prices"


@given(content=st.binary(max_size=300), context=st.binary(max_size=100))
def test_whatever_is_encrypted_decrypts(content: bytes, context: bytes) -> None:
    ciphertext = encrypt_content(MESSAGE, context, SEALED, content)
    assert decrypt_content(MESSAGE, context, SEALED, ciphertext) == content


def test_no_byte_of_what_belongs_to_the_content_can_change() -> None:
    ciphertext = encrypt_content(MESSAGE, CONTEXT, SEALED, b"prices")
    other = Capsule(u=SEALED.u, v=SEALED.v, w=bytes(32))
    flipped = [
        ciphertext[:i] + bytes([ciphertext[i] ^ 1]) + ciphertext[i + 1 :] for i in range(len(ciphertext))
    ]
    attempts = [
        (MESSAGE, CONTEXT, SEALED, each) for each in [*flipped, ciphertext[:-1], ciphertext + b"\x00", b""]
    ]
    attempts += [
        (SIGMA, CONTEXT, SEALED, ciphertext),
        (MESSAGE, CONTEXT + b" ", SEALED, ciphertext),
        (MESSAGE, CONTEXT, other, ciphertext),
    ]
    for attempt in attempts:
        with pytest.raises(LockError):
            decrypt_content(*attempt)


def test_a_layer_does_not_open_as_the_other() -> None:
    ciphertext = encrypt_content(MESSAGE, CONTEXT, SEALED, b"prices", "content")
    with pytest.raises(LockError):
        decrypt_content(MESSAGE, CONTEXT, SEALED, ciphertext, "restricted")


@pytest.mark.parametrize("size", [0, 16, 31])
def test_a_shorter_message_keys_no_content(size: int) -> None:
    with pytest.raises(MalformedError):
        content_key(bytes(size), CONTEXT, SEALED)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.binary(max_size=64))
def test_garbage_is_no_ciphertext(message: bytes, context: bytes, ciphertext: bytes) -> None:
    with pytest.raises(LockError):
        decrypt_content(message, context, SEALED, ciphertext)
