"""Writing down what the planner decided: notifications and their deliveries."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidings.store.planning import Planned, added_of, lost, notification_row, refused
from tidings.store.postgres.batches import columns, distinct

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

ADD_NOTIFICATIONS = """
INSERT INTO notifications (id, event_id, workflow, workflow_version, user_id, lane, once, state,
                           step, due_at, decisions, created_at)
SELECT id, event_id, workflow, workflow_version, user_id, lane, once, state,
       step, due_at, decisions::jsonb, now() + $1::interval
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::boolean[], $9::text[], $10::smallint[], $11::timestamptz[], $12::text[])
    AS item (id, event_id, workflow, workflow_version, user_id, lane, once, state,
             step, due_at, decisions)
ON CONFLICT DO NOTHING
RETURNING id::text
"""
KNOWN_NOTIFICATIONS = "SELECT id::text FROM notifications WHERE id = ANY ($1::uuid[])"

#: takes the shift and the columns of `delivery_rows`
ADD_DELIVERIES = """
INSERT INTO deliveries (id, notification_id, event_id, user_id, workflow, step, channel, lane,
                        address, template, template_version, locale, consent_version, state,
                        epoch, tries, lapses, due_at, policy, expires_at, created_at, updated_at)
SELECT id, notification_id, event_id, user_id, workflow, step, channel, lane,
       address, template, template_version, locale, consent_version, 'pending',
       0, 0, 0, due_at, policy::jsonb, expires_at, now() + $1::interval, now() + $1::interval
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::smallint[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
            $14::integer[], $15::timestamptz[], $16::text[], $17::timestamptz[])
    AS item (id, notification_id, event_id, user_id, workflow, step, channel, lane,
             address, template, template_version, locale, consent_version, due_at, policy,
             expires_at)
ON CONFLICT DO NOTHING
"""


async def add_notifications(
    connection: "Connection", shift: timedelta, now: datetime, planned: Sequence[Planned]
) -> list[Planned]:
    """Add notifications; gives back those added, as they now stand.

    One already there stays as it is; a loser of `once` is added as skipped, without deliveries.
    """
    added = await _insert(connection, shift, planned)
    standing = added_of(planned, added)
    if len(standing) < len(planned):
        known = await _known(connection, refused(planned, added))
        losers = [lost(each, now) for each in refused(planned, added | known)]
        standing += added_of(losers, await _insert(connection, shift, losers))
    return standing


async def _insert(
    connection: "Connection", shift: timedelta, planned: Sequence[Planned]
) -> set[str]:
    if not planned:
        return set()
    rows = [notification_row(each) for each in planned]
    found = await connection.fetch(ADD_NOTIFICATIONS, shift, *columns(rows, 11))
    return {row["id"] for row in found}


async def _known(connection: "Connection", planned: Sequence[Planned]) -> set[str]:
    wanted = distinct(each.notification.id for each in planned)
    return {row["id"] for row in await connection.fetch(KNOWN_NOTIFICATIONS, wanted)}
