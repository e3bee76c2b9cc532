from collections.abc import Callable

import pytest

from tidings.client.retries import JITTER, LONGEST, pause_before
from tidings.core.errors import OutcomeUnknown, Overloaded, TidingsError, Unavailable

SILENT = OutcomeUnknown("no answer")


def pause(
    repeat: int,
    error: TidingsError = SILENT,
    *,
    waited: float = 0.0,
    chance: Callable[[], float] = lambda: 0.0,
) -> float | None:
    return pause_before(repeat, error, waited=waited, chance=chance)


def test_pauses_grow() -> None:
    assert [pause(repeat) for repeat in range(3)] == pytest.approx([0.2, 0.6, 1.8])


@pytest.mark.parametrize(
    "error", [Unavailable("down", retry_after=7), Overloaded("full", retry_after=7)]
)
def test_a_pause_is_never_shorter_than_what_was_asked_for(error: TidingsError) -> None:
    assert pause(0, error) == 7
    assert pause(0, error, chance=lambda: 1.0) == 7 * (1 + JITTER)


def test_chance_only_lengthens() -> None:
    drawn = [pause_before(0, SILENT, waited=0.0) or 0.0 for _ in range(200)]

    assert min(drawn) >= 0.2
    assert max(drawn) <= 0.2 * (1 + JITTER)
    assert len(set(drawn)) > 100


def test_who_would_have_to_wait_too_long_gives_up() -> None:
    assert pause(0, Overloaded("full", retry_after=LONGEST)) == LONGEST
    assert pause(0, Overloaded("full", retry_after=LONGEST + 1)) is None
    assert pause(0, Overloaded("full", retry_after=LONGEST / 2), waited=LONGEST / 2 + 1) is None
    assert pause(0, Overloaded("full", retry_after=float("inf"))) is None
