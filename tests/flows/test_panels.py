"""A panel drawn from a pool, over HTTP, from the notice to the verified record."""

import asyncio
import secrets

import msgspec

from crypto.certificates import Role, SigningKey
from crypto.statements import Statement, sign
from procurement import record
from procurement.client import read_notice, read_panel
from procurement.login import client
from procurement.panels import DrawRequest
from tests.builders import a_lot, panel_rules
from tests.core.test_draws_shown import seed_by_hand, ticket_by_hand
from tests.flows.people import PracticeTender, Town
from tests.flows.test_selection import refused

SKIPS = True
"""Nothing here is about how time passes."""
ORIGIN = "http://localhost"
SEATS = 2


async def pooled(town: Town, size: int = 4) -> tuple[PracticeTender, dict[str, SigningKey], list[str]]:
    """A tender whose panel is drawn from so many, its pool by certificate, and its two envelopes."""
    pool = [await town.enrol(Role.EVALUATOR, f"Expert {i}") for i in range(size)]
    named = tuple(each.fingerprint for each in pool)
    tender = await town.publish(a_lot(panel_rules()), evaluators=named, seats=SEATS)
    bids = [await tender.bid(await town.bidder(f"Bidder {i}"), f"90000{i}") for i in range(2)]
    return tender, {each.fingerprint: each for each in pool}, bids


async def test_who_is_drawn_scores_and_who_has_a_conflict_gives_way_to_the_next(town: Town) -> None:
    tender, pool, bids = await pooled(town)
    points = dict.fromkeys(bids, "80")
    early = tender.draw_request(60)
    await refused(tender, "draw-requests", early, town.officer, "not-yet")
    await tender.close()
    stranger = await town.enrol(Role.OFFICER, "Officer Cho")
    foreign = msgspec.structs.replace(early, signer=stranger.fingerprint)
    await refused(tender, "draw-requests", foreign, stranger, "another-officer")
    await refused(tender, "draw-requests", tender.draw_request(-5), town.officer, "round-known")
    await refused(tender, "draw-requests", tender.draw_request(3700), town.officer, "round-too-late")

    await tender.order("technical")
    await tender.opened("technical")
    anybody = next(iter(pool.values()))
    await refused(tender, "score-sheets", tender.sheet(points, anybody), anybody, "conflict-undeclared")
    await tender.declare(anybody)
    await refused(tender, "score-sheets", tender.sheet(points, anybody), anybody, "panel-not-drawn")

    order = [pool[each] for each in await tender.draw_panel()]
    await refused(tender, "draw-requests", tender.draw_request(20), town.officer, "said-before")
    announced = await read_notice(tender.office, tender.ocid)
    officials, _ = await read_panel(tender.office, announced)
    assert officials.drawn == tuple(each.certificate.registration for each in order)

    first = next(each for each in order[:SEATS] if each is not anybody)
    others = [each for each in order if each is not first]
    last = others[-1]
    await tender.declare(last)
    await refused(tender, "score-sheets", tender.sheet(points, last), last, "not-drawn")
    await tender.score(points, others[0])
    await tender.declare(first, conflict=True)
    await tender.score(points, others[1])
    view = (await tender.get("draws")).json()
    [draw] = view["draws"]
    read = {each: await reading(tender, each, bids[0]) for each in (others[0], last, town.evaluator, first)}
    assert list(read.values()) == ["yes", "not-drawn", "not-on-panel", "not-drawn"]
    assert "pending" not in view
    assert seed_by_hand("panel", draw) == draw["seed"]
    tickets = [ticket_by_hand(draw["seed"], each.fingerprint) for each in pool.values()]
    assert [each["ticket"] for each in draw["tickets"]] == sorted(tickets)
    places = {each["of"]: each["place"] for each in draw["tickets"]}
    assert places == {
        first.fingerprint: "conflict",
        others[0].fingerprint: "called",
        others[1].fingerprint: "called",
        last.fingerprint: "waiting",
    }
    page = (await town.http.get(f"/tenders/{tender.ocid}/draws")).text
    for said in ("Grindable", "on the panel", "stepped back for a conflict of interest", *tickets):
        assert said in page
    await tender.order("price")
    await tender.evaluated()
    await tender.intend()
    await tender.award()
    data = await tender.verified_record()
    steps = record.verify(data, town.trust).steps
    assert any("drawn from 4" in found and "grindable" in found for found in steps[8].findings)
    happened = await tender.happened()
    assert happened.index("draw:requested") < happened.index("panel:drawn") < happened.index("sheet:signed")
    assert happened.count("sheet:signed") == SEATS


async def reading(tender: PracticeTender, evaluator: SigningKey, bid: str) -> str:
    """What an evaluator is answered who wants to read a bid's restricted documents."""
    http = tender.town.http
    code = (await client.log_in(tender.town.line(), evaluator, ORIGIN)).code
    came = await http.post("/api/v1/sessions", json={"code": code}, headers={"Origin": ORIGIN})
    http.cookies.clear()
    cookie = {"Cookie": came.headers["Set-Cookie"].split(";")[0]}
    answer = await http.get(f"{tender.path}/bids/{bid}/all-documents", headers=cookie)
    return "yes" if answer.is_success else str(answer.json()["code"])


async def test_of_two_requests_at_the_same_moment_one_counts(town: Town) -> None:
    tender, _, _ = await pooled(town, SEATS)
    await tender.close()
    requests = [sign(tender.draw_request(ahead), town.officer) for ahead in (20, 30)]
    answers = await asyncio.gather(*(tender.post("draw-requests", each) for each in requests * 3))
    heard = {answer.json().get("statement") for answer in answers if answer.status_code == 201}
    assert len(heard) == 1
    assert heard < {Statement(each).id for each in requests}
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} == {"said-before"}
    assert (await tender.happened()).count("draw:requested") == 1
    view = (await tender.get("draws")).json()
    assert view["draws"] == []
    assert view["pending"]["round"] in {Statement(each).read(DrawRequest).round for each in requests}
    page = (await town.http.get(f"/tenders/{tender.ocid}")).text
    assert "The panel is drawn by round" in page


async def test_a_pool_that_conflicts_leave_too_small_waits(town: Town) -> None:
    tender, pool, bids = await pooled(town, SEATS)
    await tender.close()
    await tender.order("technical")
    await tender.opened("technical")
    first, second = [pool[each] for each in await tender.draw_panel()]
    await tender.declare(first, conflict=True)
    assert await tender.status() == "recused"
    await tender.score(dict.fromkeys(bids, "80"), second)
    bid = (await tender.get("bids")).json()["bids"][0]["bid"]
    now = town.now()
    order = town.members[0].sign_order(tender.terms, "price", bid, now, secrets.token_bytes)
    await refused(tender, "opening-partials", order, town.members[0].key, "pool-too-small")
