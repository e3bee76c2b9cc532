"""Planning: due events become notifications and deliveries, in one transaction."""

import sqlite3
from collections.abc import Sequence

from tidings.core.work import DecideEvent, DueEvent, EventPlan, PlanResult
from tidings.store.planning import (
    DecidedEvent,
    Due,
    as_written,
    counts,
    decide_all,
    due_event,
    event_rows,
    planned_by,
    put_off,
)
from tidings.store.schema.types import from_microseconds
from tidings.store.sqlite.due import putting_off, read_lanes, require_definitions
from tidings.store.sqlite.figures import add_figures
from tidings.store.sqlite.one_by_one import write_each
from tidings.store.sqlite.planned import add_notifications
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import batch, event_of, fetch_ids, ids

_DUE = """
SELECT id, source, source_id, type, user_id AS event_user_id, data, time, lane, tries
FROM events
WHERE state = 'due' AND lane = :lane AND due_at <= :now
ORDER BY due_at, rowid
LIMIT :limit
"""
_REGISTER = """
UPDATE users SET registered_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND registered_at IS NULL
RETURNING id
"""
_MARK_PLANNED = """
UPDATE events SET state = 'planned', due_at = NULL, reason = item.value->>1
FROM json_each(:rows) AS item
WHERE events.id = item.value->>0
"""
_PUT_OFF = putting_off("events")


def plan(
    connection: sqlite3.Connection, now: int, limit: int, definitions: int, decide: DecideEvent
) -> PlanResult:
    """Plan up to `limit` due events; one whose planning fails is put off alone."""
    require_definitions(connection, definitions)
    decided, undecided = decide_all(_read_due(connection, now, limit), decide)
    plans, unwritten = write_each(connection, decided, lambda items: _write(connection, now, items))
    failures = put_off(undecided, unwritten)
    rows = batch([each.row for each in failures])
    connection.execute(_PUT_OFF, {"rows": rows, "now": now})
    return PlanResult(plans=plans, failed=[each.failed for each in failures])


def _read_due(connection: sqlite3.Connection, now: int, limit: int) -> list[Due[DueEvent]]:
    rows = read_lanes(connection, [_DUE], {"now": now}, limit)
    recipients = read_recipients(connection, (row["event_user_id"] for row in rows))
    moment = from_microseconds(now)
    return [
        due_event(
            row,
            event=event_of(row),
            recipient=recipients.get(row["event_user_id"]),
            now=moment,
        )
        for row in rows
    ]


def _write(
    connection: sqlite3.Connection, now: int, decided: Sequence[DecidedEvent]
) -> list[EventPlan]:
    standing = add_notifications(connection, now, planned_by(decided))
    plans = as_written(decided, standing)
    connection.execute(_MARK_PLANNED, {"rows": batch(event_rows(decided))})
    counted = counts(each.notification for each in standing)
    registered = _register(connection, now, plans)
    if registered:
        counted.append(("", "registered", registered))
    add_figures(connection, now, counted)
    return plans


def _register(connection: sqlite3.Connection, now: int, plans: Sequence[EventPlan]) -> int:
    users = ids(each.event.user_id for each in plans if each.registers)
    return len(fetch_ids(connection, _REGISTER, {"ids": users, "now": now}))
