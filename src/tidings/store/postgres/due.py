"""What is due, locked: lane after lane, past what other workers hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.core.errors import StaleDefinitions
from tidings.core.models import Lane

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_DEFINITIONS = "SELECT definitions FROM installation"


def locked_due(*, table: str, due: str, columns: Sequence[str], limit: str) -> str:
    """A sub-select of up to `limit` due rows of a table, locked, the critical lane first.

    Each lane is read in the order of the partial index, and only as far as rows are asked for:
    the outer LIMIT stops at the first lanes that fill it. `due` must imply the index's predicate.
    """
    lanes = ", ".join(f"('{lane}')" for lane in (Lane.CRITICAL, Lane.NORMAL, Lane.BULK))
    return f"""
    SELECT locked.*
    FROM (VALUES {lanes}) AS lanes (lane)
    CROSS JOIN LATERAL (
        SELECT {", ".join(columns)}
        FROM {table}
        WHERE {due} AND {table}.lane = lanes.lane AND due_at <= now() + $1::interval
        ORDER BY due_at
        LIMIT {limit}
        FOR UPDATE SKIP LOCKED
    ) AS locked
    LIMIT {limit}
    """


async def require_definitions(connection: "Connection", stamp: int) -> None:
    """Raise StaleDefinitions unless workflows and templates are those of this stamp."""
    current = await connection.fetchval(_DEFINITIONS)
    if current != stamp:
        raise StaleDefinitions(
            f"workflows or templates changed: they have stamp {current}, not {stamp}"
        )
