"""Bugs of accepting and planning."""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from tests.simulation.bugs.bug import STORE, Bug, replaced, reworded
from tidings.core import models
from tidings.core.bell import Bell
from tidings.core.errors import Unavailable
from tidings.core.ids import Ids
from tidings.core.ports import Received, Subscription
from tidings.core.work import Acceptance, Accepted, AcceptStatus, DecideEvent, PlanResult
from tidings.notification_worker import NotificationWorker
from tidings.notifications import planner
from tidings.notifications.intake import Intake
from tidings.store.judging import Item, key_rows
from tidings.store.sqlite import SqliteStore
from tidings.store.sqlite import accept as accepting
from tidings.store.sqlite.rows import batch

_commit, _accept, _plan = Intake._commit, SqliteStore.accept, SqliteStore.plan
_hear, _wait = NotificationWorker._hear, Bell.wait


async def _commit_later(self: Intake, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
    async def commit() -> None:
        try:
            await _commit(self, acceptances)
        except Unavailable:
            return

    self.__dict__.setdefault("_later", []).append(asyncio.create_task(commit()))
    return [Accepted(status=AcceptStatus.STORED, event_id=each.event.id) for each in acceptances]


async def _accept_in_two(
    self: SqliteStore, acceptances: Sequence[Acceptance]
) -> Sequence[Accepted]:
    answers = await _accept(self, acceptances)
    stored = [
        Item(each)
        for each, answer in zip(acceptances, answers, strict=True)
        if answer.status is AcceptStatus.STORED
    ]

    def add_keys(connection: sqlite3.Connection, now: int) -> None:
        connection.execute(_ADD_KEYS, {"rows": batch(key_rows(stored)), "now": now})

    await self._transact(add_keys)
    return answers


_ADD_KEYS = accepting._ADD_KEYS


def _plant_two_commits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accepting, "_ADD_KEYS", "SELECT :rows, :now")
    patch.setattr(SqliteStore, "accept", _accept_in_two)


async def _plan_in_two(
    self: SqliteStore, *, limit: int, definitions: int, decide: DecideEvent
) -> PlanResult:
    def mark(connection: sqlite3.Connection, now: int) -> list[str]:
        due = connection.execute(
            "SELECT id FROM events WHERE state = 'due' AND due_at <= ? LIMIT ?", (now, limit)
        ).fetchall()
        ids = [row[0] for row in due]
        connection.execute(_SET, {"state": "planned", "ids": batch(ids)})
        return ids

    def unmark(connection: sqlite3.Connection, _now: int) -> None:
        connection.execute(_SET, {"state": "due", "ids": batch(marked)})

    marked = await self._transact(mark)
    if not marked:
        return PlanResult()
    await self._transact(unmark)
    return await _plan(self, limit=limit, definitions=definitions, decide=decide)


_SET = "UPDATE events SET state = :state WHERE id IN (SELECT value FROM json_each(:ids))"


async def _ack_first(
    self: NotificationWorker,
    subscription: Subscription,
    batch: Sequence[Received],
    stopping: asyncio.Event,
) -> None:
    await subscription.ack(batch)
    await _hear(self, subscription, batch, stopping)


async def _wait_for_the_bell_alone(self: Bell, _seconds: float) -> bool:
    return await _wait(self, 3_600)


def _another_id(*_parts: Any) -> str:
    return Ids().new()


def _plant_other_ids(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner, "derived", _another_id)


def _plant_own_id_for_each(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(models, "event_key", lambda _source, _id: Ids().new())


BUGS = (
    Bug(
        name="the answer is given before the commit",
        seed=0,
        plant=replaced(Intake, "_commit", _commit_later),
        test="tests/system/test_intake.py::"
        "test_an_event_of_an_unknown_user_is_refused_and_not_stored[sqlite]",
    ),
    Bug(
        name="the idempotency record is stored in a transaction of its own",
        seed=1,
        plant=_plant_two_commits,
        test="tests/unit/store/sqlite/test_store.py::test_accepting_is_one_transaction",
    ),
    Bug(
        name="an idempotency key is forgotten",
        seed=0,
        plant=reworded(accepting, "_ADD_KEYS", "WHERE true", "WHERE false"),
        test=f"{STORE}test_the_same_key_and_body_gives_the_first_answer_again",
    ),
    Bug(
        name="an event heard twice is two events",
        seed=1,
        plant=_plant_own_id_for_each,
        test="tests/system/test_intake.py::test_an_event_heard_twice_is_stored_once[sqlite]",
    ),
    Bug(
        name="what is heard is acknowledged before it is stored",
        seed=39,
        plant=replaced(NotificationWorker, "_hear", _ack_first),
        test="tests/system/test_notification_worker.py::"
        "test_what_could_not_be_stored_before_the_end_is_heard_by_the_next",
    ),
    Bug(
        name="events are marked as planned before their plan is committed",
        seed=1,
        plant=replaced(SqliteStore, "plan", _plan_in_two),
        test="tests/unit/store/sqlite/test_store.py::test_planning_is_one_transaction",
    ),
    Bug(
        name="planning again makes other ids",
        seed=6,
        plant=_plant_other_ids,
        test="tests/unit/notifications/test_planner_laws.py::test_planning_twice_plans_the_same",
    ),
    Bug(
        name="a lost bell is taken for no work: nobody polls",
        seed=0,
        plant=replaced(Bell, "wait", _wait_for_the_bell_alone),
        test="tests/unit/core/test_bell.py::test_without_a_ring_the_wait_is_over_in_its_time",
    ),
)
