"""Sealed bids: what opens, what is turned away unread, and why an accepted one does not open."""

import json
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import (
    ENTROPY_PER_PART,
    MOST_LOTS,
    MOST_PARTNERS,
    NONCE,
    Context,
    Envelope,
    Part,
    Section,
    SubmissionTerms,
    bid_id,
    check,
    compose,
    entropy_size,
    open_part,
    part_context,
    verify_sealed,
)
from bids.errors import EnvelopeError, Unopenable
from crypto.certificates import SigningKey
from crypto.encoding import decode, encode, from_base64, sha256, to_base64
from crypto.errors import LockError, MalformedError, VerificationError
from crypto.locks import Opener
from crypto.statements import Statement, sign
from tests.builders import (
    DEADLINE,
    Entropy,
    Life,
    a_bidder,
    a_lot,
    a_notice,
    panel_rules,
    the_world,
    two_envelopes,
)

CONTENTS: dict[Section, bytes] = {
    "bid": b"{}",
    "technical": b"the proposal",
    "price": b"the price",
    "price-1": b"that of one lot",
    "price-2": b"that of the other",
    "price-A.b": b"that of a lot with another kind of id",
}
IDENTITY = "c0" + "00" * 95
NO_POINT = "80" + "00" * 94 + "01"


def terms_of(*parts: Part, **changes: Any) -> SubmissionTerms:
    rules = panel_rules() if "price" in parts else None
    life = Life(notice=a_notice(the_world(), a_lot(rules)))
    return msgspec.structs.replace(life.terms, **changes)


ONE, TWO = terms_of("bid"), terms_of("technical", "price")
LOTS = Life(
    notice=a_notice(the_world(), *(a_lot(two_envelopes(), id=lot) for lot in ("1", "2", "A.b")))
).terms
PRICES = LOTS.sections[1:]
KIM, LEE = a_bidder(the_world(), 1), a_bidder(the_world(), 2)


def sealed(
    terms: SubmissionTerms = ONE,
    key: SigningKey = KIM,
    seed: str = "seal",
    previous: str | None = None,
    consortium: Sequence[str] = (),
    without: Collection[Section] = (),
) -> Envelope:
    contents = {name: CONTENTS[name] for name in terms.sections if name not in without}
    data = compose(contents, terms, key, Entropy(seed)(entropy_size(terms)), previous, consortium)
    return Statement(data).verify(Envelope, key.certificate)


def opener(terms: SubmissionTerms, part: Section, bid: str) -> Opener:
    """Both keys: the beacon's of the round and two members' on the order."""
    world = the_world()
    partials = [member.share.sign(terms.order(part, bid), world.entropy(48)) for member in world.members[:2]]
    key = Life().key
    order = encode(terms.order(part, bid))
    mandate = key.combine([key.verify_partial(i, order, each) for i, each in enumerate(partials, 1)], order)
    time = world.beacon.sign(int(terms.round), DEADLINE.replace(year=2027)).signature
    return Opener(terms.locks(part, bid), (time, mandate))


def opens(envelope: Envelope, part: Section = "bid", terms: SubmissionTerms | None = None) -> bytes:
    terms = terms or (ONE if part == "bid" else TWO)
    return open_part(envelope, part, opener(terms, part, envelope.context.bid))


def with_part(envelope: Envelope, **changes: Any) -> Envelope:
    first, *others = envelope.parts
    return msgspec.structs.replace(envelope, parts=(msgspec.structs.replace(first, **changes), *others))


def with_context(envelope: Envelope, **changes: Any) -> Envelope:
    return msgspec.structs.replace(envelope, context=msgspec.structs.replace(envelope.context, **changes))


def refusal(envelope: Envelope, terms: SubmissionTerms = ONE) -> str:
    with pytest.raises(EnvelopeError) as caught:
        check(envelope, terms)
    return caught.value.code


def reason(envelope: Envelope, part: Part = "bid") -> str:
    with pytest.raises(Unopenable) as caught:
        opens(envelope, part)
    return caught.value.code


# ── what opens ───────────────────────────────────────────────────────────────────────────────────────────


def test_one_part_opens_with_both_keys() -> None:
    envelope = sealed()
    check(envelope, ONE)
    assert opens(envelope) == CONTENTS["bid"]


def test_two_parts_open_each_with_its_own_order() -> None:
    envelope = sealed(TWO)
    check(envelope, TWO)
    assert opens(envelope, "technical") == CONTENTS["technical"]
    assert opens(envelope, "price") == CONTENTS["price"]


@settings(max_examples=10, deadline=None)
@given(st.sets(st.sampled_from(PRICES), min_size=1))
def test_of_lots_with_a_price_part_each_those_are_sealed_that_are_bid_for(bid_for: set[Section]) -> None:
    envelope = sealed(LOTS, without=set(PRICES) - bid_for)
    check(envelope, LOTS)
    assert decode(encode(envelope), Envelope) == envelope
    assert [each.section for each in envelope.parts] == [
        each for each in LOTS.sections if each == "technical" or each in bid_for
    ]
    for name in ("technical", *bid_for):
        assert opens(envelope, name, LOTS) == CONTENTS[name]
    for name in set(PRICES) - bid_for:
        with pytest.raises(MalformedError, match="no part"):
            opens(envelope, name, LOTS)


def test_the_order_of_one_lots_price_opens_no_other_lots_nor_another_bids() -> None:
    envelope = sealed(LOTS)
    bid = envelope.context.bid
    assert open_part(envelope, "price-1", opener(LOTS, "price-1", bid)) == CONTENTS["price-1"]
    for name, key in (
        ("price-1", opener(LOTS, "price-2", bid)),
        ("price-2", opener(LOTS, "price-1", bid)),
        ("price-1", opener(LOTS, "technical", bid)),
        ("price-1", opener(LOTS, "price-1", sealed(LOTS, seed="other").context.bid)),
        ("price-1", opener(TWO, "price", bid)),
    ):
        with pytest.raises(Unopenable) as caught:
            open_part(envelope, name, key)
        assert caught.value.code == "locked-otherwise"


def test_a_lot_more_makes_a_bid_no_larger_than_its_price_part_is() -> None:
    sizes = [len(encode(sealed(LOTS, without=PRICES[count:]))) for count in (1, 2, 3)]
    assert sizes[0] < 2500
    assert all(more - less < 600 for less, more in pairwise(sizes))


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=2000))
def test_any_content_comes_out_as_it_went_in(content: bytes) -> None:
    data = compose({"bid": content}, ONE, KIM, Entropy(content.hex())(entropy_size(ONE)))
    assert opens(Statement(data).read(Envelope)) == content


def test_sealing_is_a_function_of_its_entropy() -> None:
    assert sealed() == sealed()
    assert sealed().parts != sealed(seed="other").parts


def test_every_bid_has_an_id_of_its_own() -> None:
    ids = [sealed(seed=seed).context.bid for seed in "abc"] + [sealed(key=LEE).context.bid]
    assert len(set(ids)) == 4
    nonce = bytes.fromhex(sealed().context.nonce)
    fingerprint = bytes.fromhex(KIM.fingerprint)
    by_hand = sha256(b"openseal/v1/bid-id\n" + fingerprint + nonce)[:16].hex()
    assert sealed().context.bid == by_hand == bid_id(KIM.fingerprint, nonce)


def test_a_ciphertext_is_bound_to_its_context_and_part() -> None:
    context = sealed(TWO).context
    bound = json.loads(part_context(context, "price"))
    assert bound["part"] == "price"
    assert bound["protocol"] == "openseal/v1"
    assert {*bound} == {"part", "protocol", *Context.__struct_fields__}
    assert decode(encode(context), Context) == context


def test_a_lots_ciphertext_is_bound_to_its_lot_and_no_other_is_to_one() -> None:
    context = sealed(LOTS).context
    assert json.loads(part_context(context, "price-A.b")).items() >= {"part": "price", "lot": "A.b"}.items()
    for name in ("technical", "price", "bid"):
        assert "lot" not in json.loads(part_context(context, name))


# ── what is not sealed ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [0, 16, 79, 81])
def test_sealing_takes_exactly_so_much_entropy(size: int) -> None:
    with pytest.raises(EnvelopeError) as caught:
        compose({"bid": b"{}"}, ONE, KIM, bytes(size))
    assert caught.value.code == "wrong-entropy"


@pytest.mark.parametrize("parts", [(), ("technical",), ("bid", "price"), ("technical", "price")])
def test_contents_for_other_parts_are_not_sealed(parts: tuple[Part, ...]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        compose(dict.fromkeys(parts, b""), ONE, KIM, bytes(80))
    assert caught.value.code == "wrong-parts"


@pytest.mark.parametrize(
    "names",
    [
        ("technical",),
        PRICES,
        ("technical", "price"),
        ("technical", "price-3"),
        ("technical", "price-"),
        ("technical-1", "price-1"),
        ("technical", "price", "price-1"),
    ],
)
def test_contents_for_other_lots_are_not_sealed(names: tuple[Section, ...]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        compose(dict.fromkeys(names, b""), LOTS, KIM, bytes(entropy_size(LOTS)))
    assert caught.value.code == "wrong-parts"


def test_the_prices_of_all_lots_together_are_within_the_limit() -> None:
    terms = msgspec.structs.replace(LOTS, content_limit=100)
    entropy = Entropy("limit")(entropy_size(terms))
    whole = {"technical": bytes(100), "price-1": bytes(60), "price-2": bytes(40)}
    check(Statement(compose(whole, terms, KIM, entropy)).read(Envelope), terms)
    for changes in ({"technical": bytes(101)}, {"price-2": bytes(41)}, {"price-A.b": bytes(1)}):
        with pytest.raises(EnvelopeError) as caught:
            compose(whole | changes, terms, KIM, entropy)
        assert caught.value.code == "wrong-size"


def test_content_up_to_the_limit_is_sealed_and_no_more() -> None:
    terms = terms_of("bid", content_limit=100)
    entropy = Entropy("limit")(entropy_size(terms))
    assert opens(Statement(compose({"bid": b"x" * 100}, terms, KIM, entropy)).read(Envelope), terms=terms)
    with pytest.raises(EnvelopeError) as caught:
        compose({"bid": b"x" * 101}, terms, KIM, entropy)
    assert caught.value.code == "wrong-size"


# ── joint bids ───────────────────────────────────────────────────────────────────────────────────────────

PARTNERS = tuple(f"{number:064x}" for number in range(MOST_PARTNERS + 1))


def test_an_envelope_without_partners_does_not_speak_of_any() -> None:
    assert b"consortium" not in encode(sealed())
    assert sealed() == sealed(consortium=())


def test_partners_are_named_in_the_order_given_and_change_nothing_that_is_sealed() -> None:
    joint = sealed(consortium=[LEE.fingerprint, *PARTNERS[1:3]])
    check(joint, ONE)
    assert joint.consortium == (LEE.fingerprint, *PARTNERS[1:3])
    assert (joint.context, joint.parts) == (sealed().context, sealed().parts)
    assert encode(joint) != encode(sealed())


@pytest.mark.parametrize(
    ("code", "consortium"),
    [
        ("partner-twice", (LEE.fingerprint, LEE.fingerprint)),
        ("partner-twice", (LEE.fingerprint, KIM.fingerprint)),
        ("too-many-partners", PARTNERS),
    ],
)
def test_a_joint_bid_of_odd_company_is_neither_sealed_nor_let_in(
    code: str, consortium: tuple[str, ...]
) -> None:
    with pytest.raises(EnvelopeError) as caught:
        sealed(consortium=consortium)
    assert caught.value.code == code
    assert refusal(msgspec.structs.replace(sealed(), consortium=consortium)) == code


def test_more_partners_than_there_may_be_are_not_even_read() -> None:
    assert decode(encode(sealed(consortium=PARTNERS[:-1])), Envelope).consortium == PARTNERS[:-1]
    crowded = msgspec.structs.replace(sealed(), consortium=PARTNERS)
    with pytest.raises(MalformedError):
        decode(encode(crowded), Envelope)


@pytest.mark.parametrize("terms", [ONE, TWO, LOTS], ids=["one part", "two parts", "three lots"])
def test_whoever_is_shown_contents_and_entropy_can_tell_that_they_are_what_is_sealed(
    terms: SubmissionTerms,
) -> None:
    contents = {name: CONTENTS[name] for name in terms.sections}
    entropy = Entropy("seal")(entropy_size(terms))
    verify_sealed(sealed(terms, consortium=[LEE.fingerprint]), contents, terms, entropy)
    for name in terms.sections:
        with pytest.raises(EnvelopeError) as caught:
            verify_sealed(sealed(terms), {**contents, name: b"another price"}, terms, entropy)
        assert caught.value.code == "sealed-otherwise"


@pytest.mark.parametrize("at", range(NONCE + ENTROPY_PER_PART))
def test_other_entropy_than_the_envelopes_shows_nothing(at: int) -> None:
    entropy = bytearray(Entropy("seal")(entropy_size(ONE)))
    entropy[at] ^= 1
    with pytest.raises(EnvelopeError) as caught:
        verify_sealed(sealed(), {"bid": CONTENTS["bid"]}, ONE, bytes(entropy))
    assert caught.value.code == "sealed-otherwise"


def test_an_envelope_that_would_not_be_let_in_is_not_verified() -> None:
    entropy = Entropy("seal")(entropy_size(ONE))
    for envelope, terms in (
        (with_context(sealed(), notice="00" * 32), ONE),
        (msgspec.structs.replace(sealed(), consortium=(KIM.fingerprint,)), ONE),
        (sealed(TWO), ONE),
    ):
        with pytest.raises(EnvelopeError):
            verify_sealed(envelope, {"bid": CONTENTS["bid"]}, terms, entropy)
    for size in (0, 79, 81):
        with pytest.raises(EnvelopeError) as caught:
            verify_sealed(sealed(), {"bid": CONTENTS["bid"]}, ONE, bytes(size))
        assert caught.value.code == "wrong-entropy"


# ── what is turned away ──────────────────────────────────────────────────────────────────────────────────

FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("wrong-tender", {"tender": "ocds-0s3al1-t2"}),
    ("wrong-notice", {"notice": "00" * 32}),
    ("wrong-terms", {"terms": "00" * 32}),
    ("wrong-bid", {"bid": "00" * 16}),
    ("wrong-bid", {"nonce": "00" * 16}),
    ("wrong-certificate", {"certificate": LEE.fingerprint}),
    ("wrong-chain", {"chain": "00" * 32}),
    ("wrong-round", {"round": "1"}),
    ("wrong-committee", {"committee": IDENTITY}),
]


@pytest.mark.parametrize(("code", "changes"), FOREIGN, ids=[str(each) for _, each in FOREIGN])
def test_an_envelope_for_another_context_is_turned_away_and_does_not_open(
    code: str, changes: dict[str, Any]
) -> None:
    envelope = with_context(sealed(), **changes)
    assert refusal(envelope) == code
    with pytest.raises(Unopenable) as caught:
        open_part(envelope, "bid", opener(ONE, "bid", sealed().context.bid))
    assert caught.value.code == "ciphertext-invalid"


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("wrong-tender", {"tender": "ocds-0s3al1-t2"}),
        ("wrong-notice", {"notice": "00" * 32}),
        ("wrong-terms", {"terms": "00" * 32}),
        ("wrong-round", {"round": "403802"}),
        ("wrong-chain", {"network": msgspec.structs.replace(ONE.network, period=4)}),
        ("wrong-parts", {"parts": ("technical", "price")}),
    ],
)
def test_an_envelope_made_for_other_terms_is_turned_away(code: str, changes: dict[str, Any]) -> None:
    assert refusal(sealed(msgspec.structs.replace(ONE, **changes))) == code


def test_a_copied_envelope_is_turned_away_under_another_name() -> None:
    copied = msgspec.structs.replace(sealed(), signer=LEE.fingerprint)
    assert refusal(copied) == "wrong-bid"
    renamed = with_context(copied, certificate=LEE.fingerprint)
    assert refusal(renamed) == "wrong-bid"


def test_a_copied_ciphertext_opens_under_nobody_else_s_name() -> None:
    """The thief puts the victim's capsule and ciphertext into an honest envelope of its own."""
    stolen = sealed().parts
    thief = msgspec.structs.replace(sealed(key=LEE), parts=stolen)
    check(thief, ONE)  # nobody can see it
    data = sign(thief, LEE)
    assert reason(Statement(data).verify(Envelope, LEE.certificate)) == "ciphertext-invalid"


def test_a_copied_ciphertext_does_not_open_in_the_same_bidder_s_next_bid() -> None:
    again = msgspec.structs.replace(sealed(seed="again"), parts=sealed().parts)
    assert reason(again) == "ciphertext-invalid"


def test_technical_and_price_parts_that_changed_places_do_not_open() -> None:
    technical, price = sealed(TWO).parts
    swapped = (
        msgspec.structs.replace(price, part="technical"),
        msgspec.structs.replace(technical, part="price"),
    )
    envelope = msgspec.structs.replace(sealed(TWO), parts=swapped)
    check(envelope, TWO)
    assert reason(envelope, "technical") == "locked-otherwise"
    assert reason(envelope, "price") == "locked-otherwise"
    backwards = msgspec.structs.replace(sealed(TWO), parts=(price, technical))
    assert refusal(backwards, TWO) == "wrong-parts"


def test_prices_of_two_lots_that_changed_places_do_not_open() -> None:
    envelope = sealed(LOTS)
    technical, one, two, three = envelope.parts
    renamed = (msgspec.structs.replace(two, lot="1"), msgspec.structs.replace(one, lot="2"))
    swapped = msgspec.structs.replace(envelope, parts=(technical, *renamed, three))
    check(swapped, LOTS)  # nobody can see it
    for name in ("price-1", "price-2"):
        with pytest.raises(Unopenable) as caught:
            opens(swapped, name, LOTS)
        assert caught.value.code == "locked-otherwise"
    assert opens(swapped, "price-A.b", LOTS) == CONTENTS["price-A.b"]


def test_price_parts_of_other_lots_in_another_order_or_of_none_are_turned_away() -> None:
    envelope = sealed(LOTS)
    technical, one, two, three = envelope.parts
    replace = msgspec.structs.replace
    for parts in (
        (technical, two, one, three),
        (technical, one, one),
        (technical, replace(one, lot=None)),
        (technical, replace(one, lot="3")),
        (replace(technical, lot="1"), one),
        (technical,),
        (one, two),
    ):
        assert refusal(replace(envelope, parts=parts), LOTS) == "wrong-parts"
    assert refusal(replace(sealed(TWO), parts=(sealed(TWO).parts[0], one)), TWO) == "wrong-parts"


def test_more_parts_than_a_tender_can_have_are_not_even_read() -> None:
    envelope = sealed(LOTS)
    for count, reads in ((1 + MOST_LOTS, True), (2 + MOST_LOTS, False)):
        data = encode(msgspec.structs.replace(envelope, parts=envelope.parts[:1] * count))
        if reads:
            assert len(decode(data, Envelope).parts) == count
        else:
            with pytest.raises(MalformedError):
                decode(data, Envelope)


def test_a_part_that_stands_twice_is_turned_away() -> None:
    technical, _ = sealed(TWO).parts
    assert refusal(msgspec.structs.replace(sealed(TWO), parts=(technical, technical)), TWO) == "wrong-parts"
    assert refusal(msgspec.structs.replace(sealed(TWO), parts=(technical,)), TWO) == "wrong-parts"


@pytest.mark.parametrize("size", [0, 15, 16 + 64 * 1024 + 1])
def test_a_ciphertext_too_short_or_too_long_is_turned_away(size: int) -> None:
    assert refusal(with_part(sealed(), ciphertext=to_base64(bytes(size)))) == "wrong-size"


def test_documents_are_turned_away_where_none_are_taken() -> None:
    data = json.loads(encode(sealed())) | {"documents": [{"number": 1, "sha256": "00" * 32, "size": 1}]}
    assert refusal(decode(encode(data), Envelope)) == "too-many-documents"


def test_ciphertext_that_is_not_base64_is_malformed() -> None:
    with pytest.raises(MalformedError):
        check(with_part(sealed(), ciphertext="A"), ONE)


# ── why an accepted envelope does not open ───────────────────────────────────────────────────────────────

UNOPENABLE: list[tuple[str, str, dict[str, Any]]] = [
    ("the identity", "point-invalid", {"u": IDENTITY}),
    ("no point", "point-invalid", {"u": NO_POINT}),
    ("not compressed", "point-invalid", {"u": "00" * 96}),
    ("not reduced", "point-invalid", {"u": "9f" + "ff" * 95}),
    ("another point", "locked-otherwise", {"u": sealed(seed="other").parts[0].u}),
    ("another V", "locked-otherwise", {"v": "00" * 32}),
    ("another W", "locked-otherwise", {"w": "00" * 32}),
    ("another ciphertext", "ciphertext-invalid", {"ciphertext": to_base64(bytes(40))}),
    ("only a tag", "ciphertext-invalid", {"ciphertext": to_base64(bytes(16))}),
    (
        "point before lock",
        "point-invalid",
        {"u": IDENTITY, "v": "00" * 32, "ciphertext": to_base64(bytes(16))},
    ),
    ("lock before ciphertext", "locked-otherwise", {"v": "00" * 32, "ciphertext": to_base64(bytes(16))}),
]


@pytest.mark.parametrize(("what", "code", "changes"), UNOPENABLE, ids=[each[0] for each in UNOPENABLE])
def test_an_envelope_that_does_not_open_has_one_reason(what: str, code: str, changes: dict[str, Any]) -> None:
    assert reason(with_part(sealed(), **changes)) == code


def test_an_envelope_for_another_lock_does_not_open_for_the_same_reason_under_every_key() -> None:
    early = sealed(msgspec.structs.replace(ONE, round="1"))
    with pytest.raises(Unopenable, match="locked-otherwise"):
        open_part(early, "bid", opener(ONE, "bid", early.context.bid))


def test_a_wrong_key_is_an_error_of_the_opening_and_not_of_the_bid() -> None:
    locks = ONE.locks("bid", sealed().context.bid)
    time = the_world().beacon.sign(int(ONE.round), DEADLINE.replace(year=2027)).signature
    with pytest.raises(LockError, match="not the key"):
        Opener(locks, (time, time))
    with pytest.raises(LockError):
        Opener(locks[:1] * 2, (time, time))


def test_every_byte_of_a_sealed_part_counts() -> None:
    """A flipped bit in capsule or ciphertext does not open, and for a reason of the fixed list."""
    envelope, keys = sealed(), opener(ONE, "bid", sealed().context.bid)
    [part] = envelope.parts
    fields = {"u": bytes.fromhex(part.u), "v": bytes.fromhex(part.v), "w": bytes.fromhex(part.w)}
    flips = [(name, at) for name, value in fields.items() for at in range(len(value))]
    for name, at in flips:
        spoilt = bytearray(fields[name])
        spoilt[at] ^= 1 << at % 8
        with pytest.raises(Unopenable) as caught:
            open_part(with_part(envelope, **{name: spoilt.hex()}), "bid", keys)
        assert caught.value.code in ("point-invalid", "locked-otherwise")
    ciphertext = from_base64(part.ciphertext)
    for at in range(len(ciphertext)):
        spoilt = bytearray(ciphertext)
        spoilt[at] ^= 1 << at % 8
        with pytest.raises(Unopenable, match="ciphertext-invalid"):
            open_part(with_part(envelope, ciphertext=to_base64(bytes(spoilt))), "bid", keys)


def test_a_signed_envelope_with_any_byte_changed_is_refused() -> None:
    data = sign(sealed(), KIM)
    for at in range(0, len(data), 3):
        spoilt = bytearray(data)
        spoilt[at] ^= 1 << at % 8
        with pytest.raises(VerificationError):
            Statement(bytes(spoilt)).verify(Envelope, KIM.certificate)


def test_the_envelope_names_what_it_replaces() -> None:
    assert sealed(previous="ab" * 32).previous == "ab" * 32
    assert b"previous" not in encode(sealed())
