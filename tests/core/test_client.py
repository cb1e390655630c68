"""Bidder and committee member against a service that lies: nothing is sealed or signed on its word."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from bids.client import RefusedError, Service, ServiceError
from bids.errors import Unopenable
from bids.receipts import Receipt, Refusal, commitment_entry
from crypto.certificates import Certificate, Role, SigningKey
from crypto.checkpoint import TlogProof
from crypto.encoding import encode, moment, sha256, to_base64
from crypto.errors import (
    BeaconError,
    CertificateError,
    CommitteeError,
    LogError,
    SignatureError,
    VerificationError,
)
from crypto.merkle import HASH_SIZE, Tile, leaf_hash
from crypto.statements import Statement, sign
from crypto.trust import Trust
from procurement.awards import LateClosing
from procurement.client import (
    Announced,
    read_closing,
    read_notice,
    sign_orders,
    submit_bid,
)
from procurement.errors import TenderError
from procurement.history import EventType
from procurement.tenders import Bid, LotOffer
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

MINUTE = timedelta(minutes=1)
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
            found = self.receipt(request.content) if path.endswith("/bids") else b"{}"
        else:
            found = self.read(path)
        return httpx.Response(200, content=self.twist(path, found))

    def read(self, path: str) -> bytes:
        match path.strip("/").split("/"):
            case ["api", "v1", "certificates", fingerprint]:
                return self.life.certificates[fingerprint]
            case ["api", "v1", "tenders", _, "entries", seq]:
                return self.proven(int(seq))
            case ["api", "v1", "tenders", _, "closing"]:
                return self.proven(1, self.life.closing_note)
            case ["api", "v1", "tenders", _, "timeline"]:
                return encode({"events": [{"seq": i, "type": t} for i, t in enumerate(self.types())]})
            case ["api", "v1", "tenders", _, "bids"]:
                return encode({"bids": [self.opened(id) for id in self.life.closing.counted()]})
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

    def opened(self, id: str) -> dict[str, Any]:
        parts = [{"part": "technical", "content": {}}]
        return {"envelope": id, "bidder": "bidder", "registration": "1", "parts": parts}

    def proven(self, seq: int, note: str = "") -> bytes:
        life, index = self.life, self.life.history[seq]
        note = note or life.note(life.now)
        leaves = tuple(leaf_hash(entry) for entry in life.entries[: size_of(note)])
        statement = msgspec.json.decode(life.entries[index], type=dict[str, Any])["statement"]
        proof = TlogProof(index=index, hashes=tuple(inclusion(leaves, index)), checkpoint=note)
        return encode(
            {
                "entry": to_base64(life.entries[index]),
                "statement": to_base64(life.statements[statement]),
                "proof": proof.encode(),
            }
        )

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


async def test_no_price_is_ordered_open_before_every_evaluator_has_signed() -> None:
    world = the_world()
    life = Life(world, a_notice(world, a_lot(panel_rules())))
    life.submit(a_bidder(world, 1))
    life.close()
    life.open("technical")
    front = Front(life)
    service, tender = await announced(front)
    with pytest.raises(TenderError, match="every evaluator"):
        await sign_orders(service, tender, world.members[0], "price")
    assert front.sent == {}
    life.score_sheet()
    await sign_orders(service, tender, world.members[0], "price")
    assert len(front.sent["opening-partials"]) == 1


async def test_a_price_of_an_envelope_that_was_not_counted_is_not_ordered_open() -> None:
    world = the_world()
    life = Life(world, a_notice(world, a_lot(panel_rules())))
    first = life.submit(a_bidder(world, 1))
    life.close()
    life.open("technical")
    life.score_sheet()
    front = Front(life)
    stray = Life(world, life.notice)
    stray_id = stray.submit(a_bidder(world, 2))
    life.bids[stray_id] = stray.bids[stray_id]
    front.twist = lambda path, body: (
        body.replace(first.encode(), stray_id.encode()) if path.endswith("/bids") else body
    )
    service, tender = await announced(front)
    with pytest.raises(LogError, match="does not count"):
        await sign_orders(service, tender, world.members[0], "price")
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
        await service.certificate(tender.notice.signer, Role.OFFICER, START)
