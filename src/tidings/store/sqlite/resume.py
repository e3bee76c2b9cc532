"""Resuming: what waited and is due is planned on, in one transaction."""

import sqlite3
from collections.abc import Sequence

from tidings.core.work import DecideNotification, DueNotification, PlannedNotification, PlanResult
from tidings.store.planning import (
    DecidedNotification,
    Due,
    counts,
    decide_all,
    due_notification,
    put_off,
    resumed_by,
    resumed_row,
)
from tidings.store.schema.types import from_microseconds
from tidings.store.sqlite.due import putting_off, read_lanes, require_definitions
from tidings.store.sqlite.figures import add_figures
from tidings.store.sqlite.one_by_one import write_each
from tidings.store.sqlite.planned import add_deliveries
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import batch, event_of

_DUE = """
SELECT due.id, due.event_id, due.workflow, due.workflow_version, due.user_id, due.lane, due.step,
       due.tries, events.source, events.source_id, events.type,
       events.user_id AS event_user_id, events.data, events.time
FROM notifications AS due CROSS JOIN events ON events.id = due.event_id
WHERE due.state = 'waiting' AND due.lane = :lane AND due.due_at <= :now
ORDER BY due.due_at, due.rowid
LIMIT :limit
"""
_UPDATE = """
UPDATE notifications
SET state = item.value->>1, step = item.value->>2, due_at = item.value->>3,
    tries = 0, reason = NULL,
    decisions = (
        SELECT json_group_array(json(value))
        FROM (SELECT value FROM json_each(decisions)
              UNION ALL SELECT value FROM json_each(item.value->>4))
    )
FROM json_each(:rows) AS item
WHERE notifications.id = item.value->>0
"""
_PUT_OFF = putting_off("notifications")


def resume(
    connection: sqlite3.Connection,
    now: int,
    limit: int,
    definitions: int,
    decide: DecideNotification,
) -> PlanResult:
    """Plan on up to `limit` notifications; one whose planning fails is put off alone."""
    require_definitions(connection, definitions)
    decided, undecided = decide_all(_read_due(connection, now, limit), decide)
    resumed, unwritten = write_each(
        connection, decided, lambda items: _write(connection, now, items)
    )
    failures = put_off(undecided, unwritten)
    rows = batch([each.row for each in failures])
    connection.execute(_PUT_OFF, {"rows": rows, "now": now})
    return PlanResult(resumed=resumed, failed=[each.failed for each in failures])


def _read_due(connection: sqlite3.Connection, now: int, limit: int) -> list[Due[DueNotification]]:
    rows = read_lanes(connection, [_DUE], {"now": now}, limit)
    recipients = read_recipients(connection, (row["user_id"] for row in rows))
    moment = from_microseconds(now)
    return [
        due_notification(
            row, event=event_of(row), recipient=recipients.get(row["user_id"]), now=moment
        )
        for row in rows
    ]


def _write(
    connection: sqlite3.Connection, now: int, decided: Sequence[DecidedNotification]
) -> list[PlannedNotification]:
    resumed = [each.made for each in decided]
    connection.execute(_UPDATE, {"rows": batch([resumed_row(each) for each in decided])})
    add_deliveries(connection, now, resumed_by(decided))
    add_figures(connection, now, counts(resumed))
    return resumed
