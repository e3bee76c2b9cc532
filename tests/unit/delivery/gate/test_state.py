"""What one worker's asking makes of an integration's state, and the form it is kept in."""

from dataclasses import replace

import orjson
import pytest

from tidings.delivery.gate.breaker import Breaker, Phase, Tally
from tidings.delivery.gate.bucket import Bucket, fresh
from tidings.delivery.gate.packing import (
    packed,
    unpacked_shares,
    unpacked_state,
)
from tidings.delivery.gate.reserve import reserve
from tidings.delivery.gate.shares import Minute, configured, counted
from tidings.delivery.gate.state import (
    Ask,
    State,
    Terms,
    after_absence,
    asked,
    seconds_until,
    share_of,
    still_silent,
)

FULL = State(bucket=Bucket(tokens=100.0, at=0.0))
LIMITED = Terms(rate=100.0, concurrency=10)


def test_without_limits_all_is_granted() -> None:
    assert asked(FULL, Ask(worker="a", wanted=70), Terms(), 0.0)[1] == 70


def test_the_narrowest_limit_decides() -> None:
    assert asked(FULL, Ask(worker="a", wanted=70), Terms(rate=100.0), 0.0)[1] == 18
    assert asked(FULL, Ask(worker="a", wanted=70), LIMITED, 0.0)[1] == 9
    assert asked(FULL, Ask(worker="a", wanted=3), LIMITED, 0.0)[1] == 3


def test_the_general_window_leaves_a_part_to_the_critical_lane() -> None:
    state, granted = asked(FULL, Ask(worker="a", wanted=70), LIMITED, 0.0)
    critical = Ask(worker="a", held=granted, wanted=70, reserved=True)

    assert granted == 9
    assert asked(state, Ask(worker="a", held=9, wanted=70), LIMITED, 0.0)[1] == 0
    assert asked(state, critical, LIMITED, 0.0)[1] == 1
    assert seconds_until(state, LIMITED, 0.0, reserved=True) == 0.0


def test_what_is_too_slow_to_be_shared_out_is_left_to_the_general_window() -> None:
    slow = Terms(rate=1.0)

    assert asked(FULL, Ask(worker="a", wanted=5, reserved=True), slow, 0.0)[1] == 0
    assert seconds_until(FULL, slow, 0.0, reserved=True) == float("inf")
    assert asked(FULL, Ask(worker="a", wanted=5), slow, 0.0)[1] == 1


@pytest.mark.parametrize(("total", "left"), [(1, 0), (2, 1), (10, 1), (19, 1), (20, 2), (100, 10)])
def test_the_reserve_is_a_tenth_and_never_all(total: int, left: int) -> None:
    assert reserve(total) == left


def test_nothing_is_granted_while_the_provider_asked_for_silence() -> None:
    ask = Ask(worker="a", wanted=5, paused_until=30.0)
    state, granted = asked(FULL, ask, Terms(), 0.0)

    assert granted == 0
    assert seconds_until(state, Terms(), 10.0) == 20.0
    assert asked(state, Ask(worker="b", wanted=5), Terms(), 29.0)[1] == 0
    assert asked(state, Ask(worker="b", wanted=5), Terms(), 30.0)[1] == 5


def test_failures_told_open_the_breaker_for_all() -> None:
    tally = Tally(failed=5, row=5)
    state, granted = asked(FULL, Ask(worker="a", wanted=5, tallies=(tally,)), Terms(), 0.0)

    assert (granted, state.breaker.phase) == (0, Phase.OPEN)
    assert asked(state, Ask(worker="b", wanted=5), Terms(), 1.0)[1] == 1


def test_what_was_not_used_goes_back_to_the_bucket_and_the_breaker() -> None:
    half_open = replace(FULL, breaker=Breaker(phase=Phase.OPEN, term=1, until=0.0))
    state, granted = asked(half_open, Ask(worker="a", wanted=5), Terms(rate=5.0), 0.0)
    back = Ask(worker="a", unused=1, unused_term=1, returned=1)
    again, _ = asked(state, back, Terms(rate=5.0), 0.0)

    assert granted == 1
    assert state.bucket.tokens == 0.0
    assert asked(again, Ask(worker="b", wanted=5), Terms(rate=5.0), 0.0)[1] == 1


def test_a_trial_that_came_too_late_is_another_ones_though_its_token_is_gone() -> None:
    half_open = replace(FULL, breaker=Breaker(phase=Phase.OPEN, term=1, until=0.0))
    state, _ = asked(half_open, Ask(worker="a", wanted=5), Terms(rate=10.0), 0.0)
    again, _ = asked(state, Ask(worker="a", unused=1, unused_term=1), Terms(rate=10.0), 0.0)

    assert again.bucket.tokens == state.bucket.tokens == 1.0
    assert asked(again, Ask(worker="b", wanted=5), Terms(rate=10.0), 0.1)[1] == 1


def test_alone_a_worker_allows_itself_its_part() -> None:
    assert share_of(LIMITED, 4) == replace(LIMITED, rate=25.0, concurrency=2)
    assert share_of(LIMITED, 100).concurrency == 1
    assert share_of(Terms(), 4) == Terms()


def test_after_an_absence_the_bucket_is_empty_and_the_worse_is_believed() -> None:
    opened = Breaker(phase=Phase.OPEN, term=3, until=50.0)
    kept = State(bucket=fresh(0.0), breaker=opened)

    for found in (FULL, None):
        state = after_absence(kept, found, 10.0)
        assert state.bucket == Bucket(tokens=0.0, at=10.0)
        assert state.breaker == opened


def test_of_two_wishes_for_silence_the_longer_holds() -> None:
    short, long = replace(FULL, paused_until=7.0), replace(FULL, paused_until=70.0)

    assert still_silent(short, long) == still_silent(long, short) == long


def test_a_state_is_read_as_it_was_written() -> None:
    ask = Ask(worker="a", wanted=3, tallies=(Tally(good=2, failed=1, row=1),), paused_until=0.5)
    state, _ = asked(FULL, ask, LIMITED, 1.0)

    assert unpacked_state(packed(state)) == state


def test_shares_are_read_as_they_were_written() -> None:
    shares = counted(configured({"east": 2, "west": 1}), {"east": Minute(calls=1)}, 60.0)

    assert unpacked_shares(packed(shares)) == shares


def test_silence_until_what_is_no_number_makes_the_whole_unreadable() -> None:
    spoilt = packed(FULL).replace(b'"paused_until":0.0', b'"paused_until":"nan"')

    assert spoilt != packed(FULL)
    assert unpacked_state(spoilt) is None


def test_what_a_newer_release_adds_is_left_aside() -> None:
    newer = packed(FULL).replace(b'{"bucket":{', b'{"added":1,"bucket":{"added":2,')

    assert unpacked_state(newer) == FULL


@pytest.mark.parametrize("raw", [None, b"", b"{}", b"[]", b"\xff", b"7", b'{"bucket":3}'])
def test_what_can_not_be_read_says_nothing(raw: bytes | None) -> None:
    assert unpacked_state(raw) is None


@pytest.mark.parametrize("value", [b"null", b'"1"', b"[]", b"{}"])
def test_a_value_of_another_kind_makes_the_whole_unreadable(value: bytes) -> None:
    raw = packed(FULL)
    spoilt = raw.replace(b'"tokens":' + orjson.dumps(FULL.bucket.tokens), b'"tokens":' + value)

    assert spoilt != raw
    assert unpacked_state(spoilt) is None
    assert unpacked_shares(raw) is None
