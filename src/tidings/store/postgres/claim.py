"""Claiming: due deliveries go into a worker's hands until their lease ends, in one statement."""

from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.work import Claimed, ClaimResult
from tidings.store.postgres.due import locked_due
from tidings.store.postgres.recipients import RECIPIENT, to_recipient
from tidings.store.rows import LANES, Row, to_event
from tidings.store.settling import ALONE_FROM, GAVE_UP, MOST_LAPSES, WORKER_DIED, to_claimed

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: what was still `sending` was in a dead worker's hands
_COLUMNS = (
    "id",
    "epoch",
    "provider",
    "claimed_at",
    "due_at",
    f"array_position(ARRAY[{', '.join(repr(str(lane)) for lane in LANES)}], lane) AS place",
    "state = 'sending' AS lapsed",
    "lapses + (state = 'sending')::integer AS lapses",
)
_DUE = locked_due(
    table="deliveries",
    due="state IN ('pending', 'sending') AND channel = $2",
    columns=_COLUMNS,
    limit="$3",
)

#: the lease runs from clock_timestamp(): a statement that waited must not have used it up
CLAIM = f"""
WITH due AS MATERIALIZED (
    {_DUE}
),
next AS MATERIALIZED (
    SELECT id, lapses FROM due WHERE lapses < {MOST_LAPSES} ORDER BY place, due_at, id LIMIT 1
),
chosen AS MATERIALIZED (
    SELECT due.*, due.lapses >= {MOST_LAPSES} AS hopeless
    FROM due LEFT JOIN next ON true
    WHERE due.lapses >= {MOST_LAPSES} OR due.id = next.id
       OR (due.lapses < {ALONE_FROM} AND next.lapses < {ALONE_FROM})
),
noted AS (
    INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, started_at)
    SELECT id, epoch, provider, 'unknown', false, '{WORKER_DIED}', claimed_at
    FROM chosen WHERE lapsed
    ON CONFLICT DO NOTHING
),
changed AS (
    UPDATE deliveries
    SET state = CASE WHEN hopeless THEN 'failed' ELSE 'sending' END,
        epoch = deliveries.epoch + (NOT hopeless)::integer,
        lapses = chosen.lapses,
        reason = CASE WHEN hopeless THEN '{GAVE_UP}' ELSE reason END,
        provider = CASE WHEN hopeless THEN deliveries.provider ELSE $5 END,
        claimed_at = CASE WHEN hopeless THEN deliveries.claimed_at
                          ELSE clock_timestamp() + $1::interval END,
        due_at = CASE WHEN NOT hopeless
                      THEN clock_timestamp() + $1::interval + $4::interval END,
        updated_at = now() + $1::interval
    FROM chosen
    WHERE deliveries.id = chosen.id
    RETURNING deliveries.*, chosen.hopeless, chosen.place, chosen.due_at AS was_due_at
),
counted AS (
    INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
    SELECT date_trunc('minute', now() + $1::interval), workflow, channel, provider, 'failed',
           count(*)
    FROM changed WHERE hopeless GROUP BY workflow, channel, provider
)
SELECT changed.hopeless, changed.id::text, changed.epoch, changed.tries, changed.lapses,
       changed.notification_id::text, changed.workflow, changed.step, changed.channel,
       changed.lane, changed.address, changed.template, changed.template_version, changed.locale,
       changed.consent_version,
       events.source, events.source_id, events.type, events.user_id AS event_user_id,
       events.data::text, events.time,
       {RECIPIENT}
FROM changed
JOIN events ON events.id = changed.event_id LEFT JOIN users ON users.id = changed.user_id
ORDER BY place, was_due_at, changed.id
"""


async def claim(
    connection: "Connection",
    shift: timedelta,
    channel: str,
    provider: str,
    limit: int,
    lease: timedelta,
) -> ClaimResult:
    """Take up to `limit` due deliveries for a lease, the critical lane first."""
    rows = await connection.fetch(CLAIM, shift, channel, limit, lease, provider)
    return ClaimResult(
        taken=[_claimed(row) for row in rows if not row["hopeless"]],
        given_up=[_claimed(row) for row in rows if row["hopeless"]],
    )


def _claimed(row: Row) -> Claimed:
    return to_claimed(row, event=to_event(row, row["time"]), recipient=to_recipient(row))
