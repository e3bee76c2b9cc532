"""Ending what is of no use any more, where no claim comes to do it."""

import sqlite3

from tidings.core.models import DeliveryState
from tidings.core.rules import Rule
from tidings.core.work import Outcome
from tidings.store.schema.types import from_microseconds
from tidings.store.settling import late
from tidings.store.sqlite.claim import read_claimed
from tidings.store.sqlite.figures import minute
from tidings.store.sqlite.rows import batch, fetch

_DUE = """
SELECT due.id, due.epoch, due.tries, due.lapses, due.doubt, due.policy,
       NULL AS asked_last, 0 AS answered, coalesce(due.provider, '') AS provider,
       due.created_at, due.expires_at, due.cancelled_at IS NOT NULL AS cancelled,
       due.notification_id, due.user_id, due.workflow, due.step, due.channel, due.lane,
       due.address, due.template, due.template_version, due.locale, due.consent_version,
       events.source, events.source_id, events.type, events.user_id AS event_user_id,
       events.data, events.time
FROM deliveries AS due CROSS JOIN events ON events.id = due.event_id
WHERE due.state = 'pending' AND due.channel = :channel AND due.expires_at <= :now
ORDER BY due.expires_at
LIMIT :limit
"""
_EXPIRE = f"""
UPDATE deliveries
SET state = '{DeliveryState.EXPIRED}', rule = '{Rule.EXPIRED}', reason = item.value->>1,
    due_at = NULL, updated_at = :now
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""
_COUNT = f"""
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT :minute, value->>2, :channel, '', '{DeliveryState.EXPIRED}', count(*)
FROM json_each(:rows) GROUP BY value->>2
"""


def expire(connection: sqlite3.Connection, now: int, channel: str, limit: int) -> list[Outcome]:
    """End pending deliveries of a channel that are of no use any more."""
    rows = fetch(connection, _DUE, {"channel": channel, "now": now, "limit": limit})
    if not rows:
        return []
    claimed = read_claimed(connection, now, rows, [row["provider"] for row in rows])
    outcomes = [late(each, from_microseconds(now)) for each in claimed]
    changes = batch([[each.claimed.id, each.reason, each.claimed.workflow] for each in outcomes])
    connection.execute(_EXPIRE, {"rows": changes, "now": now})
    connection.execute(_COUNT, {"rows": changes, "minute": minute(now), "channel": channel})
    return outcomes
