"""Planning: due events become notifications and deliveries, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.errors import StaleDefinitions
from tidings.core.models import EventState, Lane
from tidings.core.work import DecideEvent, DueEvent, EventPlan, PlannedNotification, PlanResult
from tidings.store.postgres.batches import Row, columns, distinct, to_event
from tidings.store.postgres.due import locked_due, require_definitions
from tidings.store.postgres.errors import reason_of
from tidings.store.postgres.figures import Tally
from tidings.store.postgres.one_by_one import WriteEach
from tidings.store.postgres.planned import (
    ADD_DELIVERIES,
    Planned,
    add_notifications,
    delivery_columns,
)
from tidings.store.postgres.recipients import RECIPIENT, to_recipient

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

_MOST_TRIES = 5
_LONGEST_BACKOFF = 60

_COLUMNS = ("id", "source", "source_id", "type", "user_id", "data", "time", "events.lane", "tries")

DUE = f"""
WITH due AS MATERIALIZED (
    {locked_due(table="events", due="state = 'due'", columns=_COLUMNS, limit="$2")}
)
SELECT due.id::text, due.source, due.source_id, due.type, due.user_id AS event_user_id,
       due.data::text, due.time, due.lane, due.tries, now() + $1::interval AS now,
       {RECIPIENT}
FROM due LEFT JOIN users ON users.id = due.user_id
"""
#: takes the shift, deliveries, events with their reasons, new users, and figures
_FINISH = f"""
WITH added AS (
    {ADD_DELIVERIES}
),
planned AS (
    UPDATE events SET state = 'planned', due_at = NULL, reason = item.reason
    FROM unnest($16::uuid[], $17::text[]) AS item (id, reason)
    WHERE events.id = item.id
),
registered AS (
    UPDATE users SET registered_at = now() + $1::interval
    FROM unnest($18::text[]) AS item (id)
    WHERE users.id = item.id AND users.registered_at IS NULL
    RETURNING users.id
)
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT date_trunc('minute', now() + $1::interval), workflow, '', '', outcome, count
FROM unnest($19::text[], $20::text[], $21::integer[]) AS item (workflow, outcome, count)
UNION ALL
SELECT date_trunc('minute', now() + $1::interval), '', '', '', 'registered', count(*)
FROM registered HAVING count(*) > 0
"""
_PUT_OFF = """
UPDATE events
SET tries = item.tries, state = item.state, reason = item.reason,
    due_at = now() + $1::interval + make_interval(secs => item.seconds)
FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::float8[])
    AS item (id, tries, state, reason, seconds)
WHERE events.id = item.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A due event and the key of its row."""

    key: str
    event: DueEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """A due event and what the planner made of it."""

    due: _Due
    plan: EventPlan


_Failure = tuple[_Due, Exception]


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
    decided, undecided = _decide_all(due, decide)
    plans, unwritten = await write_each(
        connection, decided, lambda items: _write(connection, shift, items)
    )
    failures = undecided + [(each.due, error) for each, error in unwritten]
    await _put_off(connection, shift, failures)
    return PlanResult(plans=plans, failed=[due.event.event.id for due, _ in failures])


def _due(row: Row) -> _Due:
    event = DueEvent(
        event=to_event(row),
        lane=Lane(row["lane"]),
        tries=row["tries"],
        recipient=to_recipient(row),
        now=row["now"],
    )
    return _Due(key=row["id"], event=event)


def _decide_all(due: Sequence[_Due], decide: DecideEvent) -> tuple[list[_Decided], list[_Failure]]:
    decided: list[_Decided] = []
    failures: list[_Failure] = []
    for each in due:
        try:
            decided.append(_Decided(due=each, plan=decide(each.event)))
        except StaleDefinitions:
            raise
        except Exception as error:
            failures.append((each, error))
    return decided, failures


async def _write(
    connection: "Connection", shift: timedelta, decided: Sequence[_Decided]
) -> list[EventPlan]:
    planned = [
        Planned(event_key=each.due.key, notification=notification)
        for each in decided
        for notification in each.plan.notifications
    ]
    now = decided[0].due.event.now
    standing = await add_notifications(connection, shift, now, planned)
    by_id = {each.notification.id: each.notification for each in standing}
    plans = [_as_written(each.plan, by_id) for each in decided]
    await connection.execute(
        _FINISH,
        shift,
        *delivery_columns(standing),
        *columns(sorted((each.due.key, each.plan.reason) for each in decided), 2),
        distinct(each.event.user_id for each in plans if each.registers),
        *_tally(plans).columns(),
    )
    return plans


def _as_written(plan: EventPlan, by_id: Mapping[str, PlannedNotification]) -> EventPlan:
    standing = tuple(by_id[each.id] for each in plan.notifications if each.id in by_id)
    return replace(plan, notifications=standing)


def _tally(plans: Iterable[EventPlan]) -> Tally:
    tally = Tally()
    for each in plans:
        for notification in each.notifications:
            tally.count(notification.state, workflow=notification.workflow)
    return tally


async def _put_off(
    connection: "Connection", shift: timedelta, failures: Sequence[_Failure]
) -> None:
    if failures:
        rows = [_failed_row(due, error) for due, error in failures]
        await connection.execute(_PUT_OFF, shift, *columns(rows, 5))


def _failed_row(due: _Due, error: Exception) -> list[object]:
    tries = due.event.tries + 1
    if tries >= _MOST_TRIES:
        return [due.key, tries, EventState.FAILED, reason_of(error), None]
    seconds = min(2**due.event.tries, _LONGEST_BACKOFF)
    return [due.key, tries, EventState.DUE, reason_of(error), float(seconds)]
