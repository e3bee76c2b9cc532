"""The breaker: opens when calls fail, tries one, and lets more and more through."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.delivery.gate.breaker import (
    IN_ROW,
    LAST_ROUND,
    LONGEST,
    Breaker,
    Counts,
    Phase,
    Tally,
    allowed,
    begun,
    judged,
    lately,
    not_begun,
    worse,
)

PATIENCE = 15.0


def failed(breaker: Breaker, count: int, now: float = 0.0) -> Breaker:
    return judged(breaker, Tally(term=breaker.term, failed=count, row=count), now, chance=0.0)


def good(breaker: Breaker, count: int, now: float = 0.0) -> Breaker:
    return judged(breaker, Tally(term=breaker.term, good=count), now, chance=0.0)


def opened() -> Breaker:
    return failed(Breaker(), IN_ROW)


def answered(breaker: Breaker, now: float) -> Breaker:
    """After one whole round that goes well."""
    count = allowed(breaker, now) or 0
    return good(begun(breaker, count, now, patience=PATIENCE), count, now)


def test_failures_in_a_row_open_it() -> None:
    assert failed(Breaker(), IN_ROW - 1).phase is Phase.CLOSED
    assert failed(failed(Breaker(), IN_ROW - 1), 1).phase is Phase.OPEN


def test_a_success_between_begins_the_row_anew() -> None:
    breaker = failed(good(failed(good(Breaker(), 50), IN_ROW - 1), 1), IN_ROW - 1)

    assert breaker.phase is Phase.CLOSED


def test_half_of_the_calls_lately_open_it_once_there_are_enough() -> None:
    def mixed(count: int) -> Breaker:
        tally = Tally(good=count, failed=count, row=1)
        return judged(Breaker(), tally, 0.0, chance=0.0)

    assert mixed(4).phase is Phase.CLOSED
    assert mixed(5).phase is Phase.OPEN


def test_what_is_long_past_does_not_count() -> None:
    breaker = good(failed(good(Breaker(), 1), IN_ROW - 1), 1)

    assert lately(judged(breaker, Tally(good=1), 15.0, chance=0.0)) == Counts(calls=7, failed=4)
    assert lately(judged(breaker, Tally(good=1), 25.0, chance=0.0)) == Counts(calls=1, failed=0)


def test_an_open_one_lets_nothing_through_and_then_one_call() -> None:
    breaker = opened()

    assert allowed(breaker, 0.9) == 0
    assert allowed(breaker, 1.0) == 1
    breaker = begun(breaker, 1, 1.0, patience=PATIENCE)
    assert allowed(breaker, 2.0) == 0


def test_a_probe_whose_worker_died_is_made_again_by_another() -> None:
    breaker = begun(opened(), 1, 1.0, patience=PATIENCE)

    assert allowed(breaker, 15.9) == 0
    assert allowed(breaker, 16.0) == 1


def test_it_stays_open_twice_as_long_each_time_up_to_a_minute() -> None:
    breaker, waits, now = opened(), list[float](), 0.0
    for _ in range(9):
        waits.append(breaker.until - now)
        now = breaker.until
        breaker = failed(begun(breaker, 1, now, patience=PATIENCE), 1, now)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_chance_only_makes_it_longer() -> None:
    late = judged(Breaker(), Tally(failed=IN_ROW, row=IN_ROW), 0.0, chance=1.0)

    assert opened().until == 1.0
    assert late.until == 1.25


def test_each_round_that_goes_well_doubles_the_next_until_it_is_closed() -> None:
    breaker, rounds = opened(), list[int | None]()
    while breaker.phase is not Phase.CLOSED:
        rounds.append(allowed(breaker, 1.0))
        breaker = answered(breaker, 1.0)

    assert rounds == [1, 2, 4, 8, 16, 32, LAST_ROUND]
    assert allowed(breaker, 1.0) is None
    assert breaker.openings == 0


def test_where_few_call_it_is_closed_once_it_has_answered_well_for_a_minute() -> None:
    def called(breaker: Breaker, now: float) -> Breaker:
        return good(begun(breaker, 1, now, patience=PATIENCE), 1, now)

    breaker, closed_at = opened(), list[float]()
    for now in (10.0, 30.0, 50.0, 69.0, 70.0):
        breaker = called(breaker, now)
        closed_at += [now] if breaker.phase is Phase.CLOSED else []

    assert closed_at == [70.0]


def test_what_fails_after_a_minute_on_trial_does_not_close_it() -> None:
    breaker = answered(answered(opened(), 1.0), 1.0)
    breaker = failed(begun(breaker, 1, 70.0, patience=PATIENCE), 1, 70.0)

    assert breaker.phase is Phase.RAMP
    assert good(begun(breaker, 2, 71.0, patience=PATIENCE), 2, 71.0).phase is Phase.CLOSED


def test_a_probe_that_went_lost_proves_nothing_by_the_time_that_passed() -> None:
    breaker = begun(opened(), 1, 1.0, patience=PATIENCE)

    assert answered(breaker, 100.0).phase is Phase.RAMP


def test_a_round_half_of_which_fails_opens_it_again_for_longer() -> None:
    breaker = answered(answered(opened(), 1.0), 1.0)
    breaker = begun(breaker, 4, 1.0, patience=PATIENCE)

    assert failed(breaker, 1, 1.0).phase is Phase.RAMP
    again = failed(failed(breaker, 1, 1.0), 1, 1.0)
    assert (again.phase, again.until) == (Phase.OPEN, 3.0)


def test_what_was_called_before_it_opened_tells_nothing_new() -> None:
    breaker = begun(opened(), 1, 1.0, patience=PATIENCE)
    old = Tally(term=breaker.term - 1, failed=50, row=50)

    assert judged(breaker, old, 1.0, chance=0.0) == breaker
    assert judged(opened(), replace(old, good=9), 0.0, chance=0.0) == opened()


def test_what_was_called_before_it_opened_tells_nothing_new_once_it_is_closed_either() -> None:
    breaker = opened()
    while breaker.phase is not Phase.CLOSED:
        breaker = answered(breaker, 1.0)
    old = Tally(term=breaker.term - 1, failed=95, row=95)

    assert judged(breaker, old, 2.0, chance=0.0) == breaker
    assert judged(breaker, replace(old, good=95, failed=0, row=0), 2.0, chance=0.0) == breaker
    assert failed(breaker, IN_ROW, 2.0).phase is Phase.OPEN


def test_one_who_knows_of_more_openings_than_are_remembered_is_heard() -> None:
    ahead = Tally(term=3, failed=IN_ROW, row=IN_ROW)

    assert judged(Breaker(), ahead, 0.0, chance=0.0).phase is Phase.OPEN


def test_what_was_allowed_and_not_needed_is_another_ones() -> None:
    breaker = begun(opened(), 1, 1.0, patience=PATIENCE)

    assert allowed(not_begun(breaker, 1, breaker.term), 1.0) == 1
    assert allowed(not_begun(breaker, 1, breaker.term - 1), 1.0) == 0


def test_of_two_views_the_open_one_is_worse() -> None:
    assert worse(Breaker(), opened()) == worse(opened(), Breaker()) == opened()


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.lists(
        st.tuples(
            st.floats(0, 5),
            st.sampled_from(["ask", "good", "failed", "back", "die"]),
            st.integers(1, 40),
        ),
        max_size=80,
    )
)
def test_whatever_happens_it_lets_something_through_in_the_end(
    events: list[tuple[float, str, int]],
) -> None:
    breaker, now, under_way = Breaker(), 0.0, 0
    for pause, what, count in events:
        now += pause
        limit = allowed(breaker, now)
        if what == "ask":
            taken = count if limit is None else min(count, limit)
            breaker = begun(breaker, taken, now, patience=PATIENCE)
            under_way += taken
        elif what in ("good", "failed"):
            ended = min(count, under_way)
            under_way -= ended
            breaker = good(breaker, ended, now) if what == "good" else failed(breaker, ended, now)
        elif what == "back":
            unused = min(count, under_way)
            under_way -= unused
            breaker = not_begun(breaker, unused, breaker.term)
        else:
            under_way = 0
        assert limit is None or 0 <= limit <= LAST_ROUND
        assert breaker.until <= now + 1.25 * LONGEST

    later = now + 2 * LONGEST
    assert allowed(breaker, later) is None or (allowed(breaker, later) or 0) >= 1


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
def test_a_few_failures_do_not_open_it(share: float) -> None:
    breaker = Breaker()
    for call in range(1_000):
        fails = share and call % round(1 / share) == 0
        breaker = failed(breaker, 1, call / 10) if fails else good(breaker, 1, call / 10)

        assert breaker.phase is Phase.CLOSED
