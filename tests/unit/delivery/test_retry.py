from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.delivery.claims import NOW, claimed
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.policy import NoMore, RetryRule, SendPolicy
from tidings.core.work import Claimed
from tidings.delivery.retry import PATIENCE, exponential, patience_with

LATER = TransientError("later")
DAY = 86_400
SURE = exponential(chance=lambda: 0.0)


def tried(tries: int = 0, rule: RetryRule | None = None, *, channel: str = "email") -> Claimed:
    """A delivery after so many failures, in a workflow with that rule."""
    return claimed(tries=tries, channel=channel, policy=SendPolicy(retry=rule))


def test_waits_double_up_to_the_cap_and_then_it_gives_up() -> None:
    rule = RetryRule(base=2, cap=30, attempts=7)

    waits = [SURE(tried(tries, rule), LATER, NOW) for tries in range(8)]

    assert waits == [2, 4, 8, 16, 30, 30, NoMore.GAVE_UP, NoMore.GAVE_UP]


@pytest.mark.parametrize(
    ("error", "rule"),
    [(PermanentError("no"), NoMore.PERMANENT), (AddressRejected("no"), NoMore.REJECTED)],
)
def test_what_is_refused_for_good_is_never_tried_again(error: DeliveryError, rule: NoMore) -> None:
    assert exponential()(tried(), error, NOW) is rule


def test_an_unknown_outcome_is_tried_again_and_not_before_it_was_asked_to() -> None:
    assert SURE(tried(), OutcomeUnknown("no answer"), NOW) == 2
    assert SURE(tried(), OutcomeUnknown("gateway", retry_after=90), NOW) == 90


def test_email_is_tried_for_hours_and_all_else_for_an_hour_and_a_half() -> None:
    assert 6 * 3600 < time_tried("email") < 8 * 3600
    assert 3600 < time_tried("push") < 2 * 3600


def time_tried(channel: str) -> float:
    """Seconds from the first call to the last, if all fail."""
    waits, tries = [], 0
    while isinstance(wait := SURE(tried(tries, channel=channel), LATER, NOW), float):
        waits.append(wait)
        tries += 1
    return sum(waits)


@pytest.mark.parametrize(
    ("rule", "attempts", "max_age"),
    [
        (None, 48, 3 * DAY),
        (RetryRule(base=1), 48, 3 * DAY),
        (RetryRule(attempts=5), 5, float("inf")),
        (RetryRule(max_age=7 * DAY), 1000, 7 * DAY),
        (RetryRule(attempts=5, max_age=60), 5, 60),
    ],
)
def test_a_workflow_that_bounds_tries_sets_aside_the_channels_bounds(
    rule: RetryRule | None, attempts: int, max_age: float
) -> None:
    allowed = patience_with(tried(rule=rule))

    assert (allowed.attempts, allowed.max_age) == (attempts, max_age)


def test_a_first_wait_beyond_the_channels_longest_is_the_longest_too() -> None:
    assert SURE(tried(3, RetryRule(base=3600)), LATER, NOW) == 3600


def test_what_would_be_tried_too_late_is_not_left_waiting_for_that() -> None:
    one = tried(4, RetryRule(max_age=60))

    assert SURE(one, LATER, NOW + timedelta(seconds=28)) == 32
    assert SURE(one, LATER, NOW + timedelta(seconds=29)) is NoMore.TOO_OLD
    assert SURE(one, TransientError("full", retry_after=61), NOW) is NoMore.TOO_OLD


def test_what_was_replayed_is_as_old_as_its_replay() -> None:
    replayed_at = NOW + timedelta(days=30)
    old = tried(4, RetryRule(max_age=60))
    replayed = replace(old, policy=replace(old.policy, replayed_at=replayed_at))

    assert SURE(old, LATER, replayed_at) is NoMore.TOO_OLD
    assert SURE(replayed, LATER, replayed_at + timedelta(seconds=28)) == 32
    assert SURE(replayed, LATER, replayed_at + timedelta(seconds=29)) is NoMore.TOO_OLD


def test_nobody_can_make_us_wait_for_longer_than_a_day() -> None:
    assert SURE(tried(), TransientError("later", retry_after=1e9), NOW) == DAY


@given(asked=st.floats(0, 10 * DAY), chance=st.floats(0, 1))
@example(asked=float(DAY), chance=1.0)
def test_nor_does_chance_make_it_longer_than_a_day_or_shorter_than_asked(
    asked: float, chance: float
) -> None:
    policy = exponential(chance=lambda: chance)

    wait = policy(tried(), TransientError("later", retry_after=asked), NOW)

    assert isinstance(wait, float)
    assert min(asked, DAY) <= wait <= DAY


RULES = st.builds(
    RetryRule,
    attempts=st.none() | st.integers(1, 1000),
    max_age=st.none() | st.integers(1, 30 * DAY),
    base=st.none() | st.integers(1, DAY),
    cap=st.none() | st.integers(1, DAY),
)


@given(
    rule=RULES,
    channel=st.sampled_from(["email", "push"]),
    tries=st.integers(0, 999),
    age=st.floats(0, 40 * DAY),
    kind=st.sampled_from([TransientError, OutcomeUnknown]),
    retry_after=st.none() | st.floats(0, 1e6),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_chance_only_lengthens_and_nothing_is_undercut_or_overrun(
    rule: RetryRule,
    channel: str,
    tries: int,
    age: float,
    kind: type[TransientError | OutcomeUnknown],
    retry_after: float | None,
    chance: float,
) -> None:
    one = claimed(tries=tries, channel=channel, policy=SendPolicy(retry=rule))
    error = kind("later", retry_after=retry_after)
    now = NOW + timedelta(seconds=age)

    wait = exponential(jitter=0.25, chance=lambda: chance)(one, error, now)

    allowed = patience_with(one)
    least = max(min(allowed.base * 2.0 ** min(tries, 60), allowed.cap), min(retry_after or 0, DAY))
    if isinstance(wait, NoMore):
        assert tries + 1 >= allowed.attempts or age + least * 1.25 > allowed.max_age
    else:
        assert least <= wait <= max(least, min(least * 1.25, DAY))
        assert tries + 1 < allowed.attempts
        assert (now - NOW).total_seconds() + wait <= allowed.max_age


@given(rule=RULES, tries=st.integers(0, 60))
def test_each_wait_is_at_least_as_long_as_the_one_before(rule: RetryRule, tries: int) -> None:
    rule = RetryRule(base=rule.base, cap=rule.cap, attempts=1000)
    policy = SendPolicy(retry=rule)

    earlier, later = (
        SURE(claimed(tries=number, policy=policy), LATER, NOW) for number in (tries, tries + 1)
    )

    assert isinstance(earlier, float | int)
    assert isinstance(later, float | int)
    assert earlier <= later


def test_every_channel_with_a_line_of_its_own_is_bounded() -> None:
    for allowed in PATIENCE.values():
        assert allowed.base <= allowed.cap < allowed.max_age
