"""Planning: what is due becomes notifications and deliveries, once, in one transaction."""

from dataclasses import replace

import pytest

from tidings.core.errors import StaleDefinitions
from tidings.core.models import Lane, NotificationState, Recipient
from tidings.core.ports import Store
from tidings.core.work import DueEvent, EventPlan
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    a_notification,
    a_plan,
    accept,
    add_event,
    add_user,
    an_event,
    bump_definitions,
    figures,
    noting,
    plan,
    row,
    rows,
    set_due,
)


class PlanContract(StoreCase):
    """What `plan` must do."""

    async def test_a_due_event_becomes_its_notifications_and_deliveries(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada", "ada@example.com")
        event = await add_event(store, "ada", lane=Lane.CRITICAL)

        result = await plan(store)

        (planned,) = result.plans
        (notification,) = planned.notifications
        assert (planned.event, list(result.failed)) == (event, [])
        stored = await row(store, schema.notifications)
        assert (stored["id"], stored["event_id"]) == (notification.id, event.key)
        assert (stored["workflow"], stored["workflow_version"]) == ("welcome", "w1")
        assert (stored["user_id"], stored["lane"], stored["once"]) == ("ada", "critical", False)
        assert (stored["state"], stored["step"], stored["due_at"]) == ("planned", 1, None)
        delivery = await row(store, schema.deliveries)
        assert delivery["id"] == notification.deliveries[0].id
        assert (delivery["notification_id"], delivery["event_id"]) == (notification.id, event.key)
        assert (delivery["user_id"], delivery["workflow"]) == ("ada", "welcome")
        assert (delivery["channel"], delivery["lane"]) == ("email", "critical")
        assert (delivery["address"], delivery["state"]) == ("ada@example.com", "pending")
        assert (delivery["template"], delivery["template_version"]) == ("welcome", "v1")
        assert (delivery["epoch"], delivery["tries"], delivery["lapses"]) == (0, 0, 0)
        assert delivery["due_at"] == notification.deliveries[0].due_at

    async def test_decisions_are_kept_with_the_rule_that_made_them(self, store: Store) -> None:
        await add_user(store, "ada")
        await add_event(store, "ada")

        result = await plan(store)

        (decision,) = result.plans[0].notifications[0].decisions
        assert (await row(store, schema.notifications))["decisions"] == [
            {
                "at": decision.at.isoformat(),
                "verdict": "send",
                "rule": "workflow",
                "reason": "The step sends.",
                "step": 0,
                "channel": None,
            }
        ]

    async def test_the_planner_is_told_all_it_may_ask(
        self, store: Store, clock: MovableClock
    ) -> None:
        clock.advance(hours=5)
        await add_user(
            store,
            "ada",
            "ada@example.com",
            "ada@work.example",
            name="Ada",
            locale="en",
            consent_version=7,
            preferences=[("*", "email", True), ("welcome", "*", False)],
        )
        await add_user(store, "bob", "bob@example.com")
        event = await add_event(store, "ada", lane=Lane.BULK, data={"n": [1]}, id="order-1")
        heard: list[DueEvent] = []

        await plan(store, noting(heard, a_plan))

        (due,) = heard
        assert (due.event, due.lane, due.tries) == (event, Lane.BULK, 0)
        assert due.recipient == Recipient(
            id="ada",
            name="Ada",
            locale="en",
            consent_version=7,
            addresses={"email": ("ada@example.com", "ada@work.example")},
            preferences={("*", "email"): True, ("welcome", "*"): False},
        )
        assert abs(due.now - clock.now()) < CLOCK_TOLERANCE

    async def test_a_rejected_address_is_shown_to_the_planner_as_one(self, store: Store) -> None:
        await add_user(store, "ada", "ada@example.com")
        await store.run(
            lambda connection: (
                connection.execute(schema.addresses.update().values(status="rejected")).rowcount
            )
        )
        await add_event(store, "ada")
        heard: list[DueEvent] = []

        await plan(store, noting(heard, a_plan))

        assert heard[0].recipient == Recipient(id="ada", rejected={"email": ("ada@example.com",)})

    async def test_an_event_for_nobody_has_no_recipient(self, store: Store) -> None:
        await accept(store, an_event(store))

        result = await plan(store, nothing_for_nobody)

        assert [each.reason for each in result.plans] == ["it is for nobody"]
        stored = await row(store, schema.events)
        assert (stored["state"], stored["due_at"]) == ("planned", None)
        assert stored["reason"] == "it is for nobody"
        assert await rows(store, schema.notifications) == []

    async def test_what_is_planned_is_not_due_again(self, store: Store) -> None:
        await add_user(store, "ada")
        await add_event(store, "ada")
        await plan(store)

        result = await plan(store)

        assert list(result.plans) == []

    async def test_lanes_are_planned_in_order_however_long_a_lane_waited(
        self, store: Store
    ) -> None:
        await add_user(store, "ada")
        for lane in (Lane.BULK, Lane.BULK, Lane.NORMAL, Lane.CRITICAL):
            await add_event(store, "ada", lane=lane)
        heard: list[DueEvent] = []

        for _ in range(4):
            await plan(store, noting(heard, a_plan), limit=1)

        assert [due.lane for due in heard] == [Lane.CRITICAL, Lane.NORMAL, Lane.BULK, Lane.BULK]

    async def test_within_a_lane_the_first_due_comes_first(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        events = []
        for _ in range(5):
            events.append(await add_event(store, "ada"))
            clock.advance(seconds=1)
        heard: list[DueEvent] = []

        await plan(store, noting(heard, a_plan), limit=3)
        await plan(store, noting(heard, a_plan), limit=3)

        assert [due.event for due in heard] == events

    async def test_changed_definitions_stop_planning_before_anything(self, store: Store) -> None:
        await add_user(store, "ada")
        await add_event(store, "ada")
        await bump_definitions(store)
        asked: list[DueEvent] = []

        with pytest.raises(StaleDefinitions):
            await store.plan(limit=10, definitions=0, decide=noting(asked, a_plan))

        assert asked == []
        assert len((await plan(store)).plans) == 1

    async def test_a_planner_that_finds_its_definitions_stale_undoes_the_batch(
        self, store: Store
    ) -> None:
        await add_user(store, "ada")
        events = [await add_event(store, "ada") for _ in range(2)]

        def stale(due: DueEvent) -> EventPlan:
            if due.event.id == events[1].id:
                raise StaleDefinitions("template welcome is gone")
            return a_plan(due)

        with pytest.raises(StaleDefinitions):
            await plan(store, stale)

        assert await rows(store, schema.notifications) == []
        assert {each["tries"] for each in await rows(store, schema.events)} == {0}

    async def test_planning_an_event_twice_makes_the_same_rows(self, store: Store) -> None:
        await add_user(store, "ada")
        await add_event(store, "ada")
        await plan(store)
        before = await rows(store, schema.notifications), await rows(store, schema.deliveries)
        await set_due(store)

        result = await plan(store)

        assert [each.notifications for each in result.plans] == [()]
        after = await rows(store, schema.notifications), await rows(store, schema.deliveries)
        assert after == before
        assert (await figures(store))["planned", "welcome", "", ""] == 1

    async def test_a_user_counts_as_registered_once(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        for _ in range(2):
            await add_event(store, "ada")
        await plan(store, registering)
        registered_at = (await row(store, schema.users))["registered_at"]
        clock.advance(minutes=5)
        await add_event(store, "ada")

        await plan(store, registering)

        assert registered_at is not None
        assert (await row(store, schema.users))["registered_at"] == registered_at
        assert (await figures(store))["registered", "", "", ""] == 1

    async def test_figures_count_what_was_planned_by_workflow_and_minute(
        self, store: Store, clock: MovableClock
    ) -> None:
        await add_user(store, "ada")
        for _ in range(3):
            await add_event(store, "ada")

        await plan(store, two_workflows)

        found = await figures(store)
        assert found == {("planned", "welcome", "", ""): 3, ("skipped", "tips", "", ""): 3}
        minute = (await rows(store, schema.figures))[0]["minute"]
        assert (minute.second, minute.microsecond) == (0, 0)
        assert abs(minute - clock.now()).total_seconds() < 70


def nothing_for_nobody(due: DueEvent) -> EventPlan:
    """A planner that finds nobody to tell."""
    assert due.recipient is None
    return EventPlan(event=due.event, reason="it is for nobody")


def registering(due: DueEvent) -> EventPlan:
    """A planner for whom every event registers its user."""
    return EventPlan(event=due.event, registers=True)


def two_workflows(due: DueEvent) -> EventPlan:
    """A planner that plans one workflow and skips another."""
    skipped = a_notification(due, workflow="tips", state=NotificationState.SKIPPED, deliveries=())
    plan = a_plan(due)
    return replace(plan, notifications=(*plan.notifications, skipped))
