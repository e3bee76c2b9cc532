"""Resuming: what waited is planned on when its time has come."""

from datetime import timedelta
from typing import Any

import pytest

from tidings.core.errors import StaleDefinitions
from tidings.core.ids import derived
from tidings.core.models import Lane, NotificationState, Recipient
from tidings.core.ports import Store
from tidings.core.work import (
    DecideNotification,
    DueNotification,
    FailedPlan,
    PlannedDelivery,
    PlannedNotification,
    PlanResult,
)
from tidings.store import definitions, schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import CLOCK_TOLERANCE, StoreCase
from tidings.testing.store_contract.given import (
    a_decision,
    add_event,
    add_user,
    bump_definitions,
    claim,
    figures,
    noting,
    plan,
    row,
    rows,
    waiting,
)


def taken_on(due: DueNotification, **changes: Any) -> PlannedNotification:
    """The next step sends one e-mail, and that was the last."""
    delivery = PlannedDelivery(
        id=derived(due.id, str(due.step), "email"),
        step=due.step,
        channel="email",
        address="ada@example.com",
        template="tips",
        template_version="v1",
        locale=None,
        consent_version=0,
        due_at=due.now,
    )
    values: dict[str, Any] = {
        "id": due.id,
        "user_id": due.event.user_id,
        "workflow": due.workflow,
        "workflow_version": due.workflow_version,
        "lane": due.lane,
        "once": False,
        "state": NotificationState.PLANNED,
        "step": due.step + 1,
        "due_at": None,
        "decisions": (a_decision(due.now, rule="resumed"),),
        "deliveries": (delivery,),
    }
    return PlannedNotification(**(values | changes))


def broken(due: DueNotification) -> PlannedNotification:
    """A planner that breaks on everything."""
    raise ZeroDivisionError("the step divides by nothing")


async def resume(
    store: Store, decide: DecideNotification = taken_on, *, limit: int = 100
) -> PlanResult:
    """Plan on what waited, under the definitions as they are."""
    stamp = await store.run(definitions.read)
    return await store.resume(limit=limit, definitions=stamp, decide=decide)


async def park(store: Store, *, lane: Lane = Lane.NORMAL, seconds: float = 60) -> str:
    """A notification that waits so long; its event's id."""
    if not await rows(store, schema.users, id="ada"):
        await add_user(store, "ada", "ada@example.com", name="Ada")
    event = await add_event(store, "ada", lane=lane, data={"n": 1})
    await plan(store, waiting(seconds))
    return event.id


class ResumeContract(StoreCase):
    """What `resume` must do."""

    async def test_what_waits_is_left_until_it_is_due(
        self, store: Store, clock: MovableClock
    ) -> None:
        await park(store, seconds=60)
        early = await resume(store)
        clock.advance(seconds=61)

        late = await resume(store)

        assert list(early.resumed) == []
        assert [each.state for each in late.resumed] == [NotificationState.PLANNED]

    async def test_it_is_taken_on_from_where_it_waited(
        self, store: Store, clock: MovableClock
    ) -> None:
        event_id = await park(store)
        clock.advance(seconds=61)
        heard: list[DueNotification] = []

        result = await resume(store, noting(heard, taken_on))

        (due,) = heard
        assert (due.event.id, due.event.data, due.step) == (event_id, {"n": 1}, 1)
        assert (due.workflow, due.workflow_version, due.lane) == ("welcome", "w1", Lane.NORMAL)
        assert due.recipient == Recipient(
            id="ada", name="Ada", addresses={"email": ("ada@example.com",)}
        )
        assert abs(due.now - clock.now()) < CLOCK_TOLERANCE
        stored = await row(store, schema.notifications)
        assert (stored["state"], stored["step"], stored["due_at"]) == ("planned", 2, None)
        assert [each["rule"] for each in stored["decisions"]] == ["workflow", "resumed"]
        delivery = await row(store, schema.deliveries)
        assert delivery["id"] == result.resumed[0].deliveries[0].id
        assert (delivery["event_id"], delivery["step"]) == (due.event.key, 1)
        assert [each.id for each in await claim(store)] == [delivery["id"]]

    async def test_it_may_wait_again(self, store: Store, clock: MovableClock) -> None:
        await park(store)
        clock.advance(seconds=61)

        def wait_on(due: DueNotification) -> PlannedNotification:
            until = due.now + timedelta(seconds=60)
            return taken_on(due, state=NotificationState.WAITING, due_at=until, deliveries=())

        await resume(store, wait_on)
        at_once = await resume(store)
        clock.advance(seconds=61)
        later = await resume(store)

        assert (len(at_once.resumed), len(later.resumed)) == (0, 1)

    async def test_lanes_come_in_order(self, store: Store, clock: MovableClock) -> None:
        for lane in (Lane.BULK, Lane.NORMAL, Lane.CRITICAL):
            await park(store, lane=lane)
        clock.advance(seconds=61)
        heard: list[DueNotification] = []

        for _ in range(3):
            await resume(store, noting(heard, taken_on), limit=1)

        assert [due.lane for due in heard] == [Lane.CRITICAL, Lane.NORMAL, Lane.BULK]

    async def test_changed_definitions_stop_it(self, store: Store, clock: MovableClock) -> None:
        await park(store)
        clock.advance(seconds=61)
        await bump_definitions(store)

        with pytest.raises(StaleDefinitions):
            await store.resume(limit=10, definitions=0, decide=taken_on)

        assert len((await resume(store)).resumed) == 1

    @pytest.mark.parametrize("fault", ["raises", "bad row"])
    async def test_one_that_fails_fails_alone_and_comes_back_later(
        self, store: Store, clock: MovableClock, fault: str
    ) -> None:
        event_ids = [await park(store) for _ in range(3)]
        clock.advance(seconds=61)

        def break_second(due: DueNotification) -> PlannedNotification:
            if due.event.id != event_ids[1]:
                return taken_on(due)
            if fault == "raises":
                raise ZeroDivisionError("the step divides by nothing")
            return taken_on(due, step=None)

        result = await resume(store, break_second)
        at_once = await resume(store)
        clock.advance(seconds=65)
        later = await resume(store)

        assert len(result.resumed) == 2
        assert [each.event_id for each in result.failed] == [event_ids[1]]
        assert (len(at_once.resumed), len(later.resumed)) == (0, 1)
        assert len(await rows(store, schema.deliveries)) == 3

    async def test_after_five_tries_its_waiting_is_over_with_a_reason(
        self, store: Store, clock: MovableClock
    ) -> None:
        event_id = await park(store)
        told: list[FailedPlan] = []
        heard: list[DueNotification] = []

        for _ in range(5):
            clock.advance(minutes=2)
            told += (await resume(store, noting(heard, broken))).failed
        clock.advance(minutes=2)

        reason = "ZeroDivisionError: the step divides by nothing"
        assert [due.tries for due in heard] == [0, 1, 2, 3, 4]
        assert [each.final for each in told] == [False] * 4 + [True]
        assert told[0] == FailedPlan(event_id=event_id, reason=reason, final=False)
        stored = await row(store, schema.notifications)
        assert (stored["state"], stored["due_at"], stored["tries"]) == ("failed", None, 5)
        assert stored["reason"] == reason
        assert [each["rule"] for each in stored["decisions"]] == ["workflow"]
        assert await resume(store) == PlanResult(resumed=[], failed=[])

    async def test_a_step_that_went_well_makes_the_failures_forgotten(
        self, store: Store, clock: MovableClock
    ) -> None:
        await park(store)
        clock.advance(minutes=2)
        await resume(store, broken)
        clock.advance(minutes=2)

        await resume(store)

        stored = await row(store, schema.notifications)
        assert (stored["state"], stored["tries"], stored["reason"]) == ("planned", 0, None)

    async def test_figures_count_it_where_it_got_to(
        self, store: Store, clock: MovableClock
    ) -> None:
        await park(store)
        clock.advance(seconds=61)

        await resume(store)

        assert await figures(store) == {
            ("waiting", "welcome", "", ""): 1,
            ("planned", "welcome", "", ""): 1,
        }
