"""The SQL of replaying: what is dead falls due again, once, whoever asks.

Rows are locked as everybody does: notifications before deliveries, and each in the order of ids.
`state || ''` keeps the planner from the partial index of the dead: rows are looked for by id.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from tidings.core.models import DEAD, Decision, Verdict
from tidings.core.rules import Rule
from tidings.store.dead_letter_rows import Kind, called_off, was_taken
from tidings.store.rows import json_text
from tidings.store.schema import dead_letters, deliveries, events, notifications


def replay(
    connection: sa.Connection,
    kind: Kind,
    ids: Sequence[str],
    *,
    by: str,
    now: datetime,
    in_doubt: bool,
) -> int:
    """Make those of these rows due that are dead at this moment; how many they were."""
    return _REPLAYS[kind](connection, sorted(ids), by, now, in_doubt)


def _replay_events(
    connection: sa.Connection, ids: Sequence[str], _by: str, now: datetime, _in_doubt: bool
) -> int:
    locked = _locked(connection, events, ids, events.c.state + "" == "failed")
    change = {"state": "due", "due_at": now, "tries": 0, "reason": None}
    _update(connection, events, locked, change)
    return len(locked)


def _replay_notifications(
    connection: sa.Connection, ids: Sequence[str], by: str, now: datetime, _in_doubt: bool
) -> int:
    locked = _locked(connection, notifications, ids, notifications.c.state + "" == "failed")
    change = {"state": "waiting", "due_at": now, "tries": 0, "reason": None}
    _update(connection, notifications, locked, change)
    told = {row.id: row.decisions for row in locked}
    _note(connection, told, {row.id: [_told(row, by, now)] for row in locked})
    return len(locked)


def _replay_deliveries(
    connection: sa.Connection, ids: Sequence[str], by: str, now: datetime, in_doubt: bool
) -> int:
    dead = (deliveries.c.state + "").in_(DEAD) & ~called_off() & ~was_taken()
    if not in_doubt:
        dead &= ~deliveries.c.doubt & (deliveries.c.state + "" != "held")
    runs = sa.select(deliveries.c.notification_id).where(deliveries.c.id.in_(ids))
    told = _lock_stories(connection, runs)
    locked = _locked(connection, deliveries, ids, dead)
    change = {
        "state": "pending",
        "due_at": now,
        "updated_at": now,
        "tries": 0,
        "lapses": 0,
        "reason": None,
        "rule": None,
    }
    _update(connection, deliveries, locked, change)
    _count_age_anew(connection, locked, now)
    _note(connection, told, _notes(locked, by, now))
    return len(locked)


def _count_age_anew(connection: sa.Connection, rows: Sequence[sa.Row[Any]], now: datetime) -> None:
    """What else a policy says stays, in words of a newer release too."""
    since = {"replayed_at": now.isoformat()}
    changes = [{"of": row.id, "wanted": {**(row.policy or {}), **since}} for row in rows]
    if changes:
        statement = sa.update(deliveries).where(deliveries.c.id == sa.bindparam("of"))
        connection.execute(statement.values(policy=sa.bindparam("wanted")), changes)


def mark_replayed(connection: sa.Connection, entry_id: str, now: datetime) -> bool:
    """Note that an entry of the bus was accepted after all; False where it was noted before."""
    statement = (
        sa.update(dead_letters)
        .where(dead_letters.c.id == entry_id, dead_letters.c.replayed_at.is_(None))
        .values(replayed_at=now)
    )
    return connection.execute(statement).rowcount == 1


_Replay = Callable[[sa.Connection, Sequence[str], str, datetime, bool], int]
_REPLAYS: Mapping[Kind, _Replay] = {
    Kind.EVENT: _replay_events,
    Kind.NOTIFICATION: _replay_notifications,
    Kind.DELIVERY: _replay_deliveries,
}


def _locked(
    connection: sa.Connection,
    table: sa.Table,
    ids: Sequence[str],
    dead: sa.ColumnElement[bool],
) -> Sequence[sa.Row[Any]]:
    """The dead among these rows, in the order in which everybody locks them."""
    query = sa.select(table).where(table.c.id.in_(ids), dead).order_by(table.c.id)
    return connection.execute(query.with_for_update(of=table)).all()


def _update(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[sa.Row[Any]],
    change: Mapping[str, object],
) -> None:
    ids = [row.id for row in rows]
    connection.execute(sa.update(table).where(table.c.id.in_(ids)).values(change))


def _notes(rows: Sequence[sa.Row[Any]], by: str, now: datetime) -> Mapping[str, Sequence[Decision]]:
    notes: dict[str, list[Decision]] = {}
    for row in rows:
        note = _told(row, by, now, step=row.step, channel=row.channel)
        notes.setdefault(row.notification_id, []).append(note)
    return notes


def _told(
    row: sa.Row[Any], by: str, now: datetime, *, step: int | None = None, channel: str | None = None
) -> Decision:
    rule = getattr(row, "rule", None)
    by_rule = f" by the rule {rule}" if rule else ""
    before = f" It had come to nothing{by_rule}: {row.reason}" if row.reason else ""
    return Decision(
        at=now,
        verdict=Verdict.SEND,
        rule=Rule.REPLAYED,
        reason=f"Replayed by {by}.{before}",
        step=step,
        channel=channel,
    )


def _lock_stories(
    connection: sa.Connection, ids: sa.Select[tuple[str]]
) -> Mapping[str, Sequence[Any]]:
    """What is told of these notifications so far, by id; nobody else adds to it meanwhile."""
    query = sa.select(notifications.c.id, notifications.c.decisions)
    query = query.where(notifications.c.id.in_(ids)).order_by(notifications.c.id)
    return {row.id: row.decisions for row in connection.execute(query.with_for_update())}


def _note(
    connection: sa.Connection,
    told: Mapping[str, Sequence[Any]],
    notes: Mapping[str, Sequence[Decision]],
) -> None:
    """Add to what is told of notifications."""
    changes = [
        {"of": key, "told": [*told.get(key, ()), *orjson.loads(json_text(added))]}
        for key, added in notes.items()
    ]
    if changes:
        statement = sa.update(notifications).where(notifications.c.id == sa.bindparam("of"))
        connection.execute(statement.values(decisions=sa.bindparam("told")), changes)
