"""Events that came to their ends: which of them are old, and how one goes with all it led to."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.models import DEAD, DeliveryState, EventState, NotificationState
from tidings.store.backlog import pin
from tidings.store.schema import attempts, deliveries, events, notifications

_Row = sa.Row[*tuple[Any, ...]]

_FINISHED = (EventState.PLANNED, EventState.CANCELLED)
_ENDED = (
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.SUPPRESSED,
    DeliveryState.EXPIRED,
    DeliveryState.CANCELLED,
)

#: ids are listed, not sub-selected, so that every statement is led by an index; rows are locked in
#: the order of ids, for the dead may be replayed meanwhile; as text, which no index is tempting for
_RUNS = (
    sa.select(
        notifications.c.id,
        notifications.c.event_id,
        notifications.c.state,
        notifications.c.once,
        notifications.c.created_at,
        notifications.c.decisions,
    )
    .order_by(sa.cast(notifications.c.id, sa.Text))
    .with_for_update()
)
_SENT = (
    sa.select(deliveries.c.id, deliveries.c.event_id, deliveries.c.state, deliveries.c.updated_at)
    .order_by(sa.cast(deliveries.c.id, sa.Text))
    .with_for_update()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """What is older than these moments goes."""

    finished: datetime
    #: dead letters, by when they came to nothing
    dead: datetime


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


def sweep(connection: sa.Connection, cutoffs: Cutoffs, *, after: Place | None, limit: int) -> Swept:
    """Look at so many old events and take away what is over, with all it led to.

    What ran `once` stays, or its user would be told once more.
    """
    old = connection.execute(_old(cutoffs.finished, after).limit(limit)).all()
    removed = _take_away(connection, [row.id for row in old], cutoffs)
    last = Place(at=old[-1].accepted_at, id=old[-1].id) if old else after
    return Swept(looked_at=len(old), removed=removed, last=last)


def _take_away(connection: sa.Connection, ids: Sequence[str], cutoffs: Cutoffs) -> int:
    pin(connection)
    planned = connection.scalars(_planned(ids, cutoffs)).all()
    runs = connection.execute(_RUNS.where(notifications.c.event_id.in_(planned))).all()
    ours = deliveries.c.notification_id.in_([run.id for run in runs])
    sent = connection.execute(_SENT.where(ours)).all()
    stay = {run.event_id for run in runs if not _is_done(run, cutoffs)}
    stay |= {each.event_id for each in sent if not _is_over(each, cutoffs)}
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


def _planned(ids: Sequence[str], cutoffs: Cutoffs) -> sa.Select[Any]:
    """Those among them that no planner has to do with, without what another process has."""
    given_up = (events.c.state == EventState.FAILED) & (events.c.accepted_at < cutoffs.dead)
    ours = events.c.id.in_(ids) & (events.c.state.in_(_FINISHED) | given_up)
    return sa.select(events.c.id).where(ours).with_for_update(skip_locked=True)


def _is_done(run: _Row, cutoffs: Cutoffs) -> bool:
    """Whether nothing is to come of it; a replay of one that failed is among its decisions.

    One that failed though it may run only `once` stays whole: it could not come again.
    """
    if run.state != NotificationState.FAILED:
        return bool(run.state != NotificationState.WAITING)
    if run.once:
        return False
    lately = [datetime.fromisoformat(each["at"]) for each in run.decisions[-1:]]
    return bool(max(run.created_at, *lately) < cutoffs.dead)


def _is_over(delivery: _Row, cutoffs: Cutoffs) -> bool:
    if delivery.state in DEAD:
        return bool(delivery.updated_at < cutoffs.dead)
    return bool(delivery.state in _ENDED and delivery.updated_at < cutoffs.finished)


def _is_forgotten(run: _Row) -> bool:
    return not run.once or run.state == NotificationState.SKIPPED


def _of_others(rows: Iterable[_Row], stay: Container[str]) -> list[str]:
    """The ids of rows whose event does not stay."""
    return [row.id for row in rows if row.event_id not in stay]


def _delete(connection: sa.Connection, column: sa.Column[Any], ids: Sequence[str]) -> None:
    if ids:
        connection.execute(sa.delete(column.table).where(column.in_(ids)))
