"""`once`: at most one notification, not skipped, for each user and workflow."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tidings.core.models import DeliveryState, NotificationState
from tidings.core.ports import Store
from tidings.core.work import AttemptOutcome, DueEvent, EventPlan
from tidings.notifications.cancelling import Cancelling
from tidings.store import schema
from tidings.store.retention import Retention
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    a_plan,
    add_event,
    add_user,
    claim,
    claim_one,
    figures,
    nobody_hears,
    plan,
    row,
    rows,
    set_due,
)
from tidings.testing.store_contract.settle import sent, to_retry

#: how often what may cross is let cross
_ROUNDS = 20


def welcome(due: DueEvent) -> EventPlan:
    """A planner whose workflow runs once for each user."""
    return a_plan(due, once=True)


def later(due: DueEvent) -> EventPlan:
    """The same, where its first step is a wait."""
    until = due.now + timedelta(hours=1)
    return a_plan(due, once=True, state=NotificationState.WAITING, due_at=until, deliveries=())


class OnceContract(StoreCase):
    """What the partial unique index of `once` must lead to."""

    async def test_the_second_event_is_skipped_and_says_why(self, store: Store) -> None:
        await add_user(store, "ada")
        await add_event(store, "ada")
        await plan(store, welcome)
        await add_event(store, "ada")

        result = await plan(store, welcome)

        (loser,) = result.plans[0].notifications
        assert (loser.state, loser.deliveries) == (NotificationState.SKIPPED, ())
        assert (loser.decisions[-1].verdict, loser.decisions[-1].rule) == ("skip", "once")
        assert "once" in loser.decisions[-1].reason
        (stored,) = await rows(store, schema.notifications, id=loser.id)
        assert (stored["state"], stored["due_at"]) == ("skipped", None)
        assert [each["rule"] for each in stored["decisions"]] == ["once"]
        assert len(await rows(store, schema.deliveries)) == 1

    async def test_of_two_in_one_batch_one_wins(self, store: Store) -> None:
        await add_user(store, "ada")
        events = [await add_event(store, "ada") for _ in range(3)]

        result = await plan(store, welcome)

        states = {each.event.id: each.notifications[0].state for each in result.plans}
        assert sorted(states) == sorted(event.id for event in events)
        assert sorted(states.values()) == ["planned", "skipped", "skipped"]
        assert len(await rows(store, schema.deliveries)) == 1
        assert await figures(store) == {
            ("planned", "welcome", "", ""): 1,
            ("skipped", "welcome", "", ""): 2,
        }

    async def test_others_and_other_workflows_are_not_in_its_way(self, store: Store) -> None:
        await add_user(store, "ada")
        await add_user(store, "bob")
        await add_event(store, "ada")
        await add_event(store, "bob")
        await plan(store, welcome)
        await add_event(store, "ada")

        await plan(store, lambda due: a_plan(due, workflow="tips", once=True))

        states = [each["state"] for each in await rows(store, schema.notifications)]
        assert states == ["planned"] * 3

    async def test_a_skipped_one_leaves_the_place_free(self, store: Store) -> None:
        await add_user(store, "ada")
        await add_event(store, "ada")
        await plan(
            store,
            lambda due: a_plan(due, once=True, state=NotificationState.SKIPPED, deliveries=()),
        )
        await add_event(store, "ada")

        result = await plan(store, welcome)

        assert [each.state for each in result.plans[0].notifications] == ["planned"]

    async def test_a_loser_planned_again_stays_skipped_and_sends_nothing(
        self, store: Store
    ) -> None:
        await add_user(store, "ada")
        for _ in range(2):
            await add_event(store, "ada")
        await plan(store, welcome)
        await set_due(store)

        await plan(store, welcome)

        states = [each["state"] for each in await rows(store, schema.notifications)]
        assert sorted(states) == ["planned", "skipped"]
        assert len(await rows(store, schema.deliveries)) == 1

    @pytest.mark.parametrize("first", [welcome, later])
    async def test_one_called_off_before_anything_was_sent_does_not_count(
        self, store: Store, clock: MovableClock, first: Callable[[DueEvent], EventPlan]
    ) -> None:
        await self._begin(store, first)

        await self._call_off_run(store, clock)

        assert await self._again(store) == "planned"

    @pytest.mark.parametrize(
        ("outcome", "state"),
        [
            (AttemptOutcome.TRANSIENT, DeliveryState.PENDING),
            (AttemptOutcome.PERMANENT, DeliveryState.FAILED),
            (AttemptOutcome.ABSENT, DeliveryState.PENDING),
        ],
    )
    async def test_one_called_off_after_calls_that_surely_came_to_nothing_does_not_count(
        self, store: Store, clock: MovableClock, outcome: AttemptOutcome, state: DeliveryState
    ) -> None:
        await self._begin(store, welcome)
        call = await to_retry(store, await claim_one(store), outcome)
        await store.settle([replace(call, state=state)])

        await self._call_off_run(store, clock)

        assert await self._again(store) == "planned"

    @pytest.mark.parametrize("outcome", [None, AttemptOutcome.SENT, AttemptOutcome.UNKNOWN])
    async def test_one_called_off_that_may_have_been_sent_counts(
        self, store: Store, clock: MovableClock, outcome: AttemptOutcome | None
    ) -> None:
        await self._begin(store, welcome)
        claimed = await claim_one(store)
        if outcome is AttemptOutcome.SENT:
            await store.settle([await sent(store, claimed)])
        elif outcome is not None:
            await store.settle([await to_retry(store, claimed, outcome)])

        await self._call_off_run(store, clock)

        assert await self._again(store) == "skipped"

    async def test_one_whose_deliveries_are_past_retention_counts_for_good(
        self, store: Store, clock: MovableClock
    ) -> None:
        await self._begin(store, welcome)
        await store.settle([await sent(store, await claim_one(store))])
        clock.advance(days=31)
        await Retention(store, days=30).apply()

        await self._call_off_run(store, clock)

        assert await rows(store, schema.deliveries) == []
        assert await self._again(store) == "skipped"

    async def test_one_called_off_while_the_next_is_planned_leaves_one_that_counts(
        self, store: Store, other_store: Store, clock: MovableClock
    ) -> None:
        for number in range(_ROUNDS):
            user = f"user{number}"
            await self._begin(store, welcome, user)
            (run,) = await rows(store, schema.notifications, user_id=user)
            await add_event(store, user)

            await asyncio.gather(
                Cancelling(store, clock=clock, tell=nobody_hears).by(notification_id=run["id"]),
                plan(other_store, welcome),
                claim(other_store),
            )

            await add_event(store, user)
            await plan(store, welcome)
            runs = await rows(store, schema.notifications, user_id=user)
            counting = [each for each in runs if each["once"] and each["state"] != "skipped"]
            assert len(counting) == 1

    async def _begin(
        self, store: Store, decide: Callable[[DueEvent], EventPlan], user: str = "ada"
    ) -> None:
        await add_user(store, user)
        await add_event(store, user)
        await plan(store, decide)

    async def _call_off_run(self, store: Store, clock: MovableClock) -> None:
        run = await row(store, schema.notifications)
        await Cancelling(store, clock=clock, tell=nobody_hears).by(notification_id=run["id"])

    async def _again(self, store: Store) -> str:
        """What a second event comes to."""
        await add_event(store, "ada")
        (plan_of_it,) = (await plan(store, welcome)).plans
        return plan_of_it.notifications[0].state
