"""Writing down what the planner decided: notifications and their deliveries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidings.core.models import Decision, NotificationState, Verdict
from tidings.core.work import PlannedDelivery, PlannedNotification
from tidings.store.postgres.batches import columns, distinct, json_text

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_ADD_NOTIFICATIONS = """
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
_KNOWN_NOTIFICATIONS = "SELECT id::text FROM notifications WHERE id = ANY ($1::uuid[])"

#: takes the shift and the columns of `delivery_columns`
ADD_DELIVERIES = """
INSERT INTO deliveries (id, notification_id, event_id, user_id, workflow, step, channel, lane,
                        address, template, template_version, locale, consent_version, state,
                        epoch, tries, lapses, due_at, created_at, updated_at)
SELECT id, notification_id, event_id, user_id, workflow, step, channel, lane,
       address, template, template_version, locale, consent_version, 'pending',
       0, 0, 0, due_at, now() + $1::interval, now() + $1::interval
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::smallint[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
            $14::integer[], $15::timestamptz[])
    AS item (id, notification_id, event_id, user_id, workflow, step, channel, lane,
             address, template, template_version, locale, consent_version, due_at)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A notification and the key of the event it comes from."""

    event_key: str
    notification: PlannedNotification


async def add_notifications(
    connection: "Connection", shift: timedelta, now: datetime, planned: Sequence[Planned]
) -> list[Planned]:
    """Add notifications; gives back those added, as they now stand.

    One already there stays as it is; a loser of `once` is added as skipped, without deliveries.
    """
    added = await _insert(connection, shift, planned)
    refused = [each for each in planned if each.notification.id not in added]
    if not refused:
        return list(planned)
    losers = [_lost(each, now) for each in await _unknown(connection, refused)]
    added_losers = await _insert(connection, shift, losers)
    standing = [each for each in planned if each.notification.id in added]
    return standing + [each for each in losers if each.notification.id in added_losers]


def delivery_columns(planned: Iterable[Planned]) -> list[Sequence[object]]:
    """The deliveries of these notifications, in the order of their ids."""
    rows = [
        _delivery_row(each, delivery)
        for each in planned
        for delivery in each.notification.deliveries
    ]
    return columns(sorted(rows, key=lambda row: str(row[0])), 14)


async def _insert(
    connection: "Connection", shift: timedelta, planned: Sequence[Planned]
) -> set[str]:
    if not planned:
        return set()
    # One order for all, so that two planners never wait for each other.
    in_order = sorted(
        planned, key=lambda each: (each.notification.workflow, each.notification.user_id)
    )
    rows = [_notification_row(each) for each in in_order]
    found = await connection.fetch(_ADD_NOTIFICATIONS, shift, *columns(rows, 11))
    return {row["id"] for row in found}


async def _unknown(connection: "Connection", refused: Sequence[Planned]) -> list[Planned]:
    wanted = distinct(each.notification.id for each in refused)
    known = {row["id"] for row in await connection.fetch(_KNOWN_NOTIFICATIONS, wanted)}
    return [each for each in refused if each.notification.id not in known]


def _lost(planned: Planned, now: datetime) -> Planned:
    notification = planned.notification
    decision = Decision(
        at=now,
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
        notification.once,
        notification.state,
        notification.step,
        notification.due_at,
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
        delivery.due_at,
    ]
