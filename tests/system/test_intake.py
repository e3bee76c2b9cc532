"""Intake: durable before the answer, once for each key and id, whatever the bus does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.system.house import House, open_house
from tidings.core.clock import SystemClock
from tidings.core.errors import InvalidInput, NotFound
from tidings.core.metrics import Metrics
from tidings.core.models import Event
from tidings.core.ports import Store
from tidings.memory_bus import MemoryEventBus
from tidings.notifications.intake import AcceptedEvent
from tidings.notifications.requests import EventRequest
from tidings.notifications.workflow import Email, Workflow
from tidings.store.schema import addresses, events, notifications, users

ALARM = Workflow(key="alarm", on="ALARM", steps=[Email("welcome")], critical=True)


@pytest.fixture
async def house(store: Store) -> AsyncIterator[House]:
    async with open_house(store, workflows=[ALARM]) as opened:
        yield opened


@pytest.fixture
async def ann(house: House) -> str:
    await house.users.put("ann", email="ann@example.com", name="Ann", locale=None)
    return "ann"


def heard(event_id: str = "7", source: str = "shop", **change: Any) -> Event:
    fields: dict[str, Any] = {"type": "REGISTERED_USER", "data": {"email": "bob@example.com"}}
    return Event(id=event_id, source=source, time=datetime.now(UTC), **{**fields, **change})


async def test_a_registration_makes_user_address_and_event(house: House) -> None:
    event_id = (await house.intake.register("Bob@Example.com", name="Bob", locale="pl")).event_id

    explanation = await house.notifications.explain(event_id)
    assert explanation.user_id is not None
    user = await house.users.get(explanation.user_id)
    assert (user.email, user.name, user.locale) == ("bob@example.com", "Bob", "pl")
    assert explanation.state == "due"


async def test_registrations_of_one_address_at_once_meet_in_one_user(house: House) -> None:
    accepted = await asyncio.gather(*(house.intake.register("bob@example.com") for _ in range(20)))
    ids = [each.event_id for each in accepted]
    await house.plan()

    assert len(set(ids)) == 20
    assert await house.count(users) == 1
    assert await house.count(addresses) == 1
    states = [(await house.notifications.explain(each)).notifications[0].state for each in ids]
    assert sorted(states) == ["planned"] + ["skipped"] * 19


async def test_a_repeat_under_a_key_is_one_registration_and_one_message(house: House) -> None:
    registered = [
        await house.intake.register("bob@example.com", idempotency_key="k1") for _ in range(2)
    ]
    sent = [await house.intake.send("bob@example.com", "hi", idempotency_key="k1") for _ in "12"]

    assert [each.replayed for each in (*registered, *sent)] == [False, True, False, True]
    assert len({each.event_id for each in (*registered, *sent)}) == 2
    assert await house.count(events) == 2
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        await house.intake.send("bob@example.com", "hi", idempotency_key="two words")


async def test_registering_a_known_address_changes_nothing_about_its_user(house: House) -> None:
    first = (await house.intake.register("bob@example.com", name="Bob")).event_id

    await house.intake.register("bob@example.com", name="Mallory")

    user_id = (await house.notifications.explain(first)).user_id
    assert user_id is not None
    assert (await house.users.get(user_id)).name == "Bob"


async def test_an_event_of_an_unknown_user_is_refused_and_not_stored(house: House) -> None:
    with pytest.raises(NotFound, match="nobody") as refused:
        await house.intake.trigger("ORDERED", "nobody")

    assert refused.value.field == "user_id"
    assert await house.count(events) == 0


async def test_a_repeat_under_one_key_is_accepted_once(house: House, ann: str) -> None:
    first = await house.intake.trigger("ORDERED", ann, {"n": 1}, idempotency_key="k")

    again = await house.intake.trigger("ORDERED", ann, {"n": 1}, idempotency_key="k")

    assert again == AcceptedEvent(event_id=first.event_id, replayed=True)
    assert await house.count(events) == 1


async def test_a_key_with_another_body_is_refused(house: House, ann: str) -> None:
    await house.intake.trigger("ORDERED", ann, {"n": 1}, idempotency_key="k")

    with pytest.raises(InvalidInput) as refused:
        await house.intake.trigger("ORDERED", ann, {"n": 2}, idempotency_key="k")

    assert refused.value.field == "Idempotency-Key"
    assert await house.count(events) == 1


async def test_an_id_of_the_callers_own_is_taken_once(house: House, ann: str) -> None:
    first = await house.intake.trigger("ORDERED", ann, {"n": 1}, event_id="order-1")
    again = await house.intake.trigger("ORDERED", ann, {"n": 1}, event_id="order-1")

    with pytest.raises(InvalidInput) as refused:
        await house.intake.trigger("ORDERED", ann, {"n": 2}, event_id="order-1")

    assert (first.event_id, first.replayed) == ("order-1", False)
    assert (again.event_id, again.replayed) == ("order-1", True)
    assert refused.value.field == "id"
    assert (await house.notifications.explain("order-1")).data == {"n": 1}


async def test_many_events_each_get_their_own_result(house: House, ann: str) -> None:
    results = await house.intake.trigger_many(
        [
            EventRequest(type="ORDERED", user_id=ann, id="a"),
            EventRequest(type="ORDERED", user_id="nobody"),
            EventRequest(type="two words", user_id=ann),
            EventRequest(type="ORDERED", user_id=ann, id="b"),
        ]
    )

    assert results[0] == AcceptedEvent(event_id="a", replayed=False)
    assert isinstance(results[1], NotFound)
    assert isinstance(results[2], InvalidInput)
    assert results[3] == AcceptedEvent(event_id="b", replayed=False)


async def test_the_lane_is_critical_where_a_critical_workflow_listens(
    house: House, ann: str
) -> None:
    alarm = await house.intake.trigger("ALARM", ann)
    normal = await house.intake.trigger("ORDERED", ann)
    await house.intake.trigger_many(
        [
            EventRequest(type="ORDERED", user_id=ann, id="bulk"),
            EventRequest(type="ALARM", user_id=ann, id="bulk-alarm"),
        ]
    )

    lanes = [
        (await house.notifications.explain(each)).lane
        for each in (alarm.event_id, normal.event_id, "bulk", "bulk-alarm")
    ]
    assert lanes == ["critical", "normal", "bulk", "critical"]


async def test_a_message_to_a_new_address_makes_its_user_and_is_planned(house: House) -> None:
    event_id = (await house.intake.send("bob@example.com", "hello", subject="Hi")).event_id
    await house.plan()

    explanation = await house.notifications.explain(event_id)
    (notification,) = explanation.notifications
    assert notification.workflow == "direct"
    assert [each.address for each in notification.deliveries] == ["bob@example.com"]


async def test_an_event_heard_twice_is_stored_once(house: House) -> None:
    first = await house.intake.accept_heard(heard(), "USER_CHANNEL")

    again = await house.intake.accept_heard(heard(), "USER_CHANNEL")

    assert (first.replayed, again.replayed) == (False, True)
    assert await house.count(events) == 1


async def test_two_senders_may_use_the_same_id(house: House) -> None:
    await house.intake.accept_heard(heard(source="shop"), "USER_CHANNEL")
    await house.intake.accept_heard(heard(source="forum"), "USER_CHANNEL")

    assert await house.count(events) == 2
    assert await house.count(users) == 1


async def test_an_event_heard_about_an_unknown_user_is_refused(house: House) -> None:
    with pytest.raises(NotFound):
        await house.intake.accept_heard(heard(type="ORDERED", user_id="nobody"), "USER_CHANNEL")

    assert await house.count(events) == 0


async def test_what_is_accepted_is_published_on_its_channel(house: House, ann: str) -> None:
    async with house.bus.watch("ORDERS") as rings:
        accepted = await house.intake.trigger("ORDERED", ann, {"n": 1}, bus_channel="ORDERS")

        async with asyncio.timeout(5):
            event = await anext(rings)

    assert (event.id, event.type, event.user_id) == (accepted.event_id, "ORDERED", ann)
    assert event.source == house.store.installation.source


class DeafBus(MemoryEventBus):
    """Never answers."""

    async def publish(self, bus_channel: str, *events: Event) -> None:
        await asyncio.Event().wait()


async def test_a_bus_that_hangs_delays_no_answer_and_loses_nothing(store: Store) -> None:
    bus = DeafBus(metrics=Metrics(), clock=SystemClock())
    async with open_house(store, bus=bus) as house:
        async with asyncio.timeout(1):
            event_id = (await house.intake.register("bob@example.com")).event_id

        await house.plan()

        assert (await house.notifications.explain(event_id)).state == "planned"
        assert await house.count(notifications) == 1
