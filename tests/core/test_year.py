"""The made-up year that open data is measured with has the shape that it says, the same in every run."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from benchmarks.loading import released
from benchmarks.opendata import wrong
from benchmarks.tales import Tale, line_of
from benchmarks.year import KOREA, Plan, Year, business

YEAR = Year(tenders=600, until=datetime(2026, 11, 29, 22, tzinfo=UTC))


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return [YEAR.plan(number) for number in range(YEAR.tenders)]


def test_a_tender_is_the_same_whoever_makes_it() -> None:
    again = msgspec.structs.replace(YEAR)
    assert again.plan(317) == YEAR.plan(317)
    assert released(Tale(again.plan(317), again), again) == released(Tale(YEAR.plan(317), YEAR), YEAR)
    assert msgspec.structs.replace(YEAR, seed="another").plan(317) != YEAR.plan(317)


def test_six_closings_in_ten_are_at_ten_and_none_between_full_hours(plans: list[Plan]) -> None:
    closings = [each.notice.closes + KOREA for each in plans]
    assert {(each.minute, each.second) for each in closings} == {(0, 0)}
    assert 0.5 < sum(each.hour == 10 for each in closings) / len(closings) < 0.7
    assert all(each.weekday() < 5 for each in closings)


def test_most_tenders_have_few_bids_some_have_very_many_and_nobody_bids_twice(plans: list[Plan]) -> None:
    counts = sorted(len(each.bidders) for each in plans)
    assert counts[0] == 0
    assert counts[len(counts) // 2] < 20
    assert counts[-1] > 500
    assert all(len(set(each.bidders)) == len(each.bidders) for each in plans)


def test_tenders_end_in_every_way_and_some_are_still_open(plans: list[Plan]) -> None:
    lines = [line_of(each, YEAR) for each in plans]
    assert {each.outcome for each in lines} == {"awarded", "cancelled", "unsuccessful", None}
    assert {each.phase for each in lines} >= {"bidding", "evaluation", "complete", "terminated"}
    assert all(YEAR.begins < each.published < YEAR.until for each in lines)


def test_businesses_have_numbers_of_their_own() -> None:
    assert len({business(number).registration for number in range(200_000)}) == 200_000


def test_releases_stand_in_the_log_in_the_order_of_their_times() -> None:
    made = [
        each
        for number in range(0, YEAR.tenders, 20)
        for each in released(Tale(YEAR.plan(number), YEAR), YEAR)[0]
    ]
    positions = {each.position: each.released_at for each in made}
    assert len(positions) == len(made)
    times = [positions[each].replace(microsecond=0) for each in sorted(positions)]
    assert times == sorted(times)
    assert max(times) <= YEAR.until + timedelta(seconds=1)


def test_a_walk_that_misses_repeats_or_shuffles_is_wrong() -> None:
    there = ["a-0", "a-1", "b-0"]
    assert wrong(there, there) == 0
    assert wrong(["a-0", "b-0"], there) == 1
    assert wrong(["a-0", "a-1", "a-1", "b-0"], there) == 1
    assert wrong(["a-1", "a-0", "b-0"], there) == 1
