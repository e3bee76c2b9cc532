"""The channel in_app from the event to the feed, and the routes that show it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tidings import Email, InApp, Workflow
from tidings.channel_worker import ChannelWorker
from tidings.core.models import DeliveryState
from tidings.inbox.items import Counts
from tidings.main import create_app
from tidings.testing.fake_system import FakeSystem
from tidings.users.people import Preference

SHIPPED = Workflow(
    key="order-shipped", on="ORDER_SHIPPED", steps=[InApp("order"), Email("welcome")]
)
NO_FEED = Preference(workflow="*", channel="in_app", enabled=False)
UNKNOWN = "9e4b1c3a-0000-8000-8000-000000000001"


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[FakeSystem]:
    """A shop that tells of orders in the app; Ann has an account and no address at all."""
    (tmp_path / "order").mkdir()
    (tmp_path / "order" / "in_app.txt").write_text("Order {{ data.order }} is on its way.")
    (tmp_path / "order" / "in_app.subject.txt").write_text("On its way")
    async with FakeSystem(workflows=[SHIPPED], templates=tmp_path) as system:
        await system.users.put("ann")
        await system.users.put("ben", email="ben@example.com")
        yield system


@pytest.fixture
async def api(system: FakeSystem) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(system.services), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def ship(system: FakeSystem, user_id: str = "ann", order: str = "A-7") -> str:
    event_id = await system.trigger("ORDER_SHIPPED", user_id, {"order": order})
    await system.settle()
    return event_id


async def feed(api: httpx2.AsyncClient, query: str = "") -> dict[str, Any]:
    answer = await api.get(f"/v1/users/ann/feed{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_event_ends_in_the_feed_of_a_user_without_any_address(system: FakeSystem) -> None:
    event_id = await ship(system)

    [item] = (await system.feed.list("ann")).items
    assert (item.workflow, item.title, item.body) == (
        "order-shipped",
        "On its way",
        "Order A-7 is on its way.",
    )
    [notification] = (await system.explain(event_id)).notifications
    [delivery] = notification.deliveries
    assert (delivery.id, delivery.channel, delivery.address, delivery.state) == (
        item.id,
        "in_app",
        "ann",
        DeliveryState.SENT,
    )
    system.assert_nothing_sent()


async def test_it_goes_out_beside_the_mail_and_counts_as_any_other(system: FakeSystem) -> None:
    await ship(system, "ben")

    await system.services.store.fold()
    summary = await system.services.analytics.summary()

    system.assert_sent(to="ben@example.com")
    assert await system.feed.counts("ben") == Counts(unseen=1, unread=1)
    assert summary.totals.sent == 2


async def test_who_does_not_want_it_does_not_get_it(system: FakeSystem) -> None:
    await system.users.set_preferences("ann", [NO_FEED])

    event_id = await ship(system)

    await system.assert_skipped(event_id, "order-shipped", rule="preference")
    assert (await system.feed.list("ann")).items == []


async def test_an_opt_out_after_planning_still_counts(system: FakeSystem) -> None:
    event_id = await system.trigger("ORDER_SHIPPED", "ann", {"order": "A-7"})
    await system.services.notifications.plan_due()

    await system.users.set_preferences("ann", [NO_FEED])
    await system.settle()

    [notification] = (await system.explain(event_id)).notifications
    assert [one.state for one in notification.deliveries] == [DeliveryState.SUPPRESSED]
    assert (await system.feed.list("ann")).items == []


async def test_a_worker_of_this_channel_alone_leaves_the_mail_to_others(
    system: FakeSystem,
) -> None:
    await system.trigger("ORDER_SHIPPED", "ben", {"order": "A-7"})
    await system.services.notifications.plan_due()

    assert await ChannelWorker(system.services, channels=["in_app"]).work() == 1

    assert await system.feed.counts("ben") == Counts(unseen=1, unread=1)
    system.assert_nothing_sent()


async def test_the_api_shows_the_feed_page_by_page(
    api: httpx2.AsyncClient, system: FakeSystem
) -> None:
    for order in ("A-1", "A-2", "A-3"):
        await ship(system, order=order)

    first = await feed(api, "?limit=2")
    second = await feed(api, f"?limit=2&before={first['next']}")

    assert [item["body"] for item in first["items"] + second["items"]] == [
        "Order A-3 is on its way.",
        "Order A-2 is on its way.",
        "Order A-1 is on its way.",
    ]
    assert second["next"] is None
    assert first["counts"] == {"unseen": 3, "unread": 3}


async def test_the_api_marks_items_and_counts_what_is_left(
    api: httpx2.AsyncClient, system: FakeSystem
) -> None:
    await ship(system)
    await ship(system, order="A-8")
    path = f"/v1/users/ann/feed/{(await feed(api))['items'][0]['id']}"

    answers = [
        (await api.post(f"{path}/{mark}")).json()
        for mark in ("seen", "read", "read", "unread", "archive", "unarchive")
    ]

    assert [(each["counts"]["unseen"], each["counts"]["unread"]) for each in answers] == [
        (1, 2),
        (1, 1),
        (1, 1),
        (1, 2),
        (1, 1),
        (1, 2),
    ]
    assert answers[1] == answers[2]
    assert (await api.get("/v1/users/ann/feed/counts")).json() == {"unseen": 1, "unread": 2}


async def test_the_api_marks_everything(api: httpx2.AsyncClient, system: FakeSystem) -> None:
    await ship(system)

    seen = await api.post("/v1/users/ann/feed/seen-all")
    read = await api.post("/v1/users/ann/feed/read-all")

    assert [seen.json(), read.json()] == [{"unseen": 0, "unread": 1}, {"unseen": 0, "unread": 0}]
    assert (await feed(api, "?status=unread"))["items"] == []
    assert len((await feed(api, "?status=all"))["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "nobody/feed", 404, "id"),
        ("GET", "nobody/feed/counts", 404, "id"),
        ("POST", "nobody/feed/read-all", 404, "id"),
        ("POST", f"ann/feed/{UNKNOWN}/read", 404, "item"),
        ("POST", "ann/feed/first/read", 404, "item"),
        ("POST", f"ann/feed/{UNKNOWN}/burn", 422, "path.mark"),
        ("GET", "ann/feed?limit=0", 422, "query.limit"),
        ("GET", "ann/feed?limit=101", 422, "query.limit"),
        ("GET", "ann/feed?status=new", 422, "query.status"),
        ("GET", f"ann/feed?before={UNKNOWN}", 422, "before"),
        ("GET", "ann/feed?before=%00", 422, "before"),
        ("GET", "a%00b/feed", 422, "id"),
        ("POST", f"a%00b/feed/{UNKNOWN}/read", 422, "id"),
    ],
)
async def test_what_can_not_be_is_refused_by_its_field(
    api: httpx2.AsyncClient, method: str, path: str, status: int, field: str
) -> None:
    answer = await api.request(method, f"/v1/users/{path}")

    assert (answer.status_code, answer.json().get("field")) == (status, field)


async def test_the_item_of_another_user_is_not_found(
    api: httpx2.AsyncClient, system: FakeSystem
) -> None:
    await ship(system)
    [item] = (await feed(api))["items"]

    answer = await api.post(f"/v1/users/ben/feed/{item['id']}/read")

    assert answer.status_code == 404
    assert await system.feed.counts("ann") == Counts(unseen=1, unread=1)


async def test_marks_of_one_item_at_once_agree(api: httpx2.AsyncClient, system: FakeSystem) -> None:
    await ship(system)
    [item] = (await feed(api))["items"]
    path = f"/v1/users/ann/feed/{item['id']}/read"

    answers = await asyncio.gather(*(api.post(path) for _ in range(10)))

    assert {answer.json()["item"]["read_at"] for answer in answers} == {
        answers[0].json()["item"]["read_at"]
    }
