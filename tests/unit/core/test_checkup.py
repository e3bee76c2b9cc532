from datetime import UTC, datetime, timedelta

import pytest

from tidings.core.checkup import Level, clock_finding

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "level"),
    [
        (0, Level.OK),
        (0.9, Level.OK),
        (1.2, Level.WARNING),
        (-29, Level.WARNING),
        (31, Level.FAILURE),
        (-3600, Level.FAILURE),
    ],
)
def test_clocks_apart_are_told_by_how_far(ahead: float, level: Level) -> None:
    theirs = NOON + timedelta(seconds=ahead)

    finding = clock_finding("clock", asked=NOON, answered=NOON, theirs=theirs)

    assert finding.level is level
    assert f"{abs(ahead):.3f} s" in finding.found


def test_a_slow_answer_is_no_skew() -> None:
    answered = NOON + timedelta(seconds=6)

    early = clock_finding("clock", asked=NOON, answered=answered, theirs=NOON)
    late = clock_finding("clock", asked=NOON, answered=answered, theirs=answered)
    wrong = clock_finding(
        "clock", asked=NOON, answered=answered, theirs=NOON + timedelta(seconds=10)
    )

    assert [early.level, late.level, wrong.level] == [Level.OK, Level.OK, Level.WARNING]
