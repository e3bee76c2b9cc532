"""Resuming: what waited and is due is planned on, in one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.work import DecideNotification, DueNotification, PlannedNotification, PlanResult
from tidings.store.planning import (
    DecidedNotification,
    Due,
    counts,
    decide_all,
    delivery_rows,
    due_notification,
    put_off,
    resumed_by,
    resumed_row,
)
from tidings.store.postgres.batches import columns
from tidings.store.postgres.due import locked_due, putting_off, require_definitions
from tidings.store.postgres.figures import add_figures
from tidings.store.postgres.one_by_one import WriteEach
from tidings.store.postgres.planned import ADD_DELIVERIES
from tidings.store.postgres.recipients import RECIPIENT, to_recipient
from tidings.store.rows import Row, to_event

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_COLUMNS = (
    "id",
    "event_id",
    "workflow",
    "workflow_version",
    "user_id",
    "notifications.lane",
    "step",
    "tries",
)

DUE = f"""
WITH due AS MATERIALIZED (
    {locked_due("state = 'waiting'", table="notifications", columns=_COLUMNS, limit="$2")}
)
SELECT due.id::text, due.event_id::text, due.workflow, due.workflow_version, due.lane, due.step,
       due.tries, events.source, events.source_id, events.type, events.user_id AS event_user_id,
       events.data::text, events.time, now() + $1::interval AS now,
       {RECIPIENT}
FROM due JOIN events ON events.id = due.event_id LEFT JOIN users ON users.id = due.user_id
"""
#: takes the shift, deliveries, notifications, and figures
FINISH = f"""
WITH added AS (
    {ADD_DELIVERIES}
),
resumed AS (
    UPDATE notifications
    SET state = item.state, step = item.step, due_at = item.due_at, tries = 0, reason = NULL,
        decisions = notifications.decisions || item.decisions::jsonb
    FROM unnest($18::uuid[], $19::text[], $20::smallint[], $21::timestamptz[], $22::text[])
        AS item (id, state, step, due_at, decisions)
    WHERE notifications.id = item.id
)
{add_figures(23)}
"""
PUT_OFF = putting_off("notifications")


async def resume(
    connection: "Connection",
    shift: timedelta,
    limit: int,
    definitions: int,
    decide: DecideNotification,
    write_each: WriteEach,
) -> PlanResult:
    """Plan on up to `limit` notifications; one whose planning fails is put off alone."""
    await require_definitions(connection, definitions)
    due = [_due(row) for row in await connection.fetch(DUE, shift, limit)]
    decided, undecided = decide_all(due, decide)
    resumed, unwritten = await write_each(
        connection, decided, lambda items: _write(connection, shift, items)
    )
    failures = put_off(undecided, unwritten)
    if failures:
        await connection.execute(PUT_OFF, shift, *columns([each.row for each in failures], 4))
    return PlanResult(resumed=resumed, failed=[each.failed for each in failures])


def _due(row: Row) -> Due[DueNotification]:
    return due_notification(
        row, event=to_event(row, row["time"]), recipient=to_recipient(row), now=row["now"]
    )


async def _write(
    connection: "Connection", shift: timedelta, decided: Sequence[DecidedNotification]
) -> list[PlannedNotification]:
    rows = sorted((resumed_row(each) for each in decided), key=lambda row: str(row[0]))
    resumed = [each.made for each in decided]
    await connection.execute(
        FINISH,
        shift,
        *columns(delivery_rows(resumed_by(decided)), 16),
        *columns(rows, 5),
        *columns(counts(resumed), 3),
    )
    return resumed
