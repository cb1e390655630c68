"""RFC 3161: tokens of a real authority are read, checked and shown; whatever else comes is refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import decode, encode
from crypto.errors import MalformedError, StampError
from crypto.stamps import LONGEST_TOKEN, Token, request
from crypto.trust import Trust
from procurement import bundle
from procurement.pinning import identities
from procurement.record import Verdict, verify
from procurement.stamping import LONGEST_REST, Rest
from tests.builders import DEADLINE, Life, a_bidder, a_lot, a_notice, the_world
from tests.stamper import POLICY, UNTIL, TimeAuthority

NOTE = b"log.example\n7\nFKR3vANAjrtVI9TfrVKJc497s7Vv0uJoJY/qvCUWEio=\n"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OPENS = DEADLINE + 30 * MINUTE


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("stamps") / "authority")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("stamps") / "another", name="Another")


@pytest.fixture(scope="module")
def impostor(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    """Of the same names, with other keys."""
    return TimeAuthority(tmp_path_factory.mktemp("stamps") / "impostor")


def test_a_token_says_who_stamped_when_and_holds(authority: TimeAuthority) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    data = authority.stamp(NOTE)
    token = Token(data)
    token.verify(NOTE, [authority.root])
    assert before <= token.time <= datetime.now(UTC)
    assert token.latest - token.time == SECOND
    assert (token.by, token.policy) == (f"CN={authority.by}", POLICY)
    assert authority.verified(NOTE, data), "openssl reads it, too"
    assert not authority.verified(NOTE + b"\n", data)


def test_a_request_is_the_same_for_the_same_bytes_and_asks_by_sha_512() -> None:
    assert request(NOTE) == request(NOTE) != request(NOTE + b"\n")
    sha_512 = bytes.fromhex("0609608648016503040203")
    assert sha_512 in request(NOTE)


def test_a_stamp_of_any_time_is_what_the_authority_would_have_signed_then(authority: TimeAuthority) -> None:
    data = authority.stamp(NOTE, DEADLINE)
    assert Token(data).time == DEADLINE
    Token(data).verify(NOTE, [authority.root])
    assert authority.verified(NOTE, data)


def refused(data: bytes, *roots: TimeAuthority, message: bytes = NOTE) -> str:
    with pytest.raises(StampError) as error:
        Token(data).verify(message, [each.root for each in roots])
    return str(error.value)


def test_a_token_about_other_bytes_is_refused(authority: TimeAuthority) -> None:
    assert "about other bytes" in refused(authority.stamp(NOTE), authority, message=NOTE + b"\n")


def test_a_token_of_another_authority_is_refused_whatever_it_calls_itself(
    authority: TimeAuthority, another: TimeAuthority, impostor: TimeAuthority
) -> None:
    for each in (another, impostor):
        assert "does not hold" in refused(each.stamp(NOTE), authority)
    assert not Token(another.stamp(NOTE)).names([authority.root])
    assert Token(impostor.stamp(NOTE)).names([authority.root])
    Token(another.stamp(NOTE)).verify(NOTE, [authority.root, another.root])


def test_a_token_before_or_after_its_certificate_is_refused(tmp_path: Path) -> None:
    short = TimeAuthority(tmp_path / "short", until=DEADLINE)
    Token(short.stamp(NOTE, DEADLINE - SECOND)).verify(NOTE, [short.root])
    assert "does not hold" in refused(short.stamp(NOTE, DEADLINE + SECOND), short)
    assert "does not hold" in refused(short.stamp(NOTE, datetime(2019, 1, 1, tzinfo=UTC)), short)


def test_a_certificate_for_something_else_stamps_nothing(authority: TimeAuthority) -> None:
    """`openssl ts` does not stamp with one, so it is put into a token in place of the right one."""
    ours, other = (
        each.public_bytes(Encoding.DER)
        for each in (authority.own, authority.certified_for(ExtendedKeyUsageOID.SERVER_AUTH))
    )
    token = authority.stamp(NOTE)
    assert (ours in token, len(ours)) == (True, len(other))
    assert "no authority" in refused(token.replace(ours, other), authority)


def test_what_an_authority_does_not_grant_is_no_token(authority: TimeAuthority) -> None:
    assert "not a time stamp" in refused(authority.reply(b"no request at all"), authority)


def test_a_token_has_an_end(authority: TimeAuthority) -> None:
    assert "at most" in refused(bytes(LONGEST_TOKEN + 1), authority)
    assert "not a time stamp" in refused(authority.stamp(NOTE) + b"\0", authority)


@given(st.binary() | st.binary().map(lambda data: b"\x30\x82" + len(data).to_bytes(2, "big") + data))
def test_garbage_is_no_token(data: bytes) -> None:
    with pytest.raises(StampError):
        Token(data)


@given(data=st.data())
def test_a_broken_token_is_refused_or_says_the_same(authority: TimeAuthority, data: st.DataObject) -> None:
    """Some bytes of the form say nothing, and no signature covers them: a version, an algorithm's name."""
    good = kept(authority)
    broken = bytearray(good)
    at = data.draw(st.integers(0, len(good) - 1))
    broken[at : at + data.draw(st.integers(1, 3))] = data.draw(st.binary(max_size=4))
    try:
        token = Token(bytes(broken))
        token.verify(NOTE, [authority.root])
    except StampError:
        return
    assert (token.time, token.by, token.policy) == (DEADLINE, f"CN={authority.by}", POLICY)


@cache
def kept(authority: TimeAuthority) -> bytes:
    return authority.stamp(NOTE, DEADLINE)


# In the trust file, in the award record


def trusting(*authorities: TimeAuthority) -> Trust:
    stamping = tuple(root for each in authorities for root in each.pinned)
    return msgspec.structs.replace(the_world().trust, stamping=stamping)


def test_a_trust_file_without_them_is_as_before() -> None:
    assert b"stamping" not in encode(the_world().trust)
    assert decode(encode(the_world().trust), Trust).stamping_roots() == []


def test_a_trust_file_names_the_roots_of_those_who_stamp(authority: TimeAuthority) -> None:
    trust = decode(encode(trusting(authority)), Trust)
    assert trust.stamping_roots() == [authority.root]
    [said] = [each.who for each in identities(trust) if each.what == "stamping root"]
    assert said.startswith(f"CN={authority.root.subject.rfc4514_string().removeprefix('CN=')}, 2019-12-31 to")
    with pytest.raises(MalformedError):
        msgspec.structs.replace(trust, stamping=("AAAA",)).stamping_roots()


@cache
def a_life() -> Life:
    life = Life(the_world(), a_notice(the_world(), a_lot()))
    life.submit(a_bidder(the_world(), 1), "1000000")
    return life.to_award()


def judged(trust: Trust | None, token: bytes, claims: Trust | None = None) -> Verdict:
    """What the verdict is on a record with that token."""
    facts = msgspec.structs.replace(a_life().facts(), closing_stamp=token)
    return verify(bundle.build(msgspec.structs.replace(facts, claims=claims or facts.claims)), trust)


def stamped(authority: TimeAuthority, at: datetime) -> bytes:
    return authority.stamp(a_life().closing_note.encode(), at)


def test_a_stamped_closing_is_told_with_who_and_when(authority: TimeAuthority) -> None:
    verdict = judged(trusting(authority), stamped(authority, DEADLINE + MINUTE))
    assert (verdict.outcome, verdict.clean) == ("verified", True)
    assert f"stamped by CN={authority.by} at 2026-03-16 09:01:00 UTC under its policy {POLICY}" in (
        verdict.steps[3].findings
    )
    assert any(each.startswith("stamping root ") for each in verdict.steps[0].findings)


def test_a_record_without_a_stamp_holds_under_the_same_trust(authority: TimeAuthority) -> None:
    assert verify(a_life().record(), trusting(authority)).outcome == "verified"


def test_the_record_of_a_service_that_names_its_authority_is_coherent(authority: TimeAuthority) -> None:
    token = stamped(authority, DEADLINE + MINUTE)
    verdict = judged(None, token, claims=trusting(authority))
    assert verdict.outcome == "coherent"
    assert any(each.startswith("stamped by") for each in verdict.steps[3].findings)


@pytest.mark.parametrize("pinned", [False, True], ids=["nobody", "somebody else"])
def test_a_stamp_by_nobody_who_is_pinned_is_said_not_to_be_checked(
    authority: TimeAuthority, another: TimeAuthority, pinned: bool
) -> None:
    trust = trusting(another) if pinned else the_world().trust
    verdict = judged(trust, stamped(authority, DEADLINE - 24 * 60 * MINUTE))
    assert verdict.outcome == "verified"
    assert f"the closing's time stamp: CN={authority.by} is not a pinned authority" in verdict.not_checked
    assert not any(each.startswith("stamped") for each in verdict.steps[3].findings)


def test_a_stamp_after_the_round_is_a_reservation(authority: TimeAuthority) -> None:
    """Within the accuracy that the authority claims it may have been after it."""
    assert judged(trusting(authority), stamped(authority, OPENS - 2 * SECOND)).clean
    for at in (OPENS - SECOND, OPENS + MINUTE):
        verdict = judged(trusting(authority), stamped(authority, at))
        assert (verdict.outcome, verdict.clean) == ("verified", False)
        assert f"the closing was stamped after the round, at {at:%Y-%m-%d %H:%M:%S} UTC" in (
            verdict.reservations
        )


LIES: dict[str, Callable[[TimeAuthority, TimeAuthority], bytes]] = {
    "about another note": lambda ours, _: ours.stamp(NOTE, DEADLINE + MINUTE),
    "by an impostor": lambda _, impostor: stamped(impostor, DEADLINE + MINUTE),
    "before the deadline": lambda ours, _: stamped(ours, DEADLINE - 2 * MINUTE),
    "cut off": lambda ours, _: stamped(ours, DEADLINE + MINUTE)[:-1],
    "after its certificate": lambda ours, _: stamped(ours, UNTIL + timedelta(days=1)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_stamp_that_does_not_hold_refuses_the_record(
    lie: Callable[[TimeAuthority, TimeAuthority], bytes], authority: TimeAuthority, impostor: TimeAuthority
) -> None:
    verdict = judged(trusting(authority), lie(authority, impostor))
    assert (verdict.outcome, verdict.steps[-1].number) == ("refused", 4)
    assert "stamp" in verdict.steps[-1].findings[0]


def test_an_authority_that_fails_is_asked_more_and_more_rarely() -> None:
    rest, rests = Rest(), []
    for _ in range(11):
        rest, before = rest.longer(1000.0), rest
        rests.append(rest.until - 1000.0)
        assert rest.next >= before.next
    assert rests[:4] == [1.0, 2.0, 4.0, 8.0]
    assert rests[-2:] == [LONGEST_REST, LONGEST_REST]
