"""What became of an event, read back: notifications, decisions, deliveries and attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.models import Decision, Verdict
from tidings.store.schema import attempts, deliveries, events, notifications


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedAttempt:
    """One provider call; `fenced` when a later claim had overtaken it."""

    epoch: int
    provider: str
    outcome: str
    error: str | None
    fenced: bool
    #: the vendor's own id of the message, if it took it and said one
    provider_id: str | None
    #: why it went this way, where another integration would have come first
    route: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDelivery:
    """One message on its way: where it stands and why."""

    id: str
    step: int
    channel: str
    address: str
    template: str
    template_version: str
    state: str
    reason: str | None
    #: by which rule it came to its end
    rule: str | None
    #: the vendor's own id of the message, by which it confirms it
    provider_id: str | None
    due_at: datetime | None
    expires_at: datetime | None
    #: when it was called off, whatever became of it
    cancelled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    #: what it waits for now, where it is still to be sent and its time has not come
    waits: str | None
    attempts: tuple[ExplainedAttempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedNotification:
    """One run of a workflow for one user."""

    id: str
    workflow: str
    workflow_version: str
    user_id: str
    lane: str
    state: str
    #: why its planning failed the last time, if it did
    reason: str | None
    #: index of the next step, and when it is due if it waits
    step: int
    due_at: datetime | None
    created_at: datetime
    decisions: tuple[Decision, ...]
    deliveries: tuple[ExplainedDelivery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An event with all it led to, and why."""

    event_id: str
    source: str
    type: str
    user_id: str | None
    data: Mapping[str, Any]
    bus_channel: str
    lane: str
    #: due · planned · failed · cancelled
    state: str
    reason: str | None
    time: datetime
    accepted_at: datetime
    notifications: tuple[ExplainedNotification, ...]


def read_explanation(connection: sa.Connection, key: str) -> Explanation | None:
    """The explanation of the event of that row key, or None."""
    row = connection.execute(sa.select(events).where(events.c.id == key)).one_or_none()
    if row is None:
        return None
    return Explanation(
        event_id=row.source_id,
        source=row.source,
        type=row.type,
        user_id=row.user_id,
        data=row.data,
        bus_channel=row.bus_channel,
        lane=row.lane,
        state=row.state,
        reason=row.reason,
        time=row.time,
        accepted_at=row.accepted_at,
        notifications=_notifications(connection, key),
    )


def read_notification(
    connection: sa.Connection, notification_id: str
) -> tuple[str, str, ExplainedNotification] | None:
    """A notification with its event's source and id there, or None."""
    query = (
        sa.select(notifications, events.c.source, events.c.source_id)
        .join(events, events.c.id == notifications.c.event_id)
        .where(notifications.c.id == notification_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    (explained,) = _explained(connection, [row])
    return row.source, row.source_id, explained


def _notifications(connection: sa.Connection, key: str) -> tuple[ExplainedNotification, ...]:
    rows = connection.execute(
        sa.select(notifications)
        .where(notifications.c.event_id == key)
        .order_by(notifications.c.workflow)
    ).all()
    return _explained(connection, rows)


def _explained(
    connection: sa.Connection, rows: Sequence[sa.Row[Any]]
) -> tuple[ExplainedNotification, ...]:
    sent = _deliveries(connection, [row.id for row in rows])
    return tuple(
        ExplainedNotification(
            id=row.id,
            workflow=row.workflow,
            workflow_version=row.workflow_version,
            user_id=row.user_id,
            lane=row.lane,
            state=row.state,
            reason=row.reason,
            step=row.step,
            due_at=row.due_at,
            created_at=row.created_at,
            decisions=tuple(_decision(decision) for decision in row.decisions),
            deliveries=tuple(sent.get(row.id, ())),
        )
        for row in rows
    )


def _decision(kept: Mapping[str, Any]) -> Decision:
    return Decision(
        at=datetime.fromisoformat(kept["at"]),
        verdict=Verdict(kept["verdict"]),
        rule=kept["rule"],
        reason=kept["reason"],
        step=kept["step"],
        channel=kept["channel"],
    )


def _deliveries(
    connection: sa.Connection, ids: Sequence[str]
) -> Mapping[str, Sequence[ExplainedDelivery]]:
    rows = connection.execute(
        sa.select(deliveries)
        .where(deliveries.c.notification_id.in_(ids))
        .order_by(deliveries.c.step, deliveries.c.channel, deliveries.c.id)
    ).all()
    tried = _attempts(connection, [row.id for row in rows])
    found: dict[str, list[ExplainedDelivery]] = {}
    for row in rows:
        delivery = _delivery(row, tried.get(row.id, ()))
        found.setdefault(row.notification_id, []).append(delivery)
    return found


def _delivery(row: sa.Row[Any], tried: Sequence[ExplainedAttempt]) -> ExplainedDelivery:
    return ExplainedDelivery(
        id=row.id,
        step=row.step,
        channel=row.channel,
        address=row.address,
        template=row.template,
        template_version=row.template_version,
        state=row.state,
        reason=row.reason,
        rule=row.rule,
        provider_id=row.provider_id,
        due_at=row.due_at,
        expires_at=row.expires_at,
        cancelled_at=row.cancelled_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        waits=None,  # no row says it
        attempts=tuple(tried),
    )


def _attempts(
    connection: sa.Connection, ids: Sequence[str]
) -> Mapping[str, Sequence[ExplainedAttempt]]:
    rows = connection.execute(
        sa.select(attempts)
        .where(attempts.c.delivery_id.in_(ids))
        .order_by(attempts.c.delivery_id, attempts.c.epoch)
    )
    found: dict[str, list[ExplainedAttempt]] = {}
    for row in rows:
        attempt = ExplainedAttempt(
            epoch=row.epoch,
            provider=row.provider,
            outcome=row.outcome,
            error=row.error,
            fenced=row.fenced,
            provider_id=row.provider_id,
            route=row.route,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
        found.setdefault(row.delivery_id, []).append(attempt)
    return found
