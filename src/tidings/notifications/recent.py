"""The last events, each with how far its messages came: what a dashboard lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.store.schema import deliveries, events, notifications


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSummary:
    """One event in a line."""

    #: the row's key: unique whoever sent the event, and good for `explain`
    key: str
    event_id: str
    type: str
    user_id: str | None
    accepted_at: datetime
    #: due · planned · failed
    state: str
    #: why nothing came of it, or what failed
    reason: str | None
    workflows: tuple[str, ...]
    #: state of a delivery, or of a notification without any → how many
    outcomes: Mapping[str, int]


def read_recent(connection: sa.Connection, limit: int) -> Sequence[EventSummary]:
    """The events accepted last, newest first."""
    rows = connection.execute(
        sa.select(events).order_by(events.c.accepted_at.desc(), events.c.id.desc()).limit(limit)
    ).all()
    outcomes = _outcomes(connection, [row.id for row in rows])
    return [_summary(row, outcomes.get(row.id, ())) for row in rows]


def _outcomes(
    connection: sa.Connection, keys: Sequence[str]
) -> Mapping[str, Sequence[sa.Row[Any]]]:
    state = sa.func.coalesce(deliveries.c.state, notifications.c.state).label("outcome")
    rows = connection.execute(
        sa.select(
            notifications.c.event_id,
            notifications.c.workflow,
            state,
            sa.func.count().label("times"),
        )
        .select_from(
            notifications.outerjoin(deliveries, deliveries.c.notification_id == notifications.c.id)
        )
        .where(notifications.c.event_id.in_(keys))
        .group_by(notifications.c.event_id, notifications.c.workflow, state)
        .order_by(notifications.c.workflow, state)
    )
    found: dict[str, list[sa.Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.event_id, []).append(row)
    return found


def _summary(row: sa.Row[Any], outcomes: Iterable[sa.Row[Any]]) -> EventSummary:
    counts: dict[str, int] = {}
    workflows: dict[str, None] = {}
    for each in outcomes:
        counts[each.outcome] = counts.get(each.outcome, 0) + each.times
        workflows[each.workflow] = None
    return EventSummary(
        key=row.id,
        event_id=row.source_id,
        type=row.type,
        user_id=row.user_id,
        accepted_at=row.accepted_at,
        state=row.state,
        reason=row.reason,
        workflows=tuple(workflows),
        outcomes=counts,
    )
