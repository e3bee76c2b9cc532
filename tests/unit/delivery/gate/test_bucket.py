"""The token bucket: never much more than its rate in any second, never less in the long run."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.delivery.gate.bucket import (
    Bucket,
    burst,
    empty,
    filled,
    fresh,
    seconds_until,
    there,
    with_back,
    without,
)

RATES = st.floats(0.5, 2_000)


def most_in_a_second(calls: list[tuple[float, int]]) -> int:
    """The most calls that any window of one second saw."""
    starts = [at for at, _count in calls]
    windows = (sum(count for at, count in calls if start <= at < start + 1) for start in starts)
    return max(windows, default=0)


@settings(deadline=None)  # a busy machine is no fault
@given(RATES, st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500)), max_size=60))
def test_no_second_sees_more_than_a_fifth_above_the_rate(
    rate: float, asks: list[tuple[float, int]]
) -> None:
    bucket, now, calls = fresh(0.0), 0.0, list[tuple[float, int]]()
    for pause, wanted in asks:
        now += pause
        bucket = filled(bucket, rate, now)
        taken = min(wanted, there(bucket))
        bucket = without(bucket, taken)
        calls.append((now, taken))

    assert most_in_a_second(calls) <= math.ceil(1.2 * rate) + 1e-6


@settings(deadline=None)  # a busy machine is no fault
@given(RATES)
def test_who_asks_all_the_time_gets_nearly_the_whole_rate(rate: float) -> None:
    bucket, taken, step = empty(0.0), 0, 0.01
    for tick in range(2_001):
        bucket = filled(bucket, rate, tick * step)
        count = there(bucket)
        bucket = without(bucket, count)
        taken += count

    assert 0.95 * 20 * rate - 1 <= taken <= 20 * rate + 1


def test_an_idle_hour_saves_up_a_fifth_of_a_second() -> None:
    bucket = filled(empty(0.0), 100.0, 3600.0)

    assert there(bucket) == 20


def test_a_slow_rate_still_allows_one() -> None:
    assert burst(0.1) == 1.0
    assert there(filled(empty(0.0), 0.1, 9.0)) == 0
    assert there(filled(empty(0.0), 0.1, 10.0)) == 1


@settings(deadline=None)  # a busy machine is no fault
@given(RATES, st.floats(0, 100), st.floats(0, 100))
def test_a_clock_that_was_set_back_brings_nothing(rate: float, at: float, back: float) -> None:
    bucket = filled(filled(empty(0.0), rate, at), rate, at - back)

    assert bucket.tokens <= burst(rate)
    assert filled(bucket, rate, at - back).tokens == bucket.tokens


def test_what_was_not_needed_goes_back_up_to_the_brim() -> None:
    bucket = without(Bucket(tokens=2.0, at=0.0), 2)

    assert there(with_back(bucket, 1, 10.0)) == 1
    assert there(with_back(bucket, 9, 10.0)) == 2


def test_a_part_can_be_left_for_others() -> None:
    assert there(Bucket(tokens=5.0, at=0.0), left=2) == 3
    assert there(Bucket(tokens=1.0, at=0.0), left=2) == 0


@settings(deadline=None)  # a busy machine is no fault
@given(RATES, st.floats(0, 1))
def test_after_the_wait_there_is_what_was_waited_for(rate: float, tokens: float) -> None:
    bucket = Bucket(tokens=tokens, at=0.0)

    assert there(filled(bucket, rate, seconds_until(bucket, rate, 1.0))) >= 1
