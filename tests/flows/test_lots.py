"""Lots that are priced apart, over HTTP: a bid that fails in one lot is priced in another. From the draft to
the record by the commands that everybody uses, and what the service says to whoever wants to know more."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import pytest

from bids.client import RefusedError
from bids.envelope import Envelope, Section, SubmissionTerms, section
from crypto.certificates import SigningKey
from crypto.encoding import encode
from crypto.statements import Statement, sign
from procurement import archive
from procurement.awards import CriterionScore, SignedScores
from procurement.bundle import content_path
from procurement.evaluation import LowestPrice, MultiAward
from procurement.service import House
from procurement.tenders import Bid, LotOffer, Restricted, padded
from procurement.web.wording import UNOPENABLE
from tests.builders import a_lot, two_envelopes
from tests.conftest import fresh_database
from tests.flows.conftest import running
from tests.flows.people import PracticeTender, Town
from tests.flows.test_bidding import Person, a_document
from tests.flows.test_ceremony import THRESHOLD, Officials, listening, passphrase_in, run
from tests.flows.test_documents import enclose, seal, upload
from tests.flows.test_life import conclude
from tests.flows.test_login import log_in
from tests.flows.test_own_bids import own

TWO = two_envelopes()


@pytest.fixture(scope="module")
async def here(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, str]]:
    """A town whose service also listens on a port, and its address."""
    house = House.below(tmp_path_factory.mktemp("town"))
    async with (
        fresh_database(postgres, f"lots_{uuid4().hex}", migrated) as dsn,
        running(dsn, house) as client,
        listening(client._transport.app) as url,  # type: ignore[attr-defined]  # the application itself
    ):
        yield await Town.settle(client, house, dsn), url


def scores_of(tender: PracticeTender, points: Mapping[tuple[str, str], str], key: SigningKey) -> SignedScores:
    """A sheet with the same points for every criterion, by envelope and lot."""
    scores = tuple(
        CriterionScore(bid=bid, lot=lot, criterion="quality", score=score)
        for (bid, lot), score in points.items()
    )
    return SignedScores(**tender.about(key), scores=scores, salt=secrets.token_hex(32))


async def scored(tender: PracticeTender, points: Mapping[tuple[str, str], str]) -> None:
    key = tender.town.evaluator
    await tender.declare(key)
    await tender.say("score-sheets", scores_of(tender, points, key), key)


async def opened_lots(tender: PracticeTender) -> dict[tuple[str, str], str]:
    """What the service says was opened of prices, waited for: amounts by envelope and lot."""
    await tender.until("tender:opened", 2)
    bids = (await tender.get("bids")).json()["bids"]
    return {
        (bid["envelope"], part["lot"]): part["content"]["offers"][0]["amount"]
        for bid in bids
        for part in bid["parts"]
        if part["part"] == "price"
    }


# ── by the commands ──────────────────────────────────────────────────────────────────────────────────


class Offered(NamedTuple):
    """What somebody seals by `openseal bid`, and the envelope's id."""

    person: Person
    amounts: dict[str, str]
    id: str


async def offered(
    tender: PracticeTender, here: tuple[Town, str], folder: Path, name: str, **amounts: str
) -> Offered:
    person = await Person(*here, folder, name).enrol()
    await person.compose(tender)
    lots = {lot.removeprefix("lot"): amount for lot, amount in amounts.items()}
    offers = [{"lot": lot, "amount": amount} for lot, amount in lots.items()]
    document = a_document(person, "costing.csv", 500) | {"part": "price"}
    person.edit(offers=offers, proposal="We have done this before.", documents=[document])
    assert "no lot is named" in (await person.run("check")).out
    person.edit(documents=[document | {"lot": min(lots)}])
    await person.ok("check")
    shown = await person.ok("seal", "--yes")
    assert all(f"price-{lot}" in shown for lot in lots)
    await person.ok("submit")
    await person.ok("upload")
    return Offered(person, lots, person.kept.chain[0].statement.id)


async def test_from_draft_to_record_a_bid_fails_in_one_lot_and_wins_the_other(
    here: tuple[Town, str], tmp_path: Path
) -> None:
    town = here[0]
    with passphrase_in(tmp_path):
        officials = await Officials(*here, tmp_path, THRESHOLD, 5).made()
        tender = await town.publish(
            a_lot(TWO),
            a_lot(TWO, id="Lot.B"),
            lead=40,
            committee=officials.committee,
            transcript=officials.transcript,
            document_limit=4,
            document_size=10_000,
            standstill=0,
        )
        await _life(tender, here, officials, tmp_path)


async def _life(tender: PracticeTender, here: tuple[Town, str], officials: Officials, folder: Path) -> None:
    one, two = "1", "Lot.B"
    mixed = await offered(tender, here, folder, "mixed", **{one: "111111111111", two: "222222222222"})
    good = await offered(tender, here, folder, "good", **{one: "333333333333", two: "444444444444"})
    poor = await offered(tender, here, folder, "poor", **{two: "555555555555"})
    everybody = (mixed, good, poor)
    assert len(mixed.person.kept.chain[0].statement.data) < 5 * 1024
    failed = {(mixed.id, one), (poor.id, two)}
    amounts = {(each.id, lot): amount for each in everybody for lot, amount in each.amounts.items()}

    await tender.close()
    sign_part = ("--tender", tender.ocid, "--yes", "--part")
    members = officials.files[:THRESHOLD]
    for file in members:
        await officials.ok("sign", file, *sign_part, "technical")
    assert set(await tender.opened("technical")) == {each.id for each in everybody}
    early = await officials.run("sign", members[0], *sign_part, "price")
    assert (early.status, "every evaluator has scored" in early.err) == (1, True)
    await scored(tender, {key: "10" if key in failed else "80" for key in amounts})
    bid_ids = {each["envelope"]: each["bid"] for each in (await tender.get("bids")).json()["bids"]}
    for file in members:
        shown = await officials.ok("sign", file, *sign_part, "price")
        orders = [json.loads(line) for line in map(str.strip, shown.splitlines()) if line.startswith("{")]
        assert {(each["bid"], each["lot"]) for each in orders} == {
            (bid_ids[id], lot) for id, lot in amounts if (id, lot) not in failed
        }
        assert "signed and sent: 3" in shown
    assert await opened_lots(tender) == {key: each for key, each in amounts.items() if key not in failed}

    await tender.evaluated()
    status = await mixed.person.ok("status")
    assert "part price of lot Lot.B: opened" in status
    assert "part price of lot 1" not in status
    assert "lot Lot.B: rank 1, valid" in status
    await tender.intend()
    assert [each.bid for each in tender.winners] == [good.id, mixed.id]
    await tender.award()
    record, trust = folder / "record.zip", folder / "trust.json"
    record.write_bytes(await tender.verified_record())
    trust.write_bytes(encode(here[0].trust))
    verified = await asyncio.to_thread(run, "verify", record, "--trust", trust)
    assert verified.status == 0, verified.out
    assert "price: 3 opened, 0 unopenable" in verified.out
    files = archive.unpack(record.read_bytes())
    for (id, lot), amount in amounts.items():
        is_open = (id, lot) not in failed
        assert (content_path(id, section("price", lot)) in files) == is_open
        assert any(amount.encode() in data for data in files.values()) == is_open
    # Nor is a document to be had whose key the closed price part holds.
    for each, code in ((mixed, "document-restricted"), (good, "")):
        answer = await here[0].http.get(f"{tender.path}/bids/{each.id}/documents/1")
        assert (answer.json()["code"] if code else answer.status_code) == (code or 200)


# ── what the service says to others ──────────────────────────────────────────────────────────────────


async def orders_price(
    tender: PracticeTender, sealed: bytes, lot: str | None, changes: Mapping[str, Any] | None = None
) -> str:
    """The code of the answer that a member gets who orders that price by hand; none where it is taken."""
    member, bid = tender.town.members[0], Statement(sealed).read(Envelope).context.bid
    name, now = section("price", lot), datetime.now(UTC)
    said = member.sign_order(tender.terms, name, bid, now, secrets.token_bytes)
    answer = await tender.post(
        "opening-partials", sign(msgspec.structs.replace(said, **(changes or {})), member.key)
    )
    return str(answer.json().get("code", ""))


def price(lot: str, amount: str) -> bytes:
    return padded(Bid(offers=(LotOffer(lot=lot, amount=amount),)))


async def test_orders_on_the_price_of_a_lot_in_which_a_bid_failed_are_refused(here: tuple[Town, str]) -> None:
    """One lot has several winners, and one no panel scores: there every price is opened."""
    town = here[0]
    several = MultiAward(rules=TWO, winners=2)
    lots = a_lot(TWO), a_lot(several, id="2"), a_lot(LowestPrice(), id="3")
    tender = await town.publish(*lots, lead=8, standstill=0)
    mixed, good = await town.bidder("Mixed"), await town.bidder("Good")
    contents = tender.contents("1") | {"price-1": price("1", "987654321098"), "price-2": b"no price"}
    sealed = tender.seal(mixed, contents=contents)
    first = (await tender.submit(sealed)).statement
    other = tender.seal(good, contents=tender.contents("200", lots=["1", "2"]))
    second = (await tender.submit(other)).statement

    await tender.close()
    await tender.order("technical")
    await tender.opened("technical")
    assert {each["envelope"]: each["lots"] for each in (await tender.get("bids")).json()["bids"]} == {
        first: ["1", "2", "3"],
        second: ["1", "2"],
    }
    points = {(first, "1"): "10", (first, "2"): "90", (second, "1"): "90", (second, "2"): "90"}
    key = town.evaluator
    await tender.declare(key)
    for wrong in ({(first, "3"): "1"}, {(second, "3"): "1"}, {(first, "4"): "1"}):
        sheet = scores_of(tender, points | wrong, key)
        assert (await tender.post("score-sheets", sign(sheet, key))).json()["code"] == "sheet-incomplete"
    fewer = scores_of(tender, {each: score for each, score in points.items() if each != (second, "2")}, key)
    assert (await tender.post("score-sheets", sign(fewer, key))).json()["code"] == "sheet-incomplete"
    assert await orders_price(tender, sealed, "2") == "not-scored"
    await tender.say("score-sheets", scores_of(tender, points, key), key)

    before = await town.rows(tender.ocid)
    for envelope, lot, changes, code in (
        (sealed, "1", {}, "no-such-bid"),
        (other, "3", {}, "no-such-bid"),
        (sealed, None, {}, "committee-invalid"),
        (sealed, "4", {}, "committee-invalid"),
        (sealed, "2", {"lot": "3"}, "committee-invalid"),
        (sealed, "2", {"lot": None}, "committee-invalid"),
        (sealed, "2", {"part": "technical", "bid": None}, "committee-invalid"),
    ):
        assert await orders_price(tender, envelope, lot, changes) == code, (lot, changes)
    assert await town.rows(tender.ocid) == before
    assert await orders_price(tender, sealed, "2") == ""
    assert await orders_price(tender, sealed, "2") == "said-before"
    await tender.order("price", town.members[1:])
    await tender.until("tender:opened", 2)
    assert await orders_price(tender, sealed, "1") == "opened"

    events = (await tender.get("timeline")).json()["events"]
    came = {(each["statement"], each["lot"]): each.get("reason") for each in events if "lot" in each}
    assert came == {
        (first, "2"): "content-malformed",
        (first, "3"): None,
        (second, "1"): None,
        (second, "2"): None,
    }
    ranked = await tender.evaluated()
    assert [each.bid for each in ranked["3"].ranking] == [first]
    assert [(each.bid, each.rank) for each in ranked["1"].ranking] == [(second, 1), (first, None)]
    files = archive.unpack(await conclude(tender))
    assert not any(b"987654321098" in data for data in files.values())
    page = (await town.http.get(f"/tenders/{tender.ocid}/bids")).text
    assert f"Lot 2: {UNOPENABLE['content-malformed']}" in page
    assert "987,654,321,098" not in page
    parts = (await own(tender, mixed))["parts"]
    assert [(each["part"], each.get("lot")) for each in parts] == [
        ("technical", None),
        ("price", "2"),
        ("price", "3"),
    ]


async def test_the_box_takes_price_parts_of_lots_and_no_others(here: tuple[Town, str]) -> None:
    town = here[0]
    tender = await town.publish(a_lot(TWO), a_lot(TWO, id="2"), lead=60)
    bidder = await town.bidder("Bidder")
    together: SubmissionTerms = msgspec.structs.replace(tender.terms, lots=())
    elsewhere: SubmissionTerms = msgspec.structs.replace(tender.terms, lots=("1", "3"))
    proposal = tender.contents("1")["technical"]
    for terms, contents in (
        (together, {"technical": proposal, "price": price("1", "1")}),
        (elsewhere, {"technical": proposal, "price-3": price("3", "1")}),
        (msgspec.structs.replace(elsewhere, parts=("price",)), {"price-1": price("1", "1")}),
    ):
        with pytest.raises(RefusedError) as refused:
            await tender.submit(tender.seal(bidder, contents=contents, under=terms))
        assert refused.value.code == "wrong-parts"
    envelope = tender.seal(bidder, contents=tender.contents("1"))
    parts = Statement(envelope).read(Envelope).parts
    doubled = msgspec.structs.replace(Statement(envelope).read(Envelope), parts=(*parts, parts[-1]))
    with pytest.raises(RefusedError) as refused:
        await tender.submit(sign(doubled, bidder))
    assert refused.value.code == "wrong-parts"
    alone = tender.seal(bidder, contents=tender.contents("1", lots=["2"]))
    assert [each.section for each in Statement(alone).read(Envelope).parts] == ["technical", "price-2"]
    await tender.submit(alone)


async def test_the_restricted_content_of_a_closed_price_is_nobodys_to_read(
    here: tuple[Town, str], tmp_path: Path
) -> None:
    town = here[0]
    tender = await town.publish(
        a_lot(TWO), a_lot(TWO, id="2"), lead=10, document_limit=4, document_size=10_000
    )
    bidder = await town.bidder("Bidder")
    costing = enclose(tmp_path, 1, "Costing", b"what it costs us")
    offer = Bid(offers=(LotOffer(lot="1", amount="1"),), documents=(costing.document,))
    restricted: dict[Section, bytes] = {
        name: padded(Restricted(text=f"Our bank for {name}")) for name in ("price-1", "price-2")
    }
    contents = tender.contents("1") | {"price-1": padded(offer)}
    sealed, files = seal(tender, bidder, contents, [costing], restricted, tmp_path)
    envelope = (await tender.submit(sealed)).statement
    for each in files:
        await upload(tender, bidder, envelope, each)
    await tender.close()
    await tender.order("technical")
    await tender.opened("technical")
    await scored(tender, {(envelope, "1"): "10", (envelope, "2"): "80"})
    await tender.order("price")
    await tender.until("tender:opened", 2)
    headers = await log_in(town, town.officer)
    answer = await town.http.get(f"{tender.path}/bids/{envelope}/all-documents", headers=headers)
    assert answer.json()["texts"] == {"price-2": "Our bank for price-2"}
    desk = f"/desk/tenders/{tender.ocid}/bids/{envelope}/documents"
    page = (await town.http.get(desk, headers=headers)).text
    assert "Our bank for price-2" in page
    assert "Our bank for price-1" not in page
    read = [await town.http.get(f"{desk}/{number}", headers=headers) for number in (1, 2, 3)]
    assert [each.status_code for each in read] == [404, 404, 200]
    assert b"Our bank for price-2" in read[2].content
    public = [await town.http.get(f"{tender.path}/bids/{envelope}/documents/{n}") for n in (1, 2, 3)]
    assert {each.json()["code"] for each in public} == {"document-restricted"}
    listed = (await own(tender, bidder))["bids"][0]["files"]
    assert [(each.get("part"), each.get("lot")) for each in listed] == [
        (None, None),
        ("price", "1"),
        ("price", "2"),
    ]
