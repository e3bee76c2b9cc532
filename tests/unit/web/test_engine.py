from datetime import UTC, datetime, timedelta

import minijinja
import pytest

from tidings.analytics.summary import Figures, Point
from tidings.testing.clock import MovableClock
from tidings.web.assets import Assets
from tidings.web.chart import draw
from tidings.web.engine import Engine, ago, breakable, full, iso, number, short

NOW = datetime(2026, 11, 23, 14, 37, 21, tzinfo=UTC)
SERIES = [Point(at=NOW, figures=Figures(sent=1))]


@pytest.fixture
def engine() -> Engine:
    return engine_by(MovableClock())


def engine_by(moving: MovableClock) -> Engine:
    return Engine(
        Assets(),
        clock=moving,
        title="Tidings",
        sender="a@example.com",
        origin="http://localhost:8000",
    )


def test_a_page_tells_how_long_ago_by_the_clock_it_was_given() -> None:
    moving = MovableClock()
    letter = {
        "kind": "bus_entry",
        "id": "1",
        "at": moving.now(),
        "bus_channel": "X",
        "reason": "y",
        "user_id": None,
        "in_doubt": False,
        "called_off": False,
        "taken": False,
    }
    moving.advance(hours=3)
    shown = {"totals": [], "in_words": "", "events": [], "dead_letters": [letter]}

    page = engine_by(moving).render("dashboard_live.html", chart=draw(SERIES), **shown)

    assert "3 h ago" in page


def test_whatever_is_shown_is_escaped(engine: Engine) -> None:
    html = engine.render(
        "problem.html", heading="<b>", sentence="<script>alert(1)</script>", place="outbox"
    )

    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


def test_a_value_nobody_gave_is_an_error(engine: Engine) -> None:
    with pytest.raises(minijinja.TemplateError, match="undefined"):
        engine.render("problem.html", heading="Oh", place="outbox")


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(seconds=-90), "soon"),
    ],
)
def test_how_long_ago_in_words(delta: timedelta, words: str) -> None:
    assert ago(NOW - delta, NOW) == words


def test_moments_are_told_in_utc_wherever_they_come_from() -> None:
    warsaw = NOW.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00+01:00").tzinfo)

    assert iso(warsaw) == "2026-11-23T14:37:21Z"
    assert full(warsaw) == "23 Nov 2026, 14:37:21 UTC"


def test_the_time_of_day_is_enough_today_and_the_date_is_told_before() -> None:
    assert short(NOW, NOW) == "14:37:21"
    assert short(NOW - timedelta(days=1), NOW) == "22 Nov 14:37"


def test_a_name_may_be_broken_between_its_parts_and_is_escaped() -> None:
    assert breakable("com.example.A_B") == "com.<wbr>example.<wbr>A_<wbr>B"
    assert breakable("<b>_") == "&lt;b&gt;_"


def test_counts_are_grouped_by_three() -> None:
    assert number(1234567) == "1\u202f234\u202f567"
