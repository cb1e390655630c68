"""Until k members have signed, nobody reads a bid: not even who holds all that the service has."""

import asyncio
import base64
import itertools
import logging
import re
import secrets
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from bids.envelope import Envelope, Section, part_context
from crypto import bls
from crypto.beacon import LOCAL
from crypto.committee import Partial, Rehearsal, verify_committee
from crypto.encoding import encode
from crypto.errors import BeaconError, LockError
from crypto.locks import MANDATE_DST, TIME_DST, Capsule, Opener, OpeningOrder, decrypt_content
from crypto.statements import Statement
from procurement.authorities import local_beacon
from procurement.tenders import Bid, LotOffer, Proposal
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town, timeless
from tests.flows.test_life import NEGOTIATION, conclude

OPENED_AMOUNT = "564738291100200"
AMOUNT = "918273645546372"
PROPOSAL = "zxqj-unheard-of-proposal-vkwy"


async def test_with_everything_of_the_service_a_bid_does_not_open_before_k_partials(town: Town) -> None:
    other = await town.publish(a_lot(NEGOTIATION), lead=3, margin=0)
    tender = await town.publish(a_lot(), a_lot(id="2"), lead=4)
    envelope = tender.seal(await town.bidder("Bidder"), OPENED_AMOUNT)
    await tender.submit(envelope)
    sealed = Statement(envelope).read(Envelope)
    capsule, order = sealed.parts[0].capsule, encode(tender.terms.order("bid", None))

    await other.close()
    await other.order("technical")
    await other.opened("technical")
    beacon = local_beacon(town.house.keys, 1)
    time_key = beacon.sign(int(tender.notice.round), tender.notice.opens).signature
    await tender.close()
    await tender.round()
    await tender.order("bid", town.members[:1])
    assert await tender.status() == "opening"

    signed = await asyncio.to_thread(lambda: [*signed_by_all_keys(town.house.keys.parent, order)])
    holds = [time_key, *await published_points(town), *signed]
    holds += [partials(town, tender)[0].signature, *orders_on_everything_else(town, tender, sealed, other)]
    points = [bls.parse_g1(each) for each in dict.fromkeys(holds)]
    assert len(points) > 25
    time, part = points[0], bls.parse_g1(partials(town, tender)[0].signature)
    tried = [each for point in points for each in mixed(point, time, part)]
    for other_member in (2, 3):  # one member's part, weighted as in a pair of members
        weighted = bls.times_g1(part, other_member * pow(other_member - 1, -1, bls.ORDER) % bls.ORDER)
        tried += [weighted, time + weighted]
    opened = await asyncio.to_thread(
        lambda: [each for each in tried if opens(capsule, each)]
    )  # the service goes on
    assert opened == []

    assert (await tender.get("bids")).status_code == 404
    mandate = verify_committee(town.committee).combine(partials(town, tender)[:2], order)
    key = bls.parse_g1(time_key) + bls.parse_g1(mandate)
    assert opens(capsule, key), "the attack works where the keys are right"
    message = forced(key).open(capsule)
    content = decrypt_content(
        message, part_context(sealed.context, "bid"), capsule, base64.b64decode(sealed.parts[0].ciphertext)
    )
    assert OPENED_AMOUNT.encode() in content
    await tender.order("bid", town.members[1:2])
    assert OPENED_AMOUNT in str(await tender.opened("bid"))
    await conclude(tender)


async def test_no_secret_and_no_content_is_anywhere_before_the_opening(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[bytes] = []

    async def listen(answer: httpx.Response) -> None:
        heard.extend([str(answer.headers).encode(), await answer.aread()])

    town.http.event_hooks["response"].append(listen)
    convened = await town.convene()
    tender = await town.publish(
        a_lot(NEGOTIATION), lead=3, committee=convened.committee, transcript=convened.transcript
    )
    bidder = await town.bidder("Bidder")
    contents: dict[Section, bytes] = {
        "technical": encode(Proposal(proposal=PROPOSAL)),
        "price": encode(Bid(offers=(LotOffer(lot="1", amount=AMOUNT),))),
    }
    bid = await tender.bid(bidder, "1", contents=contents)
    malformed: dict[Section, bytes] = {**contents, "technical": PROPOSAL.encode() * 2}
    await tender.bid(await town.bidder("Malformed"), "1", contents=malformed)
    await look_everywhere(town, tender)
    await tender.close()
    await look_everywhere(town, tender)
    await tender.round()
    await tender.order("technical", convened.members[:1])
    await look_everywhere(town, tender)

    needles = [PROPOSAL.encode(), AMOUNT.encode()]
    for member in convened.members:
        needles += forms(member.share.export())
    haystacks = [*heard, caplog.text.encode(), *await everything_kept(town)]
    assert sum(map(len, haystacks)) > 1_000_000
    assert any(bid.encode() in each for each in haystacks), "what is known is found"
    assert await asyncio.to_thread(found, needles, haystacks) == []

    await tender.order("technical", convened.members[1:2])
    assert PROPOSAL in str(await tender.opened("technical"))
    await tender.score({bid: "40"})
    await look_everywhere(town, tender)
    shares = needles[2:]
    haystacks = [*heard, caplog.text.encode(), *await everything_kept(town)]
    needles = [AMOUNT.encode(), *shares]
    assert await asyncio.to_thread(found, needles, haystacks) == [], "the price stays sealed"
    town.http.event_hooks["response"].remove(listen)


async def test_before_the_closing_nothing_public_tells_of_a_bid(town: Town) -> None:
    bidders = [await town.bidder(f"Bidder {i}") for i in range(3)]
    tender = await town.publish(a_lot(), lead=600)
    await town.line().wait_for(f"{tender.path}/entries/1")  # and everything that was said before it
    before = await look_everywhere(town, tender)
    size = len(await town.verify_log())
    first = await tender.bid(bidders[0], "1")
    await tender.bid(bidders[0], "2", previous=first)
    await tender.bid(bidders[1], "3")
    await tender.post("bids", b"refused")
    assert await look_everywhere(town, tender) == before
    assert (await tender.get(f"statements/{first}")).json()["code"] == "no-such-statement"
    new = (await town.verify_log())[size:]
    assert len(new) == 3
    assert {frozenset(msgspec.json.decode(entry)) for entry in new} == {frozenset({"c", "t"})}
    assert {len(entry) for entry in new} == {89}


async def test_the_beacon_asked_a_period_early_refuses(town: Town) -> None:
    network = town.trust.networks[0]
    assert network.beacon_id == LOCAL
    beacon = local_beacon(town.house.keys, 1)
    for ahead in (0.5, 1, 2, 60):
        coming = network.round_at(town.now() + timedelta(seconds=ahead))
        for path in (f"/beacon/public/{coming}", f"/beacon/{network.chain_hash}/public/{coming}"):
            early = await town.http.get(path)
            refused = early.status_code == 404 and early.json()["code"] == "not-yet"
            assert refused or town.now() >= network.time_of(coming)
        latest = (await town.http.get("/beacon/public/latest")).json()["round"]
        assert network.time_of(latest) <= town.now()
        await asyncio.sleep(0.3)
    time = network.time_of(1000)
    with pytest.raises(BeaconError):
        beacon.sign(1000, time - timedelta(seconds=network.period))
    with pytest.raises(BeaconError):
        beacon.sign(1000, time - timedelta(microseconds=1))
    network.verify_round(1000, beacon.sign(1000, time).signature)


def forced(point: bls.G1) -> Opener:
    """An opener that takes any point for the locks' key, without asking the locks."""
    opener = object.__new__(Opener)
    opener._key = point
    return opener


def mixed(point: bls.G1, time: bls.G1, part: bls.G1) -> list[bls.G1]:
    return [point, time + point, time - point, part + point, time + part + point]


def opens(capsule: Capsule, point: bls.G1) -> bool:
    try:
        return bool(forced(point).open(capsule))
    except LockError:
        return False


async def published_points(town: Town) -> list[bytes]:
    """Every signature in G1 that anybody ever published: partials, order keys, rounds, proofs."""
    connection = await asyncpg.connect(town.dsn)
    bodies = [row["body"] for row in await connection.fetch("SELECT body FROM statement")]
    await connection.close()
    found = [re.findall(rb'"([0-9a-f]{96})"', Statement(bytes(body)).payload) for body in bodies]
    return [bytes.fromhex(each.decode()) for several in found for each in several]


def signed_by_all_keys(folder: Path, order: bytes) -> Iterator[bytes]:
    """The order, signed with every secret in the data folder as if it were a key of ours."""
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for found in (data, *map(bytes.fromhex, re.findall(r'"([0-9a-f]{64})"', data.decode("latin-1")))):
            if len(found) == 32:
                scalar = int.from_bytes(found, "big") % (bls.ORDER - 1) + 1
                exact = int.from_bytes(found, "big")
                for secret in {scalar, exact} if 0 < exact < bls.ORDER else {scalar}:
                    yield bls.sign(secret, order, MANDATE_DST, secrets.token_bytes(48))
                    yield bls.sign(secret, order, TIME_DST, secrets.token_bytes(48))


def partials(town: Town, tender: PracticeTender) -> list[Partial]:
    """What the members would sign for the tender's own order."""
    order = tender.terms.order("bid", None)
    return [
        Partial(member=each.share.member, signature=each.share.sign(order, secrets.token_bytes(48)))
        for each in town.members
    ]


def orders_on_everything_else(
    town: Town, tender: PracticeTender, sealed: Envelope, other: PracticeTender
) -> Iterator[bytes]:
    """What the whole committee could be made to sign that is not this tender's order."""
    key, order = verify_committee(town.committee), tender.terms.order("bid", None)
    subjects: list[OpeningOrder | Rehearsal] = [
        Rehearsal(ceremony=town.committee.ceremony),
        other.terms.order("technical", None),
        msgspec.structs.replace(order, tender=other.ocid),
        msgspec.structs.replace(order, notice=other.notice_id),
        msgspec.structs.replace(order, part="price", bid=sealed.context.bid, lot="1"),
        msgspec.structs.replace(order, part="technical"),
        msgspec.structs.replace(order, part="price", bid=sealed.context.bid),
        msgspec.structs.replace(order, round=str(int(order.round) + 1)),
    ]
    for subject in subjects:
        signed = [
            Partial(member=each.share.member, signature=each.share.sign(subject, secrets.token_bytes(48)))
            for each in town.members
        ]
        yield key.combine(signed, encode(subject))
    yield bytes.fromhex(town.committee.proof)


async def look_everywhere(town: Town, tender: PracticeTender) -> dict[str, tuple[int, bytes]]:
    """All that is public about the tender, but for the log's size."""
    await tender.office.logged(f"{tender.path}/entries/0")
    below = (
        "",
        "/timeline",
        "/closing",
        "/bids",
        "/evaluation",
        "/record",
        *(f"/entries/{i}" for i in range(5)),
    )
    paths = [f"{tender.path}{route}" for route in below]
    paths += ["/", "/api/v1/tenders", f"/tenders/{tender.ocid}"]
    answers = {path: await town.http.get(path) for path in paths}
    return {path: (answer.status_code, timeless(answer.content)) for path, answer in answers.items()}


async def everything_kept(town: Town) -> list[bytes]:
    """The data folder, all rows, and the database's files; also with base64 and hex undone."""
    connection = await asyncpg.connect(town.dsn)
    await connection.execute("CHECKPOINT")
    cluster = Path(await connection.fetchval("SHOW data_directory"))
    number = await connection.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()")
    await connection.close()
    files = [*town.house.keys.parent.rglob("*"), *(cluster / "base" / str(number)).iterdir()]
    rows = [row.encode() for table in (await town.rows()).values() for row in table]
    files += (cluster / "pg_wal").glob("0*")
    kept = [path.read_bytes() for path in files if path.is_file()]
    return kept + await asyncio.to_thread(lambda: [*undone(rows)])


def found(needles: Iterable[bytes], haystacks: Iterable[bytes]) -> list[bytes]:
    """Which of them are in any."""
    return [needle for needle, hay in itertools.product(needles, haystacks) if needle in hay]


def undone(texts: Iterable[bytes]) -> Iterator[bytes]:
    """The texts, and what is in them under hex and base64, three deep."""
    layer = list(texts)
    for _ in range(4):
        yield from layer
        coded = [found for text in layer for found in re.findall(rb"[A-Za-z0-9+/]{24,}={0,2}", text)]
        layer = [bytes.fromhex(each.decode()) for each in coded if re.fullmatch(rb"([0-9a-f]{2})+", each)]
        layer += [base64.b64decode(each) for each in coded if len(each) % 4 == 0]


def forms(secret: bytes) -> list[bytes]:
    """How a secret could be written."""
    written = [secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode()]
    written += [base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")]
    return [*written, str(int.from_bytes(secret, "big")).encode()]
