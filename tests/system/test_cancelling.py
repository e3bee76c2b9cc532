"""Calling off, and opting out, as a program in process and a client over HTTP do it."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from tidings import Delay, Email, Preference, Workflow
from tidings.core.errors import InvalidInput, NotFound, TransientError
from tidings.core.models import DELIVERIES_SETTLED, DELIVERY_CHANNEL, NotificationState
from tidings.main import create_app
from tidings.notifications.cancel_rows import Cancelled
from tidings.testing.fake_system import FakeSystem

ORDER = Workflow(key="order", on="ORDERED", steps=[Email("welcome")])
REVIEW = Workflow(
    key="review", on="DELIVERED", steps=[Email("welcome"), Delay(days=3), Email("welcome")]
)


@pytest.fixture
async def tidings() -> AsyncIterator[FakeSystem]:
    async with FakeSystem(workflows=[ORDER, REVIEW]) as tidings:
        await tidings.users.put("ann", email="ann@example.com")
        yield tidings


@pytest.fixture
async def http(tidings: FakeSystem) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(tidings.services), client=("127.0.0.1", 5000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def test_what_is_called_off_before_it_is_planned_never_is(tidings: FakeSystem) -> None:
    event_id = await tidings.trigger("ORDERED", "ann", cancel_key="order-7")

    cancelled = await tidings.cancel(cancel_key="order-7")

    explained = await tidings.settled(event_id)
    assert cancelled == Cancelled(events=1)
    assert (explained.state, explained.notifications) == ("cancelled", ())
    tidings.assert_nothing_sent()


async def test_a_wait_that_is_called_off_ends_with_the_rule(tidings: FakeSystem) -> None:
    event_id = await tidings.trigger("DELIVERED", "ann")
    (waiting,) = (await tidings.settled(event_id)).notifications

    await tidings.cancel(notification_id=waiting.id)
    await tidings.advance(days=4)

    (ended,) = (await tidings.explain(event_id)).notifications
    assert ended.state == NotificationState.CANCELLED
    assert [decision.rule for decision in ended.decisions] == ["default", "delay", "cancelled"]
    assert len(tidings.sent) == 1


async def test_a_retry_that_is_called_off_is_never_tried(tidings: FakeSystem) -> None:
    tidings.provider.script([TransientError("busy")])
    event_id = await tidings.trigger("ORDERED", "ann")
    await tidings.settle()

    cancelled = await tidings.cancel(event_id=event_id)
    await tidings.advance(hours=1)

    assert cancelled == Cancelled(deliveries=1)
    ((delivery,),) = [each.deliveries for each in (await tidings.explain(event_id)).notifications]
    assert (delivery.state, delivery.rule) == ("cancelled", "cancelled")
    tidings.assert_nothing_sent()


async def test_a_delivery_that_is_called_off_is_told_on_the_bus(tidings: FakeSystem) -> None:
    tidings.provider.script([TransientError("busy")])
    event_id = await tidings.trigger("ORDERED", "ann", event_id="order-7")
    await tidings.settle()

    async with tidings.services.bus.watch(DELIVERY_CHANNEL) as events:
        await tidings.cancel(event_id=event_id)
        told = await asyncio.wait_for(anext(events), 5)

    ((delivery,),) = [each.deliveries for each in (await tidings.explain(event_id)).notifications]
    assert told.type == DELIVERIES_SETTLED
    assert told.data == {
        "outcomes": [
            {
                "delivery_id": delivery.id,
                "event_id": "order-7",
                "user_id": "ann",
                "workflow": "order",
                "channel": "email",
                "state": "cancelled",
                "reason": delivery.reason,
            }
        ]
    }


async def test_a_bus_that_hangs_delays_no_cancellation(
    tidings: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidings.provider.script([TransientError("busy")])
    event_id = await tidings.trigger("ORDERED", "ann")
    await tidings.settle()
    hangs = asyncio.Event()
    monkeypatch.setattr(tidings.services.bus, "publish", lambda *_news: hangs.wait())

    async with asyncio.timeout(1):
        cancelled = await tidings.cancel(event_id=event_id)

    assert cancelled == Cancelled(deliveries=1)


async def test_what_comes_under_the_key_afterwards_is_sent(tidings: FakeSystem) -> None:
    await tidings.trigger("ORDERED", "ann", cancel_key="order-7")
    await tidings.cancel(cancel_key="order-7")

    await tidings.trigger("ORDERED", "ann", cancel_key="order-7")
    await tidings.settle()

    tidings.assert_sent(to="ann@example.com")


async def test_what_there_is_not_or_was_named_badly_can_not_be_called_off(
    tidings: FakeSystem,
) -> None:
    with pytest.raises(NotFound):
        await tidings.cancel(event_id="unheard-of")
    with pytest.raises(InvalidInput):
        await tidings.cancel()
    with pytest.raises(InvalidInput):
        await tidings.trigger("ORDERED", "ann", cancel_key="two words")


async def test_a_repeat_under_another_cancel_key_is_another_request(tidings: FakeSystem) -> None:
    await tidings.trigger("ORDERED", "ann", idempotency_key="k", cancel_key="order-7")

    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        await tidings.trigger("ORDERED", "ann", idempotency_key="k", cancel_key="order-8")


async def test_events_of_a_bulk_are_called_off_over_http(
    tidings: FakeSystem, http: httpx2.AsyncClient
) -> None:
    event = {"type": "ORDERED", "user_id": "ann"}
    keys = ["order-7", "order-7", "order-8"]
    events = [{**event, "cancel_key": key} for key in keys]
    await http.post("/v1/events/bulk", json={"events": events})

    answer = await http.post("/v1/cancellations", json={"cancel_key": "order-7"})
    await tidings.settle()

    counts = {"events": 2, "notifications": 0, "deliveries": 0, "under_way": 0, "dead": 0}
    assert (answer.status_code, answer.json()) == (200, counts)
    assert len(tidings.sent) == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"event_id": "unheard-of"}, 404, "event_id"),
        ({"notification_id": "unheard-of"}, 404, "notification_id"),
        ({}, 422, None),
        ({"cancel_key": "a", "event_id": "b"}, 422, None),
        ({"cancel_key": "two words"}, 422, "cancel_key"),
        ({"order": "7"}, 422, "order"),
    ],
)
async def test_a_cancellation_that_names_nothing_is_refused(
    http: httpx2.AsyncClient, body: dict[str, str], status: int, field: str | None
) -> None:
    answer = await http.post("/v1/cancellations", json=body)

    assert (answer.status_code, answer.json().get("field")) == (status, field)


async def test_an_opt_out_a_suppression_and_a_cancellation_all_stop_a_retry(
    tidings: FakeSystem,
) -> None:
    tidings.provider.script([TransientError("busy")] * 3)
    events = {}
    for user in ("opts-out", "suppressed", "called-off"):
        await tidings.users.put(user, email=f"{user}@example.com")
        events[user] = await tidings.trigger("ORDERED", user)
    await tidings.settle()

    off = Preference(workflow="*", channel="email", enabled=False)
    await tidings.users.set_preferences("opts-out", [off])
    await tidings.suppressions.put("email", "suppressed@example.com")
    await tidings.cancel(event_id=events["called-off"])
    await tidings.advance(hours=1)

    rules = {}
    for user, event_id in events.items():
        ((delivery,),) = [one.deliveries for one in (await tidings.explain(event_id)).notifications]
        rules[user] = delivery.rule
    assert rules == {
        "opts-out": "preference",
        "suppressed": "suppressed",
        "called-off": "cancelled",
    }
    tidings.assert_nothing_sent()


async def test_a_suppressed_address_is_skipped_until_it_is_lifted(tidings: FakeSystem) -> None:
    kept = await tidings.suppressions.put("email", "ann@example.com", reason="complaint")
    skipped = await tidings.trigger("ORDERED", "ann")
    await tidings.settle()
    await tidings.assert_skipped(skipped, "order", rule="suppressed")

    await tidings.suppressions.lift(kept.id)
    await tidings.trigger("ORDERED", "ann")
    await tidings.settle()

    tidings.assert_sent(to="ann@example.com")


async def test_a_mistyped_channel_is_refused_and_those_there_are_are_named(
    tidings: FakeSystem, http: httpx2.AsyncClient
) -> None:
    mistyped = {"channel": "emial", "address": "ann@example.com"}

    refused = [
        await http.put("/v1/suppressions", json=mistyped),
        await http.post("/v1/suppressions/find", json=mistyped),
    ]

    assert [(each.status_code, each.json()["field"]) for each in refused] == [(422, "channel")] * 2
    assert {each.json()["detail"] for each in refused} == {
        "channel: must be one that has addresses: email"
    }
    assert await tidings.suppressions.list() == []


async def test_one_who_registers_a_suppressed_address_is_not_welcomed(tidings: FakeSystem) -> None:
    await tidings.suppressions.put("email", "eve@example.com")

    event_id = await tidings.register("eve@example.com")
    await tidings.settle()

    await tidings.assert_skipped(event_id, "welcome", rule="suppressed")
