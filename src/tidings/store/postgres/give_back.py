"""Giving back: what claims took whose answers nobody heard is due again."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: in no order, for it waits for nobody: what is locked is somebody's
GIVE_BACK = """
WITH lost AS MATERIALIZED (
    SELECT id FROM deliveries
    WHERE state = 'sending' AND claim_id = ANY ($2::uuid[]) AND id <> ALL ($3::uuid[])
    FOR UPDATE SKIP LOCKED
)
UPDATE deliveries
SET state = 'pending', due_at = created_at, updated_at = now() + $1::interval
FROM lost
WHERE deliveries.id = lost.id
RETURNING 1
"""


async def give_back(
    connection: "Connection", shift: timedelta, claims: Collection[str], spared: Sequence[str]
) -> int:
    """Make due again what these claims took; how many it was."""
    return len(await connection.fetch(GIVE_BACK, shift, list(claims), list(spared)))
