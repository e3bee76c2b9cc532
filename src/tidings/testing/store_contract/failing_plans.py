"""An event whose planning fails: alone, later again, and in the end for good."""

from dataclasses import replace
from typing import Any, cast

import pytest

from tidings.core.models import Event
from tidings.core.ports import Store
from tidings.core.work import DecideEvent, DueEvent, EventPlan, FailedPlan
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    a_notification,
    a_plan,
    add_event,
    add_user,
    figures,
    noting,
    plan,
    row,
    rows,
)

#: what is kept of an event that `failing` breaks on
BROKEN = "ZeroDivisionError: step 0 divides by nothing"


def failing(*events: Event) -> DecideEvent:
    """A planner that breaks on these events."""
    broken = {event.id for event in events}

    def decide(due: DueEvent) -> EventPlan:
        if due.event.id in broken:
            raise ZeroDivisionError("step 0 divides by nothing")
        return a_plan(due)

    return decide


def bad_row(event: Event, **changes: Any) -> DecideEvent:
    """A planner whose notification for this event no database takes."""

    def decide(due: DueEvent) -> EventPlan:
        return a_plan(due, **changes) if due.event.id == event.id else a_plan(due)

    return decide


class FailingPlanContract(StoreCase):
    """What `plan` must do when planning fails."""

    async def test_an_event_the_planner_breaks_on_fails_alone(self, store: Store) -> None:
        await add_user(store, "ada")
        events = [await add_event(store, "ada") for _ in range(3)]

        result = await plan(store, failing(events[1]))

        planned = {each.event.id for each in result.plans}
        assert planned == {events[0].id, events[2].id}
        assert list(result.failed) == [
            FailedPlan(event_id=events[1].id, reason=BROKEN, final=False)
        ]
        stored = await row(store, schema.events, id=events[1].key)
        assert (stored["state"], stored["tries"]) == ("due", 1)
        assert stored["reason"] == BROKEN
        assert await rows(store, schema.notifications, event_id=events[1].key) == []

    @pytest.mark.parametrize("changes", [{"workflow_version": None}, {"user_id": "\ud800"}])
    async def test_an_event_whose_rows_no_database_takes_fails_alone(
        self, store: Store, changes: dict[str, Any]
    ) -> None:
        await add_user(store, "ada")
        events = [await add_event(store, "ada") for _ in range(3)]

        result = await plan(store, bad_row(events[1], **changes))

        planned = {each.event.id for each in result.plans}
        assert planned == {events[0].id, events[2].id}
        assert [each.event_id for each in result.failed] == [events[1].id]
        assert "InvalidInput: " in result.failed[0].reason
        assert len(await rows(store, schema.deliveries)) == 2
        stored = await row(store, schema.events, id=events[1].key)
        assert (stored["state"], stored["tries"], bool(stored["reason"])) == ("due", 1, True)

    async def test_of_an_event_that_fails_half_way_nothing_stays(self, store: Store) -> None:
        await add_user(store, "ada")
        events = [await add_event(store, "ada") for _ in range(2)]

        def decide(due: DueEvent) -> EventPlan:
            if due.event.id != events[0].id:
                return a_plan(due)
            notification = a_notification(due)
            nameless = replace(notification.deliveries[0], address=cast(str, None))
            return EventPlan(
                event=due.event,
                notifications=(replace(notification, deliveries=(nameless,)),),
                registers=True,
            )

        result = await plan(store, decide)

        assert [each.event_id for each in result.failed] == [events[0].id]
        assert [each.event.id for each in result.plans] == [events[1].id]
        assert await rows(store, schema.notifications, event_id=events[0].key) == []
        assert (await row(store, schema.users))["registered_at"] is None
        assert await figures(store) == {("planned", "welcome", "", ""): 1}

    async def test_it_is_due_again_later_and_not_at_once(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        event = await add_event(store, "ada")
        await plan(store, failing(event))

        at_once = await plan(store)
        clock.advance(seconds=3)
        later = await plan(store)

        assert list(at_once.plans) == []
        assert [each.event for each in later.plans] == [event]
        stored = await row(store, schema.events)
        assert (stored["state"], stored["due_at"], stored["reason"]) == ("planned", None, None)

    async def test_each_try_waits_longer_than_the_one_before(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        event = await add_event(store, "ada")
        waits = []

        for _ in range(4):
            before = await store.now()
            await plan(store, failing(event))
            waits.append((await row(store, schema.events))["due_at"] - before)
            clock.advance(seconds=61)

        assert waits == sorted(waits)
        assert 0.9 < waits[0].total_seconds() < 5
        assert waits[-1].total_seconds() <= 61

    async def test_after_five_tries_it_failed_with_its_reason(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        event = await add_event(store, "ada")

        told: list[FailedPlan] = []

        for _ in range(5):
            (failed,) = (await plan(store, failing(event))).failed
            told.append(failed)
            clock.advance(minutes=2)

        stored = await row(store, schema.events)
        assert (stored["state"], stored["due_at"], stored["tries"]) == ("failed", None, 5)
        assert [each.final for each in told] == [False] * 4 + [True]
        assert stored["reason"] == BROKEN
        assert list((await plan(store)).plans) == []

    async def test_the_planner_is_told_how_often_it_failed(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        event = await add_event(store, "ada")
        await plan(store, failing(event))
        clock.advance(minutes=2)
        heard: list[DueEvent] = []

        await plan(store, noting(heard, a_plan))

        assert [due.tries for due in heard] == [1]
