"""Why an integration is not called, as a timeline keeps it for months."""

from datetime import UTC, datetime

import pytest

from tidings.delivery.gate.breaker import Breaker, Counts, Phase
from tidings.delivery.gate.bucket import empty
from tidings.delivery.gate.state import State
from tidings.delivery.gate.words import closed, why_not

NOW = datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC).timestamp()


def silent(seconds: float) -> State:
    return State(bucket=empty(NOW), paused_until=NOW + seconds)


def opened(seconds: float) -> State:
    counts = Counts(calls=14, failed=12)
    breaker = Breaker(phase=Phase.OPEN, current=counts, until=NOW + seconds)
    return State(bucket=empty(NOW), breaker=breaker)


@pytest.mark.parametrize(
    ("seconds", "until"),
    [(20, "23:59:50 UTC"), (40, "2026-12-01 00:00:10 UTC")],
)
def test_the_date_is_told_where_it_is_not_todays(seconds: float, until: str) -> None:
    failed = "12 of its last 14 calls failed"

    assert why_not("east", silent(seconds), NOW) == (
        f"east was skipped: it asked for silence until {until}."
    )
    assert why_not("east", opened(seconds), NOW) == (
        f"east was skipped: {failed} (open until {until})."
    )
    assert closed("east", silent(seconds), NOW) == (
        f"east asked for silence until {until}",
        NOW + seconds,
    )
    assert closed("east", opened(seconds), NOW) == (
        f"east is not called until {until}: {failed}",
        NOW + seconds,
    )


def test_one_call_that_tried_it_is_told_as_such() -> None:
    breaker = Breaker(phase=Phase.OPEN, current=Counts(calls=1, failed=1), until=NOW + 20)

    told = closed("east", State(bucket=empty(NOW), breaker=breaker), NOW)

    assert told is not None
    assert told[0].endswith(": the call that tried it failed")


def test_one_that_may_be_called_is_not_closed() -> None:
    assert closed("east", State(bucket=empty(NOW)), NOW) is None
    assert closed("east", opened(0), NOW) is None


def test_a_limit_and_a_trial_say_so() -> None:
    trial = State(bucket=empty(NOW), breaker=Breaker(phase=Phase.RAMP))

    assert why_not("east", State(bucket=empty(NOW)), NOW).endswith("its limit was reached.")
    assert why_not("east", trial, NOW).endswith("it failed lately and is being tried out.")
