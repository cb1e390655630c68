"""Opening orders: k members' partials for exactly this tender, part, round and bid, and nothing less."""

from typing import Any

import pytest
from msgspec.structs import replace

from bids.envelope import Part, section
from bids.orders import (
    Member,
    Opening,
    OpeningPartial,
    OrderKey,
    PartToOpen,
    check_partial,
    combined,
    open_parts,
)
from crypto.committee import Rehearsal
from crypto.encoding import decode, encode, moment
from crypto.errors import CommitteeError, LockError, MalformedError, VerificationError
from crypto.locks import OpeningOrder
from tests.builders import DEADLINE, Life, a_bidder, a_lot, a_notice, panel_rules, the_world, two_envelopes

NOW = DEADLINE


def a_life(**changes: Any) -> Life:
    life = Life(notice=a_notice(the_world(), a_lot(panel_rules()), **changes))
    life.submit(a_bidder(the_world(), 1), "100000000")
    life.submit(a_bidder(the_world(), 2), "90000000")
    life.close()
    return life


LIFE = a_life()
BIDS = [each.envelope.context.bid for each in LIFE.counted]
ONE, TWO, THREE = the_world().members


def a_partial(member: Member = ONE, part: Part = "technical", bid: str | None = None) -> OpeningPartial:
    return member.sign_order(LIFE.terms, part, bid, NOW, the_world().entropy)


def checked(partial: OpeningPartial) -> None:
    check_partial(partial, LIFE.notice.committee, LIFE.key, LIFE.terms)


def keys(part: Part, *partials: OpeningPartial) -> tuple[OrderKey, ...]:
    return combined(part, partials, LIFE.notice.committee, LIFE.key, LIFE.terms)


def an_opening(part: Part, *order_keys: OrderKey) -> Opening:
    beacon = the_world().beacon.sign(int(LIFE.notice.round), LIFE.notice.opens).signature.hex()
    return Opening(
        signer=the_world().service.fingerprint,
        tender=LIFE.notice.tender,
        notice=LIFE.notice_id,
        part=part,
        round=LIFE.notice.round,
        beacon=beacon,
        keys=order_keys,
        time=moment(NOW),
    )


def opened(opening: Opening) -> list[bytes | str]:
    return open_parts(
        [PartToOpen(envelope=each.envelope, terms=LIFE.terms, opening=opening) for each in LIFE.counted]
    )


# ── partials ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_member_s_partial_holds() -> None:
    checked(a_partial())
    checked(a_partial(THREE))
    checked(a_partial(part="price", bid=BIDS[0]))


@pytest.mark.parametrize(
    "changes",
    [
        {"tender": "ocds-0s3al1-t2"},
        {"notice": "00" * 32},
        {"part": "bid"},
        {"round": "1"},
        {"bid": BIDS[0]},
        {"member": 2},
        {"member": 4},
        {"member": 15},
        {"signer": TWO.key.fingerprint},
        {"signer": TWO.key.fingerprint, "member": 2},
        {"signature": a_partial(TWO).signature},
        {"signature": "c0" + "00" * 47},
        {"signature": "00" * 48},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_a_partial_that_says_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CommitteeError):
        checked(replace(a_partial(), **changes))


def test_a_technical_partial_does_not_pass_as_a_price_partial() -> None:
    with pytest.raises(MalformedError, match="names a bid"):
        checked(replace(a_partial(), part="price"))
    with pytest.raises(CommitteeError):
        checked(replace(a_partial(), part="price", bid=BIDS[0]))


def test_a_price_partial_is_for_one_bid_only() -> None:
    with pytest.raises(CommitteeError):
        checked(replace(a_partial(part="price", bid=BIDS[0]), bid=BIDS[1]))


# ── k of them ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pair", [(ONE, TWO), (TWO, ONE), (ONE, THREE), (TWO, THREE)])
def test_any_k_members_make_the_same_key(pair: tuple[Member, Member]) -> None:
    assert keys("technical", *map(a_partial, pair)) == keys("technical", a_partial(ONE), a_partial(TWO))


def test_one_member_too_few_makes_no_key() -> None:
    assert keys("technical", a_partial(ONE)) == ()
    assert keys("technical") == ()


def test_one_member_twice_is_refused() -> None:
    with pytest.raises(CommitteeError, match="twice"):
        keys("technical", a_partial(ONE), a_partial(ONE))


def test_members_who_sign_different_orders_make_no_key() -> None:
    price = [a_partial(ONE, "price", BIDS[0]), a_partial(TWO, "price", BIDS[1])]
    assert keys("price", *price) == ()


def test_price_keys_are_one_for_each_bid_that_k_members_order() -> None:
    both = [a_partial(member, "price", BIDS[0]) for member in (ONE, TWO)]
    found = keys("price", *both, a_partial(ONE, "price", BIDS[1]))
    assert [key.bid for key in found] == [BIDS[0]]


def test_partials_of_one_part_make_no_key_of_another() -> None:
    with pytest.raises(VerificationError):
        keys("price", a_partial(ONE), a_partial(TWO))


# ── the key and nothing else ─────────────────────────────────────────────────────────────────────────────


def test_an_opening_opens_every_technical_part_and_one_price_for_each_key() -> None:
    technical = opened(an_opening("technical", *keys("technical", a_partial(ONE), a_partial(TWO))))
    assert all(isinstance(each, bytes) for each in technical)
    first = keys("price", *(a_partial(member, "price", BIDS[0]) for member in (ONE, TWO)))
    with pytest.raises(CommitteeError, match="no opening order was given for this bid"):
        opened(an_opening("price", *first))


def test_the_key_of_one_bid_s_price_opens_no_other_s() -> None:
    [key] = keys("price", *(a_partial(member, "price", BIDS[0]) for member in (ONE, TWO)))
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(an_opening("price", replace(key, bid=None)))


def test_the_technical_key_opens_no_price() -> None:
    [key] = keys("technical", a_partial(ONE), a_partial(TWO))
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(an_opening("price", key))


def mandate(message: bytes) -> str:
    """What two members would sign if a server could make them sign these bytes."""
    order = decode(message, OpeningOrder) if b"opening-order" in message else decode(message, Rehearsal)
    partials = [member.share.sign(order, the_world().entropy(48)) for member in (ONE, TWO)]
    verified = [LIFE.key.verify_partial(i, message, each) for i, each in enumerate(partials, 1)]
    return LIFE.key.combine(verified, message).hex()


@pytest.mark.parametrize(
    "other",
    [
        {"notice": "00" * 32},
        {"tender": "ocds-0s3al1-t2"},
        {"round": "403802"},
        {"part": "price", "bid": "00" * 16, "lot": "1"},
        {"part": "bid"},
        {"part": "price", "bid": "00" * 16},
    ],
    ids=str,
)
def test_the_key_of_another_order_is_no_key_for_this_one(other: dict[str, Any]) -> None:
    """A second notice, a re-tender, a lot, another round: nothing makes this order's key known early."""
    order = replace(LIFE.terms.order("technical", None), **other)
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(an_opening("technical", OrderKey(signature=mandate(encode(order)))))


def test_a_rehearsal_s_signature_is_no_key() -> None:
    rehearsal = encode(Rehearsal(ceremony=LIFE.notice.committee.ceremony))
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(an_opening("technical", OrderKey(signature=mandate(rehearsal))))


def test_the_proof_of_possession_is_no_key() -> None:
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(an_opening("technical", OrderKey(signature=LIFE.notice.committee.proof)))


def test_one_partial_is_no_key() -> None:
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(an_opening("technical", OrderKey(signature=a_partial().signature)))


def test_another_round_s_signature_is_no_key() -> None:
    opening = an_opening("technical", *keys("technical", a_partial(ONE), a_partial(TWO)))
    other = the_world().beacon.sign(int(LIFE.notice.round) - 1, LIFE.notice.opens).signature.hex()
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(replace(opening, beacon=other))


def test_beacon_and_mandate_that_change_places_are_no_keys() -> None:
    opening = an_opening("technical", *keys("technical", a_partial(ONE), a_partial(TWO)))
    swapped = replace(opening, beacon=opening.keys[0].signature, keys=(OrderKey(signature=opening.beacon),))
    with pytest.raises(LockError, match="not the key of this lock"):
        opened(swapped)


# ── lot by lot ───────────────────────────────────────────────────────────────────────────────────────────

APART = Life(notice=a_notice(the_world(), *(a_lot(two_envelopes(), id=lot) for lot in ("1", "2"))))
APART.submit(a_bidder(the_world(), 1))
APART.close()
[BID] = APART.counted


def of_lot(lot: str | None, member: Member = ONE, bid: str = BID.envelope.context.bid) -> OpeningPartial:
    return member.sign_order(APART.terms, section("price", lot), bid, NOW, the_world().entropy)


def lot_keys(*partials: OpeningPartial) -> tuple[OrderKey, ...]:
    return combined("price", partials, APART.notice.committee, APART.key, APART.terms)


def lot_opened(lot: str, *keys: OrderKey) -> bytes | str:
    opening = replace(an_opening("price", *keys), tender=APART.notice.tender, notice=APART.notice_id)
    [found] = open_parts([PartToOpen(envelope=BID.envelope, terms=APART.terms, opening=opening, lot=lot)])
    return found


def test_members_who_sign_the_prices_of_different_lots_make_no_key() -> None:
    assert lot_keys(of_lot("1", ONE), of_lot("2", TWO)) == ()


def test_each_lots_price_has_a_key_and_opens_with_no_other_lots() -> None:
    signed = [of_lot(lot, member) for lot in ("2", "1") for member in (ONE, TWO)]
    one, two = lot_keys(*signed)
    assert [key.subject for key in (one, two)] == [(one.bid, "1"), (one.bid, "2")]
    assert isinstance(lot_opened("1", one), bytes)
    with pytest.raises(CommitteeError, match="no opening order was given for this bid"):
        lot_opened("2", one)
    with pytest.raises(LockError, match="not the key of this lock"):
        lot_opened("2", replace(one, lot="2"))
    with pytest.raises(CommitteeError, match="no opening order was given for this bid"):
        lot_opened("2", replace(one, lot=None))


@pytest.mark.parametrize(
    "changes",
    [{"lot": "2"}, {"lot": "3"}, {"lot": None}, {"part": "technical"}, {"bid": BIDS[0]}, {"member": 2}],
    ids=str,
)
def test_a_partial_on_one_lot_that_says_anything_else_is_refused(changes: dict[str, Any]) -> None:
    check_partial(of_lot("1"), APART.notice.committee, APART.key, APART.terms)
    changed = replace(of_lot("1"), **changes)
    with pytest.raises(CommitteeError):
        check_partial(changed, APART.notice.committee, APART.key, APART.terms)


def test_a_partial_names_a_lot_only_where_each_has_a_part_and_then_always() -> None:
    with pytest.raises(CommitteeError, match="without a part of its own"):
        checked(replace(a_partial(part="price", bid=BIDS[0]), lot="1"))
    with pytest.raises(CommitteeError, match="for all where each has one"):
        check_partial(of_lot(None), APART.notice.committee, APART.key, APART.terms)
