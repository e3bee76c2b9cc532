"""Figures: a small row for each batch and outcome, folded by the minute later."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def add_figures(first: int) -> str:
    """A statement that adds counts of what planning made to the figures of this minute.

    It takes the shift as $1, and from the `first` argument on workflows, outcomes and counts.
    """
    arrays = f"${first}::text[], ${first + 1}::text[], ${first + 2}::integer[]"
    return f"""
    INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
    SELECT date_trunc('minute', now() + $1::interval), workflow, '', '', outcome, count
    FROM unnest({arrays}) AS item (workflow, outcome, count)
    """


async def fold(connection: "Connection") -> int:
    """Fold every delta into its figure; how many there were."""
    total = 0
    while folded := int(await connection.fetchval(FOLD, _FOLD_LIMIT)):
        total += folded
    return total
