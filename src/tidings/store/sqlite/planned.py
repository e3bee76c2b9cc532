"""Writing down what the planner decided: notifications and their deliveries."""

import sqlite3
from collections.abc import Sequence

from tidings.store.planning import (
    Planned,
    added_of,
    delivery_rows,
    lost,
    notification_row,
    refused,
)
from tidings.store.schema.types import from_microseconds
from tidings.store.sqlite.rows import batch, fetch_ids, ids

_ADD_NOTIFICATIONS = """
INSERT INTO notifications (id, event_id, workflow, workflow_version, user_id, lane, once, state,
                           step, due_at, decisions, created_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8, value->>9, value->>10, :now
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
RETURNING id
"""
_KNOWN_NOTIFICATIONS = """
SELECT id FROM notifications WHERE id IN (SELECT value FROM json_each(:ids))
"""
_ADD_DELIVERIES = """
INSERT INTO deliveries (id, notification_id, event_id, user_id, workflow, step, channel, lane,
                        address, template, template_version, locale, consent_version, state,
                        epoch, tries, lapses, due_at, policy, expires_at, created_at, updated_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8, value->>9, value->>10, value->>11, value->>12, 'pending',
       0, 0, 0, value->>13, value->>14, value->>15, :now, :now
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
"""


def add_notifications(
    connection: sqlite3.Connection, now: int, planned: Sequence[Planned]
) -> list[Planned]:
    """Add notifications with their deliveries; gives back those added, as they now stand.

    One already there stays as it is; a loser of `once` is added as skipped, without deliveries.
    """
    added = _insert(connection, now, planned)
    known = _known(connection, refused(planned, added))
    losers = [lost(each, from_microseconds(now)) for each in refused(planned, added | known)]
    standing = added_of(planned, added) + added_of(losers, _insert(connection, now, losers))
    add_deliveries(connection, now, standing)
    return standing


def add_deliveries(connection: sqlite3.Connection, now: int, planned: Sequence[Planned]) -> None:
    """Add the deliveries of these notifications, where they are not there yet."""
    connection.execute(_ADD_DELIVERIES, {"rows": batch(delivery_rows(planned)), "now": now})


def _insert(connection: sqlite3.Connection, now: int, planned: Sequence[Planned]) -> set[str]:
    rows = [notification_row(each) for each in planned]
    return fetch_ids(connection, _ADD_NOTIFICATIONS, {"rows": batch(rows), "now": now})


def _known(connection: sqlite3.Connection, planned: Sequence[Planned]) -> set[str]:
    wanted = {"ids": ids(each.notification.id for each in planned)}
    return fetch_ids(connection, _KNOWN_NOTIFICATIONS, wanted)
