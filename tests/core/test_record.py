"""The award record: honest ones are verified, flipped bits, wrong keys and nonsense are refused by name."""

import json
from collections.abc import Iterator
from copy import copy
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids.orders import OrderRefusal
from bids.receipts import Held, Receipt
from crypto import checkpoint
from crypto.beacon import LocalBeacon
from crypto.certificates import Authority, Role, SigningKey
from crypto.checkpoint import TlogProof
from crypto.encoding import encode, sha256, to_base64
from crypto.errors import MalformedError
from crypto.merkle import leaf_hash
from crypto.statements import Payload, Statement, sign
from procurement import archive
from procurement.bundle import build
from procurement.errors import RecordError
from procurement.evaluation import Derived, KrPriceFloor, LowestPrice, Rules
from procurement.history import EventType
from procurement.record import Step, verify
from tests.builders import (
    ORIGIN,
    START,
    Life,
    World,
    a_bidder,
    a_lot,
    a_notice,
    inclusion,
    packed,
    panel_rules,
    signed_anyhow,
    the_world,
)

FLOOR = KrPriceFloor(base="1000000", basis_points=200, unit=100, floor="80", preliminary_prices=Derived())
RULES: dict[str, Rules] = {
    "lowest-price": LowestPrice(),
    "kr-price-floor": FLOOR,
    "kr-negotiation": panel_rules(budget="1000000"),
}


def a_life(rules: Rules, world: World | None = None) -> Life:
    """A bid, a replaced bid and one that cannot be read."""
    world = world or the_world()
    picks = (3, 7) if isinstance(rules, KrPriceFloor) else None
    one, two, three = (a_bidder(world, number) for number in range(1, 4))
    life = Life(world, a_notice(world, a_lot(rules)))
    first = life.submit(one, "950000", picks=picks)
    life.submit(two, "930000", picks=picks)
    life.submit(one, "920000", picks=picks, previous=first)
    life.submit(three, contents=dict.fromkeys(life.notice.parts, b"?"))
    return life


@cache
def a_record(rules: str = "kr-negotiation") -> bytes:
    return a_life(RULES[rules]).to_award().record()


def refused(data: bytes, **by: Any) -> int:
    """The number of the step that refuses `data`; it has said why."""
    verdict = verify(data, by.get("trust", the_world().trust))
    assert verdict.outcome == "refused"
    assert all(step.result == "ok" for step in verdict.steps[:-1])
    assert verdict.steps[-1].result == "refused"
    assert verdict.steps[-1].findings[0]
    return verdict.steps[-1].number


# ── honest records ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rules", RULES)
def test_a_life_under_each_rule_set_is_verified_under_trust_and_coherent_without(rules: str) -> None:
    verified, coherent = verify(a_record(rules), the_world().trust), verify(a_record(rules), None)
    assert (verified.outcome, verified.clean) == ("verified", True), verified.steps[-1]
    assert (coherent.outcome, coherent.clean) == ("coherent", True)
    assert [step.number for step in verified.steps] == list(range(1, 14))
    assert any(each.startswith("identities: ") for each in coherent.not_checked)
    assert not any(each.startswith("identities: ") for each in verified.not_checked)


def test_the_verdict_names_the_record_by_the_hash_of_its_manifest() -> None:
    manifest = archive.unpack(a_record())["manifest.json"]
    assert verify(a_record(), None).record == sha256(manifest).hex()


def test_the_same_facts_give_the_same_bytes() -> None:
    life = a_life(LowestPrice()).to_award()
    facts = life.facts()
    assert build(facts) == build(facts)
    assert build(facts) == packed(life.files())


def test_a_tender_without_bids_is_verified_and_unsuccessful() -> None:
    verdict = verify(Life().to_award().record(), the_world().trust)
    assert verdict.outcome == "verified"
    assert verdict.steps[11].findings[0] == "lot 1: unsuccessful"


def test_a_panel_tender_of_which_no_technical_part_opens_is_verified_without_any_price() -> None:
    life = Life(notice=a_notice(the_world(), a_lot(RULES["kr-negotiation"])))
    life.submit(a_bidder(the_world(), 1), contents=dict.fromkeys(life.notice.parts, b"?"))
    life.close()
    life.open("technical")
    life.open("price")
    life.evaluate()
    life.award()
    assert verify(life.record(), the_world().trust).outcome == "verified"


def test_several_lots_are_awarded_each_by_its_own_rules() -> None:
    notice = a_notice(the_world(), a_lot(id="1"), a_lot(LowestPrice(ceiling="1"), id="2"))
    life = Life(notice=notice)
    life.submit(a_bidder(the_world(), 1), "100")
    verdict = verify(life.to_award().record(), the_world().trust)
    assert verdict.outcome == "verified"
    assert verdict.steps[11].findings[:2] == ("lot 1: 123-45-00001", "lot 2: unsuccessful")


def test_a_members_refusal_is_in_the_record_for_everybody_to_read() -> None:
    life = a_life(LowestPrice())
    life.close()
    member = life.world.members[2]
    refusal = OrderRefusal(**life.about(member.key), part="bid", member=3, reason="Nobody asked me.")
    life.say(EventType.REFUSED, refusal, member.key, "bid")
    life.open("bid")
    life.evaluate()
    life.award()
    verdict = verify(life.record(), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", False)
    assert verdict.reservations == ("committee member 3 refused the order on part bid: Nobody asked me.",)


def test_one_set_ups_own_trust_is_said_to_be_not_independent() -> None:
    own = msgspec.structs.replace(the_world().trust, independent=False)
    verdict = verify(a_record(), own)
    assert verdict.outcome == "verified"
    assert any(each.startswith("independence: ") for each in verdict.not_checked)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"PK", b"{}" * 100])
def test_bytes_that_nobody_could_mean_as_a_record_are_no_record(data: bytes) -> None:
    with pytest.raises(RecordError):
        verify(data, None)


# ── flipped bits ─────────────────────────────────────────────────────────────────────────────────────────


def zip_structure(data: bytes) -> Iterator[int]:
    """Where the ZIP's own headers, directory and end lie."""
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        size = int.from_bytes(data[at + 18 : at + 22], "little")
        header = 30 + int.from_bytes(data[at + 26 : at + 28], "little")
        yield from range(at, at + header)
        at += header + size
    yield from range(at, len(data))


def test_one_flipped_bit_in_the_archives_own_structures_is_refused_at_step_1() -> None:
    data, random = a_record("lowest-price"), Random(1)
    for at in zip_structure(data):
        assert refused(flipped(data, at, random.randrange(8))) == 1


def test_one_flipped_bit_in_any_file_is_refused_at_step_1() -> None:
    data, random = a_record(), Random(2)
    for content in archive.unpack(data).values():
        start = data.index(content)
        for _ in range(10):
            at = start + random.randrange(len(content))
            assert refused(flipped(data, at, random.randrange(8))) == 1


def test_one_flipped_bit_is_refused_even_when_the_manifest_is_put_right() -> None:
    files, random = archive.unpack(a_record()), Random(3)
    del files["manifest.json"]
    for path, content in files.items():
        if path != "claims.json":  # what a trust file makes irrelevant
            for _ in range(2):
                at = random.randrange(len(content))
                spoilt = flipped(content, at, random.randrange(8))
                assert refused(packed({**files, path: spoilt})) > 1, (path, at)


def test_every_truncation_is_refused() -> None:
    data = a_record()
    for size in range(4, len(data), 997):
        assert refused(data[:size]) == 1
    assert refused(data + b"\x00") == 1


def flipped(data: bytes, at: int, bit: int) -> bytes:
    spoilt = bytearray(data)
    spoilt[at] ^= 1 << bit
    return bytes(spoilt)


# ── wrong but well-formed keys ───────────────────────────────────────────────────────────────────────────


def a_world_with_another(what: str) -> World:
    """The same people and a life of their own, but one of those on whom everything hangs is an impostor."""
    world, seed = copy(the_world()), World("impostor").entropy
    match what:
        case "log":
            world.log = checkpoint.SigningKey(ORIGIN, checkpoint.LOG, seed(32))
        case "witness":
            world.witness = checkpoint.SigningKey("witness.example/w", checkpoint.WITNESS, seed(32))
        case "beacon":
            network = world.beacon.network
            world.beacon = LocalBeacon(b"\x00" + seed(31), genesis=network.genesis, period=network.period)
        case role:
            authority = Authority.create(Role(role), START - timedelta(days=1))
            world.authorities = {**world.authorities, Role(role): authority}
            world.staff()
    return world


def a_life_of(world: World) -> bytes:
    return a_life(RULES["kr-negotiation"], world).to_award().record()


@pytest.mark.parametrize(
    ("what", "step"),
    [
        ("log", 2),
        ("witness", 2),
        ("beacon", 3),
        *((role, 3) for role in Role),  # whose revocation list stands in the notice's status
    ],
)
def test_a_life_signed_by_an_impostor_is_coherent_but_refused_under_trust(what: str, step: int) -> None:
    data = a_life_of(a_world_with_another(what))
    assert verify(data, None).outcome == "coherent"
    assert refused(data) == step


@pytest.mark.parametrize(
    ("role", "step"),
    [
        (Role.OFFICER, 3),
        (Role.COMMITTEE, 3),
        (Role.EVALUATOR, 3),
        (Role.SERVICE, 4),
        (Role.BUSINESS, 8),
    ],
)
def test_an_impostor_under_genuine_revocation_lists_is_refused_where_it_first_signs(
    role: Role, step: int
) -> None:
    world = a_world_with_another(role)
    world.status = the_world().status  # type: ignore[method-assign]  # everybody's genuine lists
    data = a_life_of(world)
    assert refused(data) == step
    assert verify(data, None).steps[-1].number == 3


def test_a_quorum_of_witnesses_is_needed_not_one_of_them() -> None:
    second = checkpoint.SigningKey("witness.example/x", checkpoint.WITNESS, bytes(32))
    trust = the_world().trust
    both = (*trust.witnesses.keys, second.verifier.encode())
    stricter = msgspec.structs.replace(trust.witnesses, keys=both, quorum=2)
    assert refused(a_record(), trust=msgspec.structs.replace(trust, witnesses=stricter)) == 2


def test_a_role_without_any_trusted_root_is_refused() -> None:
    trust = the_world().trust
    roots = {role: roots for role, roots in trust.roots.items() if role is not Role.SERVICE}
    assert refused(a_record(), trust=msgspec.structs.replace(trust, roots=roots)) == 4


# ── nonsense by the right signers ────────────────────────────────────────────────────────────────────────


class Babbler(Life):
    """Signs, at the right time and with the right key, one statement in which one value is nonsense."""

    def __init__(self, rules: Rules, random: Random) -> None:
        self.random, self.countdown = random, random.randrange(1, 19)
        notice = a_notice(the_world(), a_lot(rules))
        super().__init__(notice=notice)

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        self.countdown -= 1
        if self.countdown:
            return super().signed(payload, key)
        body = json.loads(encode(payload))
        return signed_anyhow(payload.PURPOSE, encode(babble(body, self.random)), key)


MOMENTS = [f"{day}T00:00:00.000Z" for day in ("0001-01-01", "1969-12-31", "2026-02-30", "9999-12-31")]
NONSENSE: dict[type, list[Any]] = {
    str: ["", "0", "1", "0" * 64, "f" * 192, "9" * 19, "c0" + "0" * 94, "price", "ﾊ" * 99, *MOMENTS],
    int: [0, 1, 2**32 - 1, 2**53 - 1],
    bool: [True, False],
}


def babble(value: Any, random: Random) -> Any:
    """`value` with one leaf or one list somewhere in it replaced."""
    if isinstance(value, dict) and value:
        key = random.choice(sorted(value))
        return {**value, key: babble(value[key], random)}
    if isinstance(value, list) and value:
        at = random.randrange(len(value))
        others = [*value[:at], *value[at + 1 :]]
        return random.choice(
            [
                [*value[:at], babble(value[at], random), *value[at + 1 :]],
                others,
                [*value, value[at]],
                value[::-1],
            ]
        )
    return random.choice(NONSENSE.get(type(value), [value]))


@pytest.mark.parametrize("seed", range(40))
def test_nonsense_signed_by_the_right_people_never_crashes_a_verifier(seed: int) -> None:
    random = Random(seed)
    rules = RULES[random.choice(sorted(RULES))]
    life = Babbler(rules, random)
    picks = (3, 7) if rules == FLOOR else None
    life.submit(a_bidder(the_world(), 1), "950000", picks=picks)
    life.submit(a_bidder(the_world(), 2), "930000", picks=picks)
    verdict = verify(packed(life.to_award().files()), the_world().trust)
    assert verdict.steps[-1].number == 13 or verdict.outcome == "refused"


@pytest.mark.parametrize("seed", range(25))
def test_nonsense_in_proofs_and_claims_never_crashes_a_verifier(seed: int) -> None:
    random, files = Random(seed), archive.unpack(a_record("lowest-price"))
    del files["manifest.json"]
    path = random.choice(["claims.json", "log/proofs.json"])
    spoilt = encode(babble(json.loads(files[path]), random))
    verdict = verify(packed({**files, path: spoilt}), None)
    assert (
        verdict.outcome == "coherent" if spoilt == files[path] else verdict.outcome in ("refused", "coherent")
    )


@pytest.mark.parametrize("seed", range(25))
def test_nonsense_in_log_entries_never_crashes_a_verifier(seed: int) -> None:
    """The log itself is the liar's here: it signs whatever the entries are."""

    class Scribbler(Life):
        def log(self, *events: Any) -> None:
            for event in events:
                super().log(event)
                if len(self.history) == place:
                    self.entries[-1] = encode(babble(json.loads(self.entries[-1]), random))
                    self.head = msgspec.structs.replace(self.head, prev=sha256(self.entries[-1]).hex())

    random = Random(seed)
    place = random.randrange(1, 14)
    life = Scribbler(notice=a_notice(the_world(), a_lot()))
    life.submit(a_bidder(the_world(), 1), "950000")
    life.submit(a_bidder(the_world(), 2), contents={"bid": b"?"})
    verdict = verify(packed(life.to_award().files()), the_world().trust)
    assert verdict.outcome in ("verified", "refused")


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_garbage_between_the_marks_of_an_archive_is_refused(garbage: bytes) -> None:
    assert refused(b"PK\x03\x04" + garbage) == 1
    assert refused(garbage + b"PK\x05\x06" + bytes(18)) == 1


# ── receipts that bidders kept ───────────────────────────────────────────────────────────────────────────


def answer(life: Life, number: int, key: SigningKey | None = None, **changes: Any) -> bytes:
    """What the service answered to the bid with that number, under the log's head at present."""
    listed, key = life.submitted[number], key or life.world.service
    receipt = Receipt(
        signer=key.fingerprint,
        tender=life.notice.tender,
        notice=life.notice_id,
        bidder=listed.bidder,
        kind=listed.kind,
        time=listed.time,
        salt=listed.salt,
        statement=listed.statement,
        status=listed.status,
    )
    leaves = tuple(leaf_hash(entry) for entry in life.entries)
    proof = TlogProof(
        index=listed.index, hashes=tuple(inclusion(leaves, listed.index)), checkpoint=life.note(life.now)
    )
    signed = sign(msgspec.structs.replace(receipt, **changes), key)
    return msgspec.json.encode({"receipt": to_base64(signed), "proof": proof.encode()})


def last_step(data: bytes, *answers: bytes) -> Step:
    held = [Held.parse(each) for each in answers]
    steps = verify(data, the_world().trust, held=held).steps
    return steps[-1] if steps[-1].result == "refused" else steps[4]


def two_bids() -> tuple[Life, list[bytes]]:
    life = Life()
    for number in (1, 2):
        life.submit(a_bidder(life.world, number))
    return life, [answer(life, 0), answer(life, 1)]


def test_a_receipt_that_was_kept_is_found_in_the_closing() -> None:
    life, answers = two_bids()
    step = last_step(life.to_award().record(), *answers)
    assert (step.number, step.result, len(step.findings)) == (5, "ok", 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tender": "ocds-0s3al1-other"}, "another tender or notice: ocds-0s3al1-other"),
        ({"bidder": "999-99-99999"}, "closing statement contradicts"),
        ({"salt": "00" * 32}, "root"),
        ({"status": "00" * 32}, "closing statement contradicts"),
    ],
)
def test_a_receipt_that_says_otherwise_is_told(changes: dict[str, Any], says: str) -> None:
    life, _ = two_bids()
    step = last_step(life.to_award().record(), answer(life, 0, **changes))
    assert (step.number, step.result) == (5, "refused")
    assert says in step.findings[0]


def test_nobody_but_the_service_gives_receipts() -> None:
    life, _ = two_bids()
    data = life.to_award().record()
    forged = Held.parse(answer(life, 0))
    statement = msgspec.json.decode(forged.receipt.data)
    statement["signatures"][0]["sig"] = to_base64(bytes(64))
    held = msgspec.structs.replace(forged, receipt=Statement(encode(statement)))
    step = verify(data, the_world().trust, held=[held]).steps[-1]
    assert (step.number, step.result) == (5, "refused")


@pytest.mark.parametrize("data", [b"", b"{}", b'{"receipt":"AA==","proof":""}', b"[" * 100_000])
def test_what_is_no_answer_to_a_bid_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Held.parse(data)
