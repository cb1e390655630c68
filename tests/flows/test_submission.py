"""Submitting: a receipt that proves itself, or a signed no; never both, never neither."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from bids.client import RefusedError
from bids.receipts import Promise, Receipt, commitment_entry
from crypto.certificates import P256_ORDER, Role
from crypto.checkpoint import TlogProof, VerifyingKey
from crypto.encoding import encode, from_base64, parse_moment, sha256, to_base64
from crypto.statements import Statement, pae
from procurement.authorities import Authorities
from procurement.registry import store as registry
from procurement.tenders import LARGEST_CONTENT
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town
from tests.flows.test_life import NEGOTIATION

LONG = 600.0
"""Seconds to a deadline that does not come."""
WITNESSED = "SELECT EXISTS (SELECT FROM log_checkpoint JOIN log_head USING (size))"


async def test_a_receipt_proves_that_the_commitment_is_in_the_log(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    bidder = await town.bidder("Bidder")
    envelope = tender.seal(bidder)
    before = datetime.now(UTC)
    receipt, proof = received(await tender.post("bids", envelope))
    verified = await tender.office.verified_unless_revoked(Statement(receipt), Receipt, datetime.now(UTC))
    assert (verified.tender, verified.notice) == (tender.ocid, tender.notice_id)
    assert verified.statement == Statement(envelope).id
    assert verified.time <= tender.notice.deadline
    assert parse_moment(verified.time).timestamp() >= int(before.timestamp() * 1000) / 1000
    entry = commitment_entry(verified.commitment())
    assert proof.verify(entry, VerifyingKey.parse(town.trust.log)).size > proof.index
    assert (await town.verify_log())[proof.index] == entry


async def test_the_same_envelope_always_gets_the_same_receipt(town: Town) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    bidder = await town.enrol(Role.BUSINESS, "Bidder", key=key)
    tender = await town.publish(a_lot(), lead=3)
    envelope = tender.seal(bidder)
    twice = await asyncio.gather(*(tender.post("bids", envelope) for _ in range(4)))
    again = await tender.post("bids", envelope)
    other_signature = signed_again(envelope, key)
    assert other_signature != envelope
    malleated = await tender.post("bids", other_signature)
    await tender.deadline(0.5)
    late = await tender.post("bids", envelope)
    answers = [received(each) for each in (*twice, again, malleated, late)]
    assert len({receipt for receipt, _ in answers}) == 1
    assert len({proof.index for _, proof in answers}) == 1
    assert len((await tender.close()).closing.commitments) == 1
    assert envelope.hex() in str(await town.rows(tender.ocid))
    assert other_signature.hex() not in str(await town.rows(tender.ocid))


async def test_of_two_first_envelopes_one_is_refused(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    bidder = await town.bidder("Bidder")
    answers = await asyncio.gather(*(tender.post("bids", tender.seal(bidder)) for _ in range(5)))
    assert sorted(code(each) for each in answers) == ["accepted", *["not-latest"] * 4]


async def test_a_chain_of_envelopes_does_not_fork(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    bidder, rival = await town.bidder("Bidder"), await town.bidder("Rival")
    first = await tender.bid(bidder, "100")
    other = await tender.bid(rival, "100")
    forks = [tender.seal(bidder, previous=first) for _ in range(5)]
    answers = await asyncio.gather(*(tender.post("bids", each) for each in forks))
    assert sorted(code(each) for each in answers) == ["accepted", *["not-latest"] * 4]
    for previous in (None, first, other, "0" * 64):
        assert code(await tender.post("bids", tender.seal(bidder, previous=previous))) == "not-latest"
    assert code(await tender.post("bids", tender.seal(rival, previous=other))) == "accepted"


async def test_a_late_bid_gets_a_signed_refusal_with_the_servers_time(town: Town) -> None:
    late = await town.bidder("Late")
    tender = await town.publish(a_lot(), lead=2)
    envelope = tender.seal(late)
    await tender.deadline()
    with pytest.raises(RefusedError) as refused:
        await tender.submit(envelope)
    refusal = refused.value.refusal
    assert (refusal.reason, refusal.tender) == ("after-deadline", tender.ocid)
    assert refusal.received == sha256(envelope).hex()
    assert tender.notice.deadline <= refusal.time
    assert parse_moment(refusal.time) <= datetime.now(UTC)
    assert (await tender.post("bids", envelope)).status_code == 422
    assert not (await tender.close()).closing.commitments


async def test_a_rush_of_bidders_all_get_their_receipts(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    envelopes = await sealed(tender, 32)
    answers = await asyncio.gather(*(tender.post("bids", each) for each in envelopes))
    proofs = [received(each)[1] for each in answers]
    assert len({proof.index for proof in proofs}) == 32


async def test_bids_in_flight_at_the_deadline_are_in_the_closing_statement_or_refused(town: Town) -> None:
    bidders = [await town.bidder(f"Bidder {i}") for i in range(60)]
    tender = await town.publish(a_lot(), lead=4)
    envelopes = [tender.seal(bidder) for bidder in bidders]
    span = 0.4  # seconds around the deadline

    async def send(number: int, envelope: bytes) -> httpx.Response:
        await tender.deadline(span * (number / len(envelopes) - 0.7))
        return await tender.post("bids", envelope)

    early = await tender.post("bids", envelopes[0])
    rush = await asyncio.gather(*(send(*each) for each in list(enumerate(envelopes))[1:]))
    answers = [early, *rush]
    closing = (await tender.close()).closing
    listed = {each.statement: (each.index, each.time, each.salt) for each in closing.commitments}
    accepted: dict[str, Any] = {}
    for envelope, answer in zip(envelopes, answers, strict=True):
        if code(answer) == "accepted":
            data, proof = received(answer)
            receipt = Statement(data).read(Receipt)
            accepted[Statement(envelope).id] = (proof.index, receipt.time, receipt.salt)
        else:
            assert code(answer) == "after-deadline"
    assert accepted == listed
    assert 0 < len(accepted) < len(envelopes), "the deadline fell among them"


async def test_a_flood_of_late_bids_does_not_hold_up_the_closing(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=3)
    envelopes = await sealed(tender, 30)
    await tender.deadline()

    async def insist(envelope: bytes) -> None:
        while "tender:closed" not in await tender.happened():
            assert code(await tender.post("bids", envelope)) == "after-deadline"

    async with asyncio.timeout(60):
        await asyncio.gather(*map(insist, envelopes))


async def test_a_late_bid_but_the_first_waits_for_nobody_and_holds_up_nobody(town: Town) -> None:
    bidders = [await town.bidder(name) for name in ("First", "Late")]
    tender = await town.publish(a_lot(), lead=2)
    first, late = map(tender.seal, bidders)
    await tender.deadline()
    assert code(await tender.post("bids", first)) == "after-deadline"  # nothing in time is under way any more
    connection = await asyncpg.connect(town.dsn)
    async with connection.transaction(), asyncio.timeout(60):
        await connection.execute("SELECT FROM tender WHERE ocid = $1 FOR UPDATE", tender.ocid)
        assert code(await tender.post("bids", late)) == "after-deadline"
    await connection.close()


async def test_a_bid_that_waited_for_a_lock_past_the_deadline_is_late(town: Town) -> None:
    bidder = await town.bidder("Unlucky")
    tender = await town.publish(a_lot(), lead=3)
    envelope = tender.seal(bidder)
    connection = await asyncpg.connect(town.dsn)
    async with connection.transaction():
        await connection.execute("SELECT FROM tender WHERE ocid = $1 FOR UPDATE", tender.ocid)
        sent = asyncio.create_task(tender.post("bids", envelope))
        await tender.deadline()
        assert not sent.done()
    await connection.close()
    assert code(await sent) == "after-deadline"
    assert not (await tender.close()).closing.commitments


async def test_a_bid_that_was_accepted_is_never_refused(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    envelope = tender.seal(await town.bidder("Bidder"))
    receipt, _ = received(await tender.post("bids", envelope))
    connection = await asyncpg.connect(town.dsn)
    for _ in range(1200):  # else the witness's answer would mend what is broken here
        if await connection.fetchval(WITNESSED):
            break
        await asyncio.sleep(0.05)
    note = await connection.fetchval("UPDATE log_head SET published_note = NULL RETURNING note")
    try:
        troubled = await town.http.post(f"{tender.path}/bids", content=envelope)
    finally:
        await connection.execute("UPDATE log_head SET published_note = $1", note)
        await connection.close()
    assert troubled.status_code == 202
    promise = Statement(from_base64(troubled.json()["promise"])).read(Promise)
    assert promise.statement == Statement(envelope).id
    assert received(await tender.post("bids", envelope))[0] == receipt


async def test_a_bid_is_not_refused_while_nobody_can_say_who_counts(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=LONG)
    envelope = tender.seal(await town.bidder("Bidder"))
    before = await town.rows(tender.ocid)
    long_ago, now = datetime.now(UTC) - timedelta(days=30), datetime.now(UTC)
    status = Authorities(town.house.keys, None).status({}, 10**6, long_ago)
    connection = await asyncpg.connect(town.dsn)
    await registry.add_status(connection, status.id, 10**6, encode(status), now)
    try:
        unknown = await tender.post("bids", envelope)
    finally:
        await connection.execute("DELETE FROM certificate_status WHERE number = $1", 10**6)
        await connection.close()
    assert (unknown.status_code, unknown.json()["code"]) == (503, "status-unknown")
    assert unknown.headers["Retry-After"]
    assert "refusal" not in unknown.json()
    assert await town.rows(tender.ocid) == before
    received(await tender.post("bids", envelope))


async def test_the_largest_bid_that_a_notice_admits_is_taken(town: Town) -> None:
    tender = await town.publish(a_lot(NEGOTIATION), lead=LONG, content_limit=LARGEST_CONTENT)
    content = bytes(LARGEST_CONTENT)
    envelope = tender.seal(await town.bidder("Bidder"), contents={"technical": content, "price": content})
    received(await tender.post("bids", envelope))


async def sealed(tender: PracticeTender, number: int) -> list[bytes]:
    """Envelopes of as many bidders."""
    return [tender.seal(await tender.town.bidder(f"Bidder {i}")) for i in range(number)]


def received(answer: httpx.Response) -> tuple[bytes, TlogProof]:
    """Receipt and proof of an accepted bid."""
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert set(body) == {"receipt", "proof"}
    return from_base64(body["receipt"]), TlogProof.parse(body["proof"])


def code(answer: httpx.Response) -> str:
    """`accepted`, or the refusal's code."""
    return "accepted" if answer.status_code == 201 else str(answer.json()["code"])


def signed_again(envelope: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The same statement under another valid signature: ECDSA has as many as there are nonces."""
    statement = Statement(envelope)
    message = pae(statement.payload_type, statement.payload)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    raw = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
    dsse = msgspec.json.decode(envelope)
    dsse["signatures"][0]["sig"] = to_base64(raw)
    return encode(dsse)
