"""Planning: due events become notifications and deliveries, in one transaction."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tidings.core.errors import StaleDefinitions
from tidings.core.models import EventState, Lane
from tidings.core.work import DecideEvent, DueEvent, EventPlan, PlannedNotification, PlanResult
from tidings.store.schema.types import from_microseconds
from tidings.store.sqlite.due import read_lanes, reason_of, require_definitions
from tidings.store.sqlite.figures import Tally
from tidings.store.sqlite.one_by_one import write_each
from tidings.store.sqlite.planned import Planned, add_notifications
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import batch, fetch_ids, ids, to_event

_MOST_TRIES = 5
_LONGEST_BACKOFF = 60
_SECOND = 1_000_000

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
_MARK_FAILED = """
UPDATE events
SET tries = item.value->>1, state = item.value->>2, due_at = item.value->>3,
    reason = item.value->>4
FROM json_each(:rows) AS item
WHERE events.id = item.value->>0
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


def plan(
    connection: sqlite3.Connection, now: int, limit: int, definitions: int, decide: DecideEvent
) -> PlanResult:
    """Plan up to `limit` due events; one whose planning fails is put off alone."""
    require_definitions(connection, definitions)
    decided, undecided = _decide_all(_read_due(connection, now, limit), decide)
    tally = Tally()
    plans, unwritten = write_each(
        connection, decided, lambda batch_of: _write(connection, now, batch_of)
    )
    failures = undecided + [(each.due, error) for each, error in unwritten]
    _count(tally, plans)
    tally.count("registered", times=_register(connection, now, plans))
    tally.write(connection, now)
    _put_off(connection, now, failures)
    return PlanResult(plans=plans, failed=[due.event.event.id for due, _ in failures])


def _read_due(connection: sqlite3.Connection, now: int, limit: int) -> list[_Due]:
    rows = read_lanes(connection, _DUE, {"now": now}, limit)
    recipients = read_recipients(connection, (row["event_user_id"] for row in rows))
    moment = from_microseconds(now)
    return [
        _Due(
            key=row["id"],
            event=DueEvent(
                event=to_event(row),
                lane=Lane(row["lane"]),
                tries=row["tries"],
                recipient=recipients.get(row["event_user_id"]),
                now=moment,
            ),
        )
        for row in rows
    ]


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


def _write(
    connection: sqlite3.Connection, now: int, decided: Sequence[_Decided]
) -> list[EventPlan]:
    planned = [
        Planned(event_key=each.due.key, notification=notification)
        for each in decided
        for notification in each.plan.notifications
    ]
    standing = add_notifications(connection, now, planned)
    rows = sorted((each.due.key, each.plan.reason) for each in decided)
    connection.execute(_MARK_PLANNED, {"rows": batch(rows)})
    by_id = {each.notification.id: each.notification for each in standing}
    return [_as_written(each.plan, by_id) for each in decided]


def _as_written(plan: EventPlan, by_id: Mapping[str, PlannedNotification]) -> EventPlan:
    standing = tuple(by_id[each.id] for each in plan.notifications if each.id in by_id)
    return replace(plan, notifications=standing)


def _count(tally: Tally, plans: Iterable[EventPlan]) -> None:
    for each in plans:
        for notification in each.notifications:
            tally.count(notification.state, workflow=notification.workflow)


def _register(connection: sqlite3.Connection, now: int, plans: Iterable[EventPlan]) -> int:
    users = ids(each.event.user_id for each in plans if each.registers)
    return len(fetch_ids(connection, _REGISTER, {"ids": users, "now": now}))


def _put_off(connection: sqlite3.Connection, now: int, failures: Iterable[_Failure]) -> None:
    rows = [_failed_row(due, now, error) for due, error in failures]
    connection.execute(_MARK_FAILED, {"rows": batch(rows)})


def _failed_row(due: _Due, now: int, error: Exception) -> list[object]:
    tries = due.event.tries + 1
    if tries >= _MOST_TRIES:
        return [due.key, tries, EventState.FAILED, None, reason_of(error)]
    seconds = min(2**due.event.tries, _LONGEST_BACKOFF)
    return [due.key, tries, EventState.DUE, now + seconds * _SECOND, reason_of(error)]
