"""Records checked in processes of their own, which may be killed at any moment and take nothing with them."""

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pytest

from procurement.errors import RecordError
from procurement.record import verify
from procurement.watching import checking
from procurement.watching.checking import Checkers, UncheckedError
from tests.builders import Life, World, a_bidder, the_world


@cache
def a_record(bids: int = 1) -> bytes:
    life = Life()
    for number in range(bids):
        life.submit(a_bidder(the_world(), number), str(900_000 + number))
    return life.to_award().record()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "record.zip"
    path.write_bytes(a_record())
    return path


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A record that whoever reads it waits for."""
    os.mkfifo(tmp_path / "slow.zip")
    return tmp_path / "slow.zip"


@pytest.fixture
async def checkers() -> AsyncIterator[Checkers]:
    async with Checkers(the_world().trust, 2) as checkers:
        yield checkers


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


async def under_way(slow: Path) -> BinaryIO:
    """Returns once somebody reads it."""
    return await asyncio.to_thread(slow.open, "wb")


async def test_verdicts_are_those_of_this_process_and_of_the_trust_file(
    checkers: Checkers, path: Path
) -> None:
    assert await checkers.check(path) == verify(a_record(), the_world().trust)
    async with Checkers(None) as trusting, Checkers(World("elsewhere").trust) as elsewhere:
        found = await asyncio.gather(trusting.check(path), elsewhere.check(path))
    assert [each.outcome for each in found] == ["coherent", "refused"]


async def test_what_is_no_record_or_not_there_is_an_error_here_and_ends_nobody(
    checkers: Checkers, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "none").write_bytes(b"no record")
    with pytest.raises(RecordError, match="not an award record"):
        await checkers.check(tmp_path / "none")
    [process] = multiprocessing.active_children()
    with pytest.raises(IsADirectoryError):
        await checkers.check(tmp_path)
    assert (await checkers.check(path)).outcome == "verified"
    assert multiprocessing.active_children() == [process]


async def test_one_that_takes_long_holds_up_no_other(checkers: Checkers, path: Path, slow: Path) -> None:
    first = asyncio.create_task(checkers.check(slow))
    with await under_way(slow) as file:
        for _ in range(3):
            assert (await checkers.check(path)).outcome == "verified"
        assert len(multiprocessing.active_children()) == 2
        assert not first.done()
        file.write(a_record())
    assert (await first).outcome == "verified"


async def test_where_one_is_killed_its_record_stays_unchecked_and_another_takes_its_place(
    checkers: Checkers, path: Path, slow: Path
) -> None:
    for _ in range(2):
        first = asyncio.create_task(checkers.check(slow))
        with await under_way(slow):
            [process] = multiprocessing.active_children()
            process.kill()
            with pytest.raises(UncheckedError, match="came to an end before, perhaps for want of memory"):
                await first
    assert (await checkers.check(path)).outcome == "verified"
    [process] = multiprocessing.active_children()
    process.kill()
    process.join()
    with pytest.raises(UncheckedError):  # who had nothing to do was killed, too
        await checkers.check(path)
    assert (await checkers.check(path)).outcome == "verified"


async def test_all_end_with_the_block_whatever_they_are_at(path: Path, slow: Path) -> None:
    async with Checkers(the_world().trust, 2) as checkers:
        await checkers.check(path)
        first = asyncio.create_task(checkers.check(slow))
        with await under_way(slow):
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert multiprocessing.active_children() == []
            assert (await checkers.check(path)).outcome == "verified"


async def test_who_leaves_while_something_is_checked_gets_no_verdict(path: Path, slow: Path) -> None:
    async with Checkers(the_world().trust, 1) as checkers:
        first = asyncio.create_task(checkers.check(slow))
        file = await under_way(slow)
    with file, pytest.raises(UncheckedError):
        await first


async def test_large_ones_are_checked_one_by_one_by_processes_that_start_others(
    checkers: Checkers, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(a_record(bids=65))
    monkeypatch.setattr(checking, "LARGE", 0)
    found = await asyncio.gather(*(checkers.check(path) for _ in range(2)))
    assert [each.outcome for each in found] == ["verified"] * 2
    assert len(multiprocessing.active_children()) == 1
