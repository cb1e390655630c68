"""Bidder and committee member against a service that lies: nothing is sealed or signed on its word."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import msgspec
import pytest

from bids.client import RefusedError, Service, ServiceError
from bids.envelope import (
    Context,
    CoSignature,
    Envelope,
    Part,
    SealedPart,
    Section,
    compose,
    entropy_size,
    part_context,
)
from bids.errors import EnvelopeError, Unopenable
from bids.orders import OpeningPartial, OrderRefusal
from bids.receipts import Receipt, Refusal, commitment_entry
from crypto.certificates import Certificate, Role, SigningKey
from crypto.checkpoint import TlogProof
from crypto.encoding import encode, moment, sha256, to_base64
from crypto.errors import (
    BeaconError,
    CertificateError,
    CommitteeError,
    LogError,
    MalformedError,
    RevokedError,
    SignatureError,
    StatusError,
    VerificationError,
)
from crypto.locks import encrypt_content, seal
from crypto.merkle import HASH_SIZE, Tile, leaf_hash
from crypto.revocation import Status
from crypto.statements import Payload, Statement, sign
from crypto.trust import Trust
from procurement.awards import ConflictDeclaration, LateClosing, SignedScores, Termination
from procurement.client import (
    Announced,
    Sealed,
    co_sign,
    read_closing,
    read_notice,
    read_panel,
    seal_bid,
    sign_orders,
    submit_bid,
)
from procurement.errors import TenderError
from procurement.evaluation import TwoEnvelope, WeightedCriterion
from procurement.history import BID_EVENTS, Event, EventType
from procurement.tenders import Bid, LotOffer, Proposal
from tests.builders import (
    DEADLINE,
    START,
    Life,
    World,
    a_bidder,
    a_lot,
    a_notice,
    inclusion,
    panel_rules,
    the_world,
)
from tests.lies.test_panel import Drawn

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BID = encode(Bid(offers=(LotOffer(lot="1", amount="1000000"),)))


@dataclass
class Front:
    """A service over HTTP in front of a tender's life in memory, which can be made to lie.

    `twist` changes an answer before it is sent. `sent` keeps what clients sent.
    """

    life: Life
    bidder: SigningKey = field(default_factory=lambda: a_bidder(the_world(), 1))
    twist: Callable[[str, bytes], bytes] = lambda path, body: body
    sent: dict[str, list[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.life.keep_certificate(self.bidder)

    def service(self, trust: Trust | None = None) -> Service:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer), base_url="http://service")
        return Service(http, trust or self.life.world.trust, lambda: self.life.now + MINUTE)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            self.sent.setdefault(path.rpartition("/")[2], []).append(request.content)
            said = encode({"statement": Statement(request.content).id})
            found = self.receipt(request.content) if path.endswith("/bids") else said
        else:
            found = self.read(path)
        return httpx.Response(200, content=self.twist(path, found))

    def read(self, path: str) -> bytes:
        match path.strip("/").split("/"):
            case ["api", "v1", "certificates", fingerprint]:
                return self.life.certificates[fingerprint]
            case ["api", "v1", "tenders", _, "entries", seq]:
                requested = self.types()[int(seq)] == "draw:requested"
                return self.proven(int(seq), self.life.draw_note if requested else "")
            case ["api", "v1", "tenders", _, "closing"]:
                return self.proven(self.types().index("tender:closed"), self.life.closing_note)
            case ["api", "v1", "tenders", _, "timeline"]:
                return encode({"events": [{"seq": i, "type": t} for i, t in enumerate(self.types())]})
            case ["api", "v1", "certificate-status", id]:
                return self.life.statuses[id]
            case ["api", "v1", "tenders", _, "statements", id]:
                return self.life.bids[id]
            case ["log", *tile]:
                return self.tile(Tile.parse("/".join(tile)))
            case ["beacon", _, "public", round]:
                return self.beacon(int(round))
        raise AssertionError(path)

    def types(self) -> list[str]:
        return [
            msgspec.json.decode(self.life.entries[index], type=dict[str, Any])["t"]
            for index in self.life.history
        ]

    def proven(self, seq: int, note: str = "") -> bytes:
        life, index = self.life, self.life.history[seq]
        note = note or life.note(life.now)
        leaves = tuple(leaf_hash(entry) for entry in life.entries[: size_of(note)])
        statement = msgspec.json.decode(life.entries[index], type=dict[str, Any])["statement"]
        proof = TlogProof(index=index, hashes=tuple(inclusion(leaves, index)), checkpoint=note)
        answer = {"entry": to_base64(life.entries[index]), "proof": proof.encode()}
        if statement in life.statements:
            answer["statement"] = to_base64(life.statements[statement])
        return encode(answer)

    def tile(self, tile: Tile) -> bytes:
        assert tile.level == 0
        return b"".join(leaf_hash(entry) for entry in self.life.entries)[: tile.width * HASH_SIZE]

    def beacon(self, round: int) -> bytes:
        signed = self.life.world.beacon.sign(round, self.life.notice.opens)
        signature, randomness = signed.signature.hex(), signed.randomness.hex()
        return encode({"round": round, "signature": signature, "randomness": randomness})

    def receipt(self, envelope: bytes, **changes: Any) -> bytes:
        """The receipt for an envelope, which is put into the box."""
        life, world = self.life, self.life.world
        statement = Statement(envelope)
        said: dict[str, Any] = {
            "signer": world.service.fingerprint,
            "tender": life.notice.tender,
            "notice": life.notice_id,
            "bidder": Certificate(life.certificates[statement.signer]).registration,
            "kind": "envelope",
            "time": moment(life.now),
            "salt": world.entropy(32).hex(),
            "statement": statement.id,
            "status": life.status(),
        }
        receipt = Receipt(**(said | changes))
        life.keep_certificate(world.service)
        life.entries.append(commitment_entry(receipt.commitment()))
        leaves = tuple(leaf_hash(entry) for entry in life.entries)
        proof = TlogProof(
            index=len(leaves) - 1,
            hashes=tuple(inclusion(leaves, len(leaves) - 1)),
            checkpoint=life.note(life.now),
        )
        return encode({"receipt": to_base64(sign(receipt, world.service)), "proof": proof.encode()})


def size_of(note: str) -> int:
    return int(note.split("\n")[1])


async def announced(front: Front) -> tuple[Service, Announced]:
    service = front.service()
    return service, await read_notice(service, front.life.notice.tender)


# ── what a bidder checks before it seals ─────────────────────────────────────────────────────────────


async def test_a_notice_that_the_pinned_witnesses_saw_is_believed() -> None:
    front = Front(Life())
    _, tender = await announced(front)
    assert (tender.notice, tender.terms) == (front.life.notice, front.life.terms)


async def test_a_notice_that_no_pinned_witness_saw_is_not_sealed_for() -> None:
    front = Front(Life())
    trust = msgspec.structs.replace(front.life.world.trust, witnesses=World("other").trust.witnesses)
    with pytest.raises(LogError, match="0 of the 1 co-signatures"):
        await read_notice(front.service(trust), front.life.notice.tender)


class Alone(Life):
    """A notice that is countersigned in another way than it should be, or not at all."""

    def __init__(self, act: Callable[[Life], None]) -> None:
        self.act = act
        super().__init__(the_world(), a_notice(the_world(), a_lot(panel_rules())))

    def publish(self) -> None:
        self.say(EventType.PUBLISHED, self.notice, self.world.officer)
        self.act(self)


def same_officer(life: Life) -> None:
    life.countersign(EventType.COUNTERSIGNED, life.notice_id, life.world.officer)


def same_person(life: Life) -> None:
    """The officer, under a new certificate and name."""
    again = life.world.enrol(Role.OFFICER, "Officer Kim-Lee", "O-1")
    life.countersign(EventType.COUNTERSIGNED, life.notice_id, again)


def another_notice(life: Life) -> None:
    life.countersign(EventType.COUNTERSIGNED, "0" * 64)


def an_evaluator(life: Life) -> None:
    """Who is an evaluator, under the same registration number, as well."""
    both = life.world.enrol(Role.OFFICER, "Officer Lee", life.world.evaluator.certificate.registration)
    life.countersign(EventType.COUNTERSIGNED, life.notice_id, both)


def somebody_revoked(life: Life) -> None:
    life.revoke(life.world.second)
    life.countersign(EventType.COUNTERSIGNED, life.notice_id)


def nobody(life: Life) -> None:
    """An officer answers for a closing that there has not been."""
    late = LateClosing(**life.about(life.world.second), closing="0" * 64, reason="Snow.")
    life.say(EventType.LATE, late, life.world.second)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (same_officer, "countersigned by a second officer"),
        (same_person, "countersigned by a second officer"),
        (another_notice, "another statement is countersigned"),
        (an_evaluator, "cannot be evaluator"),
        (somebody_revoked, "was revoked"),
        (nobody, "closing:late"),
    ],
)
async def test_a_notice_that_no_other_officer_countersigned_is_not_sealed_for(
    act: Callable[[Life], None], said: str
) -> None:
    front = Front(Alone(act))
    with pytest.raises(VerificationError, match=said):
        await read_notice(front.service(), front.life.notice.tender)


class Revoked(Life):
    """A notice of people one of whom was revoked before it was published."""

    def __init__(self, who: Callable[[World], SigningKey]) -> None:
        self.who = who
        super().__init__(the_world(), a_notice(the_world(), a_lot(panel_rules())))

    def publish(self) -> None:
        self.revoke(self.who(self.world))
        super().publish()


@pytest.mark.parametrize(
    "who",
    [
        lambda world: world.officer,
        lambda world: world.second,
        lambda world: world.evaluator,
        lambda world: world.members[2].key,
    ],
    ids=["officer", "second officer", "evaluator", "member"],
)
async def test_a_notice_with_anybody_who_was_revoked_is_not_sealed_for(
    who: Callable[[World], SigningKey],
) -> None:
    front = Front(Revoked(who))
    with pytest.raises(RevokedError):
        await read_notice(front.service(), front.life.notice.tender)


async def test_whoever_is_revoked_after_publication_has_published() -> None:
    life = Life(the_world(), a_notice(the_world(), a_lot(panel_rules())))
    life.now += MINUTE
    for each in (life.world.officer, life.world.second, life.world.evaluator):
        life.revoke(each)
    await announced(Front(life))


def other_lists(life: Life) -> bytes:
    return encode(life.world.status(life.now - timedelta(days=2), {}))


def no_lists(life: Life) -> bytes:
    return encode(Status(lists={}))


@pytest.mark.parametrize("lie", [other_lists, no_lists])
async def test_another_certificate_status_than_the_pinned_one_is_not_believed(
    lie: Callable[[Life], bytes],
) -> None:
    front = Front(Life())
    front.twist = lambda path, body: lie(front.life) if "/certificate-status/" in path else body
    with pytest.raises(CertificateError, match="another certificate status"):
        await read_notice(front.service(), front.life.notice.tender)


class Stale(Life):
    """A history that pins the status of another time."""

    def status(self) -> str:
        status = self.world.status(self.now - timedelta(days=2), {})
        self.statuses[status.id] = encode(status)
        return status.id


async def test_a_status_that_was_not_in_force_any_more_is_not_believed() -> None:
    front = Front(Stale())
    with pytest.raises(StatusError, match="of another time"):
        await read_notice(front.service(), front.life.notice.tender)


@pytest.mark.parametrize(
    ("name", "error"), [("log", SignatureError), ("networks", BeaconError), ("roots", CertificateError)]
)
async def test_a_notice_under_another_log_beacon_or_root_is_not_believed(
    name: str, error: type[VerificationError]
) -> None:
    front = Front(Life())
    trust = msgspec.structs.replace(front.life.world.trust, **{name: getattr(World("other").trust, name)})
    with pytest.raises(error):
        await read_notice(front.service(trust), front.life.notice.tender)


async def test_a_notice_of_another_tender_is_not_believed() -> None:
    with pytest.raises(LogError, match="another tender"):
        await read_notice(Front(Life()).service(), "ocds-0s3al1-t2")


async def test_an_entry_without_the_statement_that_it_is_about_is_not_believed() -> None:
    front = Front(Life())

    def without(path: str, body: bytes) -> bytes:
        if not path.endswith("/entries/0"):
            return body
        return encode({key: each for key, each in msgspec.json.decode(body).items() if key != "statement"})

    front.twist = without
    with pytest.raises(MalformedError, match="no statement"):
        await read_notice(front.service(), front.life.notice.tender)


async def test_a_committee_whose_members_did_not_all_sign_is_not_sealed_for() -> None:
    world = the_world()
    notice = a_notice(world)
    front = Front(Life(world, msgspec.structs.replace(notice, transcript=notice.transcript[:2])))
    with pytest.raises(CommitteeError, match="every member signs"):
        await read_notice(front.service(), notice.tender)


async def test_a_service_that_goes_on_with_another_log_is_found_out() -> None:
    front = Front(Life())
    service, tender = await announced(front)
    front.life.entries[0] = commitment_entry(sha256(b"another past"))
    with pytest.raises(LogError, match="does not lead to both roots"):
        await submit_bid(service, tender, front.bidder, {"bid": BID})


# ── what a bidder checks before it calls a bid submitted ─────────────────────────────────────────────


async def test_a_receipt_is_verified_before_it_is_believed() -> None:
    front = Front(Life())
    service, tender = await announced(front)
    receipt = await submit_bid(service, tender, front.bidder, {"bid": BID})
    (envelope,) = front.sent["bids"]
    assert receipt.statement == Statement(envelope).id


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"statement": "0" * 64}, "for another envelope"),
        ({"notice": "0" * 64}, "for another envelope"),
        ({"bidder": "123-45-00002"}, "for another envelope"),
        ({"tender": "ocds-0s3al1-t2"}, "for another envelope"),
        ({"time": moment(DEADLINE)}, "after the deadline"),
    ],
)
async def test_a_receipt_that_says_something_else_is_none(changes: dict[str, str], said: str) -> None:
    front = Front(Life())
    service, tender = await announced(front)
    front.twist = lambda path, body: (
        front.receipt(front.sent["bids"][0], **changes) if path.endswith("/bids") else body
    )
    with pytest.raises(LogError, match=said):
        await submit_bid(service, tender, front.bidder, {"bid": BID})


async def test_a_receipt_for_a_bidder_who_was_revoked_is_none() -> None:
    front = Front(Life())
    service, tender = await announced(front)
    front.life.now += MINUTE
    front.life.revoke(front.bidder)
    with pytest.raises(RevokedError):
        await submit_bid(service, tender, front.bidder, {"bid": BID})


# ── what partners check before they co-sign ──────────────────────────────────────────────────────────


async def a_joint_bid(
    front: Front, partners: int = 2, **how: Any
) -> tuple[Service, Announced, Sealed, list[SigningKey]]:
    service, tender = await announced(front)
    keys = [a_bidder(front.life.world, 2 + number) for number in range(partners)]
    for each in keys:
        front.life.keep_certificate(each)
    named = [each.fingerprint for each in keys]
    sealed = await seal_bid(service, tender, front.bidder, {"bid": BID}, named, **how)
    return service, tender, sealed, keys


async def test_a_partner_co_signs_the_very_envelope_that_it_was_shown() -> None:
    front = Front(Life())
    service, tender, sealed, partners = await a_joint_bid(front, previous="0" * 64)
    for each in partners:
        id = await co_sign(front.service(), tender, each, sealed)
        said = Statement(front.sent["co-signatures"][-1])
        word = said.verify(CoSignature, each.certificate)
        assert (said.id, word.envelope) == (id, Statement(sealed.envelope).id)
        assert (word.tender, word.notice) == (tender.notice.tender, tender.notice_id)
    receipt = await service.submit(sealed.envelope, tender.terms, tender.notice.deadline)
    assert receipt.statement == Statement(sealed.envelope).id


async def not_signed(
    front: Front, sealed: Sealed, key: SigningKey, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await co_sign(front.service(), (await announced(front))[1], key, sealed)
    assert "co-signatures" not in front.sent


async def test_a_partner_does_not_sign_what_it_was_not_shown() -> None:
    front = Front(Life())
    _, _, sealed, (partner, _) = await a_joint_bid(front)
    other = encode(Bid(offers=(LotOffer(lot="1", amount="999999"),)))
    for changes in ({"contents": {"bid": other}}, {"entropy": bytes(len(sealed.entropy))}):
        shown = msgspec.structs.replace(sealed, **changes)
        await not_signed(front, shown, partner, EnvelopeError, "something else")


async def test_a_partner_does_not_sign_what_would_not_open_as_a_bid() -> None:
    front = Front(Life())
    _, tender, _, (partner, _) = await a_joint_bid(front)
    entropy = bytes(entropy_size(tender.terms))
    envelope = compose({"bid": b"{}"}, tender.terms, front.bidder, entropy, None, [partner.fingerprint])
    sealed = Sealed(envelope=envelope, contents={"bid": b"{}"}, entropy=entropy)
    await not_signed(front, sealed, partner, Unopenable, "-")


async def test_nobody_but_those_whom_it_names_co_signs_an_envelope() -> None:
    front = Front(Life())
    _, _, sealed, _ = await a_joint_bid(front)
    for stranger in (a_bidder(front.life.world, 9), front.bidder):
        await not_signed(front, sealed, stranger, EnvelopeError, "does not name")


async def test_a_partner_does_not_sign_an_envelope_that_its_lead_has_not_signed() -> None:
    front = Front(Life())
    _, _, sealed, (partner, _) = await a_joint_bid(front)
    statement = msgspec.json.decode(sealed.envelope)
    statement["signatures"][0]["sig"] = to_base64(partner.sign(b"something else"))
    forged = msgspec.structs.replace(sealed, envelope=encode(statement))
    await not_signed(front, forged, partner, SignatureError, "signature")


async def test_a_partner_does_not_sign_for_another_tender() -> None:
    front = Front(Life())
    _, _, sealed, (partner, _) = await a_joint_bid(front)
    other = Front(Life(the_world(), a_notice(the_world(), title="School chairs")))
    other.life.keep_certificate(front.bidder)
    await not_signed(other, sealed, partner, EnvelopeError, "notice is not this tender's")


async def test_after_the_deadline_nobody_co_signs() -> None:
    front = Front(Life())
    _, tender, sealed, (partner, _) = await a_joint_bid(front)
    front.life.now = DEADLINE
    with pytest.raises(TenderError, match="deadline"):
        await co_sign(front.service(), tender, partner, sealed)
    assert front.sent == {}


async def test_a_receipt_for_a_joint_bid_with_a_revoked_partner_is_none() -> None:
    front = Front(Life())
    service, tender, sealed, partners = await a_joint_bid(front)
    front.life.now += MINUTE
    front.life.revoke(partners[1])
    with pytest.raises(RevokedError):
        await service.submit(sealed.envelope, tender.terms, tender.notice.deadline)


async def test_a_receipt_whose_commitment_is_not_in_the_log_is_none() -> None:
    front = Front(Life())
    service, tender = await announced(front)

    def another_salt(path: str, body: bytes) -> bytes:
        if not path.endswith("/bids"):
            return body
        proof = msgspec.json.decode(body)["proof"]
        return encode({**msgspec.json.decode(front.receipt(front.sent["bids"][0])), "proof": proof})

    front.twist = another_salt
    with pytest.raises(LogError, match="inclusion proof"):
        await submit_bid(service, tender, front.bidder, {"bid": BID})


async def test_the_same_envelope_is_sent_again_until_there_is_an_answer() -> None:
    front = Front(Life())
    calm = await announced(front)
    answered = front.answer

    def first_lost(request: httpx.Request) -> httpx.Response:
        response = answered(request)
        if request.method == "POST" and len(front.sent["bids"]) == 1:
            raise httpx.ReadError("the line is cut")
        return response

    service, tender = calm
    http = httpx.AsyncClient(transport=httpx.MockTransport(first_lost), base_url="http://service")
    service = Service(http, service.trust, service.now)
    await submit_bid(service, tender, front.bidder, {"bid": BID})
    first, second = front.sent["bids"]
    assert first == second


async def test_a_refusal_is_kept_if_it_is_signed_and_about_this_envelope() -> None:
    front = Front(Life())
    service, tender = await announced(front)
    life = front.life
    life.keep_certificate(life.world.service)

    def refusal(of: bytes) -> httpx.Response:
        said = Refusal(
            signer=life.world.service.fingerprint,
            tender=life.notice.tender,
            received=sha256(of).hex(),
            reason="not-latest",
            detail="replaces nothing",
            time=moment(life.now),
        )
        body = {"code": "not-latest", "refusal": to_base64(sign(said, life.world.service))}
        return httpx.Response(422, content=encode(body))

    def refuse(about: Callable[[bytes], bytes]) -> Service:
        def answer(request: httpx.Request) -> httpx.Response:
            return refusal(about(request.content)) if request.method == "POST" else front.answer(request)

        http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://service")
        return Service(http, service.trust, service.now)

    bidder = front.bidder
    with pytest.raises(RefusedError, match="replaces nothing") as refused:
        await submit_bid(refuse(lambda sent: sent), tender, bidder, {"bid": BID})
    assert Statement(refused.value.statement).read(Refusal).reason == "not-latest"
    with pytest.raises(LogError, match="for another envelope"):
        await submit_bid(refuse(lambda sent: sent + b" "), tender, bidder, {"bid": BID})


async def test_a_bid_that_would_not_open_is_not_sealed() -> None:
    front = Front(Life())
    service, tender = await announced(front)
    bid = encode(Bid(offers=(LotOffer(lot="1", amount="0"),)))
    with pytest.raises(Unopenable, match="offer-wrong"):
        await submit_bid(service, tender, front.bidder, {"bid": bid})
    assert front.sent == {}


async def test_a_practice_number_seals_for_practice_tenders_only() -> None:
    key = the_world().enrol(Role.BUSINESS, "Learner", "practice-0123456789abcdef")
    front = Front(Life())
    service, tender = await announced(front)
    with pytest.raises(TenderError, match="is a practice number"):
        await seal_bid(service, tender, key, {"bid": BID})
    assert front.sent == {}
    practice = Front(Life(the_world(), a_notice(the_world(), practice=True)))
    service, tender = await announced(practice)
    assert Statement((await seal_bid(service, tender, key, {"bid": BID})).envelope).signer == key.fingerprint


async def test_a_practice_number_co_signs_in_practice_tenders_only() -> None:
    front = Front(Life())
    _, _, sealed, _ = await a_joint_bid(front)
    key = the_world().enrol(Role.BUSINESS, "Learner", "practice-0123456789abcdef")
    await not_signed(front, sealed, key, TenderError, "is a practice number")


async def test_nobody_seals_for_a_real_tender_of_the_practice_grounds_officer() -> None:
    world = copy(the_world())
    world.officer = world.enrol(Role.OFFICER, "Practice officer", "practice-0123456789abcdef")
    front = Front(Life(world, a_notice(world)))
    with pytest.raises(TenderError, match="is a practice number"):
        await announced(front)


async def test_after_the_deadline_nothing_is_sealed() -> None:
    front = Front(Life())
    service, tender = await announced(front)
    front.life.now = DEADLINE
    with pytest.raises(TenderError, match="deadline"):
        await submit_bid(service, tender, front.bidder, {"bid": BID})
    assert front.sent == {}


# ── what a committee member checks before it signs an order ──────────────────────────────────────────


def a_closed_life(**closing: Any) -> Life:
    life = Life()
    life.submit(a_bidder(life.world, 1))
    life.close(**closing)
    life.now = life.notice.opens
    return life


async def ordered(front: Front) -> None:
    service, tender = await announced(front)
    await sign_orders(service, tender, front.life.world.members[0], "bid")


async def test_a_member_signs_after_a_witnessed_closing_and_the_round() -> None:
    front = Front(a_closed_life())
    await ordered(front)
    assert len(front.sent["opening-partials"]) == 1


async def test_a_member_signs_nothing_while_the_closing_is_not_witnessed() -> None:
    life = a_closed_life()
    front = Front(life)
    life.closing_note = life.closing_note.rpartition("— ")[0]
    with pytest.raises(LogError, match="co-signatures"):
        await ordered(front)
    assert front.sent == {}


@pytest.mark.parametrize(
    "closing",
    [{"deadline": moment(START)}, {"terms": ("0" * 64,)}, {"time": moment(START)}, {"chains": ()}],
)
async def test_a_member_signs_nothing_on_a_wrong_closing_statement(closing: dict[str, Any]) -> None:
    front = Front(a_closed_life(**closing))
    with pytest.raises(LogError):
        await ordered(front)
    assert front.sent == {}


def past_its_round(**closing: Any) -> Life:
    """A bid whose round has come, for a deadline that was moved past it and is still ahead; and a closing
    that a service in a hurry makes all the same."""
    life = Life()
    life.submit(a_bidder(life.world, 1))
    life.amend(deadline=moment(DEADLINE + 3 * HOUR))
    passed = life.editions[0].notice.opens + MINUTE
    assert passed < life.notice.closes
    life.close(at=passed, **closing)
    return life


@pytest.mark.parametrize("lie", ["early", "the terms before", "the deadline before", "dated ahead"])
async def test_no_member_opens_a_bid_whose_round_has_passed_before_the_deadline_that_was_moved(
    lie: str,
) -> None:
    """The mandate lock alone holds it: whatever the service says of the closing, nobody signs for the old
    round before a signature of the new one, which there cannot be."""
    later = Life()
    later.amend(deadline=moment(DEADLINE + 3 * HOUR))
    old, new = later.editions[0], later.editions[-1]
    closing: dict[str, dict[str, Any]] = {
        "early": {},
        "the terms before": {"terms": (old.terms.terms,), "deadline": old.notice.deadline},
        "the deadline before": {"deadline": old.notice.deadline},
        "dated ahead": {"time": moment(new.notice.complete + MINUTE)},
    }
    front = Front(past_its_round(**closing[lie]))
    front.twist = lambda path, body: (
        front.beacon(int(old.notice.round)) if path.startswith("/beacon/") else body
    )
    service = front.service()
    service.now = lambda: new.notice.opens  # even where its own clock was turned, too
    tender = await read_notice(service, front.life.notice.tender)
    with pytest.raises(BeaconError if lie == "dated ahead" else LogError):
        await sign_orders(service, tender, front.life.world.members[0], "bid")
    assert front.sent == {}


async def test_a_member_signs_one_order_for_each_round_once_the_last_of_them_has_come() -> None:
    life = Life()
    life.submit(a_bidder(life.world, 1))
    life.amend(deadline=moment(DEADLINE + 3 * HOUR))
    life.submit(a_bidder(life.world, 2))
    life.close()
    life.now = life.notice.opens
    front = Front(life)
    await ordered(front)
    signed = [Statement(each).read(OpeningPartial).round for each in front.sent["opening-partials"]]
    assert sorted(signed) == sorted(each.notice.round for each in life.editions)


def terminate(life: Life, officer: SigningKey | None = None, second: SigningKey | None = None) -> None:
    officer = officer or life.world.officer
    said = Termination(**life.about(officer), outcome="cancelled", reason="No budget.")
    statement = Statement(sign(said, officer)).id
    life.countersign(EventType.TERMINATION_COUNTERSIGNED, statement, second)
    life.say(EventType.TERMINATED, said, officer)


async def test_a_member_signs_nothing_for_a_tender_that_has_ended_without_an_award() -> None:
    life = a_closed_life()
    terminate(life)
    front = Front(life)
    with pytest.raises(TenderError, match="nothing is opened"):
        await ordered(front)
    assert front.sent == {}


def ended_early(officer: SigningKey | None = None, second: SigningKey | None = None) -> Life:
    """A tender that is terminated after a bid, and so closed at once, long before its deadline."""
    life = Life()
    life.submit(a_bidder(life.world, 1))
    life.now += MINUTE
    terminate(life, officer, second)
    life.close(at=life.now + MINUTE)
    assert life.now < life.notice.closes
    return life


async def test_a_tender_that_has_ended_is_closed_before_its_deadline() -> None:
    front = Front(ended_early())
    service, tender = await announced(front)
    closed = await read_closing(service, tender)
    assert closed.ended
    assert closed.closing == front.life.closing


async def test_a_tender_that_was_closed_at_its_deadline_has_not_ended() -> None:
    service, tender = await announced(Front(a_closed_life()))
    assert not (await read_closing(service, tender)).ended


@pytest.mark.parametrize("hidden", [False, True])
async def test_a_member_signs_nothing_on_the_early_closing_of_a_tender_that_has_ended(hidden: bool) -> None:
    """Nor where its round has come, and the service does not tell that it has ended."""
    front = Front(ended_early())
    front.life.now = front.life.notice.opens
    if hidden:
        front.twist = lambda path, body: body.replace(b"tender:terminated", b"tender:quiet")
    with pytest.raises(TenderError, match="nothing is opened"):
        await ordered(front)
    assert front.sent == {}


def by_one_officer(world: World) -> Life:
    return ended_early(second=world.officer)


def by_officers_of_another_tender(world: World) -> Life:
    return ended_early(world.enrol(Role.OFFICER, "Officer Choi", "O-3"), world.second)


def of_something_else(world: World) -> Life:
    life = Life(world)
    life.countersign(EventType.TERMINATION_COUNTERSIGNED, "0" * 64)
    said = Termination(**life.about(world.officer), outcome="cancelled", reason="No budget.")
    life.say(EventType.TERMINATED, said, world.officer)
    life.close(at=life.now + MINUTE)
    return life


def by_the_words_that_published_it(world: World) -> Life:
    life = Life(world)
    notice, word = life.statements.values()
    life.post(EventType.TERMINATION_COUNTERSIGNED, word, world.second)
    life.post(EventType.TERMINATED, notice, world.officer)
    life.close(at=life.now + MINUTE)
    return life


@pytest.mark.parametrize(
    ("made_up", "said"),
    [
        (by_one_officer, "countersigned by a second officer"),
        (by_officers_of_another_tender, "other officers' hands"),
        (of_something_else, "another statement is countersigned"),
        (by_the_words_that_published_it, "not a statement of type termination"),
    ],
)
async def test_an_end_that_no_two_officers_agreed_on_closes_nothing_early(
    made_up: Callable[[World], Life], said: str
) -> None:
    front = Front(made_up(the_world()))
    service, tender = await announced(front)
    with pytest.raises(VerificationError, match=said):
        await read_closing(service, tender)


async def test_a_member_signs_nothing_in_a_log_with_another_past() -> None:
    front = Front(a_closed_life())
    service, tender = await announced(front)
    other = Front(a_closed_life(at=DEADLINE + MINUTE))
    front.life = other.life
    with pytest.raises(LogError):
        await sign_orders(service, tender, other.life.world.members[0], "bid")
    assert front.sent == {}


async def test_a_member_signs_nothing_without_the_rounds_signature() -> None:
    front = Front(a_closed_life())
    front.twist = lambda path, body: (
        front.beacon(int(front.life.notice.round) - 1) if path.startswith("/beacon/") else body
    )
    with pytest.raises(BeaconError, match="another round"):
        await ordered(front)
    assert front.sent == {}


async def test_a_closing_witnessed_too_late_needs_the_officers_word() -> None:
    life = a_closed_life(cosigned_at=Life().notice.opens)
    front = Front(life)
    with pytest.raises(TenderError, match="no officer answers"):
        await ordered(front)
    assert front.sent == {}
    about = life.about(life.world.officer)
    life.say(
        EventType.LATE,
        LateClosing(**about, closing=life.closing_id, reason="the witness was down"),
        life.world.officer,
    )
    await ordered(front)
    assert len(front.sent["opening-partials"]) == 1


@pytest.mark.parametrize("third", [False, True])
async def test_for_a_late_closing_either_officer_answers_and_no_other(third: bool) -> None:
    life = a_closed_life(cosigned_at=Life().notice.opens)
    world = life.world
    officer = world.enrol(Role.OFFICER, "Officer Choi", "O-3") if third else world.second
    late = LateClosing(**life.about(officer), closing=life.closing_id, reason="the witness was down")
    life.say(EventType.LATE, late, officer)
    front = Front(life)
    if third:
        with pytest.raises(TenderError, match="other officers' hands"):
            await ordered(front)
    else:
        await ordered(front)
    assert len(front.sent.get("opening-partials", ())) == (0 if third else 1)


async def test_a_member_follows_the_refusals_between_notice_and_closing() -> None:
    life = Life()
    life.submit(a_bidder(life.world, 1))
    for member in life.world.members:
        refusal = OrderRefusal(
            **life.about(member.key), part="bid", member=member.share.member, reason="Not yet."
        )
        life.say(EventType.REFUSED, refusal, member.key, "bid")
    life.close()
    life.now = life.notice.opens
    front = Front(life)
    await ordered(front)
    assert len(front.sent["opening-partials"]) == 1


# ── what a member checks before it orders a price open ───────────────────────────────────────────────


def a_panel_life(cast: type[Life] = Life, panel: int = 1, **how: Any) -> Life:
    """Two bids whose technical parts are open, but for what `cast` does otherwise."""
    world = the_world()
    named = tuple(each.fingerprint for each in world.panel[:panel])
    life = cast(world, a_notice(world, a_lot(panel_rules()), evaluators=named))
    life.submit(a_bidder(world, 1), **how)
    life.submit(a_bidder(world, 2))
    life.close()
    life.open("technical")
    return life


async def priced(front: Front) -> int:
    """How many prices a member orders open."""
    service, tender = await announced(front)
    await sign_orders(service, tender, front.life.world.members[0], "price")
    return len(front.sent.get("opening-partials", ()))


async def test_no_price_is_ordered_open_before_every_evaluator_has_signed() -> None:
    life = a_panel_life(panel=2)
    front = Front(life)
    for each in life.world.panel:
        with pytest.raises(TenderError, match="not those of the panel"):
            await priced(front)
        assert front.sent == {}
        life.score_sheet(evaluator=each)
    assert await priced(front) == 2


async def test_an_evaluator_with_a_conflict_is_not_waited_for() -> None:
    life = a_panel_life(panel=2)
    life.declare(life.world.panel[1], "my sister's company bids")
    life.score_sheet()
    assert await priced(Front(life)) == 2


async def test_an_evaluator_with_a_new_certificate_is_the_same_evaluator() -> None:
    life = a_panel_life()
    again = life.world.enrol(Role.EVALUATOR, "Evaluator Lee", life.world.evaluator.certificate.registration)
    life.score_sheet(evaluator=again)
    assert await priced(Front(life)) == 2


def all_step_back(life: Life) -> None:
    for each in life.panel():
        life.declare(each, "I know them all")


def one_scores_in_spite(life: Life) -> None:
    life.score_sheet()
    life.declare(life.world.panel[1], "my sister's company bids")
    life.score_sheet(evaluator=life.world.panel[1])


def one_is_not_on_the_panel(life: Life) -> None:
    life.score_sheets()
    life.score_sheet(evaluator=life.world.enrol(Role.EVALUATOR, "Evaluator Cho", "E-Cho"))


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (all_step_back, "recused"),
        (one_scores_in_spite, "conflict-declared"),
        (one_is_not_on_the_panel, "not-scored"),
    ],
)
async def test_no_price_is_ordered_open_on_the_word_of_a_wrong_panel(
    act: Callable[[Life], None], code: str
) -> None:
    life = a_panel_life(panel=2)
    act(life)
    front = Front(life)
    with pytest.raises(TenderError) as caught:
        await priced(front)
    assert (caught.value.code, front.sent) == (code, {})


def a_drawn_life(seen: timedelta = timedelta(seconds=1), **draw: Any) -> Drawn:
    """Two bids whose technical parts are open, and a panel of two drawn from five."""
    life = Drawn()
    life.request_draw(seen=seen)
    life.draw_panel(**draw)
    life.open("technical")
    return life


async def test_prices_are_ordered_open_after_the_sheets_of_those_whom_the_draw_called() -> None:
    life = a_drawn_life()
    first, second, third, *_ = life.called
    life.declare(first, "my sister's company bids")
    front = Front(life)
    for each in (second, third):
        with pytest.raises(TenderError, match="not those of the panel"):
            await priced(front)
        life.score_sheet(evaluator=each)
    assert await priced(front) == 2


async def test_an_evaluators_machine_finds_whether_it_is_called() -> None:
    life = a_drawn_life()
    service, tender = await announced(Front(life))
    officials, seq = await read_panel(service, tender)
    assert officials.drawn == tuple(each.certificate.registration for each in life.called)
    assert (seq > 0, tender.officials.drawn) == (True, ())
    undrawn, _ = await read_panel(*await announced(Front(Drawn())))
    assert undrawn.drawn == ()


@pytest.mark.parametrize(
    ("life", "code"),
    [
        (lambda: a_drawn_life(tickets=()), "panel-wrong"),
        (lambda: a_drawn_life(seen=timedelta(minutes=11)), "draw-late"),
        (lambda: a_drawn_life(round="1"), "another-draw"),
    ],
    ids=["favoured", "known before", "another round"],
)
async def test_no_price_is_ordered_open_after_a_draw_that_was_not_right(
    life: Callable[[], Drawn], code: str
) -> None:
    lived = life()
    lived.scored_by(*lived.panel()[:2])
    front = Front(lived)
    with pytest.raises(TenderError) as caught:
        await priced(front)
    assert (caught.value.code, front.sent) == (code, {})


async def test_no_price_is_ordered_open_on_the_sheets_of_some_of_the_pool() -> None:
    for draws, code in ((True, "not-scored"), (False, "panel-not-drawn")):
        life = a_drawn_life() if draws else Drawn()
        if not draws:
            life.open("technical")
        life.scored_by(*(life.called[2:4] if draws else life.panel()[:2]))
        with pytest.raises(TenderError) as caught:
            await priced(Front(life))
        assert caught.value.code == code


class Elsewhere(Life):
    """What evaluators say in this tender's log was signed for another tender."""

    replayed: ClassVar[type[Payload]]

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        if isinstance(payload, self.replayed):
            payload = msgspec.structs.replace(payload, notice="0" * 64)
        return super().signed(payload, key)


@pytest.mark.parametrize("replayed", [ConflictDeclaration, SignedScores])
async def test_what_an_evaluator_signed_for_another_tender_opens_no_price(replayed: type[Payload]) -> None:
    life = a_panel_life(type("Replayed", (Elsewhere,), {"replayed": replayed}))
    life.score_sheet()
    front = Front(life)
    with pytest.raises(LogError, match="about another tender"):
        await priced(front)
    assert front.sent == {}


class Hasty(Life):
    """Evaluators score first and say afterwards whether there is a conflict."""

    def declare(self, key: SigningKey, conflict: str = "") -> None:
        if self.sheets:
            super().declare(key, conflict)


async def test_a_sheet_from_before_the_declaration_opens_no_price() -> None:
    life = a_panel_life(Hasty)
    life.score_sheet()
    life.declare(life.world.evaluator)
    front = Front(life)
    with pytest.raises(TenderError, match="first declares"):
        await priced(front)
    assert front.sent == {}


@pytest.mark.parametrize("hidden", ["conflict:declared", "sheet:signed", "tender:opened"])
async def test_what_the_service_hides_opens_no_price(hidden: str) -> None:
    life = a_panel_life()
    life.score_sheet()
    front = Front(life)
    front.twist = lambda path, body: (
        body.replace(hidden.encode(), b"nothing") if path.endswith("/timeline") else body
    )
    with pytest.raises(TenderError):
        await priced(front)
    assert front.sent == {}


async def test_a_declaration_passed_off_as_a_sheet_is_found_out() -> None:
    life = a_panel_life()
    life.score_sheet()
    front = Front(life)
    front.twist = lambda path, body: (
        body.replace(b"conflict:declared", b"sheet:signed") if path.endswith("/timeline") else body
    )
    with pytest.raises(LogError, match="another one than the service says"):
        await priced(front)
    assert front.sent == {}


class Lying(Life):
    """What the log says of the technical parts is not what came of them."""

    def open(self, part: Part, partials: Sequence[OpeningPartial] | None = None) -> None:
        self.spoiled = False
        super().open(part, partials)

    def log(self, *events: Event) -> None:
        if events[0].t in BID_EVENTS and not self.spoiled:
            self.spoiled = True
            events = self.spoil(events)
        super().log(*events)

    def spoil(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        raise NotImplementedError


class LeftOut(Lying):
    def spoil(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return events[1:]


class Doubled(Lying):
    def spoil(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return (events[0], events[0])


class Foreign(Lying):
    """An envelope that the closing does not count is said to have opened."""

    def spoil(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return (msgspec.structs.replace(events[0], statement="0" * 64), *events[1:])


class AnotherPart(Lying):
    def spoil(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return (msgspec.structs.replace(events[0], part="price"), *events[1:])


@pytest.mark.parametrize("cast", [LeftOut, Doubled, Foreign, AnotherPart])
async def test_prices_are_ordered_open_only_after_every_counted_bid_was_opened_once(
    cast: type[Life],
) -> None:
    life = a_panel_life(cast)
    life.score_sheet()
    front = Front(life)
    with pytest.raises(LogError):
        await priced(front)
    assert front.sent == {}


async def test_the_price_of_a_bid_whose_technical_part_did_not_open_is_not_ordered_open() -> None:
    contents: dict[Section, bytes] = {"technical": b"nothing that reads", "price": b"{}"}
    life = a_panel_life(contents=contents)
    life.score_sheet()
    front = Front(life)
    assert await priced(front) == 1
    (partial,) = front.sent["opening-partials"]
    second = Statement(life.bids[life.closing.counted()[1]]).read(Envelope)
    assert Statement(partial).read(OpeningPartial).bid == second.context.bid


CRITERION = WeightedCriterion(id="quality", title="Quality", points="90", weight="90")
TWO_ENVELOPES = TwoEnvelope(criteria=(CRITERION,), pass_mark="60")


def two_envelopes_of(bids: int) -> Life:
    """So many bids whose technical parts are open, and a panel of two."""
    world = the_world()
    named = tuple(each.fingerprint for each in world.panel)
    life = Life(world, a_notice(world, a_lot(TWO_ENVELOPES), evaluators=named))
    for number in range(1, bids + 1):
        life.submit(a_bidder(world, number))
    life.close()
    life.open("technical")
    return life


def scored_with(*points: str) -> Life:
    """Bids that the whole panel gave so many of 90 points."""
    life = two_envelopes_of(len(points))
    given = dict(zip([each.id for each in life.counted], points, strict=True))
    for each in life.panel():
        life.score_sheet(given, each)
    return life


async def test_a_member_orders_no_price_of_a_bid_that_fails_by_the_sheets_that_it_has_seen_itself() -> None:
    life = scored_with("54", "53.9999", "90")
    front = Front(life)
    assert await priced(front) == 2
    signed = {Statement(partial).read(OpeningPartial).bid for partial in front.sent["opening-partials"]}
    first, _, third = (each.envelope.context.bid for each in life.counted)
    assert signed == {first, third}


def lots_scored_with(*points: tuple[str, str | None], **changes: Any) -> Life:
    """Bids for two lots that are priced apart, or for the first alone, each with so many of 90 points."""
    world = the_world()
    life = Life(world, a_notice(world, *(a_lot(TWO_ENVELOPES, id=lot) for lot in ("1", "2")), **changes))
    for number, (_, second) in enumerate(points, start=1):
        life.submit(a_bidder(world, number), lots=["1"] if second is None else ["1", "2"])
    return scored_lots(life, *points)


def scored_lots(life: Life, *points: tuple[str, str | None]) -> Life:
    life.close()
    life.open("technical")
    ids = [each.id for each in life.counted]
    of_lots = [(id, lot, of["12".index(lot)]) for id, of in zip(ids, points, strict=True) for lot in "12"]
    for each in life.panel():
        life.score_sheet({(id, lot): score for id, lot, score in of_lots if score is not None}, each)
    return life


async def test_a_member_orders_the_prices_of_those_lots_in_which_a_bid_passes_by_the_sheets() -> None:
    life = lots_scored_with(("10", "80"), ("54", "53.9999"), ("80", None))
    front = Front(life)
    assert await priced(front) == 3
    signed = {Statement(partial).read(OpeningPartial).subject for partial in front.sent["opening-partials"]}
    one, two, three = (each.envelope.context.bid for each in life.counted)
    assert signed == {(one, "2"), (two, "1"), (three, "1")}


def forge(victim: Envelope, life: Life, context: Context) -> tuple[SealedPart, ...]:
    """A technical part of the thief's own, which opens beside the victim's prices."""
    message, sigma = life.world.entropy(32), life.world.entropy(32)
    capsule = seal(life.terms.locks("technical", context.bid), message, sigma)
    content = encode(Proposal(proposal="The best that there is."))
    ciphertext = encrypt_content(message, part_context(context, "technical"), capsule, content)
    fields = {name: getattr(capsule, name).hex() for name in ("u", "v", "w")}
    return (SealedPart(part="technical", ciphertext=to_base64(ciphertext), **fields), *victim.parts[1:])


@pytest.mark.parametrize("who", ["the thief's", "the victim's"])
async def test_no_order_is_signed_on_a_price_that_somebody_elses_envelope_asks_for(who: str) -> None:
    """A service and a bidder that passes name a rival's failed bid as theirs. The box would not have taken
    the envelope; but nobody's price hangs on what a service has looked at."""
    world = the_world()
    life = Life(world, a_notice(world, *(a_lot(TWO_ENVELOPES, id=lot) for lot in ("1", "2"))))
    rival = life.submit(a_bidder(world, 1))
    victim, thief = Statement(life.bids[rival]).read(Envelope), a_bidder(world, 9)
    names = {} if who == "the victim's" else {"certificate": thief.fingerprint}
    context = msgspec.structs.replace(victim.context, **names)
    forged = Envelope(signer=thief.fingerprint, context=context, parts=forge(victim, life, context))
    life.accept(thief, sign(forged, thief))
    front = Front(scored_lots(life, ("10", "10"), ("90", "90")))
    assert [each.proposal is not None for each in life.counted] == [True, True]
    with pytest.raises(EnvelopeError, match="is not this tender's or signer's"):
        await priced(front)
    assert front.sent == {}


async def test_no_order_is_signed_on_a_price_in_an_envelope_that_its_bidder_did_not_sign() -> None:
    world = the_world()
    life = Life(world, a_notice(world, *(a_lot(TWO_ENVELOPES, id=lot) for lot in ("1", "2"))))
    rival = life.submit(a_bidder(world, 1))
    victim, thief = Statement(life.bids[rival]).read(Envelope), a_bidder(world, 9)
    forged = msgspec.structs.replace(victim, parts=forge(victim, life, victim.context))
    body = msgspec.json.decode(sign(msgspec.structs.replace(forged, signer=thief.fingerprint), thief))
    [signature] = body["signatures"]
    renamed = encode(
        body | {"payload": to_base64(encode(forged)), "signatures": [signature | {"keyid": victim.signer}]}
    )
    life.accept(a_bidder(world, 1), renamed)
    life.submitted[-1] = msgspec.structs.replace(life.submitted[-1], bidder="123-45-00009")
    front = Front(scored_lots(life, ("10", "10"), ("90", "90")))
    with pytest.raises(SignatureError):
        await priced(front)
    assert front.sent == {}


async def test_where_nobody_passes_a_member_has_no_price_to_order() -> None:
    front = Front(scored_with("1", "2"))
    assert await priced(front) == 0


async def test_a_sheet_that_leaves_a_bid_out_opens_no_price() -> None:
    """Signed by the evaluator and in the log all the same: the service did not look."""
    life = two_envelopes_of(2)
    whole, life.counted = life.counted, life.counted[:1]
    for each in life.panel():
        life.score_sheet(evaluator=each)
    life.counted = whole
    front = Front(life)
    with pytest.raises(TenderError, match="every bid by every criterion, once"):
        await priced(front)
    assert front.sent == {}


class Twice(Life):
    """An evaluator scores the first bid a second time, with other points."""

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        if isinstance(payload, SignedScores):
            again = msgspec.structs.replace(payload.scores[0], score="90")
            payload = msgspec.structs.replace(payload, scores=(*payload.scores, again))
        return super().signed(payload, key)


async def test_a_sheet_that_scores_a_bid_twice_opens_no_price() -> None:
    life = a_panel_life(Twice)
    life.score_sheet({life.counted[0].id: "1"})
    front = Front(life)
    with pytest.raises(TenderError, match="every bid by every criterion, once"):
        await priced(front)
    assert front.sent == {}


async def test_a_price_of_another_envelope_than_was_opened_is_not_ordered_open() -> None:
    life = a_panel_life()
    life.score_sheet()
    front = Front(life)
    first, second = life.closing.counted()
    front.twist = lambda path, body: life.bids[second] if path.endswith(first) else body
    with pytest.raises(LogError, match="another envelope"):
        await priced(front)
    assert front.sent == {}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"entry":1}', b"[" * 100_000])
async def test_garbage_from_a_service_is_a_typed_error(body: bytes) -> None:
    front = Front(a_closed_life())
    service, tender = await announced(front)
    front.twist = lambda path, found: body
    with pytest.raises((VerificationError, ServiceError)):
        await read_closing(service, tender)
    with pytest.raises((VerificationError, ServiceError)):
        await read_notice(service, tender.notice.tender)
    with pytest.raises((VerificationError, ServiceError)):
        await service.certificate_unless_revoked(front.bidder.fingerprint, Role.BUSINESS, START)
    front.life.now += timedelta(days=3)
    with pytest.raises((VerificationError, ServiceError)):
        await service.certificate(tender.notice.signer, Role.OFFICER, front.life.now, front.life.status())
