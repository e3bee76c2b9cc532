"""What planning and claiming share: lanes in order, and the definitions' stamp."""

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import product

from tidings.core.models import Lane
from tidings.store.planning import require_current
from tidings.store.rows import LANES
from tidings.store.sqlite.rows import fetch

_DEFINITIONS = "SELECT definitions FROM installation"


def read_lanes(
    connection: sqlite3.Connection,
    statements: Sequence[str],
    values: Mapping[str, object],
    limit: int,
    lanes: Sequence[Lane] = LANES,
) -> list[sqlite3.Row]:
    """Up to `limit` rows of statements that take `:lane` and `:limit`, lane after lane."""
    rows: list[sqlite3.Row] = []
    for lane, statement in product(lanes, statements):
        if len(rows) < limit:
            rows += fetch(
                connection, statement, {**values, "lane": lane, "limit": limit - len(rows)}
            )
    return rows


def putting_off(table: str) -> str:
    """The UPDATE of rows whose planning failed: due later, or failed where no time is given.

    Takes `:now`, and `:rows` of id, tries, reason and seconds.
    """
    return f"""
UPDATE {table}
SET tries = item.value->>1, reason = item.value->>2,
    state = iif(item.value->>3 IS NULL, 'failed', state),
    due_at = :now + CAST(1000000 * (item.value->>3) AS INTEGER)
FROM json_each(:rows) AS item
WHERE {table}.id = item.value->>0
"""


def require_definitions(connection: sqlite3.Connection, stamp: int) -> None:
    """Raise StaleDefinitions unless workflows and templates are those of this stamp."""
    (current,) = connection.execute(_DEFINITIONS).fetchone()
    require_current(current, stamp)
