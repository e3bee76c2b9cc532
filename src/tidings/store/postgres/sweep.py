"""Sweeping: what no claim comes for ends, or is taken back from dead workers."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.work import Swept
from tidings.store.lapses import LEFT_SECONDS, ended
from tidings.store.postgres.claim import CLAIMED, claimed_of
from tidings.store.postgres.due import locked_due
from tidings.store.postgres.expire import expire
from tidings.store.postgres.lapses import CHANGES, COLUMNS, COUNT, ENDING, NOTE

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_LEFT = locked_due(
    "state = 'sending' AND channel = $2 AND id <> ALL ($4::uuid[])"
    f" AND due_at <= now() + $1::interval - interval '{LEFT_SECONDS} s'",
    table="deliveries",
    columns=COLUMNS,
    limit="$3",
)

#: As a claim takes it over, but into nobody's hands; due since it was planned, so that it comes
#: before what came later.
TAKE_BACK = f"""
WITH due AS MATERIALIZED (
    {_LEFT}
),
chosen AS MATERIALIZED (
    SELECT *, {ENDING} AS ending FROM due
),
noted AS ({NOTE}),
changed AS (
    UPDATE deliveries
    SET state = coalesce(ending, 'pending'),
        due_at = CASE WHEN ending IS NULL THEN created_at END,
        {CHANGES}
    FROM chosen
    WHERE deliveries.id = chosen.id
    RETURNING deliveries.*, chosen.ending
),
counted AS ({COUNT})
SELECT changed.ending, false AS asked, false AS answered, false AS elsewhere, {CLAIMED}
FROM changed
JOIN events ON events.id = changed.event_id LEFT JOIN users ON users.id = changed.user_id
"""


async def sweep(
    connection: "Connection", shift: timedelta, channel: str, limit: int, spared: Sequence[str]
) -> Swept:
    """Take back what dead workers left, and end what is of no use any more."""
    rows = await connection.fetch(TAKE_BACK, shift, channel, limit, list(spared))
    expired = await expire(connection, shift, channel, limit)
    return Swept(
        taken_back=[claimed_of(row) for row in rows if row["ending"] is None],
        ended=[*(ended(claimed_of(row), row["ending"]) for row in rows if row["ending"]), *expired],
    )
