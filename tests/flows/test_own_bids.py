"""What a business reads of its own bid, from the moment it is in the box to the result."""

import asyncio
import hashlib
import html
import secrets
from math import ceil
from typing import Any

import asyncpg

from bids.envelope import SealedFile, Withdrawal, compose, entropy_size
from bids.receipts import Closing, DocumentReceipt, Promise, Receipt, commitment_entry
from crypto.certificates import SigningKey
from crypto.checkpoint import TlogProof, VerifyingKey
from crypto.encoding import from_base64
from crypto.statements import Statement, sign
from procurement.evaluation import LowestPrice, explain
from tests.builders import a_lot, panel_rules
from tests.flows.people import PracticeTender, Town
from tests.flows.test_consortium import joint_bid
from tests.flows.test_life import conclude
from tests.flows.test_login import log_in
from tests.flows.test_reception import Elsewhere, reception
from tests.flows.test_silence import upload

SKIPS = True
"""Nothing here is about how time passes."""


async def own(tender: PracticeTender, key: SigningKey) -> dict[str, Any]:
    """What the business reads, as JSON; its page says as much."""
    headers = await log_in(tender.town, key)
    answer = await tender.town.http.get(f"{tender.path}/own-bids", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    page = await tender.town.http.get(f"/desk/bids/{tender.ocid}", headers=headers)
    assert page.status_code == 200, page.text
    assert all(each["id"] in page.text for each in found["bids"])
    return found


def with_files(
    tender: PracticeTender, key: SigningKey, *files: bytes, previous: str | None = None
) -> tuple[bytes, list[SealedFile]]:
    """An envelope that lists the files."""
    listed = [
        SealedFile(number=number, sha256=hashlib.sha256(file).hexdigest(), size=len(file))
        for number, file in enumerate(files, 1)
    ]
    entropy = secrets.token_bytes(entropy_size(tender.terms))
    return compose(
        dict(tender.contents("700")), tender.terms, key, entropy, previous, documents=listed
    ), listed


async def withdraw(tender: PracticeTender, key: SigningKey, previous: str) -> str:
    """The withdrawal's id."""
    about = {"signer": key.fingerprint, "tender": tender.ocid, "notice": tender.notice_id}
    data = sign(Withdrawal(**about, previous=previous), key)
    answer = await tender.post("withdrawals", data)
    assert answer.status_code == 201, answer.text
    return Statement(data).id


async def test_a_bidder_reads_from_its_chain_what_counts_and_after_the_close_that_it_is_listed(
    town: Town,
) -> None:
    tender = await town.publish(a_lot(), lead=5)
    stays, leaves = await town.bidder("Stays"), await town.bidder("Leaves")
    first = await tender.bid(stays, "900")
    second = await tender.bid(stays, "800", previous=first)
    sent = await tender.bid(leaves, "700")
    withdrawn = await withdraw(tender, leaves, sent)
    before, gone = await own(tender, stays), await own(tender, leaves)
    assert "closing" not in before
    assert states(before) == [(first, "envelope", "replaced"), (second, "envelope", "counts")]
    assert states(gone) == [(sent, "envelope", "withdrawn"), (withdrawn, "withdrawal", "counts")]
    await tender.close()
    after = await own(tender, stays)
    listed = await closing_of(tender)
    assert after["closing"] == listed.id
    indexes = {each.statement: each.index for each in listed.read(Closing).commitments}
    assert {each["id"]: each["index"] for each in after["bids"]} == {
        id: indexes[id] for id in (first, second)
    }
    assert states(await own(tender, leaves)) == states(gone)


async def test_a_bidder_reads_that_its_bid_does_not_stand_under_terms_that_have_changed(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    stays, leaves = await town.bidder("Stays"), await town.bidder("Leaves")
    sent, taken_back = await tender.bid(stays, "900"), await tender.bid(leaves, "700")
    withdrawn = await withdraw(tender, leaves, taken_back)
    await tender.amend(description="Four legs each.")
    assert states(await own(tender, stays)) == [(sent, "envelope", "counts")]
    assert "does not stand" not in await page_of(tender, stays)
    await tender.amend(stand=False, description="Of oak, not of pine.")
    assert states(await own(tender, stays)) == [(sent, "envelope", "superseded")]
    assert "your bid does not stand: seal it anew before the deadline" in await page_of(tender, stays)
    gone = states(await own(tender, leaves))
    assert gone == [(taken_back, "envelope", "withdrawn"), (withdrawn, "withdrawal", "counts")]
    anew = await tender.bid(stays, "800", previous=sent)
    found = states(await own(tender, stays))
    assert found == [(sent, "envelope", "replaced"), (anew, "envelope", "counts")]


async def page_of(tender: PracticeTender, key: SigningKey, language: str = "en") -> str:
    headers = await log_in(tender.town, key) | {"Accept-Language": language}
    return (await tender.town.http.get(f"/desk/bids/{tender.ocid}", headers=headers)).text


async def closing_of(tender: PracticeTender) -> Statement:
    answer = (await tender.get("closing")).json()
    return Statement(from_base64(answer["statement"]))


def states(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["id"], each["kind"], each["state"]) for each in found["bids"]]


async def test_receipts_of_envelopes_withdrawals_and_files_are_given_again_and_hold(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600, document_limit=2, document_size=1 << 20)
    bidder, files = await town.bidder("Hanbit"), [secrets.token_bytes(2000), secrets.token_bytes(10)]
    envelope, listed = with_files(tender, bidder, *files)
    id = (await tender.submit(envelope)).statement
    await upload(tender, bidder, id, listed[0], files[0])
    await withdraw(tender, bidder, id)
    for _ in range(1200):
        found = await own(tender, bidder)
        if "receipt" in found["bids"][0]["files"][0]:
            break
        await asyncio.sleep(0.1)
    for each in found["bids"]:
        receipt = Statement(from_base64(each["receipt"])).read(Receipt)
        assert (receipt.statement, receipt.kind) == (each["id"], each["kind"])
        await in_log(town, each["proof"], receipt)
    stored, awaited = found["bids"][0]["files"]
    assert (stored["state"], awaited["state"]) == ("stored", "awaited")
    said = Statement(from_base64(stored["receipt"])).read(DocumentReceipt)
    assert (said.envelope, said.number, said.sha256) == (id, 1, listed[0].sha256)
    await in_log(town, stored["proof"], said)
    assert "receipt" not in awaited


async def in_log(town: Town, proof: str, receipt: Receipt | DocumentReceipt) -> None:
    """The proof is of the receipt's commitment."""
    entry = commitment_entry(receipt.commitment())
    TlogProof.parse(proof).verify(entry, VerifyingKey.parse(town.trust.log))


async def test_a_file_that_never_came_is_missing_after_the_grace_and_one_that_did_is_listed(
    town: Town,
) -> None:
    tender = await town.publish(
        a_lot(), lead=3, margin=4, upload_grace=1, document_limit=2, document_size=1 << 20
    )
    bidder, files = await town.bidder("Hanbit"), [b"a plan", b"a reference"]
    envelope, listed = with_files(tender, bidder, *files)
    id = (await tender.submit(envelope)).statement
    await upload(tender, bidder, id, listed[0], files[0])
    await tender.close()
    [bid] = (await own(tender, bidder))["bids"]
    assert [each["state"] for each in bid["files"]] == ["stored", "missing"]
    closing = (await closing_of(tender)).read(Closing)
    assert [each.index for each in closing.documents] == [bid["files"][0]["index"]]
    assert [(each.envelope, each.number) for each in closing.missing] == [(id, 2)]
    assert "index" not in bid["files"][1]
    headers = await log_in(town, bidder)
    page = (await town.http.get(f"/desk/bids/{tender.ocid}", headers=headers)).text
    assert "missing" in page
    assert "listed in the closing" in page


async def test_nothing_is_read_back_as_opened_before_the_opening_and_then_only_ones_own(town: Town) -> None:
    tender = await town.publish(a_lot(panel_rules()), lead=4)
    first, second = await town.bidder("First"), await town.bidder("Second")
    ids = {key: await tender.bid(key, amount) for key, amount in ((first, "400"), (second, "900"))}
    await tender.close()
    for key in ids:
        assert not {"parts", "results"} & set(await own(tender, key))
    await tender.order("technical")
    await tender.opened("technical")
    technical = (await own(tender, first))["parts"]
    assert [each["part"] for each in technical] == ["technical"]
    assert technical[0]["content"]["proposal"] == "We have done this before."
    await tender.score(dict.fromkeys(ids.values(), "80"))
    await tender.order("price")
    await tender.opened("price")
    await conclude(tender)
    for key, amount in ((first, "400"), (second, "900")):
        found = await own(tender, key)
        prices = [each["content"]["offers"] for each in found["parts"] if each["part"] == "price"]
        assert [offer["amount"] for offers in prices for offer in offers] == [amount]
        [result] = found["results"]
        assert result["amount"] == amount
        assert result["lines"]
    ranks = [(await own(tender, key))["results"][0]["rank"] for key in (first, second)]
    assert sorted(ranks) == [1, 2]


async def test_who_lost_reads_who_is_ahead_and_why_in_their_own_language(town: Town) -> None:
    standstill = ceil(3 * town.pace)  # as long as it takes to look at the pages of it
    tender = await town.publish(a_lot(LowestPrice(ceiling="1000")), lead=5, standstill=standstill)
    cheap, dear, out = [await town.bidder(name) for name in ("Hanbit & Co.", "Saebyeok", "Beyond")]
    for key, amount in ((cheap, "700"), (dear, "900"), (out, "1001")):
        await tender.bid(key, amount)
    await tender.close()
    assert "listed in the closing, and sealed until the opening" in await page_of(tender, dear)
    await tender.order("bid")
    evaluation = (await tender.evaluated())["1"]
    said = await page_of(tender, dear)
    for expected in ("rank 2 of 2", "900 KRW", "Hanbit &amp; Co.<br>", "700 KRW", "who has to act next"):
        assert expected in said
    beyond = await page_of(tender, out, "ko")
    [own] = [each for each in evaluation.ranking if each.amount == "1001"]
    for expected in ("순위 제외", explain.reason(own.reason, "ko"), explain.sentence(own.lines[-1], "ko")):
        assert expected in beyond
    assert own.lines
    spanish = await page_of(tender, out, "es")
    assert explain.sentence(own.lines[-1], "es") in html.unescape(spanish)
    assert f'<span lang="ko">{explain.reason(own.reason, "ko")}</span>' in spanish
    await tender.intend()
    assert "you can object to the intended award" in await page_of(tender, dear)
    assert "Meant for you" in await page_of(tender, cheap)
    await tender.award()
    assert f'href="/api/v1/tenders/{tender.ocid}/record"' in await page_of(tender, dear)
    assert "<strong>Yours</strong>" in await page_of(tender, cheap)


async def test_partners_read_back_what_came_of_the_joint_bid_and_who_was_left_out_does_not(
    town: Town,
) -> None:
    tender = await town.publish(a_lot(), lead=5)
    lead, stays, goes = [await town.bidder(name) for name in ("Lead", "Stays", "Goes")]
    first = await joint_bid(tender, lead, stays, goes)
    second = await joint_bid(tender, lead, stays, previous=first.statement)
    await tender.close()
    await tender.order("bid")
    await tender.opened("bid")
    await tender.evaluated()
    for key in (lead, stays):
        found = await own(tender, key)
        assert states(found)[-1] == (second.statement, "envelope", "counts")
        assert [each["part"] for each in found["parts"]] == ["bid"]
        assert found["results"][0]["rank"] == 1
    left_out = await own(tender, goes)
    assert states(left_out) == [(first.statement, "envelope", "replaced")]
    assert not {"parts", "results"} & set(left_out)


async def test_a_bid_that_was_taken_while_the_clock_was_in_doubt_says_so(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    bidder = await town.bidder("Hanbit")
    async with reception(town, Elsewhere(3600)) as doubtful:
        await doubtful.submit_bid(tender.ocid, tender.seal(bidder))
    [bid] = (await own(tender, bidder))["bids"]
    assert bid["inDoubt"]
    headers = await log_in(town, bidder)
    page = (await town.http.get(f"/desk/bids/{tender.ocid}", headers=headers)).text
    assert "Time in doubt" in page


async def test_while_the_log_stands_still_a_bidder_reads_the_promise(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    bidder = await town.bidder("Hanbit")
    connection = await asyncpg.connect(town.dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM log_head FOR UPDATE")  # nothing gets an index meanwhile
            assert (await tender.post("bids", tender.seal(bidder))).status_code == 202
            [bid] = (await own(tender, bidder))["bids"]
            promise = Statement(from_base64(bid["promise"])).read(Promise)
            assert (promise.statement, promise.kind) == (bid["id"], "envelope")
            assert not {"receipt", "proof"} & set(bid)
    finally:
        await connection.close()
    for _ in range(1200):
        [bid] = (await own(tender, bidder))["bids"]
        if "receipt" in bid:
            break
        await asyncio.sleep(0.1)
    assert Statement(from_base64(bid["receipt"])).read(Receipt).salt == promise.salt
    assert "promise" not in bid


async def test_a_withdrawal_takes_the_bid_back_for_its_partners_too(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    lead, partner = await town.bidder("Lead"), await town.bidder("Partner")
    sent = await joint_bid(tender, lead, partner)
    withdrawn = await withdraw(tender, lead, sent.statement)
    for key in (lead, partner):
        expected = [(sent.statement, "envelope", "withdrawn"), (withdrawn, "withdrawal", "counts")]
        assert states(await own(tender, key)) == expected


async def test_who_has_not_bid_reads_that_nothing_is_there(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    await tender.bid(await town.bidder("Rival"), "100")
    nobody = await town.bidder("Nobody")
    assert await own(tender, nobody) == {"bids": []}
    headers = await log_in(town, nobody)
    page = (await town.http.get(f"/desk/bids/{tender.ocid}", headers=headers)).text
    assert "No envelope of yours" in page
    missing = await town.http.get("/desk/bids/ocds-0s3al1-nothing", headers=headers)
    assert missing.status_code == 404
