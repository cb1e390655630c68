"""A service that is down before a deadline: its ledger shows it, and the deadline moves by the rule."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bids.client import Service
from crypto.encoding import moment
from crypto.statements import Statement
from procurement import record
from procurement.authorities import local_beacon, log_key
from procurement.client import read_notice
from procurement.outages import BEAT
from procurement.reception import Reception
from procurement.service import House, embedded_witness, working
from procurement.tenders import OutageRule
from procurement.timekeeping import Clock
from procurement.web.witness import create_witness
from procurement.witness import Memory
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town
from tests.relays import dead_address, serving

RULE = OutageRule(window=3600, least=100, short=7200, short_extension=60, long_extension=3600)


class TurnedTown(Town):
    """People whose clocks are as far ahead as the service's, so that nobody has to wait for minutes."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def line(self) -> Service:
        return Service(self.http, self.trust, self.now)


class Place:
    """Where a service runs, is stopped and started again, its witness with it; everybody's clock is turned
    while nothing runs."""

    def __init__(self, house: House, dsn: str) -> None:
        self.house, self.dsn, self.ahead = house, dsn, timedelta()
        self.witness = dead_address()
        self.town: TurnedTown | None = None

    @asynccontextmanager
    async def at_work(self, turned: timedelta = timedelta()) -> AsyncIterator[TurnedTown]:
        self.ahead += turned
        clock, house = Clock(lambda: self.ahead), self.house
        embedded_witness(house, self.witness)  # makes its key
        witness = create_witness([log_key(house.keys).verifier], Memory(house.witness), clock.now)
        async with (
            serving(witness, httpx.URL(self.witness).port or 0),
            working(
                house, self.dsn, embedded_witness(house, self.witness), local_beacon(house.keys, 1), clock
            ) as app,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://service", timeout=30
            ) as http,
        ):
            self.town = self.town or await TurnedTown.settle(http, house, self.dsn)
            self.town.http, self.town.ahead = http, self.ahead
            yield self.town


async def answered(tender: PracticeTender, envelope: bytes) -> str:
    """The code of the answer to a bid, once there is one."""
    answer = await tender.post("bids", envelope)
    while answer.status_code in (429, 503):
        await asyncio.sleep(0.1)
        answer = await tender.post("bids", envelope)
    return "taken" if answer.is_success else str(answer.json()["code"])


async def test_who_comes_after_an_outage_over_the_deadline_is_in_time_and_the_record_says_why(
    dsn: str, house: House
) -> None:
    place = Place(house, dsn)
    async with place.at_work() as town:
        tender = await town.publish(a_lot(), lead=10, margin=2, extension_margin=3, outage=RULE)
        deadline = tender.notice.closes
        first = await tender.bid(await town.bidder("In time"), "300")
        late = await town.bidder("Would have been late")
        await asyncio.sleep(BEAT + 1)
    async with place.at_work(timedelta(minutes=2)) as town:
        assert town.now() > deadline
        assert await answered(tender, tender.seal(late, "200")) == "wrong-terms", "and not late"
        tender.office = town.line()
        tender.follow(await read_notice(tender.office, tender.ocid))
        assert tender.notice.closes >= deadline + timedelta(minutes=2)
        second = tender.seal(late, "200")
        assert await answered(tender, second) == "taken"
    async with place.at_work(timedelta(seconds=RULE.short_extension)) as town:
        tender.office = town.line()
        closed = await tender.close()
        assert set(closed.closing.counted()) == {first, Statement(second).id}
        await tender.order("bid")
        await tender.opened("bid")
        await tender.evaluated()
        await tender.intend()
        await tender.award()
        verdict = record.verify(await tender.verified_record(), town.trust)
    [said] = [each for each in verdict.reservations if "by the service's word no bids were taken" in each]
    assert moment(deadline) in said


async def test_a_box_is_not_shut_before_the_ledger_knows_how_long_the_service_was_down(
    dsn: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever looks first after a start, what is due or a bid that comes: nobody has written yet that bids
    are taken again, and by the ledger alone there was no outage."""
    place = Place(house, dsn)
    async with place.at_work() as town:
        tender = await town.publish(a_lot(), lead=10, margin=2, outage=RULE)
        late = await town.bidder("Would have been late")
        await asyncio.sleep(BEAT + 1)

    async def not_yet(_: Reception) -> None:
        await asyncio.sleep(0)

    beat = Reception.beat
    monkeypatch.setattr(Reception, "beat", not_yet)
    async with place.at_work(timedelta(minutes=2)) as town:
        answer = await tender.post("bids", tender.seal(late, "200"))
        assert (answer.status_code, answer.json()["code"]) == (503, "extending")
        await asyncio.sleep(2)
        assert await tender.happened() == ["tender:published", "tender:countersigned"]
        assert (await town.rows(tender.ocid))["event"][2:] == []
        monkeypatch.setattr(Reception, "beat", beat)
        await tender.until("tender:extended")


async def test_an_outage_that_is_over_before_the_deadline_moves_it_before_the_deadline(
    dsn: str, house: House
) -> None:
    """Bidders learn at once how long they have, and nobody waits for the last moment to say so."""
    place = Place(house, dsn)
    async with place.at_work() as town:
        tender = await town.publish(a_lot(), lead=600, outage=RULE)
        await asyncio.sleep(BEAT + 1)
    async with place.at_work(timedelta(minutes=2)) as town:
        await tender.until("tender:extended")
        assert town.now() < tender.notice.closes
        after = await read_notice(town.line(), tender.ocid)
        assert after.notice.closes == tender.notice.closes + timedelta(seconds=60)
