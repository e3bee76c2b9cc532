"""Ending what is of no use any more, where no claim comes to do it, in one statement."""

from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.models import DeliveryState
from tidings.core.policy import OUT_OF_DATE, PERHAPS_ARRIVED
from tidings.core.rules import Rule
from tidings.core.work import Outcome
from tidings.store.postgres.claim import CLAIMED, claimed_of
from tidings.store.settling import late

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: Past what a claim holds at that moment, which looks itself. `out_of_date` of core.policy, in SQL.
EXPIRE = f"""
WITH due AS MATERIALIZED (
    SELECT id FROM deliveries
    WHERE state = 'pending' AND channel = $2 AND expires_at <= now() + $1::interval
    ORDER BY expires_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
),
changed AS (
    UPDATE deliveries
    SET state = '{DeliveryState.EXPIRED}', rule = '{Rule.EXPIRED}', due_at = NULL,
        reason = format('{OUT_OF_DATE}',
                        to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
                 || CASE WHEN doubt THEN ' {PERHAPS_ARRIVED}' ELSE '' END,
        updated_at = now() + $1::interval
    FROM due
    WHERE deliveries.id = due.id
    RETURNING deliveries.*
),
counted AS (
    INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
    SELECT date_trunc('minute', now() + $1::interval), workflow, channel, '',
           '{DeliveryState.EXPIRED}', count(*)
    FROM changed GROUP BY workflow, channel
)
SELECT changed.updated_at, false AS asked, false AS answered, false AS elsewhere, {CLAIMED}
FROM changed
JOIN events ON events.id = changed.event_id LEFT JOIN users ON users.id = changed.user_id
"""


async def expire(
    connection: "Connection", shift: timedelta, channel: str, limit: int
) -> list[Outcome]:
    """End pending deliveries of a channel that are of no use any more."""
    rows = await connection.fetch(EXPIRE, shift, channel, limit)
    return [late(claimed_of(row), row["updated_at"]) for row in rows]
