"""Finished events: which of them are old, and how one goes with all it led to."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.models import DeliveryState, EventState, NotificationState
from tidings.store.backlog import pin
from tidings.store.schema import attempts, deliveries, events, notifications

_Row = sa.Row[*tuple[Any, ...]]

_FINISHED = (EventState.PLANNED, EventState.CANCELLED)
#: dead letters are not among them
_ENDED = (
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.SUPPRESSED,
    DeliveryState.EXPIRED,
    DeliveryState.CANCELLED,
)
_OPEN_RUNS = (NotificationState.WAITING, NotificationState.FAILED)

#: ids are listed, not sub-selected, so that every statement is led by an index
_RUNS = sa.select(
    notifications.c.id, notifications.c.event_id, notifications.c.state, notifications.c.once
)
_SENT = sa.select(
    deliveries.c.id, deliveries.c.event_id, deliveries.c.state, deliveries.c.updated_at
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the order of acceptance to go on."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was done with some old events."""

    looked_at: int
    removed: int
    #: the last of them, or where they were to begin
    last: Place | None


def sweep(connection: sa.Connection, *, before: datetime, after: Place | None, limit: int) -> Swept:
    """Look at so many old events and take away the finished ones, with all they led to.

    What ran `once` stays, or its user would be told once more.
    """
    old = connection.execute(_old(before, after).limit(limit)).all()
    removed = _take_away(connection, [row.id for row in old], before)
    last = Place(at=old[-1].accepted_at, id=old[-1].id) if old else after
    return Swept(looked_at=len(old), removed=removed, last=last)


def _take_away(connection: sa.Connection, ids: Sequence[str], before: datetime) -> int:
    pin(connection)
    planned = connection.scalars(_planned(ids)).all()
    runs = connection.execute(_RUNS.where(notifications.c.event_id.in_(planned))).all()
    ours = deliveries.c.notification_id.in_([run.id for run in runs])
    sent = connection.execute(_SENT.where(ours)).all()
    stay = {run.event_id for run in runs if run.state in _OPEN_RUNS}
    stay |= {each.event_id for each in sent if not _is_over(each, before)}
    over = [each for each in planned if each not in stay]
    # notifications before deliveries, as everybody locks them
    _delete(connection, notifications.c.id, _of_others(filter(_is_forgotten, runs), stay))
    _delete(connection, deliveries.c.id, _of_others(sent, stay))
    _delete(connection, attempts.c.delivery_id, _of_others(sent, stay))
    _delete(connection, events.c.id, over)
    return len(over)


def _old(before: datetime, after: Place | None) -> sa.Select[Any]:
    at, event_id = events.c.accepted_at, events.c.id
    query = sa.select(event_id, at).where(at < before).order_by(at, event_id)
    if after is None:
        return query
    return query.where(at >= after.at, (at > after.at) | (event_id > after.id))


def _planned(ids: Sequence[str]) -> sa.Select[Any]:
    """Those among them that no planner has to do with, without what another process has."""
    ours = events.c.id.in_(ids) & events.c.state.in_(_FINISHED)
    return sa.select(events.c.id).where(ours).with_for_update(skip_locked=True)


def _is_forgotten(run: _Row) -> bool:
    return not run.once or run.state == NotificationState.SKIPPED


def _is_over(delivery: _Row, before: datetime) -> bool:
    return delivery.state in _ENDED and delivery.updated_at < before


def _of_others(rows: Iterable[_Row], stay: Container[str]) -> list[str]:
    """The ids of rows whose event does not stay."""
    return [row.id for row in rows if row.event_id not in stay]


def _delete(connection: sa.Connection, column: sa.Column[Any], ids: Sequence[str]) -> None:
    if ids:
        connection.execute(sa.delete(column.table).where(column.in_(ids)))
