"""Planning: due events become notifications and deliveries, in one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.work import DecideEvent, DueEvent, EventPlan, PlanResult
from tidings.store.planning import (
    DecidedEvent,
    Due,
    as_written,
    counts,
    decide_all,
    delivery_rows,
    due_event,
    event_rows,
    planned_by,
    put_off,
)
from tidings.store.postgres.batches import columns, distinct
from tidings.store.postgres.due import locked_due, putting_off, require_definitions
from tidings.store.postgres.figures import add_figures
from tidings.store.postgres.one_by_one import WriteEach
from tidings.store.postgres.planned import ADD_DELIVERIES, add_notifications
from tidings.store.postgres.recipients import RECIPIENT, to_recipient
from tidings.store.rows import Row, to_event

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_COLUMNS = ("id", "source", "source_id", "type", "user_id", "data", "time", "events.lane", "tries")

DUE = f"""
WITH due AS MATERIALIZED (
    {locked_due("state = 'due'", table="events", columns=_COLUMNS, limit="$2")}
)
SELECT due.id::text, due.source, due.source_id, due.type, due.user_id AS event_user_id,
       due.data::text, due.time, due.lane, due.tries, now() + $1::interval AS now,
       {RECIPIENT}
FROM due LEFT JOIN users ON users.id = due.user_id
"""
#: takes the shift, deliveries, events with their reasons, new users, and figures
FINISH = f"""
WITH added AS (
    {ADD_DELIVERIES}
),
planned AS (
    UPDATE events SET state = 'planned', due_at = NULL, reason = item.reason
    FROM unnest($18::uuid[], $19::text[]) AS item (id, reason)
    WHERE events.id = item.id
),
registered AS (
    UPDATE users SET registered_at = now() + $1::interval
    FROM unnest($20::text[]) AS item (id)
    WHERE users.id = item.id AND users.registered_at IS NULL
    RETURNING users.id
)
{add_figures(21)}
UNION ALL
SELECT date_trunc('minute', now() + $1::interval), '', '', '', 'registered', count(*)
FROM registered HAVING count(*) > 0
"""
PUT_OFF = putting_off("events")


async def plan(
    connection: "Connection",
    shift: timedelta,
    limit: int,
    definitions: int,
    decide: DecideEvent,
    write_each: WriteEach,
) -> PlanResult:
    """Plan up to `limit` due events; one whose planning fails is put off alone."""
    await require_definitions(connection, definitions)
    due = [_due(row) for row in await connection.fetch(DUE, shift, limit)]
    decided, undecided = decide_all(due, decide)
    plans, unwritten = await write_each(
        connection, decided, lambda items: _write(connection, shift, items)
    )
    failures = put_off(undecided, unwritten)
    if failures:
        await connection.execute(PUT_OFF, shift, *columns([each.row for each in failures], 4))
    return PlanResult(plans=plans, failed=[each.failed for each in failures])


def _due(row: Row) -> Due[DueEvent]:
    return due_event(
        row, event=to_event(row, row["time"]), recipient=to_recipient(row), now=row["now"]
    )


async def _write(
    connection: "Connection", shift: timedelta, decided: Sequence[DecidedEvent]
) -> list[EventPlan]:
    now = decided[0].due.work.now
    standing = await add_notifications(connection, shift, now, planned_by(decided))
    plans = as_written(decided, standing)
    await connection.execute(
        FINISH,
        shift,
        *columns(delivery_rows(standing), 16),
        *columns(event_rows(decided), 2),
        distinct(each.event.user_id for each in plans if each.registers),
        *columns(counts(each.notification for each in standing), 3),
    )
    return plans
