"""What is due, locked: lane after lane, past what other workers hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.store.planning import require_current
from tidings.store.rows import LANES

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_DEFINITIONS = "SELECT definitions FROM installation"


_LANES = f"unnest(ARRAY[{', '.join(repr(str(lane)) for lane in LANES)}])"


def locked_due(
    *states: str, table: str, columns: Sequence[str], limit: str, lanes: str = _LANES
) -> str:
    """A sub-select of up to `limit` due rows of a table, locked, the critical lane first.

    Each lane is read in the order of the partial indexes, one for each of `states`, and only as far
    as rows are asked for: the outer LIMIT stops at the first lanes that fill it. A state must imply
    its index's predicate.
    """
    parts = [
        f"""
        SELECT * FROM (
            SELECT {", ".join(columns)}
            FROM {table}
            WHERE {state} AND {table}.lane = lanes.lane AND due_at <= now() + $1::interval
            ORDER BY due_at
            LIMIT {limit}
            FOR UPDATE SKIP LOCKED
        ) AS part
        """
        for state in states
    ]
    return f"""
    SELECT locked.*
    FROM {lanes} AS lanes (lane)
    CROSS JOIN LATERAL ({" UNION ALL ".join(parts)}) AS locked
    LIMIT {limit}
    """


def putting_off(table: str) -> str:
    """The UPDATE of rows whose planning failed: due later, or failed where no time is given.

    Takes the shift, and ids, tries, reasons and seconds.
    """
    return f"""
UPDATE {table}
SET tries = item.tries, reason = item.reason,
    state = CASE WHEN item.seconds IS NULL THEN 'failed' ELSE state END,
    due_at = now() + $1::interval + make_interval(secs => item.seconds)
FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::float8[])
    AS item (id, tries, reason, seconds)
WHERE {table}.id = item.id
"""


async def require_definitions(connection: "Connection", stamp: int) -> None:
    """Raise StaleDefinitions unless workflows and templates are those of this stamp."""
    require_current(await connection.fetchval(_DEFINITIONS), stamp)
