import copy
import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256, shake_256
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import bls
from crypto.beacon import QUICKNET
from crypto.committee import (
    DEALER_DST,
    POSSESSION_DST,
    Committee,
    Dealer,
    JointKey,
    MemberKey,
    Partial,
    Rehearsal,
    Share,
    joint_key,
    verify_committee,
    verify_share,
)
from crypto.encoding import decode, encode
from crypto.errors import CommitteeError, LockError, MalformedError, VerificationError
from crypto.locks import MANDATE_DST, Opener, OpeningOrder, mandate_lock, seal

VECTORS = Path(__file__).parents[1] / "vectors"
FACTS = json.loads((VECTORS / "committee.json").read_text())
ORDER = OpeningOrder(tender="ocds-0s3al1-T1", notice="00" * 32, part="bid", round="1000")
ORDER_BYTES = encode(ORDER)
CEREMONY = bytes(range(32))


def random(label: str, size: int = 48) -> bytes:
    """Bytes that are random but the same in every run."""
    return shake_256(label.encode()).digest(size)


class Held:
    """A finished ceremony: the committee, its key and every member's share."""

    def __init__(self, threshold: int, size: int, ceremony: bytes = CEREMONY) -> None:
        self.dealers = [
            Dealer(
                ceremony,
                member=i,
                threshold=threshold,
                size=size,
                randomness=random(f"dealer {i}", 48 * threshold),
            )
            for i in range(1, size + 1)
        ]
        self.members = tuple(
            dealer.publish(random(f"certificate {i}", 32).hex(), random(f"blinding {i}"))
            for i, dealer in enumerate(self.dealers, 1)
        )
        self.key = joint_key(ceremony, self.members, threshold)
        self.shares = [
            dealer.gather(self.members, [other.share_for(i) for other in self.dealers])
            for i, dealer in enumerate(self.dealers, 1)
        ]
        proofs = [
            self.partial(share.member, share.prove_possession(self.key, random("proof")), POSSESSION_DST)
            for share in self.shares[:threshold]
        ]
        self.committee = Committee(
            ceremony=ceremony.hex(),
            threshold=threshold,
            members=self.members,
            public_key=self.key.public_key.hex(),
            proof=self.key.combine(proofs, self.key.public_key, POSSESSION_DST).hex(),
        )

    def partial(self, member: int, signature: bytes, dst: bytes = MANDATE_DST) -> Partial:
        message = ORDER_BYTES if dst == MANDATE_DST else self.key.public_key
        return self.key.verify_partial(member, message, signature, dst)

    def order_partials(self) -> list[Partial]:
        return [self.partial(share.member, share.sign(ORDER, random("order"))) for share in self.shares]


@pytest.fixture(scope="module")
def held() -> Held:
    return Held(threshold=3, size=5)


# Known answers: one polynomial of degree 2, five members

KEY = JointKey([bls.parse_g2(bytes.fromhex(text)) for text in FACTS["commitments"]], FACTS["size"])
SHARES = [Share(i, bytes.fromhex(secret)) for i, secret in enumerate(FACTS["shares"], 1)]
PARTIALS = [Partial(member=i, signature=bytes.fromhex(each)) for i, each in enumerate(FACTS["partials"], 1)]


def test_the_known_shares_fit_the_known_commitments() -> None:
    assert KEY.public_key.hex() == FACTS["publicKey"]
    commitments = [bls.parse_g2(bytes.fromhex(text)) for text in FACTS["commitments"]]
    for i, secret in enumerate(FACTS["shares"], 1):
        assert verify_share(9, commitments, i, bytes.fromhex(secret)) == int(secret, 16)


def test_members_sign_the_known_partials() -> None:
    assert encode(ORDER).decode() == FACTS["order"]
    for share, known in zip(SHARES, PARTIALS, strict=True):
        signature = share.sign(ORDER, random("any"))
        assert signature == known.signature
        assert KEY.verify_partial(share.member, ORDER_BYTES, signature) == known


def test_whichever_three_of_five_sign_it_is_the_same_signature() -> None:
    for chosen in (*combinations(PARTIALS, 3), *combinations(PARTIALS, 4), PARTIALS, PARTIALS[::-1]):
        assert KEY.combine(chosen, ORDER_BYTES).hex() == FACTS["signature"]


def test_three_members_prove_possession_of_the_known_key() -> None:
    proofs = [
        KEY.verify_partial(each.member, KEY.public_key, each.prove_possession(KEY, bytes(48)), POSSESSION_DST)
        for each in SHARES[2:]
    ]
    assert KEY.combine(proofs, KEY.public_key, POSSESSION_DST).hex() == FACTS["possession"]["proof"]


# Fewer than k


def test_two_of_three_needed_partials_are_refused() -> None:
    for chosen in (*combinations(PARTIALS, 2), PARTIALS[:1], []):
        with pytest.raises(CommitteeError, match=f"{len(chosen)} of 3"):
            KEY.combine(chosen, ORDER_BYTES)


def test_what_two_partials_interpolate_to_opens_nothing() -> None:
    lock = mandate_lock(KEY.public_key, ORDER_BYTES)
    for chosen in combinations(PARTIALS, 2):
        points = {each.member: bls.parse_g1(each.signature) for each in chosen}
        forged = bls.interpolate_at_zero(points).to_compressed_bytes()
        with pytest.raises(LockError):
            Opener([lock], [forged])


def test_a_partial_alone_opens_nothing() -> None:
    lock = mandate_lock(KEY.public_key, ORDER_BYTES)
    capsule = seal([lock], bytes(32), bytes(range(32)))
    for partial in PARTIALS:
        with pytest.raises(LockError):
            Opener([lock], [partial.signature])
        share_key = KEY.public_share(partial.member).to_compressed_bytes()
        with pytest.raises(LockError):
            Opener([mandate_lock(share_key, ORDER_BYTES)], [partial.signature]).open(capsule)


@pytest.mark.parametrize(
    "chosen",
    [
        [PARTIALS[0], PARTIALS[1], PARTIALS[1]],
        [*PARTIALS[:3], PARTIALS[1]],
        [PARTIALS[0], PARTIALS[1], Partial(member=0, signature=PARTIALS[2].signature)],
        [PARTIALS[0], PARTIALS[1], Partial(member=6, signature=PARTIALS[2].signature)],
        [PARTIALS[0], PARTIALS[1], Partial(member=4, signature=PARTIALS[2].signature)],
        [PARTIALS[0], PARTIALS[1], Partial(member=3, signature=PARTIALS[1].signature)],
        [PARTIALS[0], PARTIALS[1], Partial(member=3, signature=b"\xc0" + bytes(47))],
        [PARTIALS[0], PARTIALS[1], Partial(member=3, signature=b"")],
    ],
    ids=["twice", "three and one twice", "index 0", "beyond n", "wrong index", "copied", "identity", "empty"],
)
def test_partials_that_do_not_belong_together_are_refused(chosen: list[Partial]) -> None:
    with pytest.raises(CommitteeError):
        KEY.combine(chosen, ORDER_BYTES)


def test_partials_under_another_order_are_refused() -> None:
    other = msgspec.structs.replace(ORDER, round="1001")
    with pytest.raises(CommitteeError):
        KEY.verify_partial(1, encode(other), PARTIALS[0].signature)
    with pytest.raises(CommitteeError):
        KEY.combine(PARTIALS, encode(other))
    with pytest.raises(CommitteeError):
        KEY.combine(PARTIALS, ORDER_BYTES, POSSESSION_DST)


@pytest.mark.parametrize("member", [0, -1, 6])
def test_a_partial_of_no_member_is_refused(member: int) -> None:
    with pytest.raises(CommitteeError):
        KEY.verify_partial(member, ORDER_BYTES, PARTIALS[0].signature)


def test_a_wrong_partial_names_its_member() -> None:
    with pytest.raises(CommitteeError, match="member 2"):
        KEY.verify_partial(2, ORDER_BYTES, PARTIALS[0].signature)


@given(st.binary(max_size=50) | st.binary(min_size=48, max_size=48))
def test_garbage_is_no_partial(data: bytes) -> None:
    with pytest.raises(CommitteeError):
        KEY.verify_partial(1, ORDER_BYTES, data)


# The key ceremony


def test_a_ceremony_without_a_dealer_ends_in_a_committee_that_opens(held: Held) -> None:
    key = verify_committee(decode(encode(held.committee), Committee))
    assert (key.threshold, key.size, key.public_key) == (3, 5, held.key.public_key)
    locks = [QUICKNET.lock(1000), mandate_lock(key.public_key, ORDER_BYTES)]
    capsule = seal(locks, bytes(range(32)), random("sigma", 32))
    beacon = json.loads((VECTORS / "beacon.json").read_text())["rounds"][1]
    assert beacon["round"] == "1000"
    for chosen in combinations(held.order_partials(), 3):
        signatures = [bytes.fromhex(beacon["signature"]), key.combine(chosen, ORDER_BYTES)]
        assert Opener(locks, signatures).open(capsule) == bytes(range(32))


def test_the_joint_secret_is_the_sum_of_the_members_secrets(held: Held) -> None:
    constant_terms = [bls.parse_g2(bytes.fromhex(member.commitments[0])) for member in held.members]
    assert bls.add_g2(constant_terms).to_compressed_bytes() == held.key.public_key
    secrets = [bls.scalar_from(random(f"dealer {i}", 48 * 3)[:48]) for i in range(1, 6)]
    assert bls.times_g2(sum(secrets) % bls.ORDER).to_compressed_bytes() == held.key.public_key


@pytest.mark.parametrize(("threshold", "size"), [(2, 2), (2, 3), (8, 15), (15, 15)])
def test_committees_of_every_allowed_size_work(threshold: int, size: int) -> None:
    held = Held(threshold, size)
    assert verify_committee(held.committee).size == size
    partials = held.order_partials()[-threshold:]
    assert held.key.combine(partials, ORDER_BYTES)


@pytest.mark.parametrize(
    ("threshold", "size"), [(1, 1), (1, 2), (2, 4), (3, 6), (3, 2), (0, 0), (9, 16), (16, 16)]
)
def test_committees_out_of_bounds_are_refused(threshold: int, size: int, held: Held) -> None:
    with pytest.raises(CommitteeError):
        Dealer(CEREMONY, member=1, threshold=threshold, size=size, randomness=bytes(48 * threshold))
    with pytest.raises(CommitteeError):
        joint_key(CEREMONY, held.members * 4 if size > 5 else held.members[:size], threshold)


def test_a_dealt_share_that_does_not_fit_names_its_dealer(held: Held) -> None:
    shares = [dealer.share_for(1) for dealer in held.dealers]
    for wrong in (held.dealers[2].share_for(2), bytes(32), b"", bls.ORDER.to_bytes(32, "big")):
        with pytest.raises(CommitteeError, match="member 3"):
            held.dealers[0].gather(held.members, [*shares[:2], wrong, *shares[3:]])
    with pytest.raises(CommitteeError):
        held.dealers[0].gather(held.members, shares[:4])


def replaced(members: tuple[MemberKey, ...], position: int, **fields: Any) -> tuple[MemberKey, ...]:
    changed = msgspec.structs.replace(members[position], **fields)
    return (*members[:position], changed, *members[position + 1 :])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: replaced(m, 1, proof=m[0].proof),
        lambda m: replaced(m, 1, commitments=m[0].commitments, proof=m[0].proof),
        lambda m: replaced(m, 1, commitments=m[1].commitments[:2]),
        lambda m: replaced(m, 1, commitments=(*m[1].commitments, m[1].commitments[0])),
        lambda m: replaced(m, 1, commitments=("c0" + "00" * 95, *m[1].commitments[1:])),
        lambda m: replaced(m, 1, commitments=(*m[1].commitments[:2], "ff" * 96)),
        lambda m: replaced(m, 1, proof="c0" + "00" * 47),
        lambda m: (m[0], m[2], m[1], *m[3:]),
    ],
    ids=["proof", "copied", "short", "long", "identity", "no point", "no proof", "swapped"],
)
def test_a_spoilt_member_key_names_its_member(
    spoil: Callable[[tuple[MemberKey, ...]], tuple[MemberKey, ...]], held: Held
) -> None:
    with pytest.raises(CommitteeError, match="member 2"):
        joint_key(CEREMONY, spoil(held.members), 3)


def test_a_proof_holds_for_its_own_ceremony_only(held: Held) -> None:
    with pytest.raises(CommitteeError, match="member 1"):
        joint_key(bytes(32), held.members, 3)


def test_a_certificate_stands_once(held: Held) -> None:
    with pytest.raises(CommitteeError, match="twice"):
        joint_key(CEREMONY, replaced(held.members, 1, certificate=held.members[0].certificate), 3)


def test_the_last_member_cannot_choose_the_key(held: Held) -> None:
    """A rogue key: commit to a secret of one's own minus all others' commitments."""
    own = 99
    others = bls.add_g2(bls.parse_g2(bytes.fromhex(each.commitments[0])) for each in held.members[:4])
    rogue = (bls.times_g2(own) + -others).to_compressed_bytes()
    proof = bls.sign(own, (5).to_bytes(2, "big") + CEREMONY + rogue, DEALER_DST, bytes(48)).hex()
    members = replaced(
        held.members, 4, commitments=(rogue.hex(), *held.members[4].commitments[1:]), proof=proof
    )
    with pytest.raises(CommitteeError, match="member 5"):
        joint_key(CEREMONY, members, 3)


def test_commitments_that_cancel_out_are_refused() -> None:
    """Two members who share a polynomial, one negated, would make a key without a secret."""
    secrets = [7, bls.ORDER - 7]
    members = []
    for i, secret in enumerate(secrets, 1):
        commitment = bls.times_g2(secret).to_compressed_bytes()
        proof = bls.sign(secret, i.to_bytes(2, "big") + CEREMONY + commitment, DEALER_DST, bytes(48))
        members.append(
            MemberKey(certificate=f"{i:064x}", commitments=(commitment.hex(),) * 2, proof=proof.hex())
        )
    with pytest.raises(CommitteeError, match="cancel"):
        joint_key(CEREMONY, members, 2)


@pytest.mark.parametrize("spoil", ["key", "proof", "ceremony", "threshold", "members", "mandate as proof"])
def test_a_spoilt_committee_is_refused(spoil: str, held: Held) -> None:
    other = held.key.combine(held.order_partials(), ORDER_BYTES).hex()
    fields: dict[str, Any] = {
        "key": {"public_key": FACTS["publicKey"]},
        "proof": {"proof": FACTS["possession"]["proof"]},
        "ceremony": {"ceremony": "00" * 32},
        "threshold": {"threshold": 4},
        "members": {"members": held.members[:4]},
        "mandate as proof": {"proof": other},
    }
    with pytest.raises(CommitteeError):
        verify_committee(msgspec.structs.replace(held.committee, **fields[spoil]))


def test_a_committee_in_a_notice_has_the_documented_form(held: Held) -> None:
    notice = json.loads(encode(held.committee))
    assert list(notice) == ["ceremony", "members", "proof", "publicKey", "threshold"]
    assert list(notice["members"][0]) == ["certificate", "commitments", "proof"]
    assert notice["threshold"] == 3
    assert notice["ceremony"] == CEREMONY.hex()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=8), st.integers(0, 10_000))
def test_garbage_is_no_committee(held: Held, junk: bytes, at: int) -> None:
    data = encode(held.committee)
    at %= len(data)
    altered = data[:at] + junk + data[at + max(1, len(junk)) :]
    with suppress(VerificationError):
        assert verify_committee(decode(altered, Committee)).public_key == held.key.public_key


def test_a_member_key_is_fixed_by_a_digest_before_it_is_revealed(held: Held) -> None:
    member = held.members[0]
    parts = [bytes.fromhex(text) for text in (*member.commitments, member.proof)]
    assert member.digest == sha256(b"".join(parts)).hexdigest()
    for changed in (held.members[1].proof, held.members[2].proof):
        assert msgspec.structs.replace(member, proof=changed).digest != member.digest


def test_the_same_randomness_makes_the_same_dealer_again(held: Held) -> None:
    again = Dealer(CEREMONY, member=1, threshold=3, size=5, randomness=random("dealer 1", 144))
    assert again.publish(held.members[0].certificate, random("another blinding")) == held.members[0]
    assert again.share_for(4) == held.dealers[0].share_for(4)


# What a member's client gives away


def test_a_share_is_kept_and_used_again(held: Held) -> None:
    share = held.shares[1]
    again = Share(share.member, share.export())
    assert again.sign(ORDER, random("one")) == share.sign(ORDER, random("other"))


@pytest.mark.parametrize(
    ("member", "secret"), [(0, b"\x01" * 32), (16, b"\x01" * 32), (1, bytes(32)), (1, b"\x01")]
)
def test_a_share_that_cannot_be_is_refused(member: int, secret: bytes) -> None:
    with pytest.raises((CommitteeError, MalformedError)):
        Share(member, secret)


def test_a_share_of_another_key_proves_nothing(held: Held) -> None:
    with pytest.raises(CommitteeError):
        held.shares[0].prove_possession(KEY, bytes(48))


def test_secrets_do_not_show_or_travel(held: Held) -> None:
    secret = held.shares[0].export()
    for thing in (held.shares[0], held.dealers[0]):
        assert secret.hex() not in repr(thing)
        assert str(int.from_bytes(secret, "big")) not in repr(thing)
        assert not hasattr(thing, "__dict__")
        for leak in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError):
                leak(thing)


@pytest.mark.parametrize(("ceremony", "randomness"), [(bytes(31), 144), (bytes(32), 143), (bytes(32), 192)])
def test_a_dealer_wants_its_exact_randomness(ceremony: bytes, randomness: int) -> None:
    with pytest.raises(MalformedError):
        Dealer(ceremony, member=1, threshold=3, size=5, randomness=bytes(randomness))


def test_a_rehearsal_opens_no_tender(held: Held) -> None:
    rehearsal = Rehearsal(ceremony=CEREMONY.hex())
    assert encode(rehearsal).decode() == f'{{"ceremony":"{CEREMONY.hex()}","kind":"openseal/rehearsal/v1"}}'
    assert decode(encode(rehearsal), Rehearsal) == rehearsal
    signatures = [(share.member, share.sign(rehearsal, random("r"))) for share in held.shares[:3]]
    partials = [held.key.verify_partial(i, encode(rehearsal), each) for i, each in signatures]
    signature = held.key.combine(partials, encode(rehearsal))
    with pytest.raises(LockError):
        Opener([mandate_lock(held.key.public_key, ORDER_BYTES)], [signature])
    for data, type_ in ((encode(rehearsal), OpeningOrder), (ORDER_BYTES, Rehearsal)):
        with pytest.raises(MalformedError):
            decode(data, type_)
