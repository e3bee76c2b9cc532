from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.policy import LONGEST_PAUSE
from tidings.egress.retry_after import retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENTS = st.integers(631_152_000, 2_840_140_800).map(lambda at: datetime.fromtimestamp(at, UTC))
#: what resembles a date or a number more often than any text does
SAID = (
    st.text()
    | st.text("SunMar 0123456789:+-GMT,.")
    | MOMENTS.map(lambda at: f"{at:%a, %d %b %Y %T} ")
)


def asked(said: str, *, date: str | None = None) -> float | None:
    headers = {"retry-after": said} | ({} if date is None else {"date": date})
    return retry_after(headers, now=NOW)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("007", 7.0),
        (" \t30 ", 30.0),
        ("0.65", 0.65),
        ("315360000", LONGEST_PAUSE),
        ("9" * 5000, LONGEST_PAUSE),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("Sun Mar  1 12:00:30 2026", 30.0),
        ("Sun, 01 Mar 2026 14:00:30 +0200", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Fri, 01 Mar 2036 12:00:00 GMT", LONGEST_PAUSE),
    ],
)
def test_every_form_is_read(said: str, seconds: float) -> None:
    assert asked(said) == seconds


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ",
        "soon",
        "-1",
        "+5",
        "²",
        "٣",
        "5s",
        "1e3",
        "inf",
        "nan",
        "0x10",
        "30, 60",
        "30;30",
        "1 2",
        "12:00",
        "Sun",
        "Sun, 99 Mar 2026 11:00:00 GMT",
        "Sun, 01 Mar 2026 25:61:61 GMT",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Sun, 01 Mar 2026 12:00:30 +9999999999",
        "\x00",
        "\ud800",
    ],
)
def test_what_nobody_can_read_asks_for_nothing(said: str) -> None:
    assert asked(said) is None
    assert retry_after({}, now=NOW) is None


def test_a_date_is_never_undercut_by_a_clock_that_is_ahead() -> None:
    until = "Sun, 01 Mar 2026 12:00:30 GMT"

    assert asked(until, date="Sun, 01 Mar 2026 11:59:00 GMT") == 90.0
    assert asked(until, date="Sun, 01 Mar 2026 12:00:20 GMT") == 30.0
    assert asked(until, date="never") == 30.0


@given(said=SAID, date=st.none() | SAID)
def test_whatever_is_said_it_is_nothing_or_a_time_within_the_limit(
    said: str, date: str | None
) -> None:
    seconds = asked(said, date=date)

    assert seconds is None or 0.0 <= seconds <= LONGEST_PAUSE


@given(seconds=st.integers(0, 10**30))
def test_seconds_are_never_undercut_below_the_limit(seconds: int) -> None:
    assert asked(str(seconds)) == min(float(seconds), LONGEST_PAUSE)


@given(until=MOMENTS, date=st.none() | MOMENTS)
def test_a_date_is_never_undercut_below_the_limit(until: datetime, date: datetime | None) -> None:
    its_own = None if date is None else format_datetime(date, usegmt=True)

    seconds = asked(format_datetime(until, usegmt=True), date=its_own)

    assert seconds is not None
    assert NOW + timedelta(seconds=seconds) >= min(until, NOW + timedelta(seconds=LONGEST_PAUSE))
