"""How long an answer asks us to wait: its `Retry-After` (RFC 9110, 10.2.3), as a number: pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tidings.core.policy import LONGEST_PAUSE

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds to wait, LONGEST_PAUSE at most; None where nothing is asked for, or nothing readable.

    A date is counted from now or from the answer's own `Date`, whichever makes it longer, so that
    a clock that is ahead cuts nothing short.
    """
    said = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(said):
        return min(float(said), LONGEST_PAUSE)
    until = _moment(said)
    if until is None:
        return None
    started = min(now, _moment(headers.get("date", "")) or now)
    return min(max((until - started).total_seconds(), 0.0), LONGEST_PAUSE)


def _moment(said: str) -> datetime | None:
    """A date in one of the three forms of HTTP, which are all in UTC."""
    try:
        moment = parsedate_to_datetime(said)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
