"""What browsers sign, seal and verify: the same bytes, the same verdicts and codes as in Python.

The vectors first, then fresh data both ways: made by one side, judged by the other.
"""

import json
import random
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
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
    PublicFormat,
    load_der_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import (
    Envelope,
    Part,
    SealedFile,
    SubmissionTerms,
    check,
    compose,
    entropy_size,
    open_part,
    open_restricted,
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
from crypto.encoding import decode, encode, from_base64, milliseconds, moment, sha256, to_base64
from crypto.errors import CertificateError, MalformedError, VerificationError
from crypto.locks import Capsule, Lock, Opener, seal
from crypto.merkle import Frontier, leaf_hash, plan_consistency, verify_consistency
from crypto.revocation import Standing, Status
from crypto.statements import Statement
from crypto.trust import Trust
from tests.builders import START, Entropy, World, a_bidder, consistency, inclusion, root_of, the_world
from tests.core.test_envelope import ONE, TWO, opener
from tests.twins import TwinError, Twins

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
    """Terms in the browser's form: with parts as objects, and defaults written out."""
    written = {"documentSize": terms.document_size, "partnerLimit": terms.partner_limit}
    parts = [{"part": each} for each in terms.parts]
    return msgspec.to_builtins(terms) | written | {"parts": parts}


def handed_contents(contents: dict[Part, bytes]) -> list[dict[str, str]]:
    return [{"part": part, "content": content.hex()} for part, content in contents.items()]


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
    lock = handed_lock(QUICKNET.lock(tlock["round"]))
    for case in tlock["sealed"]["cases"]:
        made = twins("seal", locks=[lock], message=case["message"], sigma=case["sigma"][: len(case["message"])])
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
    assert twins("open", locks=given, signatures=[time, mandate], capsule=handed_capsule(capsule)) == message.hex()
    wrong = {"locks": given, "signatures": [mandate, time], "capsule": handed_capsule(capsule)}
    assert twins.code("open", **wrong) == "lock-mismatch"
    spoilt = handed_capsule(capsule) | {"v": flipped(capsule.v, 0, 0).hex()}
    assert twins.code("open", locks=given, signatures=[time, mandate], capsule=spoilt) == "lock-mismatch"


def signatures(terms: SubmissionTerms, part: Part, bid: str) -> list[str]:
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
        given = {"network": network, "round": str(case["round"])}
        twins("verifyRound", **given, signature=case["signature"])
        other = {"network": network, "round": str(case["round"] + 1)}
        assert twins.code("verifyRound", **other, signature=case["signature"]) == "beacon-invalid"
        assert twins.code("verifyRound", **given, signature="c0" + "00" * 47) == "beacon-invalid"


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 4_000_000_000),
    st.integers(1, 100_000),
    st.datetimes(datetime(1970, 1, 2), datetime(8999, 1, 1)),
    st.integers(1, 2**62),
    st.sampled_from(["default", "quicknet", "openseal-local"]),
)
def test_networks_have_the_same_times_and_hashes(
    twins: Twins, genesis: int, period: int, time: datetime, round: int, name: str
) -> None:
    network = msgspec.structs.replace(QUICKNET, genesis=genesis, period=period, beacon_id=name)
    time = time.replace(microsecond=time.microsecond // 1000 * 1000, tzinfo=UTC)
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
        asked = request(generate(), role, name, "123-45-67890_x")
        issued = Authority.create(role, START).issue(asked, START)
        for call, holder in (("request", asked), ("certificate", issued)):
            read = twins(call, der=holder.der.hex())
            for field in ("fingerprint", "role", "name", "registration"):
                assert read[field] == getattr(holder, field)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("algorithm", ["P-256", "Ed25519"])
def test_a_request_made_in_a_browser_is_one(twins: Twins, algorithm: str, name: str) -> None:
    for role in (Role.BUSINESS, Role.REGISTRAR):
        der = bytes.fromhex(twins("generate", algorithm=algorithm, role=role, name=name, registration="1.a_B-2"))
        made = Request(der)
        assert (made.role, made.name, made.registration) == (role, name, "1.a_B-2")


def test_a_request_by_ed25519_is_the_same_byte_for_byte(twins: Twins) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes_raw()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": to_base64(raw).rstrip("=").replace("+", "-").replace("/", "_")}
    given = {"algorithm": "Ed25519", "pkcs8": pkcs8(key), "jwk": jwk, "role": "business"}
    for name in NAMES:
        made = twins("makeRequest", **given, name=name, registration="123-45-67890_x")
        assert made == request(key, Role.BUSINESS, name, "123-45-67890_x").der.hex()


@pytest.mark.parametrize(
    ("name", "registration"),
    [("책" * 22, "1"), ("", "1"), ("a\nb", "1"), ("a\u202eb", "1"), ("Kim", ""), ("Kim", "ä"), ("Kim", "1" * 65)],
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
@given(st.data())
def test_garbage_for_der_is_malformed(twins: Twins, data: st.DataObject) -> None:
    der = bytearray(a_bidder(the_world(), 1).certificate.der)
    start = data.draw(st.integers(0, len(der)))
    der[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
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
    given = {"der": certificate.der.hex(), "roots": {"business": [authority.root.public_bytes(Encoding.DER).hex()]}}
    assert twins.code("verifyChain", **given, role="business", at=int(at.timestamp() * 1000)) == "certificate-invalid"


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


def test_roots_that_are_none_certify_nobody(twins: Twins) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    ca, holder = x509.BasicConstraints(True, 0), x509.BasicConstraints(False, None)
    at, asked = START + timedelta(days=1), request(key, Role.BUSINESS, "Kim", "1")
    for extensions in (
        [(ca, False), (usage(False, True), True), (identifier, False)],
        [(holder, True), (usage(False, True), True), (identifier, False)],
        [(ca, True), (usage(True, False), True), (identifier, False)],
        [(ca, True), (usage(False, True), True)],
        [],
    ):
        root = a_root(key, SUBJECT, *extensions)
        certificate = Authority(Role.BUSINESS, key, root).issue(asked, START)
        roots = Roots({Role.BUSINESS: [root]})
        given = {"der": certificate.der.hex(), "roots": {"business": [root.public_bytes(Encoding.DER).hex()]}}
        code = twins.code("verifyChain", **given, role="business", at=int(at.timestamp() * 1000))
        assert code == verdict(lambda roots=roots, it=certificate: roots.verify(it, Role.BUSINESS, at))
        assert code == "certificate-invalid"


def test_a_root_with_another_key_is_none(twins: Twins) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    root = a_root(other, SUBJECT, (x509.BasicConstraints(True, 0), True))
    der = a_bidder(the_world(), 1).certificate.der.hex()
    given = {"der": der, "roots": {"business": [root.public_bytes(Encoding.DER).hex()]}}
    assert twins.code("verifyChain", **given, role="business", at=0) == "certificate-invalid"
