from datetime import UTC, datetime, timedelta

import minijinja
import pytest

from tidings.web.assets import Assets
from tidings.web.engine import Engine, ago, clock, full, iso, number

NOW = datetime(2026, 11, 23, 14, 37, 21, tzinfo=UTC)


@pytest.fixture
def engine() -> Engine:
    return Engine(Assets(), title="Tidings", origin="http://localhost:8000")


def test_whatever_is_shown_is_escaped(engine: Engine) -> None:
    html = engine.render("problem.html", heading="<b>", sentence="<script>alert(1)</script>")

    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


def test_a_value_nobody_gave_is_an_error(engine: Engine) -> None:
    with pytest.raises(minijinja.TemplateError, match="undefined"):
        engine.render("problem.html", heading="Oh")


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
    assert clock(NOW, NOW) == "14:37:21"
    assert clock(NOW - timedelta(days=1), NOW) == "22 Nov 14:37"


def test_counts_are_grouped_by_three() -> None:
    assert number(1234567) == "1\u202f234\u202f567"
