"""The trust file: pinned log, witnesses, roots and beacons, and nothing that the thing checked can change."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import checkpoint
from crypto.beacon import QUICKNET
from crypto.certificates import Role
from crypto.checkpoint import Checkpoint, cosign, sign_checkpoint
from crypto.encoding import decode, encode, to_base64
from crypto.errors import BeaconError, CertificateError, LogError, MalformedError, SignatureError
from crypto.trust import Trust, WitnessPolicy
from tests.builders import ORIGIN, START, the_world

HEAD = Checkpoint(origin=ORIGIN, size=7, root=bytes(32))
WITNESSES = [
    checkpoint.SigningKey(f"witness.example/{i}", checkpoint.WITNESS, bytes([i]) * 32) for i in range(1, 4)
]


def a_policy(quorum: int = 2) -> WitnessPolicy:
    return WitnessPolicy(keys=tuple(each.verifier.encode() for each in WITNESSES), quorum=quorum)


def a_note(*seconds: int) -> str:
    """The head, signed by the log; witness i co-signed so many seconds after the start."""
    note = sign_checkpoint(HEAD, the_world().log)
    times = zip(WITNESSES, seconds, strict=False)
    return note + "".join(cosign(note, each, START + timedelta(seconds=s)) for each, s in times)


def trust(**changes: Any) -> Trust:
    return msgspec.structs.replace(the_world().trust, witnesses=a_policy(), **changes)


def test_a_trust_file_is_read_back_as_it_was_written() -> None:
    data = encode(trust())
    assert decode(data, Trust) == trust()
    assert b'"format":"openseal/trust/v1"' in data


def test_a_trust_file_of_another_format_is_malformed() -> None:
    for changed in (b"openseal/trust/v2", b""):
        with pytest.raises(MalformedError):
            decode(encode(trust()).replace(b"openseal/trust/v1", changed), Trust)


def test_the_head_is_verified_by_log_and_quorum() -> None:
    assert trust().verify_head(a_note(5, 3)) == HEAD


def test_the_quorum_is_reached_when_its_last_witness_signs() -> None:
    note = a_note(50, 3, 8)
    assert [a_policy(k).reached(note) - START for k in (1, 2, 3)] == [
        timedelta(seconds=s) for s in (3, 8, 50)
    ]


def test_below_the_quorum_nothing_is_reached() -> None:
    with pytest.raises(LogError, match="1 of the 2"):
        trust().verify_head(a_note(5))


def test_one_witness_that_signs_twice_is_one() -> None:
    note = a_note(5)
    with pytest.raises(LogError):
        trust().verify_head(note + cosign(note, WITNESSES[0], START))


def test_the_log_s_own_key_is_no_witness_and_a_witness_no_log() -> None:
    world = the_world()
    own = WitnessPolicy(keys=(world.log.verifier.encode(),), quorum=1)
    with pytest.raises(SignatureError):
        own.verify(a_note(1))
    with pytest.raises((LogError, SignatureError)):
        trust(log=WITNESSES[0].verifier.encode()).verify_head(a_note(1, 2))


def test_another_log_s_checkpoint_is_refused() -> None:
    other = checkpoint.SigningKey("other.example/log", checkpoint.LOG, bytes(32))
    with pytest.raises(LogError, match="another log"):
        trust(log=other.verifier.encode()).verify_head(a_note(1, 2))


@pytest.mark.parametrize("quorum", [0, 4, 2**53 - 1])
def test_a_quorum_of_none_or_of_more_than_there_are_is_malformed(quorum: int) -> None:
    with pytest.raises(MalformedError, match="quorum"):
        a_policy(quorum)


def test_a_policy_is_checked_when_it_is_decoded() -> None:
    encoded = encode(a_policy(2))
    for changed in (
        encoded.replace(b'"quorum":2', b'"quorum":4'),
        encoded.replace(b"witness.example/1+", b"x+"),
    ):
        with pytest.raises(MalformedError):
            decode(changed, WitnessPolicy)


def test_the_same_witness_is_not_listed_twice() -> None:
    key = WITNESSES[0].verifier.encode()
    with pytest.raises(MalformedError, match="once"):
        WitnessPolicy(keys=(key, key), quorum=1)


def test_one_key_under_two_names_is_one_witness() -> None:
    twin = checkpoint.SigningKey("twin.example/w", checkpoint.WITNESS, bytes([1]) * 32)
    policy = WitnessPolicy(keys=(WITNESSES[0].verifier.encode(), twin.verifier.encode()), quorum=2)
    note = a_note(1)
    with pytest.raises(LogError, match="1 of the 2"):
        policy.verify(note + cosign(note, twin, START))


def test_a_beacon_is_pinned_by_its_chain_hash() -> None:
    trust().check_network(the_world().beacon.network)
    with pytest.raises(BeaconError):
        trust().check_network(QUICKNET)
    with pytest.raises(BeaconError):
        trust().check_network(msgspec.structs.replace(the_world().beacon.network, period=4))


def test_a_root_that_is_no_certificate_is_malformed() -> None:
    for root in ("", "AAAA", "Kim!"):
        with pytest.raises(MalformedError):
            trust(roots={Role.OFFICER: (root,)}).authorities()


def test_a_holder_s_certificate_is_no_root() -> None:
    officer = the_world().officer.certificate
    roots = trust(roots={Role.OFFICER: (to_base64(officer.der),)}).authorities()
    with pytest.raises(CertificateError):
        roots.verify(the_world().enrol(Role.OFFICER, "Kim", "1").certificate, Role.OFFICER, START)


def test_each_role_has_its_own_roots() -> None:
    roots = trust().authorities().roots
    ders = {root.public_bytes(Encoding.DER) for several in roots.values() for root in several}
    assert len(ders) == len(Role)
