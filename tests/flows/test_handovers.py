"""A sealed draft from one machine to another: kept for an hour, bounded, and nobody's to read here."""

import secrets
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from procurement import database
from procurement.handovers import KEPT, LARGEST, MOST, HandoverError, Handovers
from procurement.reception import Pushback
from tests.flows.people import Town

PATH = "/api/v1/handovers"


async def test_a_hand_over_is_read_as_often_as_the_line_drops_and_gone_when_it_has_arrived(
    town: Town,
) -> None:
    content = secrets.token_bytes(5000)
    left = await town.http.post(PATH, content=content)
    assert left.status_code == 201
    path = f"{PATH}/{left.json()['id']}"
    for _ in range(2):
        answer = await town.http.get(path)
        assert answer.content == content
        assert answer.headers["Cache-Control"] == "no-store"
    for _ in range(2):
        assert (await town.http.delete(path)).status_code == 204
    gone = await town.http.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "no-such-handover")


async def test_nothing_and_too_much_are_not_handed_over(town: Town) -> None:
    assert (await town.http.post(PATH, content=b"")).json()["code"] == "handover-size"
    assert (await town.http.post(PATH, content=bytes(LARGEST))).status_code == 201
    assert (await town.http.post(PATH, content=bytes(LARGEST + 1))).status_code == 413
    for id in ("00", "0" * 33, "g" * 32, "A" * 32, "0" * 31 + "%0a"):
        assert (await town.http.get(f"{PATH}/{id}")).status_code in (400, 404)


async def test_after_an_hour_it_is_gone_and_makes_room(dsn: str) -> None:
    now = datetime.now(UTC)
    async with await database.connect(dsn, most=1) as pool:
        handovers = Handovers(pool, lambda: now, secrets.token_bytes)
        first = await handovers.keep(b"draft")
        assert first.expires == now + KEPT
        now += KEPT - timedelta(seconds=1)
        assert await handovers.read(first.id) == b"draft"
        now += timedelta(seconds=1)
        with pytest.raises(HandoverError):
            await handovers.read(first.id)
        await handovers.keep(b"another")
    assert await _kept(dsn) == 1


async def test_a_full_place_turns_away_what_comes_and_keeps_what_is_there(dsn: str) -> None:
    async with await database.connect(dsn, most=1) as pool:
        handovers = Handovers(pool, lambda: datetime.now(UTC), secrets.token_bytes)
        first = await handovers.keep(b"draft")
        await pool.execute(
            "INSERT INTO handover"
            " SELECT substr(sha256(n::text::bytea), 1, 16), 'x', now() + interval '1 hour'"
            " FROM generate_series(2, $1) n",
            MOST,
        )
        with pytest.raises(Pushback):
            await handovers.keep(b"one too many")
        assert await handovers.read(first.id) == b"draft"


async def _kept(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM handover"))
    finally:
        await connection.close()
