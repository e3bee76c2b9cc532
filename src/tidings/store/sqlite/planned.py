"""Writing down what the planner decided: notifications and their deliveries."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tidings.core.models import Decision, NotificationState, Verdict
from tidings.core.work import PlannedDelivery, PlannedNotification
from tidings.store.schema.types import from_microseconds, to_microseconds
from tidings.store.sqlite.rows import batch, fetch_ids, ids, json_text

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
                        epoch, tries, lapses, due_at, created_at, updated_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8, value->>9, value->>10, value->>11, value->>12, 'pending',
       0, 0, 0, value->>13, :now, :now
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A notification and the key of the event it comes from."""

    event_key: str
    notification: PlannedNotification


def add_notifications(
    connection: sqlite3.Connection, now: int, planned: Sequence[Planned]
) -> list[Planned]:
    """Add notifications with their deliveries; gives back those added, as they now stand.

    One already there stays as it is; a loser of `once` is added as skipped, without deliveries.
    """
    added = _insert(connection, now, planned)
    refused = [each for each in planned if each.notification.id not in added]
    losers = [_lost(each, now) for each in _unknown(connection, refused)]
    added_losers = _insert(connection, now, losers)
    standing = [each for each in planned if each.notification.id in added]
    standing += [each for each in losers if each.notification.id in added_losers]
    add_deliveries(connection, now, standing)
    return standing


def add_deliveries(connection: sqlite3.Connection, now: int, planned: Iterable[Planned]) -> None:
    """Add the deliveries of these notifications, where they are not there yet."""
    rows = [
        _delivery_row(each, delivery)
        for each in planned
        for delivery in sorted(each.notification.deliveries, key=lambda each: each.id)
    ]
    connection.execute(_ADD_DELIVERIES, {"rows": batch(rows), "now": now})


def due_at(moment: datetime | None) -> int | None:
    """When a row is due, as SQLite keeps it."""
    return None if moment is None else to_microseconds(moment)


def _insert(connection: sqlite3.Connection, now: int, planned: Sequence[Planned]) -> set[str]:
    rows = [_notification_row(each) for each in planned]
    return fetch_ids(connection, _ADD_NOTIFICATIONS, {"rows": batch(rows), "now": now})


def _unknown(connection: sqlite3.Connection, refused: Sequence[Planned]) -> list[Planned]:
    wanted = {"ids": ids(each.notification.id for each in refused)}
    known = fetch_ids(connection, _KNOWN_NOTIFICATIONS, wanted)
    return [each for each in refused if each.notification.id not in known]


def _lost(planned: Planned, now: int) -> Planned:
    notification = planned.notification
    decision = Decision(
        at=from_microseconds(now),
        verdict=Verdict.SKIP,
        rule="once",
        reason=f"workflow {notification.workflow} runs once for each user, and it has already",
    )
    lost = replace(
        notification,
        state=NotificationState.SKIPPED,
        due_at=None,
        decisions=(*notification.decisions, decision),
        deliveries=(),
    )
    return replace(planned, notification=lost)


def _notification_row(planned: Planned) -> list[object]:
    notification = planned.notification
    return [
        notification.id,
        planned.event_key,
        notification.workflow,
        notification.workflow_version,
        notification.user_id,
        notification.lane,
        int(notification.once),
        notification.state,
        notification.step,
        due_at(notification.due_at),
        json_text(notification.decisions),
    ]


def _delivery_row(planned: Planned, delivery: PlannedDelivery) -> list[object]:
    notification = planned.notification
    return [
        delivery.id,
        notification.id,
        planned.event_key,
        notification.user_id,
        notification.workflow,
        delivery.step,
        delivery.channel,
        notification.lane,
        delivery.address,
        delivery.template,
        delivery.template_version,
        delivery.locale,
        delivery.consent_version,
        due_at(delivery.due_at),
    ]
