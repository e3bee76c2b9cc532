"""Figures: a small row for each batch and outcome, folded by the minute later."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.store.postgres.batches import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidings.store.postgres.connections import Connection

#: deltas folded in one transaction
_FOLD_LIMIT = 10_000

FOLD = """
WITH gone AS (
    DELETE FROM figure_deltas
    WHERE id = ANY (ARRAY(
        SELECT id FROM figure_deltas ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    ))
    RETURNING minute, workflow, channel, provider, outcome, count
),
folded AS (
    INSERT INTO figures (minute, workflow, channel, provider, outcome, count)
    SELECT minute, workflow, channel, provider, outcome, sum(count)
    FROM gone
    GROUP BY minute, workflow, channel, provider, outcome
    ORDER BY minute, workflow, channel, provider, outcome
    ON CONFLICT (minute, workflow, channel, provider, outcome)
    DO UPDATE SET count = figures.count + excluded.count
)
SELECT count(*) FROM gone
"""
_ADD = """
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT date_trunc('minute', now() + $1::interval), workflow, '', '', outcome, count
FROM unnest($2::text[], $3::text[], $4::integer[]) AS item (workflow, outcome, count)
"""


class Tally:
    """Counts what planning made of workflows while a batch is worked through."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, outcome: str, *, workflow: str = "", times: int = 1) -> None:
        """Count an outcome."""
        self._counts[workflow, outcome] += times

    def columns(self) -> "list[Sequence[object]]":
        """Workflows, outcomes and counts."""
        rows = [(*key, count) for key, count in sorted(self._counts.items()) if count]
        return columns(rows, 3)

    async def write(self, connection: "Connection", shift: timedelta) -> None:
        """Add the counts to the figures of this minute."""
        if self._counts.total():
            await connection.execute(_ADD, shift, *self.columns())


async def fold(connection: "Connection") -> int:
    """Fold every delta into its figure; how many there were."""
    total = 0
    while folded := int(await connection.fetchval(FOLD, _FOLD_LIMIT)):
        total += folded
    return total
