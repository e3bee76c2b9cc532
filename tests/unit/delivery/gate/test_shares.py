"""Shares: small moves away from what does badly, slow ones back, and no flapping."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.delivery.gate.shares import Minute, Shares, configured, counted, moved

HOME = configured({"east": 80, "west": 20})
START = 1_000_000.0

WELL = Minute(calls=100)
SLOW = Minute(calls=100, slow=15)
FAILING = Minute(calls=100, failed=30)


def after(shares: Shares, now: float, **calls: Minute) -> Shares:
    return moved(counted(shares, calls, now), now)


def test_the_setting_may_give_any_numbers() -> None:
    assert configured({"east": 3, "west": 1}).points == {"east": 75.0, "west": 25.0}


@pytest.mark.parametrize("calls", [SLOW, FAILING])
def test_a_slow_or_failing_one_gives_ten_points_to_the_other(calls: Minute) -> None:
    assert after(HOME, START, east=calls, west=WELL).points == {"east": 70.0, "west": 30.0}


@pytest.mark.parametrize(
    "calls",
    [WELL, Minute(calls=100, slow=14), Minute(calls=100, failed=29), Minute(calls=9, slow=9)],
)
def test_a_little_or_hardly_any_trouble_moves_nothing(calls: Minute) -> None:
    assert after(HOME, START, east=calls).points == HOME.points


@pytest.mark.parametrize(("calls", "pause"), [(SLOW, 300.0), (FAILING, 60.0)])
def test_between_two_moves_there_is_a_pause(calls: Minute, pause: float) -> None:
    once = after(HOME, START, east=calls)

    assert after(once, START + pause - 1, east=calls).points["east"] == 70.0
    assert after(once, START + pause, east=calls).points["east"] == 60.0


def test_where_all_do_badly_nothing_moves() -> None:
    assert after(HOME, START, east=SLOW, west=FAILING).points == HOME.points


def test_nobody_gets_less_than_nothing() -> None:
    shares, now = HOME, START
    for _ in range(20):
        shares = after(shares, now, west=FAILING)
        now += 60

    assert shares.points == {"east": 100.0, "west": 0.0}


def test_it_drifts_back_ten_points_every_quarter_of_an_hour() -> None:
    shares = after(after(HOME, START, east=FAILING), START + 60, east=FAILING)
    drift = []
    for quarter in range(1, 4):
        shares = after(shares, START + 60 + quarter * 900)
        drift.append(shares.points["east"])

    assert shares.points == {"east": 80.0, "west": 20.0}
    assert drift == [70.0, 80.0, 80.0]


def test_slowness_is_forgotten_after_a_quarter_of_an_hour_and_failures_after_two_minutes() -> None:
    failing = counted(HOME, {"east": FAILING}, START)
    slow = counted(HOME, {"east": SLOW}, START)

    assert after(failing, START + 120).points == HOME.points
    assert after(slow, START + 840).points != HOME.points
    assert after(slow, START + 900).points == HOME.points


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.lists(
        st.tuples(st.integers(1, 600), st.sampled_from([WELL, SLOW, FAILING]), st.booleans()),
        max_size=60,
    )
)
def test_points_are_never_lost_and_moves_are_small_and_apart(
    story: list[tuple[int, Minute, bool]],
) -> None:
    shares, now = HOME, START
    for pause, calls, is_east in story:
        now += pause
        following = after(shares, now, **{"east" if is_east else "west": calls})
        step = abs(following.points["east"] - shares.points["east"])

        assert sum(following.points.values()) == pytest.approx(100.0)
        assert all(0 <= points <= 100 for points in following.points.values())
        assert step <= 10.0 + 1e-9
        assert step == 0 or now - shares.moved_at >= 60
        shares = following
