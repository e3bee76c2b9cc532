import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.delivery.retry import exponential

LATER = TransientError("later")


def test_waits_double_up_to_the_cap_and_then_it_gives_up() -> None:
    policy = exponential(base=2, cap=30, attempts=7, chance=lambda: 0.0)

    waits = [policy(attempt, LATER) for attempt in range(1, 9)]

    assert waits == [2, 4, 8, 16, 30, 30, None, None]


@pytest.mark.parametrize("error", [PermanentError("no"), AddressRejected("no")])
def test_what_is_refused_for_good_is_never_tried_again(error: DeliveryError) -> None:
    assert exponential()(1, error) is None


def test_an_unknown_outcome_is_tried_again() -> None:
    assert exponential(chance=lambda: 0.0)(1, OutcomeUnknown("no answer")) == 2


@given(
    attempt=st.integers(1, 7),
    kind=st.sampled_from([TransientError, OutcomeUnknown]),
    retry_after=st.none() | st.floats(0, 1e6),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_chance_only_lengthens_and_retry_after_is_never_undercut(
    attempt: int,
    kind: type[TransientError | OutcomeUnknown],
    retry_after: float | None,
    chance: float,
) -> None:
    error = kind("later", retry_after=retry_after)

    wait = exponential(jitter=0.25, chance=lambda: chance)(attempt, error)

    least = max(min(2.0**attempt, 600), retry_after or 0)
    assert wait is not None
    assert least <= wait <= least * 1.25


def test_a_thousandth_attempt_is_still_a_number() -> None:
    assert exponential(attempts=10_000, chance=lambda: 0.0)(5_000, LATER) == 600
