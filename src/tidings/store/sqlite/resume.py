"""Resuming: what waited and is due is planned on, in one transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from tidings.core.errors import StaleDefinitions
from tidings.core.models import Lane
from tidings.core.work import DecideNotification, DueNotification, PlannedNotification, PlanResult
from tidings.store.schema.types import from_microseconds
from tidings.store.sqlite.due import read_lanes, require_definitions
from tidings.store.sqlite.figures import Tally
from tidings.store.sqlite.one_by_one import write_each
from tidings.store.sqlite.planned import Planned, add_deliveries, due_at
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import batch, ids, json_text, to_event

#: how much later a notification is tried again whose planning failed, in microseconds
_PUT_OFF = 60_000_000

_DUE = """
SELECT due.id, due.event_id, due.workflow, due.workflow_version, due.user_id, due.lane, due.step,
       due.decisions, events.source, events.source_id, events.type,
       events.user_id AS event_user_id, events.data, events.time
FROM notifications AS due CROSS JOIN events ON events.id = due.event_id
WHERE due.state = 'waiting' AND due.lane = :lane AND due.due_at <= :now
ORDER BY due.due_at, due.rowid
LIMIT :limit
"""
_UPDATE = """
UPDATE notifications
SET state = item.value->>1, step = item.value->>2, due_at = item.value->>3,
    decisions = item.value->>4
FROM json_each(:rows) AS item
WHERE notifications.id = item.value->>0
"""
_MOVE = """
UPDATE notifications SET due_at = :due_at WHERE id IN (SELECT value FROM json_each(:ids))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A waiting notification, the key of its event, and its decisions so far."""

    event_key: str
    decisions: str
    notification: DueNotification


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """A waiting notification and what the planner made of it now."""

    due: _Due
    notification: PlannedNotification


_Failure = tuple[_Due, Exception]


def resume(
    connection: sqlite3.Connection,
    now: int,
    limit: int,
    definitions: int,
    decide: DecideNotification,
) -> PlanResult:
    """Plan on up to `limit` notifications; one whose planning fails is put off alone."""
    require_definitions(connection, definitions)
    decided, undecided = _decide_all(_read_due(connection, now, limit), decide)
    resumed, unwritten = write_each(
        connection, decided, lambda together: _write(connection, now, together)
    )
    failures = undecided + [(each.due, error) for each, error in unwritten]
    _count(connection, now, resumed)
    _put_off(connection, now, failures)
    return PlanResult(resumed=resumed, failed=[due.notification.event.id for due, _ in failures])


def _read_due(connection: sqlite3.Connection, now: int, limit: int) -> list[_Due]:
    rows = read_lanes(connection, _DUE, {"now": now}, limit)
    recipients = read_recipients(connection, (row["user_id"] for row in rows))
    moment = from_microseconds(now)
    return [
        _Due(
            event_key=row["event_id"],
            decisions=row["decisions"],
            notification=DueNotification(
                id=row["id"],
                event=to_event(row),
                lane=Lane(row["lane"]),
                workflow=row["workflow"],
                workflow_version=row["workflow_version"],
                step=row["step"],
                recipient=recipients.get(row["user_id"]),
                now=moment,
            ),
        )
        for row in rows
    ]


def _decide_all(
    due: Sequence[_Due], decide: DecideNotification
) -> tuple[list[_Decided], list[_Failure]]:
    decided: list[_Decided] = []
    failures: list[_Failure] = []
    for each in due:
        try:
            decided.append(_Decided(due=each, notification=decide(each.notification)))
        except StaleDefinitions:
            raise
        except Exception as error:
            failures.append((each, error))
    return decided, failures


def _write(
    connection: sqlite3.Connection, now: int, decided: Sequence[_Decided]
) -> list[PlannedNotification]:
    rows = [_row(each) for each in decided]
    connection.execute(_UPDATE, {"rows": batch(rows)})
    add_deliveries(
        connection,
        now,
        [Planned(event_key=each.due.event_key, notification=each.notification) for each in decided],
    )
    return [each.notification for each in decided]


def _row(decided: _Decided) -> list[object]:
    notification = decided.notification
    before = orjson.loads(decided.due.decisions)
    return [
        decided.due.notification.id,
        notification.state,
        notification.step,
        due_at(notification.due_at),
        json_text([*before, *notification.decisions]),
    ]


def _count(
    connection: sqlite3.Connection, now: int, resumed: Iterable[PlannedNotification]
) -> None:
    tally = Tally()
    for notification in resumed:
        tally.count(notification.state, workflow=notification.workflow)
    tally.write(connection, now)


def _put_off(connection: sqlite3.Connection, now: int, failures: Iterable[_Failure]) -> None:
    failed = ids(due.notification.id for due, _ in failures)
    connection.execute(_MOVE, {"ids": failed, "due_at": now + _PUT_OFF})
