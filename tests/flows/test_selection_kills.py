"""Panels drawn, candidates examined and negotiated with, at a service that is killed at every point of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec

from crypto.certificates import Role
from crypto.statements import sign
from procurement.evaluation import Rules
from procurement.panels import DrawRequest
from procurement.selection import ExaminationDocuments, NegotiationResult
from procurement.service import House
from tests.builders import MILLION, a_lot, evidence, examined_floor, panel_rules
from tests.conftest import fresh_database
from tests.flows.doomed import doomed_service
from tests.flows.people import PracticeTender, Town
from tests.flows.test_kills import EVALUATING, SAYING, DoomedTender, client, points

DRAWING = points("INSERT ON statement", "INSERT ON event", "INSERT ON log_queue", "INSERT ON event!")
EXAMINED = examined_floor()
NEGOTIATED = msgspec.structs.replace(panel_rules(), negotiation=True)


class Doomed(DoomedTender):
    """With a pool, where the rules need a panel."""

    async def publish(self, rules: Rules) -> None:
        """The clock skips less than a minute in all, which a record would show."""
        pool = {}
        if rules is NEGOTIATED:
            second = await self.town.enrol(Role.EVALUATOR, "Evaluator Ahn")
            pool = {"evaluators": (self.town.evaluator.fingerprint, second.fingerprint), "seats": 2}
            self.second = second
        notice = self.town.notice(a_lot(rules), lead=8, margin=10, standstill=1, **pool)
        self.tender = PracticeTender(self.town, notice, sign(notice, self.town.officer))
        await self.tender.publish()

    async def bid(self) -> None:
        """From far to near the centre of the examination's table."""
        self.bidders = {}
        for i, amount in enumerate(("905000", "900000", "910000")):
            bidder = await self.town.bidder(f"Bidder {i}", f"bidder-{i}")
            self.bidders[f"bidder-{i}"] = bidder
            picks = None if self.tender.notice.evaluators else (i + 1, i + 2)
            self.receipts.append(await self.submit(self.tender.seal(bidder, amount, picks=picks), []))

    async def score(self) -> None:
        points = {each["envelope"]: "80" for each in await self.opened_bids()}
        for evaluator in (self.town.evaluator, self.second):
            await self.tender.score(points, evaluator)

    async def draw(self) -> None:
        """The request, and then the round, which makes the service draw."""
        officer, network = self.town.officer, self.tender.notice.network
        round = network.round_at(self.service.clock.now() + timedelta(seconds=30))
        request = DrawRequest(**self.tender.about(officer), round=str(round))
        await self.survive(self.saying("draw-requests", request, officer), *SAYING)

        async def drawn() -> None:
            self.service.clock.travel(network.time_of(round))
            await self.tender.until("panel:drawn")

        await self.survive(drawn, *DRAWING)

    async def examine(self) -> None:
        """The first in line hands in what it was asked for, and passes."""
        tender, officer = self.tender, self.town.officer
        await self.declare(officer)
        ranked = tender.evaluation.lots[0].evaluation.ranking[0]
        asked = self.saying(
            "examination-requests", tender.asking(await tender.selection(), ranked.bid), officer
        )
        request = await self.survive(asked, *SAYING)
        bidder = self.bidders[ranked.bidder]
        about = tender.about(bidder) | {"request": request, "files": (evidence("Works"),)}
        handed_in = self.saying("examination-documents", ExaminationDocuments(**about), bidder)
        await self.survive(handed_in, *SAYING)
        result = tender.result(await tender.selection(), request, "15", "5")
        await self.survive(self.saying("examination-results", result, officer), *SAYING)
        tender.chosen = (await tender.selection()).chosen()

    async def negotiate(self) -> None:
        """There is no agreement with the first in rank, and one with the second."""
        tender, officer = self.tender, self.town.officer
        await self.declare(officer)
        line = tender.evaluation.lots[0].evaluation.ranking
        outcomes: tuple[Literal["agreed", "failed"], ...] = ("failed", "agreed")
        for ranked, outcome in zip(line, outcomes, strict=False):
            about = tender.about(officer) | {
                "evaluation": tender.evaluation_id,
                "lot": "1",
                "bid": ranked.bid,
            }
            result = NegotiationResult(**about, outcome=outcome, reason="As the minutes say")
            await self.survive(self.saying("negotiation-results", result, officer), *SAYING)
        tender.chosen = (await tender.selection()).chosen()


@asynccontextmanager
async def life_of(rules: Rules, postgres: str, template: str, folder: Path) -> AsyncIterator[Doomed]:
    """A tender whose bids are in and closed."""
    house = House.below(folder)
    async with (
        fresh_database(postgres, f"life_{uuid4().hex}", template) as dsn,
        doomed_service(house, dsn) as service,
        client(service.url) as http,
    ):
        life = Doomed(service, await Town.settle(http, house, dsn))
        await life.publish(rules)
        await life.bid()
        await life.close()
        yield life


async def test_a_panel_is_drawn_and_a_negotiation_concluded_once_wherever_the_service_is_killed(
    postgres: str, migrated: str, open_folder: Path
) -> None:
    async with life_of(NEGOTIATED, postgres, migrated, open_folder / "life") as life:
        life.doomed = True
        await life.draw()
        life.doomed = False
        await life.open("technical")
        await life.score()
        await life.open("price", *EVALUATING)
        await life.tender.evaluated()
        life.doomed = True
        await life.negotiate()
        life.doomed = False
        await life.award()
        happened = [each for each, _, _ in (await life.outcome()).events]
        assert [happened.count(each) for each in ("draw:requested", "panel:drawn")] == [1, 1]
        assert happened.count("negotiation:concluded") == 2


async def test_an_examination_is_held_once_wherever_the_service_is_killed(
    postgres: str, migrated: str, open_folder: Path
) -> None:
    async with life_of(EXAMINED, postgres, migrated, open_folder / "life") as life:
        await life.open("bid")
        await life.tender.reveal(MILLION)
        await life.tender.evaluated()
        life.doomed = True
        await life.examine()
        life.doomed = False
        await life.award()
        happened = [each for each, _, _ in (await life.outcome()).events]
        for each in ("examination:requested", "examination:documented", "examination:scored"):
            assert happened.count(each) == 1
