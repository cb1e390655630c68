"""A clock is in doubt where another one of the same moment says something else, and only there."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.clocks import DOUBTED, Reading, doubt

NOW = datetime(2026, 3, 16, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)

offsets = st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400))
lags = st.none() | st.timedeltas(min_value=timedelta(), max_value=timedelta(hours=2))
readings = st.builds(Reading, st.just("it"), offsets.map(lambda offset: NOW + offset), lags)


def test_where_nobody_says_anything_there_is_no_doubt() -> None:
    assert doubt(NOW, []) is None


@pytest.mark.parametrize("offset", [timedelta(), DOUBTED, -DOUBTED])
def test_a_difference_up_to_the_limit_is_none(offset: timedelta) -> None:
    assert doubt(NOW, [Reading("it", NOW + offset)]) is None


@pytest.mark.parametrize(
    ("offset", "says"), [(-3600, "3600 s ahead of the beacon"), (31, "31 s behind the beacon")]
)
def test_a_larger_one_is_told_with_its_size_direction_and_source(offset: int, says: str) -> None:
    fine = Reading("the witnesses", NOW)
    assert doubt(NOW, [fine, Reading("the beacon", NOW + offset * SECOND)]) == f"the clock is {says}"


def test_what_may_be_past_by_a_lag_is_taken_so_and_never_lies_ahead() -> None:
    lag = timedelta(minutes=1)
    assert doubt(NOW, [Reading("it", NOW - lag - DOUBTED, lag)]) is None
    assert doubt(NOW, [Reading("it", NOW - lag - DOUBTED - SECOND, lag)])
    assert doubt(NOW, [Reading("it", NOW + DOUBTED + SECOND, lag)])


def test_what_is_only_a_lower_bound_doubts_no_clock_that_is_ahead() -> None:
    assert doubt(NOW, [Reading("it", NOW - timedelta(days=9999), None)]) is None
    assert doubt(NOW, [Reading("it", NOW + timedelta(hours=1), None)])


@given(st.lists(readings, max_size=5))
def test_there_is_doubt_exactly_where_one_of_them_alone_would_make_it(several: list[Reading]) -> None:
    assert (doubt(NOW, several) is None) == all(doubt(NOW, [each]) is None for each in several)


@given(st.lists(readings, max_size=5), offsets)
def test_only_differences_count_and_no_clock_is_the_right_one(
    several: list[Reading], shift: timedelta
) -> None:
    moved = [each._replace(time=each.time + shift) for each in several]
    assert doubt(NOW, several) == doubt(NOW + shift, moved)


@given(offsets, lags)
def test_a_step_of_an_hour_is_doubted_whatever_the_small_difference_before(
    offset: timedelta, lag: timedelta | None
) -> None:
    hour, small = timedelta(hours=1), timedelta(seconds=offset.total_seconds() % 29)
    assert doubt(NOW - hour, [Reading("it", NOW + small, lag)])
    if lag is not None and lag < hour - 2 * DOUBTED:
        assert doubt(NOW + hour, [Reading("it", NOW + small, lag)])
