"""The SQL of calling off; each function is part of its caller's transaction.

Rows are locked in the order in which work moves on: events, notifications, deliveries, and each of
them in the order of ids. So whoever has one in hand finishes with it first, and what came of it is
called off too.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from tidings.core.delivery_news import Told
from tidings.core.models import (
    DEAD,
    Decision,
    DeliveryState,
    EventState,
    NotificationState,
    Verdict,
)
from tidings.core.policy import NOT_SENT, PERHAPS_SENT, called_off
from tidings.core.rules import Rule
from tidings.store import ends
from tidings.store.dead_letter_rows import was_taken
from tidings.store.rows import json_text
from tidings.store.schema import deliveries, events, notifications


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What was called off, and what can't be any more."""

    #: nothing was planned for these yet
    events: int = 0
    #: these waited for a later step
    notifications: int = 0
    #: these were still to be sent
    deliveries: int = 0
    #: these are being sent at this moment: they may arrive, but are not tried again
    under_way: int = 0
    #: these had come to nothing, and can't be replayed any more
    dead: int = 0

    def __add__(self, other: "Cancelled") -> "Cancelled":
        return Cancelled(
            events=self.events + other.events,
            notifications=self.notifications + other.notifications,
            deliveries=self.deliveries + other.deliveries,
            under_way=self.under_way + other.under_way,
            dead=self.dead + other.dead,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledOff:
    """What one transaction called off, and the news of the deliveries among it."""

    cancelled: Cancelled = field(default_factory=Cancelled)
    told: Sequence[Told] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an event stands among those of its cancel key: in the order they were accepted.

    Not in that of their ids: those of a sender's own choice are hashed.
    """

    at: datetime
    id: str


def last_under(connection: sa.Connection, cancel_key: str) -> Place | None:
    """The place of the last event that came under a cancel key so far."""
    at, event_id = events.c.accepted_at, events.c.id
    query = _under(cancel_key).order_by(at.desc(), event_id.desc()).limit(1)
    return next(_places(connection, query), None)


def next_under(
    connection: sa.Connection, cancel_key: str, *, after: Place | None, last: Place, limit: int
) -> Sequence[Place]:
    """The next events that came under a cancel key, up to `last`."""
    at, event_id = events.c.accepted_at, events.c.id
    query = _under(cancel_key).where(at <= last.at, (at < last.at) | (event_id <= last.id))
    if after is not None:
        query = query.where(at >= after.at, (at > after.at) | (event_id > after.id))
    return list(_places(connection, query.order_by(at, event_id).limit(limit)))


def is_event(connection: sa.Connection, key: str) -> bool:
    """Whether there is an event of that key."""
    return connection.scalar(sa.select(sa.literal(1)).where(events.c.id == key)) is not None


def is_notification(connection: sa.Connection, notification_id: str) -> bool:
    """Whether there is a notification of that id."""
    query = sa.select(sa.literal(1)).where(notifications.c.id == notification_id)
    return connection.scalar(query) is not None


def call_off_events(connection: sa.Connection, keys: Collection[str], now: datetime) -> CalledOff:
    """Call off events with all that came of them."""
    connection.execute(_locked(events.c.id.in_(keys), events.c.id)).all()
    waiting = sa.update(events).where(events.c.id.in_(keys), events.c.state.in_(_UNPLANNED))
    ended = connection.execute(
        waiting.values(state=EventState.CANCELLED, due_at=None, reason=NOT_SENT)
    )
    runs = _call_off_runs(connection, notifications.c.event_id.in_(keys), now)
    return replace(runs, cancelled=Cancelled(events=ended.rowcount) + runs.cancelled)


def call_off_notification(
    connection: sa.Connection, notification_id: str, now: datetime
) -> CalledOff:
    """Call off one notification with its deliveries."""
    return _call_off_runs(connection, notifications.c.id == notification_id, now)


def _call_off_runs(
    connection: sa.Connection, which: sa.ColumnElement[bool], now: datetime
) -> CalledOff:
    table = notifications.c
    columns = table.id, table.state, table.workflow, table.step, table.decisions, table.once
    runs = connection.execute(_locked(which, *columns)).all()
    waiting = [run for run in runs if run.state in _UNFINISHED]
    if waiting:
        connection.execute(_END_RUN, [_ended_run(run, now) for run in waiting])
        ends.count(
            connection,
            DeliveryState.CANCELLED,
            Counter((run.workflow, "", "") for run in waiting),
            now,
        )
    sent = _call_off_deliveries(connection, [run.id for run in runs], now)
    _free_once(connection, [run.id for run in runs if run.once])
    return replace(sent, cancelled=Cancelled(notifications=len(waiting)) + sent.cancelled)


def _free_once(connection: sa.Connection, runs: Sequence[str]) -> None:
    """Those of them of which surely nothing was sent no longer count as having run."""
    ours = deliveries.c.notification_id == notifications.c.id
    sent = sa.exists().where(ours, _PERHAPS_TAKEN | was_taken())
    # what retention took away the event of is not told by its deliveries any more
    known = sa.exists().where(events.c.id == notifications.c.event_id)
    freed = sa.update(notifications).where(notifications.c.id.in_(runs), known, ~sent)
    if runs:
        connection.execute(freed.values(once=False))


def _call_off_deliveries(
    connection: sa.Connection, runs: Sequence[str], now: datetime
) -> CalledOff:
    found = connection.execute(ends.locked(deliveries.c.notification_id.in_(runs))).all()
    pending = [row for row in found if row.state == DeliveryState.PENDING]
    sending = [row for row in found if row.state == DeliveryState.SENDING]
    dead = [row for row in found if row.state in DEAD and row.cancelled_at is None]
    if pending:
        connection.execute(_of(pending).values(**_ENDED, updated_at=now, cancelled_at=now))
        counted = Counter((row.workflow, row.channel, "") for row in pending)
        ends.count(connection, DeliveryState.CANCELLED, counted, now)
    if sending or dead:
        connection.execute(_of([*sending, *dead]).values(cancelled_at=now))
    return CalledOff(
        cancelled=Cancelled(deliveries=len(pending), under_way=len(sending), dead=len(dead)),
        told=[
            ends.told(row, DeliveryState.CANCELLED, called_off(doubt=row.doubt)) for row in pending
        ],
    )


#: what failed counts as well: a replay must not bring back what was called off
_UNPLANNED = (EventState.DUE, EventState.FAILED)
_UNFINISHED = (NotificationState.WAITING, NotificationState.FAILED)
#: in any other state, and without doubt, only a late yes says that a call took it
_PERHAPS_TAKEN = deliveries.c.doubt | (deliveries.c.state + "").in_(
    [DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.HELD]
)
_ENDED: Mapping[str, Any] = {
    "state": DeliveryState.CANCELLED,
    "rule": Rule.CANCELLED,
    "reason": sa.case((deliveries.c.doubt, PERHAPS_SENT), else_=NOT_SENT),
    "due_at": None,
}
_END_RUN = (
    sa.update(notifications)
    .where(notifications.c.id == sa.bindparam("run"))
    .values(state=NotificationState.CANCELLED, due_at=None, decisions=sa.bindparam("all_decisions"))
)


def _under(cancel_key: str) -> sa.Select[Any]:
    query = sa.select(events.c.accepted_at, events.c.id)
    return query.where(events.c.cancel_key == cancel_key)


def _places(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Place]:
    return (Place(at=row.accepted_at, id=row.id) for row in connection.execute(query).all())


def _locked(which: sa.ColumnElement[bool], *columns: sa.Column[Any]) -> sa.Select[Any]:
    """The first column is the id."""
    return sa.select(*columns).where(which).order_by(columns[0]).with_for_update()


def _of(rows: Sequence[sa.Row[Any]]) -> sa.Update:
    return sa.update(deliveries).where(deliveries.c.id.in_([row.id for row in rows]))


def _ended_run(run: sa.Row[Any], now: datetime) -> Mapping[str, object]:
    decision = Decision(
        at=now, verdict=Verdict.SKIP, rule=Rule.CANCELLED, reason=NOT_SENT, step=run.step
    )
    return {"run": run.id, "all_decisions": [*run.decisions, orjson.loads(json_text(decision))]}
