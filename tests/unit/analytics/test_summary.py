from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tidings.analytics.summary import Count, Figures, first_step, in_words, step_for, summarise

NOW = datetime(2026, 11, 23, 14, 37, 21, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

counts = st.builds(
    Count,
    at=st.integers(0, 59).map(lambda minutes: first_step(NOW, 1) + minutes * MINUTE),
    outcome=st.sampled_from(["registered", "sent", "failed", "retried", "planned"]),
    count=st.integers(0, 1000),
)


def test_an_empty_hour_has_sixty_minutes_of_nothing_the_running_one_last() -> None:
    summary = summarise([], now=NOW, hours=1)

    assert len(summary.series) == 60
    assert summary.series[-1].at == NOW.replace(second=0)
    assert summary.totals == Figures()
    assert summary.step == MINUTE


def test_a_day_goes_by_the_hour() -> None:
    summary = summarise([], now=NOW, hours=24)

    assert len(summary.series) == 24
    assert summary.since == datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    assert summary.series[-1].at == datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def test_the_step_changes_beyond_two_hours() -> None:
    assert [step_for(hours) for hours in (1, 2, 3)] == [MINUTE, MINUTE, timedelta(hours=1)]


@given(st.lists(counts))
def test_the_series_adds_up_to_the_totals(found: list[Count]) -> None:
    summary = summarise(found, now=NOW, hours=1)

    for name in ("registrations", "sent", "failed", "retried"):
        parts = sum(getattr(point.figures, name) for point in summary.series)
        assert parts == getattr(summary.totals, name)


def test_what_is_planned_and_still_under_way_is_no_figure() -> None:
    summary = summarise([Count(at=NOW, outcome="planned", count=3)], now=NOW, hours=1)

    assert summary.totals == Figures()


def test_what_was_confirmed_is_said_beside_what_was_sent() -> None:
    figures = Figures(sent=3, delivered=2)

    assert in_words(figures) == "0 registrations, 3 sent, 0 failed, 2 delivered"


def test_figures_are_said_in_words_and_zeros_of_lesser_ones_left_out() -> None:
    assert in_words(Figures(registrations=1)) == "1 registration, 0 sent, 0 failed"
    assert (
        in_words(Figures(registrations=2, sent=1, failed=3, retried=4, skipped=5))
        == "2 registrations, 1 sent, 3 failed, 4 retried, 5 skipped"
    )
