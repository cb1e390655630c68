"""Whole lives over HTTP, from the notice to a verified record; all of them at once, on one service.

After every step the log is verified from its tiles (`people.step`).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from bids.envelope import Envelope
from crypto.encoding import encode
from crypto.statements import Statement, sign
from procurement import archive
from procurement.evaluation import Criterion, Derived, KrNegotiation, KrPriceFloor, LowestPrice
from procurement.owners import Ownership
from procurement.tenders import Bid, LotOffer
from procurement.web.wording import UNOPENABLE
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town

Life = Callable[[Town], Coroutine[Any, Any, None]]

NEGOTIATION = KrNegotiation(
    technical_points="90",
    price_points="10",
    budget="110000000",
    criteria=(
        Criterion(id="method", title="Method", points="45"),
        Criterion(id="team", title="Team", points="45"),
    ),
)
PRICE_FLOOR = KrPriceFloor(
    base="100000000", basis_points=200, unit=100, preliminary_prices=Derived(), floor="87.745"
)


async def the_lowest_price_wins_and_a_lot_without_a_valid_bid_is_unsuccessful(town: Town) -> None:
    tender = await town.publish(a_lot(), a_lot(LowestPrice(ceiling="500"), id="2"), standstill=1)
    assert await tender.status() == "active"
    assert await tender.happened() == ["tender:published", "tender:countersigned"]
    cheap, dear = await town.bidder("Cheap"), await town.bidder("Dear")
    first = await tender.bid(cheap, "700")
    await tender.bid(dear, "900")
    assert await tender.happened() == ["tender:published", "tender:countersigned"]
    assert len(await tender.released()) == 1

    closed = await tender.close()
    assert await tender.status() == "closed"
    assert cheap.certificate.registration not in await told(tender)
    assert len(closed.closing.commitments) == len(closed.closing.chains) == 2

    await tender.round()
    await tender.order("bid", town.members[2:])
    assert await tender.status() == "opening"
    assert (await tender.get("bids")).json()["code"] == "not-yet"
    await tender.order("bid", town.members[:1])
    opened = await tender.opened("bid")
    assert {bid["offers"][0]["amount"] for bid in opened.values()} == {"700", "900"}
    assert cheap.certificate.registration in await told(tender)

    lots = await tender.evaluated()
    assert await tender.status() == "evaluation"
    assert [(each.amount, each.rank) for each in lots["1"].ranking] == [("700", 1), ("900", 2)]
    assert {(each.rank, each.reason) for each in lots["2"].ranking} == {(None, "above-ceiling")}

    awards = await tender.intend()
    assert await tender.status() == "standstill"
    assert (awards[0].bid, awards[0].supplier) == (first, cheap.certificate.registration)
    assert (awards[1].bid, awards[1].supplier) == (None, None)

    await tender.award()
    assert await tender.status() == "complete"
    data = await tender.verified_record()
    assert (await tender.get("record")).content == data
    assert await tender.happened() == [
        "tender:published",
        "tender:countersigned",
        "tender:closed",
        "order:partial",
        "order:partial",
        "tender:opened",
        "bid:opened",
        "bid:opened",
        "evaluation:scored",
        "conflict:declared",
        "award:intended",
        "conflict:declared",
        "award:countersigned",
        "award:made",
    ]


async def a_price_floor_tender_draws_its_prices_from_the_opening(town: Town) -> None:
    tender = await town.publish(a_lot(PRICE_FLOOR))
    picks = [(1, 2), (3, 4), (5, 6)]
    for number, pick in enumerate(picks):
        bidder = await town.bidder(f"Bidder {number}")
        await tender.bid(bidder, f"{89_000_000 + number * 1_000_000}", picks=pick)
    await tender.close()
    await tender.order("bid")
    evaluation = (await tender.evaluated())["1"]
    assert evaluation.preliminary_prices is not None
    assert len({each.price for each in evaluation.preliminary_prices}) > 1
    assert sum(each.picks for each in evaluation.preliminary_prices) == 2 * len(picks)
    assert evaluation.drawn_numbers is not None
    assert len(evaluation.drawn_numbers) == 4
    assert [each.rank for each in evaluation.ranking if each.reason == "valid"] == [1, 2, 3]
    await conclude(tender)


async def in_a_negotiation_prices_open_after_the_panel_and_only_beside_a_proposal(town: Town) -> None:
    second = await town.enrol(town.evaluator.certificate.role, "Evaluator Park")
    panel = (town.evaluator.fingerprint, second.fingerprint)
    tender = await town.publish(a_lot(NEGOTIATION), evaluators=panel)
    good, better = await town.bidder("Good"), await town.bidder("Better")
    first = await tender.bid(good, "90000000")
    winner = await tender.bid(better, "95000000")
    mute = await town.bidder("Mute")
    price = tender.contents("1")["price"]
    silent = await tender.bid(mute, "1", contents={"technical": b"not JSON", "price": price})

    await tender.close()
    await tender.order("technical")
    opened = await tender.opened("technical")
    assert opened[silent] == {"reason": "content-malformed"}
    for id in (first, winner):
        assert opened[id]["proposal"] == "We have done this before."

    sheet = await tender.score({first: "30", winner: "45"})
    seq = len(await tender.happened()) - 1
    for route in (f"statements/{sheet}", f"entries/{seq}"):
        assert (await tender.get(route)).json()["code"] == "not-yet", "nobody scores by a colleague's sheet"
    assert '"points":45' not in await told(tender)
    await tender.score({first: "30", winner: "44"}, second)
    assert '"points":45' in await told(tender)
    assert (await tender.get(f"statements/{sheet}")).status_code == 200
    await tender.order("price")
    prices = await tender.opened("price")
    assert set(prices) == {first, winner}, "the price beside a proposal that failed stays sealed"
    ranking = (await tender.evaluated())["1"].ranking
    assert [(each.bid, each.rank) for each in ranking] == [(winner, 1), (first, 2)]
    data = await conclude(tender)
    assert price not in data
    assert "sheet:signed" in await tender.happened()


async def an_order_sent_many_times_counts_once_also_after_the_opening(town: Town) -> None:
    tender = await town.publish(a_lot())
    await tender.close()
    await tender.round()
    orders = [
        sign(member.sign_order(tender.terms, "bid", None, datetime.now(UTC), secrets.token_bytes), member.key)
        for member in town.members[:2]
    ]
    answers = await asyncio.gather(*(tender.post("opening-partials", order) for order in orders * 20))
    assert {answer.status_code for answer in answers} == {201}
    await tender.opened("bid")
    assert (await tender.post("opening-partials", orders[0])).json() == {"statement": Statement(orders[0]).id}
    assert (await tender.happened()).count("order:partial") == 2
    await conclude(tender)


async def without_any_bid_every_lot_is_unsuccessful(town: Town) -> None:
    tender = await town.publish(a_lot(PRICE_FLOOR), a_lot(id="2"))
    closed = await tender.close()
    assert not closed.closing.commitments
    assert not closed.closing.chains
    await tender.order("bid")
    assert await tender.opened("bid") == {}
    lots = await tender.evaluated()
    assert [each.ranking for each in lots.values()] == [(), ()]
    await conclude(tender)


async def without_any_proposal_no_price_order_and_no_sheet_is_needed(town: Town) -> None:
    tender = await town.publish(a_lot(NEGOTIATION))
    bidder = await town.bidder("Mute")
    contents = {"technical": b"{}", "price": tender.contents("1")["price"]}
    await tender.bid(bidder, "1", contents=contents)
    await tender.close()
    await tender.order("technical")
    assert (await tender.evaluated())["1"].ranking == ()
    assert await tender.happened() == [
        "tender:published",
        "tender:countersigned",
        "tender:closed",
        "order:partial",
        "order:partial",
        "tender:opened",
        "bid:unopenable",
        "tender:opened",
        "evaluation:scored",
    ]
    await conclude(tender)


async def bids_that_do_not_open_are_recorded_with_their_reason_and_the_others_ranked(town: Town) -> None:
    tender = await town.publish(a_lot())
    other_terms = msgspec.structs.replace(tender.terms, round=str(int(tender.terms.round) + 1))
    stranger = (
        Statement(tender.seal(await town.bidder("Stranger"), under=other_terms)).read(Envelope).parts[0]
    )
    victim = await town.bidder("Victim")
    sealed = tender.seal(victim, "1000")
    copied = Statement(sealed).read(Envelope).parts[0]
    spoilt: dict[str, Any] = {}

    async def spoil(reason: str, content: bytes | None = None, **changes: str) -> None:
        bidder = await town.bidder(f"Bidder {reason}")
        sealed = tender.seal(bidder, contents=None if content is None else {"bid": content})
        envelope = Statement(sealed).read(Envelope)
        part = msgspec.structs.replace(envelope.parts[0], **changes)
        made = sign(msgspec.structs.replace(envelope, parts=(part,)), bidder)
        spoilt[(await tender.submit(made)).statement] = {"reason": reason}

    await asyncio.gather(
        spoil("content-malformed", b"garbage, \x00\xff"),
        spoil("content-malformed", b""),
        spoil("declarations-wrong", encode_bid(declarations=["none-asked"])),
        spoil("owners-unasked", encode_bid(owners=[Ownership(unnamed="public")])),
        spoil("lots-wrong", encode_bid(lot="9")),
        spoil("offer-wrong", encode_bid(amount="0")),
        spoil("locked-otherwise", u=stranger.u, v=stranger.v, w=stranger.w),
        spoil("point-invalid", u="ff" * 96),
        spoil("point-invalid", u="c0" + "00" * 95),
        spoil("ciphertext-invalid", ciphertext=stranger.ciphertext),
        spoil("ciphertext-invalid", u=copied.u, v=copied.v, w=copied.w, ciphertext=copied.ciphertext),
    )
    honest = (await tender.submit(sealed)).statement

    await tender.close()
    await tender.order("bid")
    opened = await tender.opened("bid")
    assert {id: result for id, result in opened.items() if id != honest} == spoilt
    assert opened[honest]["offers"][0]["amount"] == "1000"
    assert [each.bid for each in (await tender.evaluated())["1"].ranking] == [honest]
    await conclude(tender)
    page = (await town.http.get(f"/tenders/{tender.ocid}/bids")).text
    assert all(UNOPENABLE[result["reason"]] in page for result in spoilt.values())


async def only_the_last_of_a_bidders_envelopes_is_opened(town: Town) -> None:
    tender = await town.publish(a_lot())
    bidder, rival = await town.bidder("Undecided"), await town.bidder("Rival")
    first = await tender.bid(bidder, "100")
    other = await tender.bid(rival, "300")
    second = await tender.bid(bidder, "400", previous=first)
    third = await tender.bid(bidder, "200", previous=second)

    closed = await tender.close()
    assert set(closed.closing.chains) == {(first, second, third), (other,)}
    assert len(closed.closing.commitments) == 4
    await tender.order("bid")
    assert set(await tender.opened("bid")) == {third, other}
    for replaced in (first, second):
        assert (await tender.get(f"statements/{replaced}")).json()["code"] == "no-such-statement"
    assert (await tender.get(f"statements/{third}")).status_code == 200
    assert [each.amount for each in (await tender.evaluated())["1"].ranking] == ["200", "300"]
    data = await conclude(tender)
    assert f"bids/{third}".encode() in data
    assert f"bids/{first}".encode() not in data


async def a_company_replaces_its_envelope_under_a_new_certificate(town: Town) -> None:
    tender = await town.publish(a_lot())
    number = f"company-{secrets.token_hex(4)}"
    old, new = await town.bidder("Company", number), await town.bidder("Company, renewed", number)
    first = await tender.bid(old, "100")
    second = await tender.bid(new, "90", previous=first)
    closed = await tender.close()
    assert closed.closing.chains == ((first, second),)
    await tender.order("bid")
    assert [each.amount for each in (await tender.evaluated())["1"].ranking] == ["90"]
    await conclude(tender)


LIVES: list[Life] = [
    an_order_sent_many_times_counts_once_also_after_the_opening,
    the_lowest_price_wins_and_a_lot_without_a_valid_bid_is_unsuccessful,
    a_price_floor_tender_draws_its_prices_from_the_opening,
    in_a_negotiation_prices_open_after_the_panel_and_only_beside_a_proposal,
    without_any_bid_every_lot_is_unsuccessful,
    without_any_proposal_no_price_order_and_no_sheet_is_needed,
    bids_that_do_not_open_are_recorded_with_their_reason_and_the_others_ranked,
    only_the_last_of_a_bidders_envelopes_is_opened,
    a_company_replaces_its_envelope_under_a_new_certificate,
]


@pytest.fixture(scope="module")
async def under_way(town: Town) -> AsyncIterator[dict[Life, asyncio.Task[None]]]:
    """All lives, begun at the same time."""
    town.pace *= 3  # so many at once have to wait for each other
    tasks = {life: asyncio.create_task(life(town)) for life in LIVES}
    yield tasks
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
async def test_a_tender_from_notice_to_record(life: Life, under_way: dict[Life, asyncio.Task[None]]) -> None:
    await under_way[life]


async def test_a_service_that_loses_its_database_connections_goes_on(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=3)
    envelope = tender.seal(await town.bidder("Bidder"))
    connection = await asyncpg.connect(town.dsn)
    answers = set()
    for _ in range(10):
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        answers.add((await tender.post("bids", envelope)).status_code)
    await connection.close()
    assert answers <= {201, 503}, "nobody is told that a bid is wrong while the database is away"
    await tender.submit(envelope)
    await town.line().wait_for(f"{tender.path}/entries/0")  # witnesses see the log again
    assert len((await tender.close()).closing.commitments) == 1


async def told(tender: PracticeTender) -> str:
    """All open data so far."""
    return b"".join(each.body for each in await tender.released()).decode()


async def awarded(tender: PracticeTender) -> bytes:
    """From the evaluation to the verified record, which is the same whenever it is asked for."""
    await tender.evaluated()
    await tender.intend()
    await tender.award()
    assert await tender.status() == "complete"
    data = await tender.verified_record()
    assert (await tender.get("record")).content == data
    return data


async def conclude(tender: PracticeTender) -> bytes:
    """The same; and the record's open data are what was released meanwhile."""
    data = await awarded(tender)
    [shown] = msgspec.json.decode(archive.unpack(data)["ocds.json"])["records"]
    assert shown["releases"] == [msgspec.json.decode(each.body) for each in await tender.released()]
    return data


def encode_bid(
    lot: str = "1",
    amount: str = "1000",
    declarations: Sequence[str] = (),
    owners: Sequence[Ownership] = (),
) -> bytes:
    """A bid as no honest client makes it."""
    offer = LotOffer(lot=lot, amount=amount)
    return encode(Bid(offers=(offer,), declarations=tuple(declarations), owners=tuple(owners)))
