"""Signed statements: one signature, by the right role, over the one encoding; everything else is refused."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificates import P256_ORDER, Role, Signer, SigningKey, request
from crypto.encoding import encode, from_base64, sha256, to_base64
from crypto.errors import CertificateError, MalformedError, SignatureError, VerificationError
from crypto.statements import Statement, pae, sign
from procurement.awards import ConflictDeclaration, LateClosing, RevealedPrices
from tests.builders import START, a_bidder, signed_anyhow, the_world

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def holder(key: Any) -> SigningKey:
    certificate = the_world().authorities[Role.OFFICER].issue(request(key, Role.OFFICER, "Kim", "1"), START)
    return SigningKey(key, certificate)


P256 = holder(ec.generate_private_key(ec.SECP256R1()))
ED25519 = holder(ed25519.Ed25519PrivateKey.generate())
HOLDERS = pytest.mark.parametrize("key", [P256, ED25519], ids=["P-256", "Ed25519"])


def said(key: SigningKey, reason: str = "Snow.") -> LateClosing:
    return LateClosing(
        signer=key.fingerprint,
        tender="t-1",
        notice="11" * 32,
        closing="22" * 32,
        reason=reason,
        time="2026-03-16T09:00:00.000Z",
    )


def a_statement(key: SigningKey = P256, reason: str = "Snow.") -> bytes:
    return sign(said(key, reason), key)


def altered(data: bytes, **changes: Any) -> bytes:
    return encode(json.loads(data) | changes)


def with_signature(data: bytes, **changes: Any) -> bytes:
    envelope = json.loads(data)
    return altered(data, signatures=[envelope["signatures"][0] | changes])


def test_the_signed_bytes_are_dsse_s_as_in_its_own_example() -> None:
    """From protocol.md of secure-systems-lab/dsse."""
    signed = pae("http://example.com/HelloWorld", b"hello world")
    assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("가", b"") == b"DSSEv1 3 \xea\xb0\x80 0 "


def test_a_statement_is_laid_out_as_documented() -> None:
    data = a_statement()
    body = (
        b'{"closing":"%s","notice":"%s","reason":"Snow.","signer":"%s","tender":"t-1",'
        b'"time":"2026-03-16T09:00:00.000Z"}'
    ) % (b"22" * 32, b"11" * 32, P256.fingerprint.encode())
    envelope = json.loads(data)
    assert envelope["payloadType"] == "application/vnd.openseal.late-closing.v1+json"
    assert from_base64(envelope["payload"]) == body
    assert [set(each) for each in envelope["signatures"]] == [{"keyid", "sig"}]
    signed = b"DSSEv1 45 application/vnd.openseal.late-closing.v1+json %d %s" % (len(body), body)
    P256.certificate.verify(signed, from_base64(envelope["signatures"][0]["sig"]))
    assert Statement(data).id == sha256(signed).hex()


@HOLDERS
def test_what_was_signed_is_what_is_verified(key: SigningKey) -> None:
    statement = Statement(a_statement(key))
    assert statement.verify(LateClosing, key.certificate) == said(key)
    assert statement.signer == key.fingerprint


def test_an_ecdsa_statement_with_the_other_s_is_the_same_statement_and_is_refused() -> None:
    data = a_statement(P256)
    signature = Statement(data).signature
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    malleated = Statement(with_signature(data, sig=to_base64(signature[:32] + s.to_bytes(32, "big"))))
    assert malleated.id == Statement(data).id
    with pytest.raises(SignatureError):
        malleated.verify(LateClosing, P256.certificate)


def test_an_ed25519_statement_with_the_order_added_is_the_same_statement_and_is_refused() -> None:
    data = a_statement(ED25519)
    signature = Statement(data).signature
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    malleated = Statement(with_signature(data, sig=to_base64(signature[:32] + s.to_bytes(32, "little"))))
    assert malleated.id == Statement(data).id
    with pytest.raises(SignatureError):
        malleated.verify(LateClosing, ED25519.certificate)


def test_a_statement_of_another_purpose_is_not_read_as_this_one() -> None:
    with pytest.raises(MalformedError, match="not a statement of type reserve-prices"):
        Statement(a_statement()).verify(RevealedPrices, P256.certificate)


def test_the_same_bytes_under_another_purpose_are_not_signed() -> None:
    prices = RevealedPrices(
        signer=P256.fingerprint,
        tender="t-1",
        notice="11" * 32,
        lot="1",
        salt="22" * 32,
        prices=("1",) * 15,
        time="2026-03-16T09:00:00.000Z",
    )
    data = signed_anyhow("late-closing", encode(prices), P256)
    relabelled = altered(data, payloadType="application/vnd.openseal.reserve-prices.v1+json")
    assert Statement(relabelled).id != Statement(data).id
    assert Statement(relabelled).read(RevealedPrices) == prices
    with pytest.raises(SignatureError):
        Statement(relabelled).verify(RevealedPrices, P256.certificate)


def test_a_role_does_not_sign_what_is_another_s_to_say() -> None:
    bidder = a_bidder(the_world(), 1)
    signed = Statement(signed_anyhow("late-closing", encode(said(bidder)), bidder))
    with pytest.raises(CertificateError, match="role business"):
        signed.verify(LateClosing, bidder.certificate)
    with pytest.raises(CertificateError, match="not the payload's signer"):
        sign(said(bidder), bidder)


@pytest.mark.parametrize("role", Role)
def test_what_several_roles_may_say_each_of_them_says_and_no_other(role: Role) -> None:
    key = the_world().enrol(role, "Kim", "1")
    body = ConflictDeclaration(
        signer=key.fingerprint,
        tender="t-1",
        notice="11" * 32,
        opening="22" * 32,
        conflict=False,
        explanation="",
        time="2026-03-16T09:00:00.000Z",
    )
    signed = Statement(signed_anyhow(body.PURPOSE, encode(body), key))
    if role in (Role.OFFICER, Role.EVALUATOR):
        assert signed.verify(ConflictDeclaration, key.certificate) == body
        assert Statement(sign(body, key)).id == signed.id
        return
    with pytest.raises(CertificateError, match=f"role {role}"):
        signed.verify(ConflictDeclaration, key.certificate)
    with pytest.raises(CertificateError, match="not the payload's signer"):
        sign(body, key)


def test_what_is_signed_under_a_request_is_verified_under_it_and_not_under_its_certificate() -> None:
    """Before there is a certificate the request names the signer; afterwards nobody speaks under it."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked = request(key, Role.OFFICER, "Kim", "1")
    signer = Signer(key, asked)
    word = msgspec.structs.replace(said(P256), signer=signer.fingerprint)
    statement = Statement(sign(word, signer))
    assert statement.signer == sha256(asked.der).hex()
    assert statement.verify(LateClosing, asked) == word
    issued = the_world().authorities[Role.OFFICER].issue(asked, START)
    with pytest.raises(CertificateError, match="another certificate"):
        statement.verify(LateClosing, issued)


def test_a_statement_is_not_signed_in_another_s_name() -> None:
    with pytest.raises(CertificateError, match="not the payload's signer"):
        sign(said(ED25519), P256)


def test_a_keyid_that_is_not_the_signer_is_malformed() -> None:
    data = with_signature(a_statement(), keyid=ED25519.fingerprint)
    with pytest.raises(MalformedError, match="keyid and signer differ"):
        Statement(data).read(LateClosing)


def test_a_statement_is_not_verified_under_anothers_certificate() -> None:
    other = a_bidder(the_world(), 1)
    with pytest.raises(CertificateError, match="another certificate"):
        Statement(a_statement()).verify(LateClosing, other.certificate)


def test_a_signature_by_anothers_key_is_refused() -> None:
    data = with_signature(a_statement(), sig=json.loads(a_statement(ED25519))["signatures"][0]["sig"])
    with pytest.raises(SignatureError):
        Statement(data).verify(LateClosing, P256.certificate)


@pytest.mark.parametrize("count", [0, 2])
def test_a_statement_has_exactly_one_signature(count: int) -> None:
    [signature] = json.loads(a_statement())["signatures"]
    with pytest.raises(MalformedError, match="exactly one signature"):
        Statement(altered(a_statement(), signatures=[signature] * count))


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": 1},
        {"payload": "eyJ9=="},
        {"payload": "e30"},
        {"payload": 1},
        {"payloadType": "application/json"},
        {"payloadType": "application/vnd.openseal.late-closing.v2+json"},
        {"payloadType": "Application/vnd.openseal.late-closing.v1+json"},
        {"signatures": {}},
        {"signatures": [{}]},
        {"signatures": [{"keyid": "", "sig": ""}]},
        {"signatures": [{"keyid": P256.fingerprint.upper(), "sig": ""}]},
    ],
    ids=str,
)
def test_an_envelope_of_another_form_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Statement(altered(a_statement(), **changes)).read(LateClosing)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"closing"', b'{"closing" '),
        (b'"reason":"Snow."', b'"reason":"\\u0053now."'),
        (b'"reason":"Snow."', b'"reason":"Snow.","reason":"Snow."'),
        (b'"reason":"Snow."', b'"reason":""'),
        (b'"reason":"Snow."', b'"reason":null'),
        (b'"reason":"Snow."', b'"reason":NaN'),
        (b'"reason":"Snow.",', b""),
        (b'"tender":"t-1"', b'"tender":1'),
        (b'"tender":"t-1"', b'"tender":"t-1","tenders":1'),
        (b'"tender":"t-1"', b'"tender":"t/1"'),
        (b'"closing":"22', b'"closing":"2A'),
    ],
)
def test_a_genuine_signature_does_not_make_another_encoding_readable(old: bytes, new: bytes) -> None:
    body = encode(said(P256))
    assert old in body
    statement = Statement(signed_anyhow("late-closing", body.replace(old, new), P256))
    with pytest.raises(MalformedError):
        statement.verify(LateClosing, P256.certificate)


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]"])
def test_a_genuine_signature_does_not_make_nothing_readable(body: bytes) -> None:
    with pytest.raises(MalformedError):
        Statement(signed_anyhow("late-closing", body, P256)).verify(LateClosing, P256.certificate)


def test_white_space_around_an_envelope_is_malformed() -> None:
    for data in (a_statement() + b"\n", b" " + a_statement(), json.dumps(json.loads(a_statement())).encode()):
        with pytest.raises(MalformedError):
            Statement(data)


@HOLDERS
def test_a_statement_with_any_bit_flipped_is_refused_with_a_typed_error(key: SigningKey) -> None:
    data = a_statement(key)
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(VerificationError):
            Statement(bytes(flipped)).verify(LateClosing, key.certificate)


def test_every_truncation_of_a_statement_is_malformed() -> None:
    data = a_statement()
    for size in range(len(data)):
        with pytest.raises(MalformedError):
            Statement(data[:size])


@given(st.binary(max_size=100))
def test_garbage_is_malformed(garbage: bytes) -> None:
    with pytest.raises(MalformedError):
        Statement(garbage)


def test_a_statement_longer_than_the_limit_is_malformed() -> None:
    with pytest.raises(MalformedError, match="longer"):
        Statement(b" " * (64 * 1024 * 1024 + 1))


def test_the_payload_is_the_same_value_for_every_reader() -> None:
    statement = Statement(a_statement(reason="Ice."))
    assert statement.read(LateClosing) is statement.read(LateClosing)
    assert statement.read(LateClosing) == said(P256, "Ice.")
