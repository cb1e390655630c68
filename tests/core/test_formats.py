"""The byte formats against their document (docs/formats.md) and against vectors computed a second time here.

`_by_hand` computes the worked envelope from its inputs with hashlib, `rfc8785`, `cryptography` and the
curve library directly, and nothing of ours: document, vector, code and this computation have to agree.
"""

import base64
import hashlib
import json
import re
import struct
import typing
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

import bids.envelope
import crypto.encoding
import procurement.money
import procurement.notices
import procurement.owners
import procurement.tenders
from bids.envelope import Envelope, SubmissionTerms, bid_id, check, compose, open_part
from bids.errors import EnvelopeError
from bids.receipts import commitment, commitment_entry
from crypto.beacon import LocalBeacon, Network
from crypto.certificates import Certificate, Role, SigningKey
from crypto.committee import DEALER_DST, POSSESSION_DST
from crypto.encoding import Value, decode, encode, milliseconds
from crypto.errors import LockError, MalformedError
from crypto.locks import MANDATE_DST, TIME_DST, Layer, Opener
from crypto.merkle import leaf_hash
from crypto.statements import Payload, Statement
from procurement import archive, bundle, history, record
from procurement.bulk.listing import DataList
from procurement.evaluation.explain import REASONS, SENTENCES
from procurement.history import Event, EventType, Head
from procurement.login.statements import LogIn
from procurement.registry.statements import Application
from procurement.tenders import terms_digest
from procurement.web.look import ClientReleased

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/formats.md").read_text()
VECTOR = json.loads((ROOT / "tests/vectors/envelope.json").read_text())
LOTS = json.loads((ROOT / "tests/vectors/lots.json").read_text())
RECORD = json.loads((ROOT / "tests/vectors/award-record.json").read_text())

TIME = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
MANDATE = b"OPENSEAL-V1-MANDATE-BLS12381G1_XMD:SHA-256_SSWU_RO_"
V = TypeVar("V", bound=Value)

CURVE_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


# ── the envelope, computed a second time ─────────────────────────────────────────────────────────────


def _by_hand(given: dict[str, Any]) -> dict[str, str]:
    """Every value of the worked example, hex or text."""
    nonce, message, sigma = (bytes.fromhex(given["entropy"])[a:b] for a, b in ((0, 16), (16, 48), (48, 80)))
    whose = _whose_by_hand(given, nonce)
    sealed = _sealed_by_hand(given, whose, {"part": "bid"}, message, sigma, given["content"])
    signed = _signed_by_hand(given, whose, [sealed])
    ms = struct.pack(">Q", _milliseconds(given["acceptedAt"]))
    salt, id = bytes.fromhex(given["salt"]), bytes.fromhex(signed["id"])
    digest = _hash(b"openseal/v1/commitment\n", b"\x01", bytes.fromhex(given["notice"]), ms, salt, id)
    entry = rfc8785.dumps({"c": digest.hex(), "t": "commitment"})
    return {
        "certificateFingerprint": whose["certificate"],
        **{name: whose[name] for name in ("nonce", "bid", "chain")},
        **{name: value for name, value in sealed.items() if name != "part"},
        **signed,
        "milliseconds": ms.hex(),
        "commitment": digest.hex(),
        "entry": entry.decode(),
        "leafHash": _hash(b"\x00", entry).hex(),
    }


def _whose_by_hand(given: dict[str, Any], nonce: bytes) -> dict[str, str]:
    """The context of an envelope, but for the part."""
    fingerprint, network = _hash(bytes.fromhex(given["certificate"])), given["network"]
    chain = _hash(
        struct.pack(">Iq", network["period"], network["genesis"]),
        bytes.fromhex(network["publicKey"] + network["groupHash"]),
        network["beaconId"].encode(),
    )
    return {
        "bid": _hash(b"openseal/v1/bid-id\n", fingerprint, nonce)[:16].hex(),
        "certificate": fingerprint.hex(),
        "chain": chain.hex(),
        "nonce": nonce.hex(),
        "protocol": "openseal/v1",
        **{name: given[name] for name in ("committee", "notice", "round", "tender", "terms")},
    }


def _sealed_by_hand(
    given: dict[str, Any],
    whose: dict[str, str],
    place: dict[str, str],
    message: bytes,
    sigma: bytes,
    content: str,
) -> dict[str, str]:
    """Everything of one part, or of one lot's price part, as `place` names it."""
    named = {name: given[name] for name in ("notice", "round", "tender")} | place
    priced = {"bid": whose["bid"]} if place["part"] == "price" else {}
    order = rfc8785.dumps({"kind": "openseal/opening-order/v1", **named, **priced})
    context = rfc8785.dumps({**whose, **place})
    time_message = _hash(struct.pack(">Q", int(given["round"])))
    points = G1Point.hash_to_curve(time_message, TIME), G1Point.hash_to_curve(order, MANDATE)
    public = (given["network"]["publicKey"], given["committee"])
    keys = [G2Point.from_compressed_bytes(bytes.fromhex(each)) for each in public]
    r = _scalar(sigma, message)
    u = (G2Point() * r).to_compressed_bytes()
    masked = _gt(GT.multi_pairing([point * r for point in points], keys))
    v = _xor(sigma, _hash(b"IBE-H2", masked))
    w = _xor(message, _hash(b"IBE-H4", sigma))
    bound = context + u + v + w
    key = HKDF(SHA256(), 32, salt=_hash(bound), info=b"openseal/v1/content").derive(message)
    signed = [
        point * Scalar.from_be_bytes(bytes.fromhex(given[secret]))
        for point, secret in zip(points, ("beaconSecret", "committeeSecret"), strict=True)
    ]
    opened = _gt(GT.multi_pairing([signed[0] + signed[1]], [G2Point.from_compressed_bytes(u)]))
    ciphertext = ChaCha20Poly1305(key).encrypt(bytes(12), content.encode(), bound)
    return {
        **place,
        "context": context.decode(),
        "timeMessage": time_message.hex(),
        "timePoint": points[0].to_compressed_bytes().hex(),
        "order": order.decode(),
        "mandatePoint": points[1].to_compressed_bytes().hex(),
        "msg": message.hex(),
        "sigma": sigma.hex(),
        "r": r.to_le_bytes()[::-1].hex(),
        "gt": masked.hex(),
        "u": u.hex(),
        "v": v.hex(),
        "w": w.hex(),
        "contentSalt": _hash(bound).hex(),
        "contentKey": key.hex(),
        "ciphertext": ciphertext.hex(),
        "timeSignature": signed[0].to_compressed_bytes().hex(),
        "mandateSignature": signed[1].to_compressed_bytes().hex(),
        "openedMsg": _xor(w, _hash(b"IBE-H4", _xor(v, _hash(b"IBE-H2", opened)))).hex(),
    }


def _signed_by_hand(
    given: dict[str, Any], whose: dict[str, str], sealed: list[dict[str, str]]
) -> dict[str, str]:
    """The bidder's statement over its parts."""
    fields = ("part", "lot", "u", "v", "w")
    parts = [
        {name: each[name] for name in fields if name in each}
        | {"ciphertext": _base64(bytes.fromhex(each["ciphertext"]))}
        for each in sealed
    ]
    signer, kind = whose["certificate"], "application/vnd.openseal.bid.v1+json"
    stated: Any = {"signer": signer, "context": whose, "parts": parts}
    payload = rfc8785.dumps(stated)
    pae = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload])
    signature = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(given["bidderSeed"])).sign(pae)
    statement = rfc8785.dumps(
        {
            "payload": _base64(payload),
            "payloadType": kind,
            "signatures": [{"keyid": signer, "sig": _base64(signature)}],
        }
    )
    return {
        "payload": payload.decode(),
        "pae": pae.decode(),
        "id": _hash(pae).hex(),
        "signature": signature.hex(),
        "statement": statement.decode(),
    }


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def _gt(element: GT) -> bytes:
    return bytes.fromhex(str(element))[::-1]


def _scalar(sigma: bytes, message: bytes) -> Scalar:
    seed, i, found = _hash(b"IBE-H3", sigma, message), 0, CURVE_ORDER
    while found >= CURVE_ORDER:
        i += 1
        digest = _hash(struct.pack("<H", i), seed)
        found = int.from_bytes(bytes([digest[0] >> 1]) + digest[1:], "big")
    return Scalar.from_be_bytes(found.to_bytes(32, "big"))


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).timestamp() * 1000)


# ── chain and archive, computed a second time ────────────────────────────────────────────────────────


def _chain_by_hand(tender: str, notice: str, events: list[dict[str, Any]]) -> list[str]:
    entries: list[bytes] = []
    for seq, event in enumerate(events):
        prev = _hash(entries[-1]).hex() if entries else "0" * 64
        entries.append(rfc8785.dumps({**event, "tender": tender, "notice": notice, "seq": seq, "prev": prev}))
    return [entry.decode() for entry in entries]


def _manifest_by_hand(files: dict[str, str]) -> str:
    listed: Any = [
        {"path": path, "sha256": _hash(files[path].encode()).hex(), "size": len(files[path].encode())}
        for path in sorted(files)
    ]
    return rfc8785.dumps({"format": "openseal/award-record/v1", "files": listed}).decode()


def _zip_by_hand(files: dict[str, bytes]) -> bytes:
    """PKWARE's APPNOTE: local headers with their files, the central directory, its end."""
    local, central = b"", b""
    for path in sorted(files):
        name, data = path.encode(), files[path]
        size, date = len(data), (1980 - 1980) << 9 | 1 << 5 | 1
        common = struct.pack("<5H3I2H", 20, 0, 0, 0, date, zlib.crc32(data), size, size, len(name), 0)
        made_by, permissions = 3 << 8 | 20, 0o600 << 16
        central += struct.pack("<4sH", b"PK\x01\x02", made_by) + common
        central += struct.pack("<3H2I", 0, 0, 0, permissions, len(local)) + name
        local += b"PK\x03\x04" + common + name + data
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(files), len(files), len(central), len(local), 0)
    return local + central + end


def test_a_chain_is_what_the_document_says() -> None:
    given = RECORD["history"]
    events = [msgspec.convert(each, Event) for each in given["events"]]
    _, entries = Head(tender=given["tender"], notice=given["notice"]).append(events)
    assert [entry.decode() for entry in entries] == given["entries"]
    assert _chain_by_hand(given["tender"], given["notice"], given["events"]) == given["entries"]
    assert [entry.seq for entry in history.read(entries)] == [0, 1, 2, 3]


def test_an_archive_is_what_the_document_says() -> None:
    given = RECORD["archive"]
    files = {path: text.encode() for path, text in given["files"].items()}
    assert encode(bundle.manifest(files)).decode() == given["manifest"]
    assert _manifest_by_hand(given["files"]) == given["manifest"]
    files["manifest.json"] = given["manifest"].encode()
    assert archive.pack(files).hex() == _zip_by_hand(files).hex() == given["zip"]
    assert archive.unpack(bytes.fromhex(given["zip"])) == files


# ── the envelope: vector, code and the second computation agree ──────────────────────────────────────


INPUTS: dict[str, Any] = VECTOR["inputs"]
VALUES: dict[str, str] = VECTOR["envelope"]


def _terms() -> SubmissionTerms:
    return SubmissionTerms(
        tender=INPUTS["tender"],
        notice=INPUTS["notice"],
        terms=INPUTS["terms"],
        parts=("bid",),
        network=msgspec.convert(INPUTS["network"], Network),
        round=INPUTS["round"],
        committee=INPUTS["committee"],
        content_limit=65536,
        document_limit=0,
    )


def _bidder() -> SigningKey:
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(INPUTS["bidderSeed"]))
    return SigningKey(private, Certificate(bytes.fromhex(INPUTS["certificate"])))


def _envelope(data: bytes) -> Envelope:
    return Statement(data).verify(Envelope, _bidder().certificate)


def test_the_vector_comes_out_of_a_second_computation() -> None:
    assert _by_hand(INPUTS) == VALUES


def test_sealing_the_vectors_inputs_gives_its_statement() -> None:
    entropy = bytes.fromhex(INPUTS["entropy"])
    data = compose({"bid": INPUTS["content"].encode()}, _terms(), _bidder(), entropy)
    assert data.decode() == VALUES["statement"]
    assert bid_id(VALUES["certificateFingerprint"], entropy[:16]) == VALUES["bid"]


def test_the_vectors_statement_verifies_and_fits_its_terms() -> None:
    statement = Statement(VALUES["statement"].encode())
    assert (statement.id, statement.payload.decode()) == (VALUES["id"], VALUES["payload"])
    assert statement.signature.hex() == VALUES["signature"]
    envelope = _envelope(statement.data)
    check(envelope, _terms())
    assert envelope.context.chain == _terms().network.chain_hash == VALUES["chain"]
    assert bids.envelope.part_context(envelope.context, "bid").decode() == VALUES["context"]
    assert terms_digest([INPUTS["notice"]]) == INPUTS["terms"]


def test_the_vectors_envelope_opens_with_both_signatures_and_not_with_swapped_ones() -> None:
    envelope, terms = _envelope(VALUES["statement"].encode()), _terms()
    locks = terms.locks("bid", envelope.context.bid)
    signatures = [bytes.fromhex(VALUES[each]) for each in ("timeSignature", "mandateSignature")]
    assert [locks[0].message.hex(), locks[1].message.decode()] == [VALUES["timeMessage"], VALUES["order"]]
    opener = Opener(locks, signatures)
    assert open_part(envelope, "bid", opener) == INPUTS["content"].encode()
    assert opener.open(envelope.parts[0].capsule).hex() == VALUES["msg"] == VALUES["openedMsg"]
    with pytest.raises(LockError):
        Opener(locks, signatures[::-1])


def test_the_vectors_round_is_what_its_beacon_signs() -> None:
    network = _terms().network
    secret = bytes.fromhex(INPUTS["beaconSecret"])
    beacon = LocalBeacon(secret, genesis=network.genesis, period=network.period)
    signed = beacon.sign(int(INPUTS["round"]), network.time_of(int(INPUTS["round"])))
    assert (beacon.network, signed.signature.hex()) == (network, VALUES["timeSignature"])


def test_the_vectors_commitment_and_entry() -> None:
    digest = commitment("envelope", INPUTS["notice"], INPUTS["acceptedAt"], INPUTS["salt"], VALUES["id"])
    entry = commitment_entry(digest)
    assert (digest.hex(), entry.decode()) == (VALUES["commitment"], VALUES["entry"])
    assert leaf_hash(entry).hex() == VALUES["leafHash"]
    assert milliseconds(INPUTS["acceptedAt"]).to_bytes(8, "big").hex() == VALUES["milliseconds"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tender", "ocds-0s3al1-other"),
        ("notice", "11" * 32),
        ("terms", "11" * 32),
        ("round", "403802"),
        ("committee", INPUTS["network"]["publicKey"]),
    ],
)
def test_the_vectors_envelope_fits_no_other_terms(field: str, value: str) -> None:
    other = msgspec.structs.replace(_terms(), **{field: value})
    with pytest.raises(EnvelopeError) as refused:
        check(_envelope(VALUES["statement"].encode()), other)
    assert refused.value.code == f"wrong-{field}"


# ── the same of an envelope whose lots are priced apart ──────────────────────────────────────────────


def _lots_by_hand(given: dict[str, Any]) -> dict[str, Any]:
    """Every value of an envelope for some of the lots; entropy is counted for all of them."""
    entropy = bytes.fromhex(given["entropy"])
    whose = _whose_by_hand(given, entropy[:16])
    places = [{"part": "technical"}, *({"part": "price", "lot": lot} for lot in given["lots"])]
    sealed = [
        _sealed_by_hand(given, whose, place, own[:32], own[32:], given["contents"][name])
        for i, place in enumerate(places)
        for own in [entropy[16 + 64 * i :][:64]]
        for name in ["-".join(place.values())]
        if name in given["contents"]
    ]
    return {"parts": sealed, **_signed_by_hand(given, whose, sealed)}


def test_the_document_shows_the_order_of_one_lots_price() -> None:
    shown = "".join(line.strip() for line in _section("Sealed bid").splitlines())
    assert f"order = {LOTS['envelope']['parts'][1]['order']}" in shown


def _lots_terms() -> SubmissionTerms:
    given = LOTS["inputs"]
    about = {name: given[name] for name in ("tender", "notice", "terms", "round", "committee")}
    parts, lots = ("technical", "price"), tuple(given["lots"])
    return msgspec.structs.replace(_terms(), **about, parts=parts, lots=lots)


def test_the_vector_of_lots_comes_out_of_a_second_computation() -> None:
    assert _lots_by_hand(LOTS["inputs"]) == LOTS["envelope"]


def test_sealing_its_inputs_gives_its_statement_with_price_parts_of_the_lots_that_are_bid_for() -> None:
    given, contents = LOTS["inputs"], LOTS["inputs"]["contents"]
    encoded = {name: content.encode() for name, content in contents.items()}
    data = compose(encoded, _lots_terms(), _bidder(), bytes.fromhex(given["entropy"]))
    assert data.decode() == LOTS["envelope"]["statement"]
    envelope = _envelope(data)
    check(envelope, _lots_terms())
    assert [each.section for each in envelope.parts] == list(contents)
    assert len(contents) < len(_lots_terms().sections)


@pytest.mark.parametrize("part", LOTS["envelope"]["parts"], ids=lambda part: part.get("lot", part["part"]))
def test_each_part_of_it_opens_with_its_own_signature_alone(part: dict[str, str]) -> None:
    envelope, terms = _envelope(LOTS["envelope"]["statement"].encode()), _lots_terms()
    name = bids.envelope.section(part["part"], part.get("lot"))
    assert bids.envelope.part_context(envelope.context, name).decode() == part["context"]
    locks = terms.locks(name, envelope.context.bid)
    assert locks[1].message.decode() == part["order"]
    opener = Opener(locks, [bytes.fromhex(part[each]) for each in ("timeSignature", "mandateSignature")])
    assert open_part(envelope, name, opener).decode() == LOTS["inputs"]["contents"][name]
    others = [each["mandateSignature"] for each in LOTS["envelope"]["parts"] if each != part]
    for other in others:
        with pytest.raises(LockError):
            Opener(locks, [bytes.fromhex(part["timeSignature"]), bytes.fromhex(other)])


# ── the document says what the code does ─────────────────────────────────────────────────────────────


def _section(title: str) -> str:
    return re.split(r"^## \d+\. ", DOCUMENT, flags=re.M)[_titles().index(title) + 1]


def _titles() -> list[str]:
    return re.findall(r"^## \d+\. (.*)$", DOCUMENT, flags=re.M)


def _rows(section: str, columns: int) -> list[list[str]]:
    """The cells of the section's tables with so many columns, without heads."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in _section(section).splitlines()
        if line.startswith("| ")
    ]
    heads = [i for i, row in enumerate(cells) if set(row[0]) <= set("- ")]
    return [row for i, row in enumerate(cells) if len(row) == columns and not {i, i + 1} & set(heads)]


def _code(cell: str) -> str:
    return cell.strip("`")


MODULES = (
    *("awards", "bundle", "editions", "enquiries", "evaluation", "history"),
    *("notices", "owners", "panels", "selection", "tenders"),
)
FORMATS = (
    "crypto.",
    "bids.",
    *(f"procurement.{name}" for name in MODULES),
    Application.__module__,
    ClientReleased.__module__,
    DataList.__module__,
    LogIn.__module__,
)
"""Where the released formats are defined."""
NOT_ON_THE_WIRE = {
    "WitnessedHead",
    "WitnessState",
    "HeadRecord",
    "SubmissionTerms",
    "CommittedPrices",
    "Event",
}
"""State that a process keeps for itself, and values that only stand inside or between others."""
NAMED_OTHERWISE = {
    "procurement.evaluation.values.Line": "ExplanationLine",
    "procurement.evaluation.reserve_prices.Committed": "CommittedTo",
}


def _types(base: type[V]) -> set[type[V]]:
    children: list[type[V]] = base.__subclasses__()
    return {each for child in children for each in (child, *_types(child))}


def _name(type_: type[Value]) -> str:
    if issubclass(type_, Payload):
        return type_.PURPOSE
    return NAMED_OTHERWISE.get(f"{type_.__module__}.{type_.__name__}", type_.__name__)


def _payloads() -> dict[str, type[Payload]]:
    return {each.PURPOSE: each for each in _types(Payload)}


def _values() -> dict[str, type[Value]]:
    """All values of the formats that are no payload, by their names in the document."""
    found = {
        each
        for each in _types(Value)
        if each.__module__.startswith(FORMATS) and not issubclass(each, Payload)
    }
    return {
        _name(each): each
        for each in found
        if each.__name__ not in NOT_ON_THE_WIRE and not each.__name__.startswith("_")
    }


def _formats() -> dict[str, type[Value]]:
    return {**_payloads(), **_values()}


def _cells() -> dict[str, str]:
    """By payload's purpose or value's name what the document says of its fields."""
    return {_code(row[0]): row[-1] for columns in (2, 3) for row in _rows("Statements", columns)}


def _documented(cell: str) -> list[str]:
    """The field names of a cell, `?` behind those that may be absent."""
    return re.findall(r"`([a-z][A-Za-z0-9]*\??)`", cell)


def _fields(type_: type[msgspec.Struct]) -> list[str]:
    tag = [type_.__struct_config__.tag_field] if type_.__struct_config__.tag_field else []
    fields = [
        each.encode_name + ("" if each.required else "?")
        for each in msgspec.structs.fields(type_)
        if each.encode_name != "signer" or not issubclass(type_, Payload)
    ]
    return [*tag, *fields]


def test_every_statement_stands_in_the_document_with_its_role_and_fields() -> None:
    rows = {_code(purpose): (role, _documented(cell)) for purpose, role, cell in _rows("Statements", 3)}
    assert rows == {name: (", ".join(each.ROLES), _fields(each)) for name, each in _payloads().items()}


def test_every_value_stands_in_the_document_with_its_fields_and_tag() -> None:
    rows = {name: cell for name, cell in _rows("Statements", 2) if name != "type"}
    values = _values()
    assert set(rows) == set(values)
    for name, cell in rows.items():
        assert sorted(_documented(cell)) == sorted(_fields(values[name])), name
        config = values[name].__struct_config__
        assert config.tag_field is None or f'`{config.tag_field}` "{config.tag}"' in cell, name


def test_every_type_of_field_stands_in_the_document() -> None:
    """Names of types after the fields are those of the code's annotations."""
    cells = _cells()
    for name, type_ in _formats().items():
        hints = typing.get_type_hints(type_, include_extras=True)
        for each in msgspec.structs.fields(type_):
            word = _word(hints[each.name])
            said = re.search(rf"`{each.encode_name}\??` ([^`]*)", cells[name])
            if word and each.encode_name != "signer":
                assert re.search(word, said[1] if said else ""), (name, each.encode_name, word)


def _word(hint: Any) -> str:
    """What the document calls a type, where one word says it."""
    inner = [each for each in typing.get_args(hint) if each not in (type(None), ...)]
    for value, word in _WORDS:
        if hint == value:
            return word
    if typing.get_origin(hint) is tuple or type(None) in typing.get_args(hint):
        return _word(inner[0])
    if typing.get_origin(hint) is typing.Annotated:
        return _word(inner[0]) if typing.get_origin(inner[0]) is tuple else ""
    if isinstance(hint, type) and issubclass(hint, Value):
        return _name(hint)
    return ""


_WORDS: list[tuple[Any, str]] = [
    (crypto.encoding.Hex32, "hex32"),
    (crypto.encoding.Hex16, "hex16"),
    (crypto.encoding.HexG1, "G1"),
    (crypto.encoding.HexG2, "G2"),
    (crypto.encoding.Identifier, "id"),
    (crypto.encoding.Moment, "moment"),
    (crypto.encoding.RoundNumber, "round"),
    (crypto.encoding.Base64, "base64"),
    (crypto.encoding.Small, "integer"),
    (crypto.encoding.Text, "text"),
    (procurement.notices.Line, "line|vkey"),  # the same bounds
    (procurement.money.Amount, "amount"),
    (procurement.money.Percent, "percent"),
    (procurement.money.Points, "points"),
    (bids.envelope.Part, "part"),
    (bool, "boolean"),
]


def _defaulted() -> list[Any]:
    return [
        pytest.param(type_, each, id=f"{name}.{each.encode_name}")
        for name, type_ in sorted(_formats().items())
        for each in msgspec.structs.fields(type_)
        if not each.required and each.default not in (None, ())
    ]


@pytest.mark.parametrize(("type_", "field"), _defaulted())
def test_a_default_is_absent_and_refused_where_it_is_written_out(type_: type[Value], field: Any) -> None:
    """Built from an equal string or number, which is not the very object of the default."""
    alone = msgspec.defstruct(
        type_.__name__,
        [(field.name, typing.get_type_hints(type_, include_extras=True)[field.name], field.default)],
        bases=(Value,),
        frozen=True,
        kw_only=True,
        rename="camel",
    )
    text = json.dumps(field.default)
    equal = json.loads(text)
    assert encode(alone(**{field.name: equal})) == b"{}"
    with pytest.raises(MalformedError):
        decode(f'{{"{field.encode_name}":{text}}}'.encode(), alone)
    if not isinstance(field.default, bool) and field.default != 0:
        said = re.search(rf"`{field.encode_name}\?` ([^`]*)", _cells()[_name(type_)])
        assert text.replace("65536", "65,536") in (said[1] if said else "")


def test_no_value_checks_itself_without_normalising_its_defaults() -> None:
    for type_ in _formats().values():
        if "__post_init__" in vars(type_):
            defaults = {each.default for each in msgspec.structs.fields(type_) if not each.required}
            assert defaults <= {None, ()}  # each of them one object, however it was made


def test_every_role_has_its_object_identifier_in_the_document() -> None:
    rows = dict(_rows("Certificates", 2))
    assert {role: rows.get(role) for role in rows} == {str(role): role.oid.dotted_string for role in Role}


def test_every_domain_separation_tag_and_prefix_stands_in_the_document() -> None:
    for tag in (TIME_DST, MANDATE_DST, DEALER_DST, POSSESSION_DST):
        assert f"`{tag.decode()}`" in _section("Locks")
    sources = [
        path for package in ("crypto", "bids", "procurement") for path in (ROOT / package).rglob("*.py")
    ]
    prefixes = {each for path in sources for each in re.findall(r"openseal/v1/[a-z-]+", path.read_text())}
    assert len(prefixes) >= 5
    for prefix in prefixes | {f"openseal/v1/{layer}" for layer in typing.get_args(Layer)}:
        assert prefix in DOCUMENT


def test_every_reason_code_stands_in_the_document_in_the_order_of_checks() -> None:
    rows = [(order, _code(code)) for order, code, _ in _rows("Sealed bid", 3)]
    assert [order for order, _ in rows] == [str(i + 1) for i in range(len(rows))]
    raised = [
        code
        for module in (bids.envelope, procurement.tenders, procurement.owners)
        for code in re.findall(r'Unopenable\("([a-z-]+)"\)', Path(module.__file__ or "").read_text())
    ]
    assert sorted(code for _, code in rows) == sorted(set(raised))


def test_every_event_type_stands_in_the_document_with_its_statement_and_predecessor() -> None:
    rows = {_code(type_): (what, after) for type_, what, after in _rows("Log", 3)}
    assert set(rows) == set(EventType)
    for type_, (what, after) in rows.items():
        named = re.findall(r"`([a-z:-]+)`", after)
        assert named == [str(each) for each in [history._AFTER.get(EventType(type_))] if each], type_
        assert EventType(type_) in history.BID_EVENTS or _code(what) in _payloads(), type_
        follows_at_once = type_ in history.PAIRS.values()
        follows_at_once |= history._AFTER.get(EventType(type_)) is EventType.PUBLISHED
        assert ("nothing between" in after) == follows_at_once, type_


def test_what_can_still_come_after_a_step_stands_in_the_document() -> None:
    said = re.findall(r"^- After `([a-z:]+)` comes? (.*)\.$", _section("Log"), flags=re.M)
    still = {type_: set(re.findall(r"`([a-z:]+)`", after)) for type_, after in said}
    assert still == {
        type_: {str(each) for each in after}
        for type_, after in history._STILL.items()
        if type_ is not EventType.PUBLISHED  # after which everything else can come
    }


def test_every_explanation_line_and_reason_stands_in_the_document() -> None:
    rows = {_code(code): sorted(re.findall(r"`(\w+)`", values)) for code, values in _rows("Evaluation", 2)}
    figures = {code: sorted(set(re.findall(r"{(\w+)}", each))) for code, each in SENTENCES["en"].items()}
    assert rows == figures
    assert all(f"`{reason}`" in _section("Evaluation") for reason in REASONS["en"])


def test_the_steps_and_files_of_a_record_stand_in_the_document() -> None:
    steps = re.findall(r"^(\d+)\. \*(.+?)\*", _section("Award record"), flags=re.M)
    assert steps == [(str(i), title) for i, (title, *_) in enumerate(record.STEPS, start=1)]
    paths = {_code(path) for path, _ in _rows("Award record", 2)}
    source = Path(bundle.__file__).read_text()
    named = {
        re.sub(r"{[^}]*}", "<>", each)
        for each in re.findall(r'"((?:[a-z-]+/)?[a-z{}().0-9]+\.(?:json|der)|log/[a-z]+(?:\.tsr)?)"', source)
    }
    assert len(named) >= 12
    assert named == {re.sub(r"<[a-z]+>", "<>", each) for each in paths}


def test_the_documents_example_is_the_vector() -> None:
    shown: dict[str, str] = {}
    name = ""
    for block in re.findall(r"^```\n(.*?)^```", _section("Worked example"), flags=re.M | re.S):
        for line in block.splitlines():
            if " = " in line:
                name, _, line = line.partition(" = ")
            shown[name.strip()] = shown.get(name.strip(), "") + line.strip()
    values = {**INPUTS, **INPUTS["network"], **VALUES}
    assert shown == {name: str(values[name]) for name in shown}
    in_the_vector_only = {"gt", "pae", "statement", "certificate", "network", "scheme"}
    assert set(values) - set(shown) == in_the_vector_only
    payload_length = len(VALUES["payload"])
    assert f"`DSSEv1 36 application/vnd.openseal.bid.v1+json {payload_length} `" in _section("Worked example")
