"""Vendors' confirmations, as a bridge brings them over HTTP and a program in process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from tidings import Email, Workflow
from tidings.core.errors import TransientError
from tidings.core.models import DELIVERIES_SETTLED, DELIVERY_CHANNEL, Event
from tidings.delivery.confirming import Confirmed
from tidings.main import create_app
from tidings.testing.fake_system import FakeSystem

ORDER = Workflow(key="order", on="ORDERED", steps=[Email("welcome")])


@pytest.fixture
async def tidings() -> AsyncIterator[FakeSystem]:
    async with FakeSystem(workflows=[ORDER]) as tidings:
        await tidings.users.put("ann", email="ann@example.com")
        yield tidings


@pytest.fixture
async def http(tidings: FakeSystem) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(tidings.services), client=("127.0.0.1", 5000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def test_a_bridge_says_what_was_delivered_and_hears_what_to_ask_again(
    tidings: FakeSystem, http: httpx2.AsyncClient
) -> None:
    event_id = await tidings.trigger("ORDERED", "ann")
    await tidings.settle()
    body = {"provider": "recording", "provider_ids": ["recorded-1", "recorded-2"]}

    answer = await http.post("/v1/receipts", json=body)

    expected = {"delivered": ["recorded-1"], "unknown": ["recorded-2"]}
    assert (answer.status_code, answer.json()) == (200, expected)
    ((delivery,),) = [each.deliveries for each in (await tidings.explain(event_id)).notifications]
    assert delivery.state == "delivered"


async def test_the_id_by_which_a_vendor_confirms_is_told_of_the_delivery_and_its_call(
    tidings: FakeSystem, http: httpx2.AsyncClient
) -> None:
    event_id = await tidings.trigger("ORDERED", "ann")
    await tidings.settle()

    event = (await http.get(f"/v1/events/{event_id}")).json()
    run = event["notifications"][0]
    shown = (await http.get(f"/v1/notifications/{run['id']}")).json()["notification"]

    for (delivery,) in (run["deliveries"], shown["deliveries"]):
        assert delivery["provider_id"] == "recorded-1"
        assert delivery["attempts"][0]["provider_id"] == "recorded-1"


async def test_it_is_told_on_the_bus_and_seen_in_the_figures(tidings: FakeSystem) -> None:
    event_id = await tidings.trigger("ORDERED", "ann")
    await tidings.settle()

    async with tidings.services.bus.watch(DELIVERY_CHANNEL) as events:
        for _ in range(2):
            confirmed = await tidings.confirm("recording", ["recorded-1"])
        told = await asyncio.wait_for(anext(events), 5)

    totals = (await tidings.services.analytics.summary()).totals
    assert confirmed == Confirmed(delivered=("recorded-1",), unknown=())
    (outcome,) = told.data["outcomes"]
    assert told.type == DELIVERIES_SETTLED
    assert (outcome["event_id"], outcome["state"]) == (event_id, "delivered")
    assert (totals.sent, totals.delivered) == (1, 1)


async def test_a_bus_that_hangs_delays_no_confirmation(
    tidings: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tidings.trigger("ORDERED", "ann")
    await tidings.settle()
    hangs = asyncio.Event()
    monkeypatch.setattr(tidings.services.bus, "publish", lambda *_news: hangs.wait())

    async with asyncio.timeout(1):
        confirmed = await tidings.confirm("recording", ["recorded-1"])

    assert confirmed.delivered == ("recorded-1",)


async def test_what_is_still_to_be_told_is_published_before_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published: list[str] = []

    async def publish_slowly(_bus_channel: str, event: Event) -> None:
        await asyncio.sleep(0.05)
        published.extend(outcome["state"] for outcome in event.data["outcomes"])

    async with FakeSystem(workflows=[ORDER]) as tidings:
        await tidings.users.put("ann", email="ann@example.com")
        await tidings.trigger("ORDERED", "ann")
        await tidings.settle()
        tidings.provider.script([TransientError("busy")])
        busy = await tidings.trigger("ORDERED", "ann")
        await tidings.settle()
        monkeypatch.setattr(tidings.services.bus, "publish", publish_slowly)
        await tidings.confirm("recording", ["recorded-1"])
        await tidings.cancel(event_id=busy)

    assert sorted(published) == ["cancelled", "delivered"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"provider": "smtp"}, "provider_ids"),
        ({"provider": "", "provider_ids": ["a"]}, "provider"),
        ({"provider": "smtp", "provider_ids": []}, "provider_ids"),
        ({"provider": "smtp", "provider_ids": ["a"] * 1001}, "provider_ids"),
        ({"provider": "smtp", "provider_ids": ["a", "two\nlines"]}, "provider_ids.1"),
        ({"provider": "smtp", "provider_ids": ["x" * 501]}, "provider_ids.0"),
        ({"provider": "smtp", "provider_ids": ["a"], "at": "2026-01-01T00:00:00Z"}, "at"),
    ],
)
async def test_what_names_nothing_is_refused_by_its_field(
    http: httpx2.AsyncClient, body: Mapping[str, Any], field: str
) -> None:
    answer = await http.post("/v1/receipts", json=body)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.headers["Content-Type"] == "application/problem+json"
