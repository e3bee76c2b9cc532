"""What planning and claiming share: lanes in order, the definitions' stamp, words for errors."""

import sqlite3
from collections.abc import Mapping

from tidings.core.errors import StaleDefinitions
from tidings.core.models import Lane
from tidings.store.sqlite.rows import Row, fetch

#: what is served first
LANES = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK)

_DEFINITIONS = "SELECT definitions FROM installation"
_LONGEST_REASON = 1000


def read_lanes(
    connection: sqlite3.Connection, statement: str, values: Mapping[str, object], limit: int
) -> list[Row]:
    """Up to `limit` rows of a statement that takes `:lane` and `:limit`, lane after lane."""
    rows: list[Row] = []
    for lane in LANES:
        if len(rows) < limit:
            rows += fetch(
                connection, statement, {**values, "lane": lane, "limit": limit - len(rows)}
            )
    return rows


def require_definitions(connection: sqlite3.Connection, stamp: int) -> None:
    """Raise StaleDefinitions unless workflows and templates are those of this stamp."""
    (current,) = connection.execute(_DEFINITIONS).fetchone()
    if current != stamp:
        raise StaleDefinitions(
            f"workflows or templates changed: they have stamp {current}, not {stamp}"
        )


def reason_of(error: Exception) -> str:
    """An error as a reason a row can keep."""
    text = str(error) or type(error).__name__
    return text.encode(errors="replace").decode().replace("\x00", "")[:_LONGEST_REASON]
