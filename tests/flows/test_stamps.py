"""A time-stamping authority of others: its word is in the record where it came in time, and nothing waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from crypto.checkpoint import TlogProof
from crypto.stamps import Token, request
from procurement import archive, stamping
from procurement.record import verify
from procurement.service import House
from procurement.settings import Settings
from tests.builders import a_lot
from tests.flows.conftest import running
from tests.flows.people import PracticeTender, Town, until
from tests.flows.test_openapi import described
from tests.flows.test_schemathesis import Described
from tests.relays import serving
from tests.stamper import TimeAuthority


@pytest.fixture
def authority(tmp_path: Path) -> TimeAuthority:
    return TimeAuthority(tmp_path / "authority")


async def test_closings_are_stamped_and_an_authority_that_is_away_holds_nothing_up(
    dsn: str, house: House, authority: TimeAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamping, "LONGEST_REST", stamping.LOOK)
    impostor = TimeAuthority(tmp_path / "impostor")
    authority.answered = b""  # 503
    async with serving(authority) as url:
        setting = {"OPENSEAL_STAMPS": f"{authority.folder / 'root.pem'}@{url}/stamp"}
        by = Settings.load(setting).stamping
        async with running(dsn, house, stamping=by) as http:
            town = await Town.settle(http, house, dsn)
            assert town.trust.stamping == authority.pinned
            never, late = [await town.publish(a_lot()) for _ in range(2)]
            for tender in (never, late):
                await tender.bid(await town.bidder("Bidder"), "100")
            await asyncio.gather(never.close(), late.close())
            for tender in (never, late):
                await is_asked_about(tender, authority)
            unstamped = await never.awarded()
            assert (await never.get("stamp")).json()["code"] == "not-yet"

            note = (await checkpoint_of(late)).encode()
            an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
            for wrong in (impostor.stamp(note), authority.stamp(note, an_hour_ago)):
                await is_not_kept(late, wrong, authority)

            authority.answered = None
            token = await stamp_of(late)
            await holds(late, token, authority)
            in_time = await town.publish(a_lot(), margin=30)
            await in_time.close()
            await stamp_of(in_time)
            record = await late.awarded()
            assert archive.unpack(record)["log/closing.tsr"] == token
            findings = verify(record, town.trust).steps[3].findings
            assert any(each.startswith(f"stamped by CN={authority.by} at 20") for each in findings)

            assert (await never.get("record")).content == unstamped, (
                "what came to nothing before, never comes"
            )
            assert (await never.get("stamp")).status_code == 404
            assert "log/closing.tsr" not in archive.unpack(unstamped)


async def is_asked_about(tender: PracticeTender, authority: TimeAuthority) -> None:
    """Although what came about another closing is no good."""
    query = request((await checkpoint_of(tender)).encode())

    async def asked() -> bool:
        return query in authority.asked

    await until(asked, bool)


async def is_not_kept(tender: PracticeTender, token: bytes, authority: TimeAuthority) -> None:
    """However often the service gets it."""
    authority.answered, before = token, len(authority.asked)

    async def asked() -> int:
        return len(authority.asked) - before

    await until(asked, lambda times: times >= 2)
    assert (await tender.get("stamp")).status_code == 404


async def checkpoint_of(tender: PracticeTender) -> str:
    """By which the closing is proven."""
    return TlogProof.parse((await tender.get("closing")).json()["proof"]).checkpoint


async def stamp_of(tender: PracticeTender) -> bytes:
    """Once it is there, as the interface describes it."""
    answers: list[httpx.Response] = []

    async def look() -> int:
        answers.append(await tender.get("stamp"))
        return answers[-1].status_code

    await until(look, lambda status: status == 200)
    assert answers[-1].headers["content-type"] == "application/timestamp-reply"
    Described(await described(tender.town)).check(answers[-1])
    return answers[-1].content


async def holds(tender: PracticeTender, token: bytes, authority: TimeAuthority) -> None:
    """It is about the checkpoint that the closing is proven by, says openssl, too."""
    note = (await checkpoint_of(tender)).encode()
    Token(token).verify(note, [authority.root])
    assert authority.verified(note, token)
