"""A tender comes to the same end wherever its service is killed, and nothing happens twice."""

import asyncio
import json
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest

from bids.client import RefusedError, Service, ServiceError
from bids.envelope import Part
from bids.opening import open_in_parallel
from bids.orders import Member, PartToOpen
from bids.receipts import Closing, Receipt
from crypto.certificates import Role, SigningKey
from crypto.encoding import moment, parse_moment
from crypto.statements import Payload, Statement, sign
from procurement.awards import RevealedPrices, Termination
from procurement.client import read_notice
from procurement.evaluation import Committed, CommittedPrices, KrPriceFloor, Rules
from procurement.evaluation.reserve_prices import commitment
from procurement.registry import applicant
from procurement.registry.statements import Reason
from procurement.service import House
from procurement.tenders import PROMPT, OutageRule
from tests.builders import Life, a_bidder, a_lot, panel_rules
from tests.conftest import fresh_database
from tests.flows.doomed import (
    PROCESSES,
    DoomedService,
    Point,
    ServiceProcess,
    answering,
    descendants,
    doomed_service,
    gone,
    in_a_folder,
)
from tests.flows.people import PracticeTender, Town, wait_until
from tests.ports import free_port

PRICES = CommittedPrices(
    salt="5a" * 32, prices=tuple(str(980_100 + 40_000 * k // 15 // 100 * 100) for k in range(15))
)
PRICE_FLOOR = KrPriceFloor(
    base="1000000",
    basis_points=200,
    unit=100,
    preliminary_prices=Committed(digest=commitment(PRICES)),
    floor="87.745",
)
AMOUNTS = ("930000", "910000", "950000")

TABLES = (
    "certificate",
    "draft",
    "tender",
    "statement",
    "event",
    "envelope",
    "opened_part",
    "once",
    "log_entry",
)

SKIPPED = 56
"""Seconds that a service's clock may be ahead in all, less than a minute."""

T = TypeVar("T")
P = TypeVar("P", bound=Payload)


def points(*changes: str) -> list[Point]:
    """Points of work in their order; a trailing `!` stands for the commit of that change."""
    return [Point(change.removesuffix("!"), at_commit=change.endswith("!")) for change in changes]


PUBLISHING = points("INSERT ON draft!", "INSERT ON tender", "INSERT ON event", "INSERT ON log_queue!")
BIDDING = points("INSERT ON envelope", "INSERT ON log_queue", "INSERT ON envelope!", "INSERT ON log_entry")
CLOSING = points(
    "UPDATE OF shut_at ON tender",
    "UPDATE OF shut_at ON tender!",
    "INSERT ON statement",
    "INSERT ON event",
    "UPDATE OF seq ON tender",
    "INSERT ON log_queue",
    "INSERT ON log_queue!",
    "INSERT ON log_entry",
    "UPDATE OF size ON log_head!",  # signed, and nobody else heard of it
    "UPDATE OF published_size ON log_head",  # all but the checkpoint is out
    "UPDATE OF published_size ON log_head!",  # the checkpoint is out, and the database does not say so
    "INSERT ON log_checkpoint",  # the witness has co-signed, and only the witness knows
    "INSERT ON log_checkpoint!",
)
SAYING = points("INSERT ON once", "INSERT ON event", "INSERT ON event!")
OPENING = points("INSERT ON opened_part", "INSERT ON event", "INSERT ON log_queue", "INSERT ON opened_part!")
DECLARING = points("INSERT ON event!")
EVALUATING = points("INSERT ON statement", "INSERT ON event", "INSERT ON event!")
DRAFTING = points("INSERT ON draft", "INSERT ON draft!")
AWARDING = points("INSERT ON event", "UPDATE OF concluded_at ON tender", "UPDATE OF concluded_at ON tender!")


class Outcome(msgspec.Struct, frozen=True):
    """What a tender came to, without what chance and the clock put into it."""

    events: list[tuple[str, str | None, str | None]]
    rows: dict[str, int]
    logged: Counter[str]
    ranking: list[tuple[str, int | None, str, str | None]]
    winner: str | None


class DoomedTender:
    """One tender at a service that is killed, while `doomed`, at every point that a step names."""

    tender: PracticeTender

    def __init__(self, service: DoomedService, town: Town) -> None:
        self.service, self.town = service, town
        self.doomed = False
        self.receipts: list[Receipt] = []
        self.entries: list[bytes] = []

    async def survive(self, act: Callable[[], Awaitable[T]], *where: Point) -> T:
        """What `act` comes to although the service is killed at each of these points, one after another.

        After the last kill the next service is at work before the killed one's transaction has ended.
        """
        attempt = None
        for point in where if self.doomed else ():
            async with self.service.held_at(point) as held:
                if not self.service.running:
                    await self.service.start()
                attempt = asyncio.ensure_future(act())
                await held()
                self.service.kill()
                attempt.cancel()
                await asyncio.wait([attempt])
                await self.verify_log()
                if point is where[-1]:
                    await self.service.start()
                    attempt = asyncio.ensure_future(act())
                    await asyncio.sleep(0.1)
        return await (attempt or act())

    async def verify_log(self) -> None:
        """The published log is whole at any moment, and only ever grows."""
        entries = await self.town.verify_log()
        assert entries[: len(self.entries)] == self.entries
        self.entries = entries

    async def publish(self, rules: Rules) -> None:
        notice = self.town.notice(a_lot(rules), lead=30, margin=36, standstill=1)
        self.tender = PracticeTender(self.town, notice, sign(notice, self.town.officer))
        await self.survive(self.tender.publish, *PUBLISHING)

    async def skip_to(self, time: datetime) -> None:
        """The clock skips what is left, but no more than a minute in all: a record shows how far it is from
        the witness's. The rest is waited for."""
        await wait_until(time - timedelta(seconds=SKIPPED))
        self.service.clock.travel(time)

    async def bid(self) -> None:
        for i, amount in enumerate(AMOUNTS):
            bidder = await self.town.bidder(f"Bidder {i}", f"bidder-{i}")
            picks = None if self.tender.notice.evaluators else (i + 1, i + 2)
            envelope = self.tender.seal(bidder, amount, picks=picks)
            self.receipts.append(await self.submit(envelope, BIDDING if i == 0 else []))

    async def submit(self, envelope: bytes, where: list[Point]) -> Receipt:
        return await self.survive(lambda: self.tender.submit(envelope), *where)

    async def close(self) -> None:
        """Shut, closed, in the log, witnessed: exactly what there are receipts for."""
        await self.skip_to(self.tender.notice.closes)
        closed = await self.survive(self.tender.close, *CLOSING)
        assert [(each.statement, each.time, each.salt) for each in closed.closing.commitments] == [
            (each.statement, each.time, each.salt) for each in self.receipts
        ]
        assert closed.closing.counted() == tuple(each.statement for each in self.receipts)

    async def open(self, part: Part, *then: Point) -> None:
        """The last order makes the service open, and go on to what is due then."""
        await self.skip_to(self.tender.notice.opens)
        first, *others, last = await self.orders(part)
        await self.survive(first, *SAYING)
        for order in others:
            await order()

        async def opened() -> None:
            await last()
            await self.tender.opened(part)
            if then:
                await self.tender.evaluated()

        await self.survive(opened, *OPENING, *then)

    async def orders(self, part: Part) -> list[Callable[[], Awaitable[str]]]:
        bids = [each["bid"] for each in await self.opened_bids()] if part == "price" else [None]
        return [self.ordering(part, bid, member) for bid in bids for member in self.town.members[:2]]

    def ordering(self, part: Part, bid: str | None, member: Member) -> Callable[[], Awaitable[str]]:
        now = self.service.clock.now()
        partial = member.sign_order(self.tender.terms, part, bid, now, secrets.token_bytes)
        return self.saying("opening-partials", partial, member.key)

    async def opened_bids(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.tender.get("bids")).json()["bids"]
        return found

    async def score(self) -> None:
        points = {each["envelope"]: str(80 + i) for i, each in enumerate(await self.opened_bids())}
        await self.declare(self.town.evaluator)
        sheet = self.tender.sheet(points, self.town.evaluator)
        await self.survive(self.saying("score-sheets", sheet, self.town.evaluator), *SAYING)

    async def reveal(self) -> None:
        """The officer's word is the last thing that the evaluation waits for."""
        about = self.tender.about(self.town.officer)
        revealed = RevealedPrices(**about, lot="1", salt=PRICES.salt, prices=PRICES.prices)
        reveal = self.saying("reserve-prices", revealed, self.town.officer)

        async def evaluated() -> None:
            await reveal()
            await self.tender.evaluated()

        await self.survive(evaluated, *SAYING, *EVALUATING)

    async def award(self) -> None:
        officer, second = self.town.officer, self.town.second
        await self.declare(officer)
        intend = self.saying("award-intentions", self.tender.intention(), officer)
        self.tender.intention_id = await self.survive(intend, *SAYING)
        self.service.clock.travel(self.service.clock.now() + timedelta(seconds=1.2))
        award = await self.survive(self.saying("awards", self.tender.final_award(), officer), *DRAFTING)
        await self.declare(second)
        await self.survive(lambda: self.tender.countersign(award), *AWARDING)

    async def declare(self, key: SigningKey) -> None:
        await self.survive(lambda: self.tender.declare(key), *DECLARING)

    def saying(self, route: str, payload: Payload, key: SigningKey) -> Callable[[], Awaitable[str]]:
        """Sends one and the same statement whenever it is called; its id."""
        statement = sign(payload, key)

        async def say() -> str:
            await self.tender.office.post(f"{self.tender.path}/{route}", statement)
            return Statement(statement).id

        return say

    async def outcome(self) -> Outcome:
        """The award record, verified and the same again after one more kill, and what came out."""
        record = await self.tender.verified_record()
        self.service.kill()
        await self.service.start()
        assert await self.tender.verified_record() == record
        await self.verify_log()
        rows = await self.town.rows()
        events = (await self.tender.get("timeline")).json()["events"]
        [lot] = self.tender.evaluation.lots
        return Outcome(
            events=[(each["type"], each.get("part"), each.get("reason")) for each in events],
            rows={table: len(rows[table]) for table in TABLES},
            logged=Counter(json.loads(entry)["t"] for entry in self.entries),
            ranking=[
                (each.bidder, each.rank, each.amount or "", each.total) for each in lot.evaluation.ranking
            ],
            winner=lot.evaluation.ranking[0].bidder,
        )


@pytest.mark.parametrize("rules", [panel_rules(), PRICE_FLOOR], ids=["negotiation", "price-floor"])
async def test_a_tender_killed_at_every_point_of_every_step_comes_to_the_same_end(
    rules: Rules, postgres: str, migrated: str, open_folder: Path
) -> None:
    async with asyncio.TaskGroup() as lives:
        first = lives.create_task(live(rules, postgres, migrated, open_folder / "undisturbed", doomed=False))
        second = lives.create_task(live(rules, postgres, migrated, open_folder / "doomed", doomed=True))
    undisturbed, doomed = first.result(), second.result()
    assert doomed == undisturbed
    assert undisturbed.winner == "bidder-2" if rules is not PRICE_FLOOR else "bidder-1"
    assert undisturbed.logged["commitment"] == undisturbed.rows["envelope"] == len(AMOUNTS)
    assert undisturbed.logged.total() == undisturbed.rows["log_entry"]


async def live(rules: Rules, postgres: str, template: str, folder: Path, *, doomed: bool) -> Outcome:
    """A whole life. What the rule sets have in common is killed in one of them only."""
    house = House.below(folder)
    async with (
        fresh_database(postgres, f"life_{uuid4().hex}", template) as dsn,
        doomed_service(house, dsn) as service,
        client(service.url) as http,
    ):
        town = await Town.settle(http, house, dsn)
        town.pace = max(1.0, town.pace / 2.5)  # two services and their processes have just started
        life = DoomedTender(service, town)
        life.doomed = doomed and rules is not PRICE_FLOOR
        await life.publish(rules)
        await life.bid()
        await life.close()
        if rules is PRICE_FLOOR:
            life.doomed = doomed
            await life.open("bid")
            await life.reveal()
            life.doomed = False
        else:
            await life.open("technical")
            await life.score()
            await life.open("price", *EVALUATING)
        await life.tender.evaluated()
        await life.award()
        return await life.outcome()


CHANGED = ("UPDATE OF terms ON tender", "UPDATE OF terms ON tender!")
AMENDING = points("INSERT ON statement", "INSERT ON event", "INSERT ON log_queue", *CHANGED)
EXTENDING = points("INSERT ON event", *CHANGED)
ENDING = points("INSERT ON event", "UPDATE OF terminated_at ON tender", "UPDATE OF terminated_at ON tender!")
RULE = OutageRule(window=7200, least=100, short=7200, short_extension=7200, long_extension=7200)


async def test_changes_that_are_killed_at_every_point_come_about_once(dsn: str, house: House) -> None:
    async with doomed_service(house, dsn) as service, client(service.url) as http:
        town = await Town.settle(http, house, dsn)
        life = DoomedTender(service, town)
        life.doomed = True
        life.tender = tender = await town.publish(a_lot(), lead=3600, outage=RULE)
        before = await tender.bid(await town.bidder("Bidder"), "300")
        later = moment(tender.notice.closes + timedelta(hours=2))
        amendment = sign(tender.amendment(deadline=later), town.officer)
        amend = partial(tender.office.post, f"{tender.path}/amendments", amendment)
        await life.survive(amend, *DRAFTING)
        await life.survive(lambda: tender.countersign(Statement(amendment).id), *AMENDING)
        tender.follow(await read_notice(town.line(), tender.ocid))

        service.kill()
        service.clock.travel(tender.notice.closes - timedelta(minutes=1))
        await life.survive(lambda: tender.until("tender:extended"), *EXTENDING)
        shown = await read_notice(Service(http, town.trust, service.clock.now), tender.ocid)
        assert shown.notice.closes == tender.notice.closes + timedelta(hours=2)

        about = tender.about(town.officer)
        word = sign(Termination(**about, outcome="cancelled", reason="No budget."), town.officer)
        end = partial(tender.office.post, f"{tender.path}/terminations", word)
        await life.survive(end, *DRAFTING)
        await life.survive(lambda: tender.countersign(Statement(word).id), *ENDING)
        await tender.until("tender:closed")
        [closed] = [each async for each in said_in(tender, "tender:closed", Closing)]
        assert [each.statement for each in closed.commitments] == [before]
        assert [each.partition(":")[2] for each in await tender.happened()] == [
            *("published", "countersigned"),
            *("countersigned", "amended", "extended"),
            *("countersigned", "terminated", "closed"),
        ]
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT sum(closings) FROM closing_slot") == 0
        await connection.close()


async def said_in(tender: PracticeTender, event: str, type_: type[P]) -> AsyncIterator[P]:
    """What the statements behind such events say."""
    for each in (await tender.get("timeline")).json()["events"]:
        if each["type"] == event:
            yield Statement((await tender.get(f"statements/{each['statement']}")).content).read(type_)


SCHEDULED_PUBLISHING = points("INSERT ON tender", "INSERT ON event", "INSERT ON log_queue!")


async def test_a_countersigned_notice_is_published_once_at_its_time_or_never(
    dsn: str, open_folder: Path
) -> None:
    """Whether the service was killed over it does not matter, unless it was away for too long."""
    house = House.below(open_folder / "scheduled")
    async with doomed_service(house, dsn) as service, client(service.url) as http:
        town = await Town.settle(http, house, dsn)
        third = await town.enrol(Role.OFFICER, "Third officer")
        titles = ("Prompt", "Other", "Orphaned", "Missed")
        prompt, other, orphaned, missed = [scheduled(town, title) for title in titles]
        for tender in (prompt, other, orphaned, missed):
            assert await sent(http, tender.statement) == (202, None)
        before = await town.rows()
        for tender in (prompt, missed):
            for _ in range(2):
                assert await countersigned(tender, town.second) == (202, None)
            assert await countersigned(tender, third) == (409, "said-before")
        assert await countersigned(orphaned, third) == (202, None)
        await applicant.revoke(town.line(), town.registrar, third.fingerprint, Reason.AFFILIATION_CHANGED)
        for table in ("tender", "statement", "event", "draft"):
            assert len((await town.rows())[table]) == len(before[table])
        assert (await prompt.get("timeline")).json()["code"] == "no-such-tender"

        due = parse_moment(prompt.notice.published)
        for point in SCHEDULED_PUBLISHING:
            async with service.held_at(point) as held:
                if not service.running:
                    await service.start()
                service.clock.travel(due)
                await held()
                service.kill()
        await service.start()
        await prompt.until_known()
        first, second = (await prompt.get("timeline")).json()["events"]
        assert (first["type"], second["type"]) == ("tender:published", "tender:countersigned")
        assert due <= parse_moment(first["time"]) < due + timedelta(minutes=1)
        assert await countersigned(prompt, town.second) == (201, None)
        for tender in (other, orphaned):
            assert (await tender.get("timeline")).json()["code"] == "no-such-tender", (
                "nobody countersigned it"
            )
        assert await countersigned(orphaned, town.second) == (201, None)

        service.kill()
        service.clock.travel(parse_moment(missed.notice.published) + PROMPT)
        await service.start()
        for tender in (missed, other):
            assert await countersigned(tender, town.second) == (409, "publication-time-wrong")
        assert await sent(http, missed.statement) == (409, "publication-time-wrong")
        assert (await missed.get("timeline")).json()["code"] == "no-such-tender"
        await town.verify_log()


def scheduled(town: Town, title: str) -> PracticeTender:
    """A notice for later; that titled `Missed` is the last one."""
    later = timedelta(minutes=8 if title == "Missed" else 6)
    published, network = datetime.now(UTC) + later, town.trust.networks[0]
    times: dict[str, Any] = {
        "published": moment(published),
        "deadline": moment(published + timedelta(hours=1)),
        "round": str(network.round_at(published + timedelta(hours=2))),
    }
    notice = town.notice(a_lot(), title=title, **times)
    return PracticeTender(town, notice, sign(notice, town.officer))


async def sent(http: httpx.AsyncClient, notice: bytes) -> tuple[int, str | None]:
    answer = await http.post("/api/v1/tenders", content=notice)
    return answer.status_code, answer.json().get("code")


async def countersigned(tender: PracticeTender, officer: SigningKey) -> tuple[int, str | None]:
    """Status and code of the answer to that officer's countersignature, the same however often."""
    answer = await tender.post("countersignatures", tender.countersignature(tender.notice_id, officer))
    return answer.status_code, answer.json().get("code")


@pytest.fixture(scope="module")
def process() -> Iterator[ServiceProcess]:
    """A service on a data folder that all tests with it share, stopped between them."""
    with in_a_folder(ServiceProcess) as service:
        yield service


async def test_sigterm_ends_the_service_with_all_its_processes(process: ServiceProcess) -> None:
    await process.start()
    assert process.stop() == (0, [])


@pytest.mark.parametrize("database", ["embedded", "elsewhere"])
async def test_a_second_service_on_the_same_folder_is_refused_in_one_line(
    database: str, process: ServiceProcess, empty: str
) -> None:
    first = process if database == "embedded" else ServiceProcess(process.folder, empty)
    await first.start()
    try:
        second = first.launch(free_port())
        _, said = second.communicate(timeout=90)
        assert second.returncode == 1
        assert said == f"openseal: another openseal already runs on {process.folder}\n"
        await answering(first.url)
    finally:
        assert first.stop() == (0, [])


async def test_a_tender_survives_kills_of_service_witness_and_database(process: ServiceProcess) -> None:
    await process.start()
    async with client(process.url) as http:
        town = await Town.settle(http, House.below(process.folder), process.dsn)
        trust, beacon = process.trust, (await http.get("/beacon/public/1")).content
        bidders = [await town.bidder(f"Bidder {i}", f"bidder-{i}") for i in range(12)]
        tender = await town.publish(a_lot(), lead=5, margin=5)
        envelopes = [tender.seal(key, str(1000 + i)) for i, key in enumerate(bidders)]

        sending = [
            asyncio.ensure_future(receipt_for(tender, envelope, 0.1 * i))
            for i, envelope in enumerate(envelopes)
        ]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        process.kill(all_of_it=True)
        held = [each for each in sending if each.done()]
        assert 0 < len(held) < len(envelopes)
        await process.start()
        receipts = [each for each in await asyncio.gather(*sending) if each is not None]
        assert process.trust == trust
        assert (await http.get("/beacon/public/1")).content == beacon
        await town.verify_log()

        await tender.deadline()
        process.kill(all_of_it=False)
        await process.start()
        closed = await tender.close()
        assert {each.statement for each in closed.closing.commitments} == {
            each.statement for each in receipts
        }
        assert {each.result() for each in held} <= set(receipts)
        assert len(closed.closing.commitments) == len(receipts)

        await tender.round()
        await tender.order("bid")
        process.kill(all_of_it=True)
        await town.verify_log()
        await process.start()
        lots = await tender.evaluated()
        assert [each.amount for each in lots["1"].ranking] == sorted(amounts(receipts, envelopes))
        await tender.intend()
        process.kill(all_of_it=True)
        await process.start()
        await tender.award()
        await tender.verified_record()
        assert Counter(await tender.happened()) == Counter(
            {
                "tender:published": 1,
                "tender:countersigned": 1,
                "tender:closed": 1,
                "order:partial": 2,
                "tender:opened": 1,
                "bid:opened": len(receipts),
                "evaluation:scored": 1,
                "conflict:declared": 2,
                "award:intended": 1,
                "award:countersigned": 1,
                "award:made": 1,
            }
        )
    assert process.trust == trust
    assert process.stop() == (0, [])


def test_an_opening_on_several_processors_leaves_no_process_when_its_service_is_killed() -> None:
    opening = PROCESSES.Process(target=open_for_minutes)
    opening.start()
    assert opening.pid
    while len(workers := descendants(opening.pid)) < 2:
        time.sleep(0.01)
    time.sleep(0.5)  # until they are at work
    os.kill(opening.pid, signal.SIGKILL)
    opening.join()
    assert opening.exitcode == -signal.SIGKILL
    gone(workers)


def open_for_minutes() -> None:
    life = Life()
    life.submit(a_bidder(life.world, 1))
    life.close()
    life.open("bid")
    [bid] = life.counted
    part = PartToOpen(envelope=bid.envelope, terms=life.terms, opening=life.openings["bid"])
    open_in_parallel([part] * 30_000)


async def receipt_for(tender: PracticeTender, envelope: bytes, after: float) -> Receipt | None:
    """Sends the envelope, `after` so many seconds, until there is a receipt for it or it is too late."""
    await asyncio.sleep(after)
    while True:
        try:
            return await tender.submit(envelope)
        except RefusedError as refused:
            if refused.code == "after-deadline":
                return None
            raise
        except ServiceError as error:
            if error.code != "unreachable":
                raise


def amounts(receipts: list[Receipt], envelopes: list[bytes]) -> list[str]:
    accepted = {each.statement for each in receipts}
    return [str(1000 + i) for i, each in enumerate(envelopes) if Statement(each).id in accepted]


@asynccontextmanager
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """One that makes a new connection for every request: services come and go."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False) as http:
        yield http
