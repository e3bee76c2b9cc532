"""Figures: a small row for each batch and outcome, folded by the minute later."""

import sqlite3
from collections import Counter

from tidings.store.sqlite.rows import batch

_MINUTE = 60_000_000

_ADD = """
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT :minute, value->>0, value->>1, value->>2, value->>3, value->>4
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


class Tally:
    """Counts outcomes while a batch is worked through."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str]] = Counter()

    def count(
        self,
        outcome: str,
        *,
        workflow: str = "",
        channel: str = "",
        provider: str = "",
        times: int = 1,
    ) -> None:
        """Count an outcome."""
        self._counts[workflow, channel, provider, outcome] += times

    def write(self, connection: sqlite3.Connection, now: int) -> None:
        """Add the counts to the figures of this minute."""
        rows = [[*key, count] for key, count in sorted(self._counts.items()) if count]
        values = {"rows": batch(rows), "minute": now - now % _MINUTE}
        connection.execute(_ADD, values)


def fold(connection: sqlite3.Connection, _now: int) -> int:
    """Fold every delta into its figure; how many there were."""
    connection.execute(_FOLD)
    return connection.execute(_FORGET).rowcount
