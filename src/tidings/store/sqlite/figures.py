"""Figures: a small row for each batch and outcome, folded by the minute later."""

import sqlite3
from collections.abc import Sequence

from tidings.store.sqlite.rows import batch

_MINUTE = 60_000_000

_ADD = """
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT :minute, value->>0, '', '', value->>1, value->>2
FROM json_each(:rows)
"""
_FOLD = """
INSERT INTO figures (minute, workflow, channel, provider, outcome, count)
SELECT minute, workflow, channel, provider, outcome, sum(count)
FROM figure_deltas WHERE true
GROUP BY minute, workflow, channel, provider, outcome
ON CONFLICT (minute, workflow, channel, provider, outcome)
DO UPDATE SET count = figures.count + excluded.count
"""
_FORGET = "DELETE FROM figure_deltas"


def minute(now: int) -> int:
    """The minute a moment is in; both in microseconds."""
    return now - now % _MINUTE


def add_figures(
    connection: sqlite3.Connection, now: int, counted: Sequence[tuple[str, str, int]]
) -> None:
    """Add counts by workflow and outcome to the figures of this minute."""
    connection.execute(_ADD, {"rows": batch(counted), "minute": minute(now)})


def fold(connection: sqlite3.Connection, _now: int) -> int:
    """Fold every delta into its figure; how many there were."""
    connection.execute(_FOLD)
    return connection.execute(_FORGET).rowcount
