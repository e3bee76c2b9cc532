"""`once`: at most one notification, not skipped, for each user and workflow."""

from tidings.core.models import NotificationState
from tidings.core.ports import Store
from tidings.core.work import DueEvent, EventPlan
from tidings.store import schema
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import (
    a_plan,
    add_event,
    add_user,
    figures,
    plan,
    rows,
    set_due,
)


def welcome(due: DueEvent) -> EventPlan:
    """A planner whose workflow runs once for each user."""
    return a_plan(due, once=True)


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
