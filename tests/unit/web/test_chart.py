from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tidings.analytics.summary import Figures, Point
from tidings.web.chart import HEIGHT, draw

START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

figures = st.builds(
    Figures,
    registrations=st.integers(0, 10_000),
    sent=st.integers(0, 10_000),
    failed=st.integers(0, 10_000),
)


def points(*all_figures: Figures) -> list[Point]:
    return [
        Point(at=START + timedelta(minutes=number), figures=figures)
        for number, figures in enumerate(all_figures)
    ]


@given(st.lists(figures, min_size=1, max_size=60))
def test_every_bar_stays_inside_the_chart(all_figures: list[Figures]) -> None:
    chart = draw(points(*all_figures))

    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= chart.width
        assert -0.02 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.02


def test_failed_stands_upon_sent_and_the_highest_slot_fills_the_height() -> None:
    chart = draw(points(Figures(sent=3, failed=1)))

    sent, failed = chart.bars
    assert (sent.kind, sent.y, sent.height) == ("sent", 25.0, 75.0)
    assert (failed.kind, failed.y, failed.height) == ("failed", 0.0, 25.0)
    assert chart.peak == 4


def test_the_table_leaves_out_the_minutes_in_which_nothing_happened() -> None:
    chart = draw(points(Figures(sent=1), Figures(), Figures(registrations=2)))

    assert [row.at.minute for row in chart.rows] == [2, 0]


def test_nothing_draws_nothing() -> None:
    chart = draw(points(Figures(), Figures()))

    assert (chart.peak, chart.bars, chart.rows) == (0, (), ())
