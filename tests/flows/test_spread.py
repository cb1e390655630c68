"""Deadlines are spread over slots of time: two at most in each of these."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from crypto.encoding import moment, parse_moment
from crypto.statements import sign
from procurement.clocks import Spread
from procurement.service import House
from procurement.tenders import Notice
from tests.builders import a_lot
from tests.conftest import fresh_database
from tests.flows.conftest import running
from tests.flows.people import PracticeTender, Town

HOUR = timedelta(hours=1)
SPREAD = Spread(closings=2, seconds=3600)


@pytest.fixture(scope="module")
async def town(postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    house = House.below(tmp_path_factory.mktemp("town"))
    async with (
        fresh_database(postgres, f"spread_{uuid4().hex}", migrated) as dsn,
        running(dsn, house, spread=SPREAD) as client,
    ):
        yield await Town.settle(client, house, dsn)


def notice_for(town: Town, deadline: datetime) -> Notice:
    """With a deadline at that time."""
    lead = (deadline - datetime.now(UTC)).total_seconds() / town.pace
    made = town.notice(a_lot(), lead=lead)
    network = town.trust.networks[0]
    round = str(network.round_at(deadline + timedelta(minutes=30)))
    return Notice(
        **{name: getattr(made, name) for name in made.__struct_fields__}
        | {"deadline": moment(deadline), "round": round}
    )


async def offered(town: Town, notice: Notice) -> httpx.Response:
    return await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))


async def published(town: Town, notice: Notice) -> httpx.Response:
    """The answer to the second officer's word."""
    answer = await offered(town, notice)
    assert answer.status_code == 202, answer.text
    tender = PracticeTender(town, notice, sign(notice, town.officer))
    word = tender.countersignature(answer.json()["notice"], town.second)
    return await tender.post("countersignatures", word)


def free_time(answer: httpx.Response) -> datetime:
    assert answer.json()["code"] == "slot-full", answer.text
    found = re.search(r"the next free time begins at (\S+)", answer.json()["detail"])
    assert found is not None
    return parse_moment(found[1])


async def test_who_comes_to_a_full_slot_is_offered_the_next_that_is_free(town: Town) -> None:
    slot = SPREAD.slot(datetime.now(UTC) + 48 * HOUR)
    for minute in (0, 59):
        assert (await published(town, notice_for(town, slot + timedelta(minutes=minute)))).status_code == 201
    full = await offered(town, notice_for(town, slot + timedelta(minutes=30)))
    assert full.status_code == 409
    free = free_time(full)
    assert free == slot + HOUR
    assert (await published(town, notice_for(town, free))).status_code == 201
    assert (await published(town, notice_for(town, free))).status_code == 201
    assert free_time(await offered(town, notice_for(town, slot))) == slot + 2 * HOUR


async def test_of_two_who_come_for_the_last_place_at_once_one_gets_it(town: Town) -> None:
    slot = SPREAD.slot(datetime.now(UTC) + 96 * HOUR)
    assert (await published(town, notice_for(town, slot))).status_code == 201
    both = [notice_for(town, slot + timedelta(minutes=each)) for each in (10, 20)]
    waiting = [await offered(town, each) for each in both]
    assert {each.status_code for each in waiting} == {202}
    tenders = [PracticeTender(town, each, sign(each, town.officer)) for each in both]
    words = [each.countersignature(each.notice_id, town.second) for each in tenders]
    answers = await asyncio.gather(
        *(tender.post("countersignatures", word) for tender, word in zip(tenders, words, strict=True))
    )
    assert sorted(each.status_code for each in answers) == [201, 409]
    [refused] = [each for each in answers if each.status_code == 409]
    assert free_time(refused) == slot + HOUR


async def test_a_deadline_that_moves_leaves_its_place_to_another(town: Town) -> None:
    slot = SPREAD.slot(datetime.now(UTC) + 144 * HOUR)
    first = notice_for(town, slot)
    statement = sign(first, town.officer)
    assert (await town.http.post("/api/v1/tenders", content=statement)).status_code == 202
    moving = PracticeTender(town, first, statement)
    await moving.countersign(moving.notice_id)
    assert (await published(town, notice_for(town, slot))).status_code == 201
    assert free_time(await offered(town, notice_for(town, slot))) == slot + HOUR
    await moving.amend(deadline=moment(slot + HOUR))
    assert (await published(town, notice_for(town, slot))).status_code == 201
