"""Resuming: what waited and is due is planned on, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.errors import StaleDefinitions
from tidings.core.models import Lane
from tidings.core.work import DecideNotification, DueNotification, PlannedNotification, PlanResult
from tidings.store.postgres.batches import Row, columns, distinct, json_text, to_event
from tidings.store.postgres.due import locked_due, require_definitions
from tidings.store.postgres.figures import Tally
from tidings.store.postgres.one_by_one import WriteEach
from tidings.store.postgres.planned import ADD_DELIVERIES, Planned, delivery_columns
from tidings.store.postgres.recipients import RECIPIENT, to_recipient

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: how much later a notification is tried again whose planning failed
_PUT_OFF_BY = timedelta(seconds=60)

_COLUMNS = (
    "id",
    "event_id",
    "workflow",
    "workflow_version",
    "user_id",
    "notifications.lane",
    "step",
)

DUE = f"""
WITH due AS MATERIALIZED (
    {locked_due(table="notifications", due="state = 'waiting'", columns=_COLUMNS, limit="$2")}
)
SELECT due.id::text, due.event_id::text, due.workflow, due.workflow_version, due.lane, due.step,
       events.source, events.source_id, events.type, events.user_id AS event_user_id,
       events.data::text, events.time, now() + $1::interval AS now,
       {RECIPIENT}
FROM due JOIN events ON events.id = due.event_id LEFT JOIN users ON users.id = due.user_id
"""
_UPDATE = """
UPDATE notifications
SET state = item.state, step = item.step, due_at = item.due_at,
    decisions = notifications.decisions || item.decisions::jsonb
FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::timestamptz[], $5::text[])
    AS item (id, state, step, due_at, decisions)
WHERE notifications.id = item.id
"""
_PUT_OFF = """
UPDATE notifications SET due_at = now() + $1::interval FROM unnest($2::uuid[]) AS item (id)
WHERE notifications.id = item.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A waiting notification and the key of its event."""

    event_key: str
    notification: DueNotification


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """A waiting notification and what the planner made of it now."""

    due: _Due
    notification: PlannedNotification


_Failure = tuple[_Due, Exception]


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
    decided, undecided = _decide_all(due, decide)
    resumed, unwritten = await write_each(
        connection, decided, lambda items: _write(connection, shift, items)
    )
    failures = undecided + [(each.due, error) for each, error in unwritten]
    await _tally(resumed).write(connection, shift)
    await _put_off(connection, shift, failures)
    return PlanResult(resumed=resumed, failed=[due.notification.event.id for due, _ in failures])


def _due(row: Row) -> _Due:
    notification = DueNotification(
        id=row["id"],
        event=to_event(row),
        lane=Lane(row["lane"]),
        workflow=row["workflow"],
        workflow_version=row["workflow_version"],
        step=row["step"],
        recipient=to_recipient(row),
        now=row["now"],
    )
    return _Due(event_key=row["event_id"], notification=notification)


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


async def _write(
    connection: "Connection", shift: timedelta, decided: Sequence[_Decided]
) -> list[PlannedNotification]:
    rows = sorted((_row(each) for each in decided), key=lambda row: str(row[0]))
    await connection.execute(_UPDATE, *columns(rows, 5))
    planned = [
        Planned(event_key=each.due.event_key, notification=each.notification) for each in decided
    ]
    await connection.execute(ADD_DELIVERIES, shift, *delivery_columns(planned))
    return [each.notification for each in decided]


def _row(decided: _Decided) -> list[object]:
    notification = decided.notification
    return [
        decided.due.notification.id,
        notification.state,
        notification.step,
        notification.due_at,
        json_text(notification.decisions),
    ]


def _tally(resumed: Iterable[PlannedNotification]) -> Tally:
    tally = Tally()
    for notification in resumed:
        tally.count(notification.state, workflow=notification.workflow)
    return tally


async def _put_off(
    connection: "Connection", shift: timedelta, failures: Sequence[_Failure]
) -> None:
    if failures:
        ids = distinct(due.notification.id for due, _ in failures)
        await connection.execute(_PUT_OFF, shift + _PUT_OFF_BY, ids)
