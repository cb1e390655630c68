"""STREAM: chunk by chunk, against vectors and a second computation, and against whoever tampers with it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import stream
from crypto.errors import LockError, MalformedError, VerificationError
from crypto.locks import Capsule
from crypto.stream import CHUNK, TAG, plain_size, sealed_size
from tests.interop import age

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "documents.json").read_text())["stream"]
KEY = bytes.fromhex(VECTORS["key"])
SIZES = st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK])
WHOLE = CHUNK + TAG


def text(size: int) -> bytes:
    """The plaintexts of the vectors."""
    line = b"Openseal document. "
    return (line * (size // len(line) + 1))[:size]


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """`data` in pieces, empty ones among them."""
    ends = [0, *sorted(min(each, len(data)) for each in at), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


def sealed(plain: bytes, key: bytes = KEY) -> bytes:
    return b"".join(stream.seal(key, [plain]))


def opened(data: bytes, key: bytes = KEY) -> bytes:
    return b"".join(stream.open(key, [data]))


def by_hand(plain: bytes) -> bytes:
    """Computed as docs/formats.md and age's specification say it, with nothing of ours."""
    cipher = ChaCha20Poly1305(KEY)
    blocks = [plain[i : i + 65536] for i in range(0, len(plain), 65536)] or [b""]
    nonces = [i.to_bytes(11, "big") + (b"\1" if i == len(blocks) - 1 else b"\0") for i in range(len(blocks))]
    return b"".join(cipher.encrypt(nonce, block, None) for nonce, block in zip(nonces, blocks, strict=True))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["size"]))
def test_the_vectors_come_out_here_and_by_hand(case: dict[str, int | str]) -> None:
    plain = text(int(case["size"]))
    assert hashlib.sha256(plain).hexdigest() == case["sha256"]
    data = sealed(plain)
    assert data == by_hand(plain)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (case["sealedSize"], case["sealedSha256"])
    assert case.get("sealed", data.hex()) == data.hex()
    assert opened(data) == plain


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK + 1])
def test_the_payload_of_an_age_file_is_such_a_stream(size: int) -> None:
    """Of the age files that tlock-js reads and writes (`tests/interop`)."""
    file_key, nonce = bytes(range(16)), bytes(range(16, 32))
    capsule = Capsule(u=bytes(96), v=bytes(16), w=bytes(16))
    payload = age.parse(age.write(1, "0" * 64, capsule, file_key, nonce, text(size))).payload
    key = HKDF(SHA256(), 32, salt=nonce, info=b"payload").derive(file_key)
    assert payload[:16] == nonce
    assert opened(payload[16:], key) == text(size)
    assert sealed(text(size), key) == payload[16:]


@settings(max_examples=60, deadline=None)
@given(
    SIZES, st.lists(st.integers(0, 4 * CHUNK), max_size=6), st.lists(st.integers(0, 4 * CHUNK), max_size=6)
)
def test_in_whatever_pieces_it_comes_the_same_goes_out(size: int, one: list[int], other: list[int]) -> None:
    plain = text(size)
    chunks = list(stream.seal(KEY, cut(plain, one)))
    assert b"".join(chunks) == sealed(plain)
    assert all(len(each) == WHOLE for each in chunks[:-1])
    assert b"".join(stream.open(KEY, cut(b"".join(chunks), other))) == plain


@given(st.integers(0, 10 * CHUNK))
def test_sizes_are_told_from_each_other(size: int) -> None:
    assert plain_size(sealed_size(size)) == size


@given(st.integers(0, 3 * WHOLE))
def test_a_size_that_nothing_sealed_has_is_refused(size: int) -> None:
    possible = size >= TAG and (size <= WHOLE or size % WHOLE == 0 or size % WHOLE > TAG)
    if possible:
        assert sealed_size(plain_size(size)) == size
    else:
        with pytest.raises(MalformedError):
            plain_size(size)


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 7])
def test_sizes_are_those_of_what_is_sealed(size: int) -> None:
    assert len(sealed(text(size))) == sealed_size(size)


def never_opens(data: bytes, key: bytes = KEY) -> None:
    with pytest.raises((LockError, MalformedError)):
        opened(data, key)


@settings(max_examples=80, deadline=None)
@given(SIZES, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_shows(size: int, at: int, by: int) -> None:
    data = bytearray(sealed(text(size)))
    data[at % len(data)] ^= by
    never_opens(bytes(data))


@settings(max_examples=80, deadline=None)
@given(SIZES, st.integers(1))
def test_what_is_cut_off_shows_wherever_the_cut_is(size: int, by: int) -> None:
    data = sealed(text(size))
    never_opens(data[: -(by % len(data) or len(data))])


def test_a_cut_between_chunks_shows() -> None:
    data = sealed(text(3 * CHUNK))
    for chunks in (0, 1, 2):
        never_opens(data[: chunks * WHOLE])


@given(SIZES, st.binary(min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_what_is_added_shows(size: int, more: bytes) -> None:
    never_opens(sealed(text(size)) + more)


def test_chunks_that_are_moved_repeated_or_left_out_show() -> None:
    data = sealed(text(2 * CHUNK + 5))
    one, two, last = data[:WHOLE], data[WHOLE : 2 * WHOLE], data[2 * WHOLE :]
    for chunks in (
        (two, one, last),
        (one, one, last),
        (one, two, two, last),
        (one, last),
        (two, last),
        (one, two, last, last),
        (last,),
        (one, two),
    ):
        never_opens(b"".join(chunks))


def test_a_last_chunk_of_nothing_stands_only_where_there_is_nothing_else() -> None:
    assert opened(sealed(b"")) == b""
    cipher = ChaCha20Poly1305(KEY)
    first = cipher.encrypt(bytes(12), text(CHUNK), None)
    nothing = cipher.encrypt((1).to_bytes(11, "big") + b"\1", b"", None)
    with pytest.raises(MalformedError):  # each chunk is genuine
        opened(first + nothing)


def test_a_chunk_that_is_not_full_is_the_last() -> None:
    cipher = ChaCha20Poly1305(KEY)
    short = cipher.encrypt(bytes(12), text(100), None)
    last = cipher.encrypt((1).to_bytes(11, "big") + b"\1", text(100), None)
    never_opens(short + last)


def test_another_key_opens_nothing_and_a_key_has_32_bytes() -> None:
    never_opens(sealed(text(CHUNK)), bytes(32))
    for size in (0, 16, 31, 33):
        with pytest.raises(MalformedError):
            opened(sealed(b""), bytes(size))
        with pytest.raises(MalformedError):
            list(stream.seal(bytes(size), []))


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_garbage_is_refused_with_our_errors(pieces: list[bytes]) -> None:
    with pytest.raises(VerificationError):
        list(stream.open(KEY, pieces))


def test_no_more_than_a_chunk_is_held() -> None:
    """A long file goes through piece by piece: as much comes out as went in, but for what is on its way."""
    read = given_out = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(8):
            read += CHUNK
            yield text(CHUNK)

    for each in stream.open(KEY, stream.seal(KEY, pieces())):
        given_out += len(each)
        assert read - given_out <= 2 * CHUNK
    assert given_out == read == 8 * CHUNK
