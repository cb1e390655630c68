"""Whatever bytes come in, a parser gives a value or a typed error: garbage, and genuine things gone wrong."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import CoSignature, UploadRequest, Withdrawal
from bids.errors import UploadError
from bids.receipts import Held, Receipt
from crypto import stream
from crypto.certificates import Certificate, Role, SigningKey, request
from crypto.certificates import Request as Asked
from crypto.checkpoint import Checkpoint, Note, TlogProof, VerifyingKey, cosign, sign_checkpoint
from crypto.encoding import decode, encode, moment, to_base64
from crypto.errors import VerificationError
from crypto.merkle import Frontier, Tile, encode_bundle, leaf_hash, parse_bundle
from crypto.revocation import Status
from crypto.statements import PAYLOAD_TYPE, Payload, Statement, sign
from crypto.trust import Trust
from crypto.witness import Request, WitnessState, add_checkpoint
from procurement import archive, history, record
from procurement.web import uploads
from tests.builders import START, Life, a_bidder, the_world

Parser = Callable[[bytes], object]

KEY = b"k" * 32
ONES = "11" * 32


def texts(parse: Callable[[str], object]) -> Parser:
    """A parser of text, given what any bytes are at best."""
    return lambda data: parse(data.decode(errors="replace"))


def headers(parse: Callable[[str], object]) -> Parser:
    """A parser of what stands in a header: there, each byte is a character."""
    return lambda data: parse(data.decode("latin-1"))


def payloads() -> list[type[Payload]]:
    """Everything that anybody signs."""
    found: list[type[Payload]] = [Payload]
    for each in found:
        found += each.__subclasses__()
    return [each for each in found if hasattr(each, "PURPOSE")]


@cache
def life() -> Life:
    played = Life()
    for number in (1, 2):
        played.submit(a_bidder(played.world, number))
    return played.to_award()


@cache
def said() -> dict[str, bytes]:
    """A genuine statement of each purpose that is signed in a tender's life or about a bid."""
    world, bidder = the_world(), a_bidder(the_world(), 3)
    tender: dict[str, Any] = {"tender": life().notice.tender, "notice": life().notice_id}
    by = {"signer": bidder.fingerprint, **tender}
    now = {"time": moment(START)}
    extra: list[tuple[Payload, SigningKey]] = [
        (Withdrawal(**by, previous=ONES), bidder),
        (UploadRequest(**by, envelope=ONES, number=1, token=ONES, **now), bidder),
        (CoSignature(**by, envelope=ONES, **now), bidder),
        (the_receipt(world.service), world.service),
    ]
    statements = [*life().statements.values(), *life().bids.values(), *(sign(*each) for each in extra)]
    return {Statement(each).payload_type: each for each in statements}


def the_receipt(service: SigningKey) -> Receipt:
    inputs: dict[str, Any] = {"bidder": "123-45-00001", "salt": ONES, "statement": ONES, "status": ONES}
    about: dict[str, Any] = {"tender": life().notice.tender, "notice": life().notice_id}
    return Receipt(signer=service.fingerprint, **about, **inputs, kind="envelope", time=moment(START))


@cache
def the_note() -> str:
    frontier, _ = Frontier().extend([leaf_hash(b"entry")])
    note = sign_checkpoint(
        Checkpoint(origin=the_world().log.verifier.name, size=1, root=frontier.root), the_world().log
    )
    return note + cosign(note, the_world().witness, START)


def the_proof() -> str:
    return TlogProof(index=0, hashes=(), checkpoint=the_note()).encode()


def the_answer() -> bytes:
    receipt = sign(the_receipt(the_world().service), the_world().service)
    return json.dumps({"receipt": to_base64(receipt), "proof": the_proof()}).encode()


def any_statement(data: bytes) -> None:
    """As every kind of statement that there is: it is of one kind at most."""
    statement = Statement(data)
    assert statement.data == data
    read = 0
    for type_ in payloads():
        try:
            read += statement.read(type_) is not None
        except VerificationError:
            continue
    assert read <= 1


def opened(data: bytes) -> bytes:
    return b"".join(stream.open(KEY, [data]))


def sealed() -> bytes:
    return b"".join(stream.seal(KEY, [b"a drawing" * 9000]))


def witness(data: bytes) -> None:
    """It answers everything, and never keeps what it does not co-sign."""
    state = WitnessState(heads=())
    answer, after = add_checkpoint(state, data, [the_world().log.verifier], the_world().witness, START)
    assert after == state or answer.status == 200


def witness_request() -> bytes:
    return Request(old_size=0, proof=(), checkpoint=the_note()).encode()


def verified_record(data: bytes) -> None:
    verdict = record.verify(data, the_world().trust)
    assert verdict.outcome == "verified" or data != life().record()


PARSERS: dict[str, tuple[Parser, Callable[[], bytes]]] = {
    "statement": (any_statement, lambda: said()[PAYLOAD_TYPE.format(purpose="bid")]),
    "answer to a bid": (Held.parse, the_answer),
    "proof": (texts(TlogProof.parse), lambda: the_proof().encode()),
    "note": (texts(Note.parse), lambda: the_note().encode()),
    "checkpoint": (texts(lambda text: Checkpoint.parse(Note.parse(text).text)), lambda: the_note().encode()),
    "log's key": (texts(VerifyingKey.parse), lambda: the_world().log.verifier.encode().encode()),
    "bundle": (parse_bundle, lambda: encode_bundle([b"one", b"", b"three"])),
    "path of a tile": (texts(Tile.parse), lambda: b"tile/entries/x001/234.p/7"),
    "frontier": (lambda data: Frontier.parse(5, data), lambda: bytes(64)),
    "request to a witness": (Request.parse, witness_request),
    "witness": (witness, witness_request),
    "certificate": (Certificate, lambda: a_bidder(the_world(), 1).certificate.der),
    "request for a certificate": (
        Asked,
        lambda: request(a_bidder(the_world(), 1)._key, Role.BUSINESS, "A name", "1").der,
    ),
    "certificate status": (
        lambda data: decode(data, Status),
        lambda: encode(the_world().status(START, {})),
    ),
    "trust file": (lambda data: decode(data, Trust).authorities(), lambda: encode(the_world().trust)),
    "history": (lambda data: history.read([data]), lambda: life().entries[0]),
    "archive": (archive.unpack, lambda: life().record()),
    "sealed file": (opened, sealed),
    "size of a file": (
        lambda data: stream.plain_size(int.from_bytes(data[:8], "big")),
        lambda: len(sealed()).to_bytes(8, "big"),
    ),
    "tus number": (headers(lambda text: uploads.parse_number(text, "Upload-Offset")), lambda: b"65536"),
    "tus metadata": (headers(uploads.parse_metadata), lambda: b"request " + to_base64(b"{}" * 99).encode()),
    "tus token": (headers(uploads.parse_token), lambda: b"Bearer " + b"ab" * 32),
    "tus checksum": (headers(uploads.parse_checksum), lambda: b"sha256 " + to_base64(KEY).encode()),
}
"""Each parser of bytes that come from elsewhere, with something that it takes."""


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_what_is_genuine(name: str) -> None:
    parse, genuine = PARSERS[name]
    parse(genuine())


@pytest.mark.parametrize("name", PARSERS)
def test_garbage_and_genuine_things_gone_wrong_raise_typed_errors_only(name: str) -> None:
    parse, genuine = PARSERS[name]

    @settings(max_examples=250, deadline=None, derandomize=True)
    @given(st.binary(max_size=400) | gone_wrong(genuine()) | nested())
    def feed(data: bytes) -> None:
        take(parse, data)

    feed()


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_statement_of_whatever_content_raises_typed_errors_only(data: st.DataObject) -> None:
    """The frame is sound, so that what lies within is looked at."""
    genuine = Statement(data.draw(st.sampled_from(sorted(said().values()))))
    inside = data.draw(
        altered(json.loads(genuine.payload)) | st.binary(max_size=200) | gone_wrong(genuine.payload)
    )
    payload = (
        inside
        if isinstance(inside, bytes)
        else json.dumps(inside, sort_keys=True, separators=(",", ":")).encode()
    )
    frame = json.loads(genuine.data) | {"payload": to_base64(payload)}
    take(any_statement, encode(frame))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_record_that_was_tampered_with_is_refused_or_raises_typed_errors(data: st.DataObject) -> None:
    whole = life().record()
    changed = data.draw(gone_wrong(whole))
    verdict = take(lambda each: record.verify(each, the_world().trust), changed)
    if changed != whole and verdict is not None:
        assert verdict.outcome != "verified"


def take(parse: Parser, data: bytes) -> Any:
    """What the parser gives; None where it raises an error of ours."""
    try:
        return parse(data)
    except (VerificationError, UploadError):
        return None


def gone_wrong(genuine: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes with one place overwritten, cut out, doubled, or cut off there."""

    def wrong(at: int, length: int, junk: bytes, how: int) -> bytes:
        at = at % (len(genuine) + 1)
        before, there, after = genuine[:at], genuine[at : at + length], genuine[at + length :]
        return [
            before + junk + after,
            before + after,
            before + there * 2 + after,
            before,
            before + junk + there + after,
        ][how]

    return st.builds(
        wrong,
        st.integers(0, 1 << 24),
        st.integers(1, 40),
        st.binary(min_size=1, max_size=8),
        st.integers(0, 4),
    )


def nested() -> st.SearchStrategy[bytes]:
    """JSON far deeper than anybody's stack, and other shapes that parsers fall over."""
    shapes = [
        b"[",
        b'{"a":',
        b'{"payload":[',
        b'"',
        b"\xff",
        b"PK\x05\x06",
        b"\x30\x80",
        b"9",
        b"-",
        b"\n\n",
        "é".encode(),
    ]
    return st.builds(
        lambda shape, times: shape * times, st.sampled_from(shapes), st.sampled_from([1, 50, 5_000, 100_000])
    )


JUNK: Sequence[Any] = (
    None,
    True,
    -1,
    2**53,
    1e400,
    0.5,
    "",
    "x" * 70,
    "00" * 32,
    "\x00",
    "\ud800",
    [],
    {},
    [[]] * 3,
    {"": 1},
)


def altered(value: Any) -> st.SearchStrategy[Any]:
    """A JSON value with junk in one place, a field missing, or one too many."""

    def alter(seed: int, junk: Any, how: int) -> Any:
        copy = json.loads(json.dumps(value))
        place, key = _place(copy, seed)
        if how == 0:
            place[key] = junk
        elif how == 1:
            del place[key]
        elif isinstance(place, dict):
            place["unknown"] = junk
        else:
            place.append(junk)
        return copy

    return st.builds(alter, st.integers(0, 1 << 30), st.sampled_from(JUNK), st.integers(0, 2))


def _place(value: Any, seed: int) -> tuple[Any, Any]:
    """Somewhere in it: the container and the key or index there."""
    while True:
        keys = sorted(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[seed % len(keys)]
        seed //= len(keys)
        if not isinstance(value[key], dict | list) or not value[key] or seed % 3 == 0:
            return value, key
        value = value[key]
