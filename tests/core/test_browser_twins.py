"""What browsers sign, seal and verify: the same bytes, the same verdicts and codes as in Python.

The vectors first, then fresh data both ways: made by one side, judged by the other.
"""

import json
import random
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import (
    Envelope,
    SealedFile,
    Section,
    SubmissionTerms,
    check,
    compose,
    entropy_size,
    open_part,
    open_restricted,
    place,
    seal_restricted,
    verify_sealed,
)
from bids.errors import EnvelopeError
from bids.receipts import commitment
from crypto import bls, checkpoint, stream
from crypto.beacon import QUICKNET, Network
from crypto.certificates import Authority, Certificate, PrivateKey, Request, Role, Roots, SigningKey, request
from crypto.checkpoint import TlogProof, VerifyingKey, cosign, sign_checkpoint
from crypto.committee import Committee, verify_committee
from crypto.encoding import (
    decode,
    encode,
    from_base64,
    milliseconds,
    moment,
    sha256,
    to_base64,
)
from crypto.errors import CertificateError, MalformedError, VerificationError
from crypto.locks import Capsule, Lock, seal
from crypto.merkle import leaf_hash, plan_consistency, verify_consistency
from crypto.revocation import Standing, Status
from crypto.statements import Statement
from crypto.trust import Trust
from tests.builders import START, Entropy, World, a_bidder, inclusion, root_of, the_world
from tests.core.test_envelope import LOTS, ONE, TWO, opener
from tests.twins import Twins

VECTORS = Path(__file__).parents[1] / "vectors"
ROOT = VECTORS.parents[1]
TYPED = {  # every code that parsing and verifying may end with
    "malformed",
    "signature-invalid",
    "certificate-invalid",
    "certificate-revoked",
    "status-unknown",
    "lock-mismatch",
    "committee-invalid",
    "beacon-invalid",
    "log-invalid",
}
TIMES = st.integers(0, 221_000_000_000_000).map(
    lambda each: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=each)
)
"""To the millisecond, from 1970 to 8973."""


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Twins() as running:
        yield running


def vector(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def pkcs8(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex()


def handed(key: SigningKey) -> dict[str, str]:
    """A signing key for the other side."""
    return {"pkcs8": pkcs8(key._key), "certificate": key.certificate.der.hex()}


def handed_terms(terms: SubmissionTerms) -> Any:
    """Terms in the browser's form: its parts are all that is sealed apart, and defaults are written out."""
    written = {"documentSize": terms.document_size, "partnerLimit": terms.partner_limit}
    found = msgspec.to_builtins(terms) | written | {"parts": [handed_place(each) for each in terms.sections]}
    found.pop("lots", None)
    return found


def handed_place(section: Section) -> dict[str, str]:
    part, lot = place(section)
    return {"part": part} if lot is None else {"part": part, "lot": lot}


def handed_contents(contents: Mapping[Section, bytes]) -> list[dict[str, str]]:
    return [handed_place(name) | {"content": content.hex()} for name, content in contents.items()]


def handed_envelope(envelope: Envelope) -> str:
    """A statement whose signature nobody looks at."""
    signature = {"keyid": envelope.signer, "sig": ""}
    payload_type = "application/vnd.openseal.bid.v1+json"
    body = {"payload": to_base64(encode(envelope)), "payloadType": payload_type, "signatures": [signature]}
    return encode(body).hex()


def handed_lock(lock: Lock) -> dict[str, str]:
    return {"publicKey": lock.public_key.hex(), "message": lock.message.hex(), "dst": lock.dst.decode()}


def handed_capsule(capsule: Capsule) -> dict[str, str]:
    return {name: getattr(capsule, name).hex() for name in ("u", "v", "w")}


def verdict(judge: Callable[[], object]) -> str | None:
    """The code that Python ends with, None where it does not."""
    try:
        judge()
    except VerificationError as error:
        return error.code
    return None


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


# ── which module may know which ──────────────────────────────────────────────────────────────────────────

BELOW = {"crypto": ["crypto"], "bids": ["crypto", "bids"], "procurement": ["crypto", "bids", "procurement"]}


@pytest.mark.parametrize("package", BELOW)
def test_browser_modules_know_those_below_them_only(package: str) -> None:
    files = sorted((ROOT / package / "browser").glob("*.ts"))
    assert files
    for file in files:
        for imported in re.findall(r'from "(\.[^"]+)"', file.read_text()):
            target = (file.parent / imported).resolve().relative_to(ROOT)
            assert target.parts[0] in BELOW[package], f"{file.name} imports {target}"


# ── canonical JSON ───────────────────────────────────────────────────────────────────────────────────────


def input_of(case: dict[str, str]) -> bytes:
    return bytes.fromhex(case["hex"]) if "hex" in case else case["text"].encode("utf-8", "surrogatepass")


def test_the_profile_accepts_and_refuses_what_the_vectors_say(twins: Twins) -> None:
    profile = vector("json_profile")
    for case in profile["accepted"]:
        assert twins("decode", data=input_of(case).hex()) == input_of(case).hex(), case["name"]
    for case in profile["refused"]:
        assert twins.code("decode", data=input_of(case).hex()) == "malformed", case["name"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KEYS = st.from_regex(r"\A[a-zA-Z_][A-Za-z0-9]{0,3}\Z")
VALUES = st.recursive(
    st.booleans() | st.integers(-2, 2**53 + 1) | st.floats(allow_nan=False) | TEXTS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(VALUES, st.data())
def test_both_decode_the_same_bytes_and_no_others(twins: Twins, value: object, data: st.DataObject) -> None:
    written = bytearray(msgspec.json.encode(value, order="sorted"))
    if data.draw(st.booleans()):  # damaged
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    expected = verdict(lambda: decode(bytes(written), object))
    assert twins.code("decode", data=written.hex()) == expected


@pytest.mark.parametrize("text", ["", "QQ==", "QR==", "QQ", "QQ=", " QQ==", "Q Q==", "_-__", "QQ==\n", "å"])
def test_both_read_the_same_base64(twins: Twins, text: str) -> None:
    assert twins.code("base64", text=text) == verdict(lambda: from_base64(text))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T09:00:00.000Z",
        "2024-02-29T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
        "8999-12-31T23:59:59.999Z",
        "2026-02-29T09:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "9000-01-01T00:00:00.000Z",
        "2026-11-21T24:00:00.000Z",
        "2026-11-21T09:00:60.000Z",
        "2026-11-21T09:00:00Z",
        "2026-11-21T09:00:00.000+00:00",
        "2026-11-21 09:00:00.000Z",
        "+02026-11-21T09:00:00.000Z",
        "",
    ],
)
def test_both_know_the_same_moments(twins: Twins, text: str) -> None:
    expected = verdict(lambda: milliseconds(text))
    assert twins.code("milliseconds", text=text) == expected
    if expected is None:
        assert twins("milliseconds", text=text) == milliseconds(text)
        assert twins("moment", time=milliseconds(text)) == text


# ── curve and locks ──────────────────────────────────────────────────────────────────────────────────────


def test_the_known_answers_come_out(twins: Twins) -> None:
    twins("selftest")


def test_the_curve_is_that_of_the_vectors(twins: Twins) -> None:
    curve = vector("curve")
    point = bls.G1().to_compressed_bytes().hex()
    generator = bls.G2().to_compressed_bytes().hex()
    assert twins("pairing", g1=point, g2=generator, power="1") == curve["pairing"]["generators"]
    assert twins("pairing", g1=point, g2=generator, power="2") == curve["pairing"]["generatorsSquared"]
    for refused in curve["refusedG2"]["points"]:
        assert twins.code("parseG2", data=refused) == "malformed"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, bls.ORDER - 1), st.binary(max_size=64))
def test_points_and_powers_are_those_of_python(twins: Twins, scalar: int, message: bytes) -> None:
    dst = "OPENSEAL-V1-MANDATE-BLS12381G1_XMD:SHA-256_SSWU_RO_"
    hashed = bls.hash_to_g1(message, dst.encode())
    assert twins("hashToG1", message=message.hex(), dst=dst) == hashed.to_compressed_bytes().hex()
    public = bls.times_g2(scalar)
    assert twins("timesG2", scalar=f"{scalar:x}") == public.to_compressed_bytes().hex()
    expected = bls.pairing_product([(bls.times_g1(hashed, scalar), public)]).hex()
    given = {"g1": hashed.to_compressed_bytes().hex(), "g2": public.to_compressed_bytes().hex()}
    assert twins("pairing", **given, power=f"{scalar:x}") == expected


@pytest.mark.parametrize("scalar", [1, 2, 3, 0xD201000000010000, 0xD201000000010000**3, bls.ORDER - 1])
def test_powers_at_the_edges_of_their_digits(twins: Twins, scalar: int) -> None:
    point, generator = bls.G1(), bls.G2()
    expected = bls.pairing_product([(bls.times_g1(point, scalar), generator)]).hex()
    given = {"g1": point.to_compressed_bytes().hex(), "g2": generator.to_compressed_bytes().hex()}
    assert twins("pairing", **given, power=f"{scalar:x}") == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 95), st.integers(0, 7))
def test_both_take_the_same_bytes_for_points(twins: Twins, at: int, bit: int) -> None:
    public = flipped(bls.times_g2(7).to_compressed_bytes(), at, bit)
    assert twins.code("parseG2", data=public.hex()) == verdict(lambda: bls.parse_g2(public))
    signature = flipped(bls.hash_to_g1(b"m", b"dst").to_compressed_bytes(), at % 48, bit)
    assert twins.code("parseG1", data=signature.hex()) == verdict(lambda: bls.parse_g1(signature))


def test_tlock_is_that_of_the_vectors(twins: Twins) -> None:
    tlock, rounds = vector("tlock"), {each["round"]: each["signature"] for each in vector("beacon")["rounds"]}
    lock = handed_lock(QUICKNET.lock(int(tlock["round"])))
    for case in tlock["sealed"]["cases"]:
        made = twins(
            "seal", locks=[lock], message=case["message"], sigma=case["sigma"][: len(case["message"])]
        )
        assert made == {name: case[name] for name in ("u", "v", "w")}
    for case in tlock["openedFromTlockJs"]["cases"]:
        capsule = {name: case[name] for name in ("u", "v", "w")}
        opened = twins("open", locks=[lock], signatures=[rounds[tlock["round"]]], capsule=capsule)
        assert opened == case["message"]


@settings(max_examples=12, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_capsules_are_the_same_and_open_with_both_keys_only(
    twins: Twins, message: bytes, sigma: bytes
) -> None:
    terms = ONE
    locks = terms.locks("bid", "00" * 16)
    capsule = seal(locks, message, sigma)
    given = [handed_lock(each) for each in locks]
    assert twins("seal", locks=given, message=message.hex(), sigma=sigma.hex()) == handed_capsule(capsule)
    time, mandate = signatures(terms, "bid", "00" * 16)
    assert (
        twins("open", locks=given, signatures=[time, mandate], capsule=handed_capsule(capsule))
        == message.hex()
    )
    wrong = {"locks": given, "signatures": [mandate, time], "capsule": handed_capsule(capsule)}
    assert twins.code("open", **wrong) == "lock-mismatch"
    spoilt = handed_capsule(capsule) | {"v": flipped(capsule.v, 0, 0).hex()}
    assert twins.code("open", locks=given, signatures=[time, mandate], capsule=spoilt) == "lock-mismatch"


def signatures(terms: SubmissionTerms, part: Section, bid: str) -> list[str]:
    """The keys of a part's two locks, hex."""
    world = the_world()
    order = encode(terms.order(part, bid))
    key = verify_committee(world.committee)
    partials = [member.share.sign(terms.order(part, bid), world.entropy(48)) for member in world.members[:2]]
    mandate = key.combine([key.verify_partial(i, order, each) for i, each in enumerate(partials, 1)], order)
    time = world.beacon.sign(int(terms.round), datetime(2027, 1, 1, tzinfo=UTC)).signature
    return [time.hex(), mandate.hex()]


# ── beacon and committee ─────────────────────────────────────────────────────────────────────────────────


def test_rounds_are_verified_as_the_vectors_say(twins: Twins) -> None:
    beacon, network = vector("beacon"), msgspec.to_builtins(QUICKNET)
    for case in beacon["rounds"]:
        given = {"network": network, "round": case["round"]}
        twins("verifyRound", **given, signature=case["signature"])
        other = {"network": network, "round": str(int(case["round"]) + 1)}
        assert twins.code("verifyRound", **other, signature=case["signature"]) == "beacon-invalid"
        assert twins.code("verifyRound", **given, signature="c0" + "00" * 47) == "beacon-invalid"


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 4_000_000_000),
    st.integers(1, 100_000),
    TIMES,
    st.integers(1, 2**62),
    st.sampled_from(["default", "quicknet", "openseal-local"]),
)
def test_networks_have_the_same_times_and_hashes(
    twins: Twins, genesis: int, period: int, time: datetime, round: int, name: str
) -> None:
    network = msgspec.structs.replace(QUICKNET, genesis=genesis, period=period, beacon_id=name)
    asked = {"network": msgspec.to_builtins(network), "time": milliseconds(moment(time))}
    at = verdict(lambda: network.time_of(round))
    assert twins.code("network", **asked, round=str(round)) == at
    known = twins("network", **asked, round="7")
    assert known["chainHash"] == network.chain_hash
    assert known["roundAt"] == str(network.round_at(time))
    assert known["timeOf"] == int(network.time_of(7).timestamp() * 1000)


def test_a_committee_is_believed_with_all_its_proofs_only(twins: Twins) -> None:
    committee = the_world().committee
    assert twins("committee", data=encode(committee).hex()) == sha256(encode(committee)).hex()
    first, second, *others = committee.members
    another = msgspec.structs.replace(first, proof=second.proof)
    few = msgspec.structs.replace(first, commitments=(*first.commitments, first.commitments[0]))
    for changed in (
        msgspec.structs.replace(committee, proof=first.proof),
        msgspec.structs.replace(committee, ceremony="00" * 32),
        msgspec.structs.replace(committee, public_key=first.commitments[0]),
        msgspec.structs.replace(committee, threshold=3),
        msgspec.structs.replace(committee, members=(second, first, *others)),
        msgspec.structs.replace(committee, members=(another, second, *others)),
        msgspec.structs.replace(committee, members=(few, second, *others)),
        msgspec.structs.replace(committee, members=(first, first, *others)),
        msgspec.structs.replace(committee, members=committee.members[:2]),
        msgspec.structs.replace(committee, proof="c0" + "00" * 47),
    ):
        with pytest.raises(VerificationError) as caught:
            verify_committee(decode(encode(changed), Committee))
        assert twins.code("committee", data=encode(changed).hex()) == caught.value.code


# ── certificates and requests ────────────────────────────────────────────────────────────────────────────

NAMES = ["학교 책상 주식회사", "Möbel & Söhne", "E", "a" * 64, "책" * 21]
KINDS: list[Callable[[], PrivateKey]] = [
    lambda: ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate,
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("generate", KINDS, ids=["P-256", "Ed25519"])
def test_certificates_and_requests_are_read_alike(
    twins: Twins, generate: Callable[[], PrivateKey], name: str
) -> None:
    for role in Role:
        asked = request(generate(), role, name, "123-45-67890.x")
        issued = Authority.create(role, START).issue(asked, START)
        for call, holder in (("request", asked), ("certificate", issued)):
            read = twins(call, der=holder.der.hex())
            for field in ("fingerprint", "role", "name", "registration"):
                assert read[field] == getattr(holder, field)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("algorithm", ["P-256", "Ed25519"])
def test_a_request_made_in_a_browser_is_one(twins: Twins, algorithm: str, name: str) -> None:
    for role in (Role.BUSINESS, Role.REGISTRAR):
        der = bytes.fromhex(
            twins("generate", algorithm=algorithm, role=role, name=name, registration="1.a.B-2")
        )
        made = Request(der)
        assert (made.role, made.name, made.registration) == (role, name, "1.a.B-2")


def test_a_request_by_ed25519_is_the_same_byte_for_byte(twins: Twins) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes_raw()
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": to_base64(raw).rstrip("=").replace("+", "-").replace("/", "_"),
    }
    given = {"algorithm": "Ed25519", "pkcs8": pkcs8(key), "jwk": jwk, "role": "business"}
    for name in NAMES:
        made = twins("makeRequest", **given, name=name, registration="123-45-67890.x")
        assert made == request(key, Role.BUSINESS, name, "123-45-67890.x").der.hex()


@pytest.mark.parametrize(
    ("name", "registration"),
    [("책" * 22, "1"), ("", "1"), ("a\nb", "1"), ("a\u202eb", "1"), ("Kim", ""), ("Kim", "1" * 65)],
)
def test_both_ask_for_no_certificate_that_nobody_could_hold(
    twins: Twins, name: str, registration: str
) -> None:
    with pytest.raises((MalformedError, CertificateError)):
        request(ec.generate_private_key(ec.SECP256R1()), Role.BUSINESS, name, registration)
    given = {"algorithm": "P-256", "role": "business", "name": name, "registration": registration}
    assert twins.code("generate", **given) == "malformed"


def test_no_damaged_certificate_passes(twins: Twins) -> None:
    """Whatever bit is flipped: typed errors, and nothing is taken that Python would not take."""
    world, roots = the_world(), handed_roots(the_world())
    der = a_bidder(world, 1).certificate.der
    chosen, at = random.Random(7), int((START + timedelta(days=1)).timestamp() * 1000)
    for position in range(len(der)):
        damaged = flipped(der, position, chosen.randrange(8))
        code = twins.code("verifyChain", der=damaged.hex(), roots=roots, role="business", at=at)
        assert code in TYPED
    assert twins.code("verifyChain", der=der.hex(), roots=roots, role="business", at=at) is None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 450), st.integers(0, 40), st.binary(max_size=40))
def test_garbage_for_der_is_malformed(twins: Twins, start: int, size: int, garbage: bytes) -> None:
    der = bytearray(a_bidder(the_world(), 1).certificate.der)
    der[start : start + size] = garbage
    for call in ("certificate", "request"):
        assert twins.code(call, der=der.hex()) in {*TYPED, None}


def handed_roots(world: World) -> dict[str, list[str]]:
    return {
        role: [authority.root.public_bytes(Encoding.DER).hex()]
        for role, authority in world.authorities.items()
    }


def a_root(signed_by: ec.EllipticCurvePrivateKey, subject: x509.Name, *extensions: Any) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.not_valid_before(START).not_valid_after(START + timedelta(days=9))
    builder = builder.serial_number(7).public_key(signed_by.public_key())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signed_by, hashes.SHA256())


def usage(sign: bool = True, issue: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(sign, False, False, False, False, issue, issue, False, False)


@pytest.mark.parametrize("days", [-10, -0.1, 0.5, 364, 366])
@pytest.mark.parametrize("role", [Role.BUSINESS, Role.OFFICER])
def test_a_chain_holds_for_its_role_and_time(twins: Twins, role: Role, days: float) -> None:
    world = the_world()
    certificate = a_bidder(world, 1).certificate
    at = START + timedelta(days=days)
    expected = verdict(lambda: world.trust.authorities().verify(certificate, role, at))
    given = {"der": certificate.der.hex(), "roots": handed_roots(world), "role": role}
    assert twins.code("verifyChain", **given, at=int(at.timestamp() * 1000)) == expected


@pytest.mark.parametrize("days", [10.5, 20])
def test_a_chain_ends_with_its_root(twins: Twins, days: float) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = Authority(Role.BUSINESS, key, sound_root(key))
    certificate = authority.issue(request(key, Role.BUSINESS, "Kim", "1"), START)
    at, roots = START + timedelta(days=days), Roots({Role.BUSINESS: [authority.root]})
    assert verdict(lambda: roots.verify(certificate, Role.BUSINESS, at)) == "certificate-invalid"
    given = {
        "der": certificate.der.hex(),
        "roots": {"business": [authority.root.public_bytes(Encoding.DER).hex()]},
    }
    assert (
        twins.code("verifyChain", **given, role="business", at=int(at.timestamp() * 1000))
        == "certificate-invalid"
    )


SUBJECT = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Root")])


def sound_root(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    return a_root(key, SUBJECT, (constraints, True), (usage(False, True), True), (identifier, False))


@pytest.mark.parametrize(
    "extensions",
    [
        [(x509.BasicConstraints(False, None), True), (usage(), True)],
        [(x509.BasicConstraints(False, None), True), (usage(False), True)],
        [(x509.BasicConstraints(False, None), False), (usage(), True)],
        [(x509.BasicConstraints(False, None), True), (usage(), False)],
        [(x509.BasicConstraints(True, None), True), (usage(), True)],
        [(x509.BasicConstraints(False, None), True)],
        [(usage(), True)],
        [
            (x509.BasicConstraints(False, None), True),
            (usage(), True),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
        ],
        [
            (x509.BasicConstraints(False, None), True),
            (usage(), True),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False),
        ],
    ],
    ids=[
        "sound",
        "not for signatures",
        "constraints not critical",
        "usage not critical",
        "an authority",
        "no usage",
        "no constraints",
        "something critical",
        "something else",
    ],
)
@pytest.mark.parametrize("critical", [True, False])
def test_what_holders_may_be_both_say_alike(
    twins: Twins, extensions: list[tuple[x509.ExtensionType, bool]], critical: bool
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    root = sound_root(key)
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "Kim"),
            x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "1"),
        ]
    )
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(SUBJECT).serial_number(9)
    builder = builder.not_valid_before(START).not_valid_after(START + timedelta(days=9))
    builder = builder.public_key(key.public_key())
    for extension, is_critical in [*extensions, (x509.ExtendedKeyUsage([Role.BUSINESS.oid]), critical)]:
        builder = builder.add_extension(extension, is_critical)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    at = START + timedelta(days=1)
    roots = Roots({Role.BUSINESS: [root]})
    expected = verdict(lambda: roots.verify(Certificate(der), Role.BUSINESS, at))
    given = {"der": der.hex(), "roots": {"business": [root.public_bytes(Encoding.DER).hex()]}}
    assert twins.code("verifyChain", **given, role="business", at=int(at.timestamp() * 1000)) == expected


def test_what_roots_may_be_both_say_alike(twins: Twins) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    ca, holder = x509.BasicConstraints(True, 0), x509.BasicConstraints(False, None)
    at, asked = START + timedelta(days=1), request(key, Role.BUSINESS, "Kim", "1")
    for extensions in (
        [(ca, False), (usage(False, True), True), (identifier, False)],
        [(holder, True), (usage(False, True), True), (identifier, False)],
        [(ca, True), (usage(True, False), True), (identifier, False)],
        [(ca, True), (usage(False, True), True), (identifier, True)],
        [(ca, True), (identifier, False)],
        [(ca, True), (usage(False, True), True)],
        [(ca, True), (usage(False, True), False), (identifier, False)],
        [],
    ):
        root = a_root(key, SUBJECT, *extensions)
        certificate = Authority(Role.BUSINESS, key, root).issue(asked, START)
        roots = Roots({Role.BUSINESS: [root]})
        given = {"der": certificate.der.hex(), "roots": {"business": [root.public_bytes(Encoding.DER).hex()]}}
        code = twins.code("verifyChain", **given, role="business", at=int(at.timestamp() * 1000))
        assert code == verdict(partial(roots.verify, certificate, Role.BUSINESS, at))


def test_a_root_with_another_key_is_none(twins: Twins) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    root = a_root(other, SUBJECT, (x509.BasicConstraints(True, 0), True))
    der = a_bidder(the_world(), 1).certificate.der.hex()
    given = {"der": der, "roots": {"business": [root.public_bytes(Encoding.DER).hex()]}}
    assert twins.code("verifyChain", **given, role="business", at=0) == "certificate-invalid"


# ── certificate status ───────────────────────────────────────────────────────────────────────────────────


def stands(status: Status, world: World, key: SigningKey, at: datetime) -> None:
    Standing(status, world.trust.authorities()).verify(key.certificate, Role.BUSINESS, at)


def handed_status(status: Status, world: World, key: SigningKey, at: datetime) -> dict[str, Any]:
    return {
        "status": encode(status).hex(),
        "roots": handed_roots(world),
        "der": key.certificate.der.hex(),
        "role": key.certificate.role,
        "at": int(at.timestamp() * 1000),
    }


@pytest.mark.parametrize("hours", [-1, 0, 1, 23.99, 24, 30])
@pytest.mark.parametrize("revoked", [None, -2, 0, 1.5])
def test_who_counts_both_say_alike(twins: Twins, hours: float, revoked: float | None) -> None:
    """A list of a day, looked at before, within and after it; with somebody who was revoked, or not."""
    world, key = the_world(), a_bidder(the_world(), 1)
    day = START.replace(hour=0)
    since = {} if revoked is None else {key.certificate.x509.serial_number: day + timedelta(hours=revoked)}
    made = world.authorities[Role.BUSINESS].list_revoked(since, 1, day, timedelta(days=1))
    status = Status(lists=world.status(day, {}).lists | {Role.BUSINESS: (to_base64(made),)})
    at = day + timedelta(hours=hours)
    expected = verdict(partial(stands, status, world, key, at))
    given = handed_status(status, world, key, at)
    assert twins.code("standing", **given) == expected
    if expected is None:
        assert twins("standing", **given) == status.id


def lists_of(world: World) -> dict[str, bytes]:
    """Lists for businesses: sound ones, others', and some of a kind that is not admitted."""
    authority, day = world.authorities[Role.BUSINESS], START.replace(hour=0)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.root.subject).last_update(day)
    dated = builder.next_update(day + timedelta(days=1))
    entry = x509.RevokedCertificateBuilder().serial_number(5).revocation_date(day)
    reasoned = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False).build()
    critical = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=True).build()
    point = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    stranger = Authority.create(Role.BUSINESS, START)
    made = {
        "reasoned": dated.add_revoked_certificate(reasoned),
        "critical entry": dated.add_revoked_certificate(critical),
        "for some only": dated.add_extension(point, critical=True),
        "for some only, quietly": dated.add_extension(point, critical=False),
        "a delta": dated.add_extension(x509.DeltaCRLIndicator(1), critical=True),
    }
    signed = {name: each.sign(authority._key, hashes.SHA256()) for name, each in made.items()}
    signed["other hash"] = dated.sign(authority._key, hashes.SHA384())
    signed["other key"] = dated.sign(stranger._key, hashes.SHA256())
    return {name: each.public_bytes(Encoding.DER) for name, each in signed.items()} | {
        "stranger": stranger.list_revoked({}, 1, day, timedelta(days=1)),
        "officers": world.authorities[Role.OFFICER].list_revoked({}, 1, day, timedelta(days=1)),
        "empty": b"",
    }


def test_lists_are_admitted_alike(twins: Twins) -> None:
    world, key = the_world(), a_bidder(the_world(), 1)
    for name, made in lists_of(world).items():
        for lists in ([made], [made, made]):
            status = Status(lists={Role.BUSINESS: tuple(map(to_base64, lists))})
            expected = verdict(partial(stands, status, world, key, START))
            code = twins.code("standing", **handed_status(status, world, key, START))
            assert code == expected, (name, len(lists))


def test_no_damaged_list_passes(twins: Twins) -> None:
    world, key, chosen = the_world(), a_bidder(the_world(), 1), random.Random(3)
    sound = from_base64(world.status(START, {}).lists[Role.BUSINESS][0])
    for position in range(len(sound)):
        damaged = flipped(sound, position, chosen.randrange(8))
        status = Status(lists={Role.BUSINESS: (to_base64(damaged),)})
        assert twins.code("standing", **handed_status(status, world, key, START)) in TYPED


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("generate", KINDS, ids=["P-256", "Ed25519"])
def test_what_one_side_signs_the_other_verifies(twins: Twins, generate: Callable[[], PrivateKey]) -> None:
    private = generate()
    authority = the_world().authorities[Role.BUSINESS]
    key = SigningKey(private, authority.issue(request(private, Role.BUSINESS, "김철수", "1-2"), START))
    for _ in range(12):
        entropy = secrets.token_bytes(entropy_size(ONE))
        given = {"contents": handed_contents({"bid": b"{}"}), "terms": handed_terms(ONE), "key": handed(key)}
        theirs = bytes.fromhex(twins("compose", **given, entropy=entropy.hex()))
        ours = compose({"bid": b"{}"}, ONE, key, entropy)
        assert Statement(theirs).verify(Envelope, key.certificate) == Statement(ours).read(Envelope)
        assert (theirs == ours) is isinstance(private, ed25519.Ed25519PrivateKey)
        assert twins("statement", data=ours.hex())["id"] == Statement(theirs).id
        twins("verifyEnvelope", data=ours.hex(), certificate=key.certificate.der.hex())


def resigned(data: bytes, signature: bytes) -> bytes:
    envelope = msgspec.json.decode(data)
    envelope["signatures"][0]["sig"] = to_base64(signature)
    return encode(envelope)


def test_no_other_signature_passes(twins: Twins) -> None:
    """Bits flipped, s in the upper half, r and s out of range, other lengths."""
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    order = 2**252 + 27742317777372353535851937790883648493
    for generate in KINDS:
        private = generate()
        authority = the_world().authorities[Role.BUSINESS]
        key = SigningKey(private, authority.issue(request(private, Role.BUSINESS, "Kim", "1-2"), START))
        data = compose({"bid": b"{}"}, ONE, key, secrets.token_bytes(entropy_size(ONE)))
        signature, certificate = Statement(data).signature, key.certificate.der.hex()
        r, s = signature[:32], signature[32:]
        high = (n - int.from_bytes(s, "big")).to_bytes(32, "big")
        malleated = ((int.from_bytes(s, "little") + order) % 2**256).to_bytes(32, "little")
        wrong = [flipped(signature, at, at % 8) for at in range(64)]
        wrong += [r + high, r + malleated, bytes(64), r + bytes(32), bytes(32) + s, b"\xff" * 64]
        wrong += [signature[:-1], signature + b"\x00", b"", signature[:63] + b"", s + r]
        for each in wrong:
            code = twins.code("verifyEnvelope", data=resigned(data, each).hex(), certificate=certificate)
            assert code == "signature-invalid"
        other = a_bidder(the_world(), 2).certificate.der.hex()
        assert twins.code("verifyEnvelope", data=data.hex(), certificate=other) == "certificate-invalid"


def test_an_officer_signs_no_bids(twins: Twins) -> None:
    key = the_world().officer
    entropy = secrets.token_bytes(entropy_size(ONE)).hex()
    given = {"contents": handed_contents({"bid": b"{}"}), "terms": handed_terms(ONE), "key": handed(key)}
    assert twins.code("compose", **given, entropy=entropy) == "certificate-invalid"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2300), st.integers(0, 30), st.binary(max_size=30))
def test_garbage_for_statements_is_refused_alike(twins: Twins, start: int, size: int, garbage: bytes) -> None:
    data = bytearray(compose({"bid": b"{}"}, ONE, a_bidder(the_world(), 1), Entropy("g")(entropy_size(ONE))))
    data[start : start + size] = garbage
    key = a_bidder(the_world(), 1).certificate
    expected = verdict(lambda: Statement(bytes(data)).verify(Envelope, key))
    given = {"data": data.hex(), "certificate": key.der.hex()}
    assert twins.code("verifyEnvelope", **given) == expected


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────

LEAVES = tuple(leaf_hash(str(i).encode()) for i in range(300))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data())
def test_inclusion_is_proved_alike(twins: Twins, size: int, data: st.DataObject) -> None:
    leaves, index = LEAVES[:size], data.draw(st.integers(0, size - 1))
    proof, root = inclusion(leaves, index), root_of(leaves)
    given = {"leaf": leaves[index].hex(), "index": index, "size": size, "root": root.hex()}
    twins("inclusion", **given, proof=[each.hex() for each in proof])
    assert twins.code("inclusion", **given, proof=[each.hex() for each in [*proof, root]]) == "log-invalid"
    for at in range(len(proof)):
        wrong = [*proof[:at], flipped(proof[at], at % 32, 0), *proof[at + 1 :]]
        assert twins.code("inclusion", **given, proof=[each.hex() for each in wrong]) == "log-invalid"
    assert (
        twins.code("inclusion", **(given | {"index": size}), proof=[each.hex() for each in proof])
        == "log-invalid"
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_consistency_is_proved_alike(twins: Twins, one: int, other: int) -> None:
    old, size = sorted((one, other))
    roots = [root_of(LEAVES[:each]) if each else sha256(b"") for each in (old, size)]
    plan = plan_consistency(old, size)
    rows = {
        tile: b"".join(LEAVES[tile.index * 256 : tile.index * 256 + tile.width])
        if tile.level == 0
        else b"".join(root_of(LEAVES[i * 256 : i * 256 + 256]) for i in range(tile.width))
        for tile in plan.tiles
    }
    proof = plan.hashes(rows)
    verify_consistency(old, roots[0], size, roots[1], proof)
    tiles = {tile.path: row.hex() for tile, row in rows.items()}
    assert twins("consistencyProof", old=old, size=size, tiles=tiles) == [each.hex() for each in proof]
    given = {"old": old, "oldRoot": roots[0].hex(), "size": size, "root": roots[1].hex()}
    twins("consistency", **given, proof=[each.hex() for each in proof])
    for first, second in ((flipped(roots[0], 3, 3), roots[1]), (roots[0], flipped(roots[1], 3, 3))):
        wrong = given | {"oldRoot": first.hex(), "root": second.hex()}
        expected = verdict(partial(verify_consistency, old, first, size, second, proof))
        assert twins.code("consistency", **wrong, proof=[each.hex() for each in proof]) == expected


def test_the_toy_log_of_the_vectors_is_believed(twins: Twins) -> None:
    tlog = vector("tlog")
    size = tlog["inclusion"]["size"]
    vkey, witness = tlog["log"]["vkey"], tlog["witness"]["vkey"]
    for note in tlog["notes"]:
        assert twins("checkpoint", note=note, vkey=vkey)["origin"] == "tenders.example/log1"
    found = twins("cosignatures", note=tlog["notes"][-1], vkeys=[witness], quorum=1)
    assert found == [{"name": "witness.example/w1", "time": tlog["witness"]["time"] * 1000}]
    root = twins("checkpoint", note=tlog["notes"][-1], vkey=vkey)["root"]
    for case in tlog["consistency"]:
        if case["new"] == size:
            old = next(each for each in tlog["notes"] if each.split("\n")[1] == str(case["old"]))
            given = {"old": case["old"], "size": size, "root": root}
            old_root = twins("checkpoint", note=old, vkey=vkey)["root"]
            twins("consistency", **given, oldRoot=old_root, proof=case["proof"])


def a_note(size: int = 3, witnesses: int = 2) -> tuple[str, str, list[str]]:
    """A co-signed note, the log's vkey, the witnesses'."""
    log = checkpoint.SigningKey("log.example/a", checkpoint.LOG, bytes(32))
    keys = [
        checkpoint.SigningKey(f"w.example/{i}", checkpoint.WITNESS, bytes([i]) * 32) for i in range(witnesses)
    ]
    note = sign_checkpoint(
        checkpoint.Checkpoint(origin=log.verifier.name, size=size, root=root_of(LEAVES[:size])), log
    )
    for i, key in enumerate(keys):
        note += cosign(note, key, START + timedelta(seconds=10 - i))
    return note, log.verifier.encode(), [key.verifier.encode() for key in keys]


def test_cosignatures_count_by_key_and_come_by_time(twins: Twins) -> None:
    note, log, witnesses = a_note()
    assert twins("checkpoint", note=note, vkey=log)["size"] == 3
    times = [each["time"] for each in twins("cosignatures", note=note, vkeys=witnesses, quorum=2)]
    assert times == sorted(times)
    assert twins.code("cosignatures", note=note, vkeys=witnesses[:1], quorum=2) == "log-invalid"
    assert (
        twins.code("cosignatures", note=note, vkeys=[witnesses[0], witnesses[0]], quorum=2) == "log-invalid"
    )
    assert twins.code("checkpoint", note=note, vkey=witnesses[0]) == "log-invalid"
    other = checkpoint.SigningKey("log.example/a", checkpoint.LOG, b"\x01" * 32).verifier.encode()
    assert twins.code("checkpoint", note=note, vkey=other) == "signature-invalid"


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 700), st.integers(0, 4), st.text(max_size=4))
def test_altered_notes_and_proofs_are_refused_alike(twins: Twins, start: int, size: int, text: str) -> None:
    note, log, witnesses = a_note()
    proof = TlogProof(index=1, hashes=tuple(inclusion(LEAVES[:3], 1)), checkpoint=note).encode()
    keys = [VerifyingKey.parse(each) for each in witnesses]

    def altered(whole: str) -> str:
        return whole[:start] + text + whole[start + size :]

    expected = verdict(lambda: checkpoint.verify_checkpoint(altered(note), VerifyingKey.parse(log)))
    assert twins.code("checkpoint", note=altered(note), vkey=log) == expected
    expected = verdict(lambda: checkpoint.verify_cosignatures(altered(note), keys, 2))
    assert twins.code("cosignatures", note=altered(note), vkeys=witnesses, quorum=2) == expected
    expected = verdict(lambda: TlogProof.parse(altered(proof)).verify(b"1", VerifyingKey.parse(log)))
    assert twins.code("tlogProof", text=altered(proof), entry=b"1".hex(), vkey=log) == expected
    expected = verdict(lambda: VerifyingKey.parse(altered(log)))
    assert (twins.code("checkpoint", note=note, vkey=altered(log)) == "malformed") is (
        expected == "malformed"
    )


def test_trust_files_are_read_alike(twins: Twins) -> None:
    trust = the_world().trust
    stamping = msgspec.structs.replace(trust, stamping=trust.roots[Role.SERVICE])
    for each in (trust, stamping):
        assert twins("trust", data=encode(each).hex()) == sha256(encode(each)).hex()
    raw = msgspec.json.decode(encode(trust))
    officers = raw["roots"]["officer"]
    for changed in (
        raw | {"format": "openseal/trust/v2"},
        raw | {"log": "a+00000000+AA=="},
        raw | {"witnesses": raw["witnesses"] | {"quorum": 2}},
        raw | {"witnesses": {"keys": raw["witnesses"]["keys"] * 2, "quorum": 1}},
        raw | {"roots": {"mayor": officers}},
        raw | {"roots": {"officer": ["AAAA"]}},
        raw | {"more": True},
        raw | {"stamping": []},
        raw | {"stamping": ["!"]},
        {name: each for name, each in raw.items() if name != "networks"},
    ):
        data = encode(changed)
        expected = verdict(partial(read_trust, data))
        assert expected is not None
        assert twins.code("trust", data=data.hex()) == expected


def read_trust(data: bytes) -> None:
    trust = decode(data, Trust)
    trust.authorities()
    VerifyingKey.parse(trust.log)


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 1048576, 1048577, 2500000])
def test_files_sealed_by_one_open_by_the_other(twins: Twins, size: int) -> None:
    plain, key = random.Random(size).randbytes(size), secrets.token_bytes(32)
    ours = b"".join(stream.seal(key, [plain]))
    made = twins("sealFile", plain=plain.hex(), key=key.hex())
    assert made["file"] == ours.hex()
    assert made["plain"] == {"sha256": sha256(plain).hex(), "size": size}
    assert made["sealed"] == {"sha256": sha256(ours).hex(), "size": stream.sealed_size(size)}
    assert twins("openFile", file=ours.hex(), key=key.hex(), plain=made["plain"]) == plain.hex()
    other = made["plain"] | {"size": size + 1}
    assert twins.code("openFile", file=ours.hex(), key=key.hex(), plain=other) == "lock-mismatch"


def test_files_of_the_vectors_are_the_same(twins: Twins) -> None:
    documents = vector("documents")["stream"]
    for case in documents["cases"]:
        plain = (b"Openseal document. " * (case["size"] // 19 + 1))[: case["size"]]
        made = twins("sealFile", plain=plain.hex(), key=documents["key"])
        assert made["plain"] == {"sha256": case["sha256"], "size": case["size"]}
        assert made["sealed"] == {"sha256": case["sealedSha256"], "size": case["sealedSize"]}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 140_000), st.integers(0, 70_000), st.binary(max_size=40))
def test_altered_files_do_not_open(twins: Twins, start: int, size: int, garbage: bytes) -> None:
    plain, key = random.Random(1).randbytes(140_000), bytes(32)
    sealed = b"".join(stream.seal(key, [plain]))
    altered = sealed[:start] + garbage + sealed[start + size :]
    digest = {"sha256": sha256(plain).hex(), "size": len(plain)}
    expected = verdict(lambda: list(stream.open(key, [altered])))
    assert twins.code("openFile", file=altered.hex(), key=key.hex(), plain=digest) == expected


# ── sealed bids ──────────────────────────────────────────────────────────────────────────────────────────


def the_inputs(given: dict[str, Any]) -> dict[str, Any]:
    """Terms and key of a vector, and what is sealed."""
    seed = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(given["bidderSeed"]))
    terms = SubmissionTerms(
        tender=given["tender"],
        notice=given["notice"],
        terms=given["terms"],
        parts=("technical", "price") if "lots" in given else ("bid",),
        network=msgspec.convert(given["network"], Network),
        round=given["round"],
        committee=given["committee"],
        content_limit=65536,
        document_limit=0,
        lots=tuple(given.get("lots", ())),
    )
    contents = given.get("contents") or {"bid": given["content"]}
    return {
        "terms": handed_terms(terms),
        "key": handed(SigningKey(seed, Certificate(bytes.fromhex(given["certificate"])))),
        "entropy": given["entropy"],
        "contents": handed_contents({name: each.encode() for name, each in contents.items()}),
    }


def test_the_worked_example_comes_out_byte_for_byte(twins: Twins) -> None:
    example = vector("envelope")
    given, made = example["inputs"], example["envelope"]
    asked = the_inputs(given)
    assert bytes.fromhex(twins("compose", **asked)).decode() == made["statement"]
    data = made["statement"].encode()
    assert twins("statement", data=data.hex())["id"] == made["id"]
    keys = [made["timeSignature"], made["mandateSignature"]]
    place = {"part": "bid"}
    opened = twins("openPart", data=data.hex(), place=place, terms=asked["terms"], signatures=keys)
    assert bytes.fromhex(opened).decode() == given["content"]
    inputs = {"kind": "envelope", "notice": given["notice"], "salt": given["salt"], "id": made["id"]}
    assert twins("commitment", **inputs, time=given["acceptedAt"]) == made["commitment"]


def test_a_bid_for_two_lots_of_three_comes_out_byte_for_byte(twins: Twins) -> None:
    example = vector("lots")
    given, made = example["inputs"], example["envelope"]
    asked = the_inputs(given)
    assert bytes.fromhex(twins("compose", **asked)).decode() == made["statement"]
    shuffled = asked | {"contents": asked["contents"][::-1]}
    assert bytes.fromhex(twins("compose", **shuffled)).decode() == made["statement"]
    data = made["statement"].encode().hex()
    assert twins("statement", data=data)["id"] == made["id"]
    twins("check", data=data, terms=asked["terms"])
    twins("verifySealed", data=data, restricted=[], **{name: asked[name] for name in asked if name != "key"})
    for each, content in zip(made["parts"], given["contents"].values(), strict=True):
        at = {name: each[name] for name in ("part", "lot") if name in each}
        keys = [each["timeSignature"], each["mandateSignature"]]
        opened = twins("openPart", data=data, place=at, terms=asked["terms"], signatures=keys)
        assert bytes.fromhex(opened).decode() == content
    absent = {"place": {"part": "price", "lot": "2"}, "terms": asked["terms"]}
    assert twins.code("openPart", data=data, **absent, signatures=keys) == "lock-mismatch"


LIMITED = msgspec.structs.replace(TWO, document_limit=3, document_size=2_000_000, partner_limit=2)
APART = msgspec.structs.replace(LOTS, document_limit=3, document_size=2_000_000, partner_limit=2)


@settings(max_examples=10, deadline=None)
@given(
    st.binary(max_size=3000),
    st.binary(max_size=3000),
    st.binary(max_size=400),
    st.binary(min_size=144, max_size=144),
)
def test_bids_sealed_by_one_open_by_the_other(
    twins: Twins, technical: bytes, price: bytes, secret: bytes, entropy: bytes
) -> None:
    terms, key = LIMITED, a_bidder(the_world(), 1)
    contents = {"technical": technical, "price": price}
    files = seal_restricted({"technical": secret}, terms, key.fingerprint, entropy)
    asked = {"terms": handed_terms(terms), "entropy": entropy.hex()}
    withheld = handed_contents({"technical": secret})
    theirs = twins("sealRestricted", contents=withheld, fingerprint=key.fingerprint, **asked)
    assert theirs == [{"part": "technical", "file": files["technical"].hex()}]
    listed = SealedFile(
        number=1, sha256=sha256(files["technical"]).hex(), size=len(files["technical"]), part="technical"
    )
    beside = {"documents": [msgspec.to_builtins(listed)], "consortium": ["ab" * 32], "previous": "cd" * 32}
    made = bytes.fromhex(
        twins("compose", contents=handed_contents(contents), key=handed(key), **asked, **beside)
    )
    envelope = Statement(made).verify(Envelope, key.certificate)
    ours = compose(contents, terms, key, entropy, "cd" * 32, ["ab" * 32], [listed])
    assert envelope == Statement(ours).read(Envelope)
    check(envelope, terms)
    verify_sealed(envelope, contents, terms, entropy, {"technical": secret})
    bid = envelope.context.bid
    for part in ("technical", "price"):
        assert open_part(envelope, part, opener(terms, part, bid)) == contents[part]
        asked_open = {"data": ours.hex(), "place": handed_place(part), "terms": handed_terms(terms)}
        keys = signatures(terms, part, bid)
        assert bytes.fromhex(twins("openPart", **asked_open, signatures=keys)) == contents[part]
    assert (
        open_restricted(envelope, "technical", opener(terms, "technical", bid), files["technical"]) == secret
    )
    shown = {"data": ours.hex(), "contents": handed_contents(contents), "restricted": withheld, **asked}
    twins("verifySealed", **shown)
    other = shown | {"contents": handed_contents(contents | {"price": price + b" "})}
    assert twins.code("verifySealed", **other) == "sealed-otherwise"
    assert twins.code("verifySealed", **(shown | {"restricted": []})) == "sealed-otherwise"


SOME_LOTS = st.sets(st.sampled_from(APART.sections[1:]), min_size=1)


@settings(max_examples=8, deadline=None)
@given(SOME_LOTS, st.randoms(use_true_random=False), st.data())
def test_bids_for_some_lots_sealed_by_one_open_by_the_other(
    twins: Twins, priced: set[Section], random: random.Random, data: st.DataObject
) -> None:
    terms, key, entropy = APART, a_bidder(the_world(), 1), random.randbytes(entropy_size(APART))
    names = random.sample(["technical", *sorted(priced)], 1 + len(priced))
    contents = {name: random.randbytes(random.randrange(900)) for name in names}
    withheld = {
        name: random.randbytes(50) for name in data.draw(st.lists(st.sampled_from(names), unique=True))
    }
    withheld = dict(list(withheld.items())[:3])
    files = seal_restricted(withheld, terms, key.fingerprint, entropy)
    asked = {"terms": handed_terms(terms), "entropy": entropy.hex()}
    theirs = twins("sealRestricted", contents=handed_contents(withheld), fingerprint=key.fingerprint, **asked)
    assert theirs == [handed_place(name) | {"file": file.hex()} for name, file in files.items()]
    listed = [SealedFile.restricted(i, *each) for i, each in enumerate(files.items(), 1)]
    given = {"contents": handed_contents(contents), "documents": msgspec.to_builtins(listed)}
    made = Statement(bytes.fromhex(twins("compose", key=handed(key), **given, **asked)))
    envelope, ours = (
        made.verify(Envelope, key.certificate),
        compose(contents, terms, key, entropy, documents=listed),
    )
    assert envelope == Statement(ours).read(Envelope)
    verify_sealed(envelope, contents, terms, entropy, withheld)
    bid = envelope.context.bid
    for name, content in contents.items():
        assert open_part(envelope, name, opener(terms, name, bid)) == content
        opening = {"data": ours.hex(), "place": handed_place(name), "terms": handed_terms(terms)}
        opening["signatures"] = signatures(terms, name, bid)
        assert bytes.fromhex(twins("openPart", **opening)) == content
        if name in files:
            assert open_restricted(envelope, name, opener(terms, name, bid), files[name]) == withheld[name]
            assert bytes.fromhex(twins("openPart", **opening, file=files[name].hex())) == withheld[name]
    shown = {
        "data": ours.hex(),
        "contents": given["contents"],
        "restricted": handed_contents(withheld),
        **asked,
    }
    twins("verifySealed", **shown)
    for changed in ({each: contents[each] for each in names[1:]}, contents | {names[0]: b"other"}):
        with pytest.raises(EnvelopeError) as caught:
            verify_sealed(envelope, changed, terms, entropy, withheld)
        assert (
            twins.code("verifySealed", **(shown | {"contents": handed_contents(changed)}))
            == caught.value.code
        )


def altered_envelopes() -> dict[str, Envelope]:
    key, entropy = a_bidder(the_world(), 1), Entropy("altered")(144)
    envelope = Statement(compose({"technical": b"t", "price": b"p"}, LIMITED, key, entropy)).read(Envelope)
    context, (technical, price), one = envelope.context, envelope.parts, "00" * 32
    replace = msgspec.structs.replace
    file = SealedFile(number=1, sha256=one, size=20)
    contexts = {
        name: replace(envelope, context=replace(context, **{name: value}))
        for name, value in {
            "tender": "ocds-other",
            "notice": one,
            "terms": one,
            "bid": "00" * 16,
            "nonce": "00" * 16,
            "certificate": one,
            "chain": one,
            "round": "1",
            "committee": "00" * 96,
        }.items()
    }
    too_long = replace(technical, ciphertext=to_base64(bytes(LIMITED.content_limit + 17)))
    return contexts | {
        "fine": envelope,
        "one part": replace(envelope, parts=(technical,)),
        "other order": replace(envelope, parts=(price, technical)),
        "too long": replace(envelope, parts=(too_long, price)),
        "too short": replace(envelope, parts=(replace(technical, ciphertext="AAAA"), price)),
        "numbers": replace(envelope, documents=(file, file)),
        "number": replace(envelope, documents=(replace(file, number=2),)),
        "many": replace(envelope, documents=tuple(replace(file, number=i) for i in range(1, 5))),
        "large": replace(envelope, documents=(replace(file, size=2_000_001),)),
        "restricted twice": replace(
            envelope, documents=(replace(file, part="price"), replace(file, number=2, part="price"))
        ),
        "restricted of no part": replace(envelope, documents=(replace(file, part="bid"),)),
        "restricted too large": replace(envelope, documents=(replace(file, part="price", size=1_100_000),)),
        "restricted too small": replace(envelope, documents=(replace(file, part="price", size=3),)),
        "partners": replace(envelope, consortium=(one, "01" * 32, "02" * 32)),
        "partner twice": replace(envelope, consortium=(one, one)),
        "itself": replace(envelope, consortium=(envelope.signer,)),
    }


@pytest.mark.parametrize("name", altered_envelopes())
def test_both_turn_away_the_same_envelopes_by_the_same_code(twins: Twins, name: str) -> None:
    envelope = altered_envelopes()[name]
    expected = verdict(lambda: check(envelope, LIMITED))
    assert twins.code("check", data=handed_envelope(envelope), terms=handed_terms(LIMITED)) == expected


def altered_for_lots() -> dict[str, Envelope]:
    key, entropy = a_bidder(the_world(), 1), Entropy("altered")(entropy_size(APART))
    envelope = Statement(compose(dict.fromkeys(APART.sections, b"x"), APART, key, entropy)).read(Envelope)
    technical, one, two, third = envelope.parts
    replace = msgspec.structs.replace
    most = APART.content_limit
    long = [replace(each, ciphertext=to_base64(bytes(16 + most // 2 + 1))) for each in (one, two)]
    half = [replace(each, ciphertext=to_base64(bytes(16 + most // 2))) for each in (technical, one, two)]
    file = SealedFile(number=1, sha256="00" * 32, size=20, part="price", lot="1")
    parts = {
        "fine": envelope.parts,
        "some lots": (technical, two),
        "halves": (*half,),
        "no lot": (technical,),
        "no proposal": (one, two),
        "other order": (technical, two, one),
        "prices first": (one, technical),
        "twice": (technical, one, one),
        "another lot": (technical, replace(one, lot="3")),
        "of no lot": (technical, replace(one, lot=None)),
        "of a lot and not": (technical, replace(one, lot=None), two),
        "a proposal for a lot": (replace(technical, lot="1"), one),
        "too long together": (technical, *long),
        "too short": (technical, one, replace(two, ciphertext="AAAA")),
        "a hundred and one": (technical, *[third] * 100),
    }
    documents = {
        "restricted": (
            file,
            replace(file, number=2, lot="2"),
            replace(file, number=3, part="technical", lot=None),
        ),
        "restricted twice": (file, replace(file, number=2)),
        "restricted of another lot": (replace(file, lot="3"),),
        "restricted of no lot": (replace(file, lot=None),),
    }
    without = replace(envelope, parts=(technical, two))
    return (
        {name: replace(envelope, parts=each) for name, each in parts.items()}
        | {name: replace(envelope, documents=each) for name, each in documents.items()}
        | {"restricted of a lot without a price": replace(without, documents=(file,))}
    )


@pytest.mark.parametrize("name", altered_for_lots())
def test_both_turn_away_the_same_prices_of_lots_by_the_same_code(twins: Twins, name: str) -> None:
    envelope = altered_for_lots()[name]
    expected = verdict(lambda: check(envelope, APART))
    assert (expected is None) == (name in ("fine", "some lots", "halves", "restricted"))
    assert twins.code("check", data=handed_envelope(envelope), terms=handed_terms(APART)) == expected


@pytest.mark.parametrize(
    "file", [{"part": "technical", "lot": "1"}, {"lot": "1"}, {"part": "price", "lot": "a lot"}]
)
def test_a_file_of_a_lot_is_of_a_price_part_for_both(twins: Twins, file: dict[str, str]) -> None:
    whole = msgspec.to_builtins(altered_for_lots()["fine"])
    whole["documents"] = [{"number": 1, "sha256": "00" * 32, "size": 20} | file]
    body = {"payloadType": "application/vnd.openseal.bid.v1+json", "payload": to_base64(encode(whole))}
    data = encode(body | {"signatures": [{"keyid": whole["signer"], "sig": ""}]})
    assert verdict(lambda: Statement(data).read(Envelope)) == "malformed"
    assert twins.code("check", data=data.hex(), terms=handed_terms(APART)) == "malformed"


def test_a_lock_is_of_a_lot_for_a_price_only(twins: Twins) -> None:
    envelope = altered_for_lots()["fine"]
    asked = {"data": handed_envelope(envelope), "terms": handed_terms(APART), "signatures": []}
    assert verdict(lambda: APART.locks("technical-1", envelope.context.bid)) == "malformed"
    assert twins.code("openPart", **asked, place={"part": "technical", "lot": "1"}) == "malformed"


def test_sealing_takes_what_the_terms_admit_only(twins: Twins) -> None:
    key, entropy = a_bidder(the_world(), 1), Entropy("wrong")
    asked = {"terms": handed_terms(ONE), "key": handed(key)}
    for contents, size in (({"price": b""}, 80), ({"bid": b""}, 79), ({"bid": bytes(65537)}, 80)):
        with pytest.raises(EnvelopeError) as caught:
            compose(contents, ONE, key, entropy(size))
        given = {"contents": handed_contents(contents), "entropy": entropy(size).hex()}
        assert twins.code("compose", **asked, **given) == caught.value.code


@pytest.mark.parametrize(
    ("names", "size"),
    [
        (("technical", "price"), 272),
        (("technical",), 272),
        (("price-1", "price-2"), 272),
        (("technical", "price-1", "price-3"), 272),
        (("technical-1", "price-1"), 272),
        (("technical", "price-1"), 144),
        (("technical", "price-1"), 271),
    ],
)
def test_sealing_takes_lots_that_there_are_and_entropy_for_all_of_them(
    twins: Twins, names: tuple[Section, ...], size: int
) -> None:
    key, entropy, contents = a_bidder(the_world(), 1), Entropy("wrong")(size), dict.fromkeys(names, b"")
    with pytest.raises(EnvelopeError) as caught:
        compose(contents, APART, key, entropy)
    given = {"contents": handed_contents(contents), "entropy": entropy.hex(), "terms": handed_terms(APART)}
    assert twins.code("compose", **given, key=handed(key)) == caught.value.code
    assert caught.value.code == ("wrong-parts" if size == 272 else "wrong-entropy")


@pytest.mark.parametrize(
    ("name", "value"),
    [("u", "c0" + "00" * 95), ("u", "80" + "00" * 94 + "01"), ("v", "00" * 32), ("w", "00" * 32)],
)
def test_what_does_not_open_has_the_same_reason(twins: Twins, name: str, value: str) -> None:
    key = a_bidder(the_world(), 1)
    envelope = Statement(compose({"bid": b"b"}, ONE, key, Entropy("reason")(80))).read(Envelope)
    broken = msgspec.structs.replace(
        envelope, parts=(msgspec.structs.replace(envelope.parts[0], **{name: value}),)
    )
    bid = envelope.context.bid
    expected = verdict(lambda: open_part(broken, "bid", opener(ONE, "bid", bid)))
    given = {"data": handed_envelope(broken), "place": {"part": "bid"}, "terms": handed_terms(ONE)}
    assert twins.code("openPart", **given, signatures=signatures(ONE, "bid", bid)) == expected
    assert expected is not None


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["envelope", "withdrawal", "document", "cover"]),
    TIMES,
    st.binary(min_size=32, max_size=32),
)
def test_commitments_are_the_same(twins: Twins, kind: str, time: datetime, salt: bytes) -> None:
    inputs = {
        "notice": "01" * 32,
        "time": moment(time),
        "salt": salt.hex(),
        "id": "02" * 32,
    }
    assert twins("commitment", kind=kind, **inputs) == commitment(kind, **inputs).hex()
