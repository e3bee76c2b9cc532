"""Claiming: due deliveries go into a worker's hands until their lease ends, in one statement."""

from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.models import Lane
from tidings.core.work import Claimed
from tidings.store.postgres.batches import Row, to_event
from tidings.store.postgres.due import locked_due
from tidings.store.postgres.recipients import RECIPIENT, to_recipient

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: a delivery that was in so many dead workers' hands is not given to another
MOST_LAPSES = 3

_GAVE_UP = f"{MOST_LAPSES} workers died with this message in hand"

#: what was still `sending` was in a dead worker's hands; `updated_at` is when that one claimed it
_COLUMNS = (
    "id",
    "epoch",
    "provider",
    "updated_at",
    "due_at",
    "state = 'sending' AS lapsed",
    "lapses + (state = 'sending')::integer AS lapses",
)
_DUE = locked_due(
    table="deliveries",
    due="state IN ('pending', 'sending') AND channel = $2",
    columns=_COLUMNS,
    limit="$3",
)

CLAIM = f"""
WITH due AS MATERIALIZED (
    {_DUE}
),
noted AS (
    INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, started_at)
    SELECT id, epoch, coalesce(provider, 'unknown'), 'unknown', false,
           'the worker died before an answer was recorded', updated_at
    FROM due WHERE lapsed
    ON CONFLICT DO NOTHING
),
taken AS (
    UPDATE deliveries
    SET epoch = deliveries.epoch + 1, state = 'sending', lapses = due.lapses,
        due_at = now() + $1::interval + $4::interval, updated_at = now() + $1::interval
    FROM due
    WHERE deliveries.id = due.id AND due.lapses < {MOST_LAPSES}
    RETURNING deliveries.*, due.due_at AS was_due_at
),
given_up AS (
    UPDATE deliveries
    SET state = 'failed', reason = '{_GAVE_UP}', lapses = due.lapses,
        due_at = NULL, updated_at = now() + $1::interval
    FROM due
    WHERE deliveries.id = due.id AND due.lapses >= {MOST_LAPSES}
    RETURNING deliveries.workflow, deliveries.channel, deliveries.provider
),
counted AS (
    INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
    SELECT date_trunc('minute', now() + $1::interval), workflow, channel,
           coalesce(provider, ''), 'failed', count(*)
    FROM given_up GROUP BY workflow, channel, provider
)
SELECT taken.id::text, taken.epoch, taken.tries, taken.notification_id::text, taken.workflow,
       taken.step, taken.channel, taken.lane, taken.address, taken.template,
       taken.template_version, taken.locale, taken.consent_version,
       events.source, events.source_id, events.type, events.user_id AS event_user_id,
       events.data::text, events.time,
       {RECIPIENT}
FROM taken JOIN events ON events.id = taken.event_id LEFT JOIN users ON users.id = taken.user_id
ORDER BY array_position(ARRAY['critical', 'normal', 'bulk'], taken.lane), was_due_at, taken.id
"""


async def claim(
    connection: "Connection", shift: timedelta, channel: str, limit: int, lease: timedelta
) -> list[Claimed]:
    """Take up to `limit` due deliveries for a lease, the critical lane first."""
    rows = await connection.fetch(CLAIM, shift, channel, limit, lease)
    return [_claimed(row) for row in rows]


def _claimed(row: Row) -> Claimed:
    return Claimed(
        id=row["id"],
        epoch=row["epoch"],
        tries=row["tries"],
        notification_id=row["notification_id"],
        event=to_event(row),
        workflow=row["workflow"],
        step=row["step"],
        channel=row["channel"],
        lane=Lane(row["lane"]),
        address=row["address"],
        template=row["template"],
        template_version=row["template_version"],
        locale=row["locale"],
        consent_version=row["consent_version"],
        recipient=to_recipient(row),
    )
