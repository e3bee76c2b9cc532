"""The Analytics Service and its worker on both databases."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from structlog.testing import capture_logs

from tidings.analytics.api import analytics_router
from tidings.analytics.service import AnalyticsService
from tidings.analytics_worker import AnalyticsWorker, update_analytics
from tidings.api.problems import install_problems
from tidings.core.errors import Unavailable
from tidings.core.models import (
    DELIVERIES_SETTLED,
    DELIVERY_CHANNEL,
    REGISTERED_USER,
    USER_CHANNEL,
    Event,
)
from tidings.core.ports import Store
from tidings.settings import load_settings
from tidings.store.schema import figure_deltas, figures
from tidings.system import System
from tidings.testing.clock import MovableClock
from tidings.wiring import open_system

Count = tuple[str, int, timedelta]

NONE_AGO = timedelta(0)


async def add_deltas(store: Store, *counts: Count) -> None:
    """Counts as planning and settling write them."""
    now = await store.now()
    rows = [
        {
            "minute": (now - ago).replace(second=0, microsecond=0),
            "workflow": "welcome",
            "channel": "email",
            "provider": "console",
            "outcome": outcome,
            "count": count,
        }
        for outcome, count, ago in counts
    ]
    await store.run(lambda connection: connection.execute(sa.insert(figure_deltas), rows).close())


async def rows_of(store: Store, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return await store.run(lambda connection: connection.scalar(query) or 0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def analytics(store: Store) -> AnalyticsService:
    return AnalyticsService(store, clock=MovableClock())


async def test_the_summary_is_the_same_before_and_after_a_fold(
    store: Store, analytics: AnalyticsService
) -> None:
    hour = timedelta(hours=1)
    await add_deltas(store, ("registered", 2, NONE_AGO), ("sent", 3, NONE_AGO), ("sent", 4, hour))
    before = (await analytics.summary(hours=24)).totals

    folded = await analytics.fold()

    assert folded == 3
    assert await rows_of(store, figure_deltas) == 0
    assert (await analytics.summary(hours=24)).totals == before
    assert (before.registrations, before.sent, before.failed) == (2, 7, 0)


async def test_folding_again_and_again_adds_up(store: Store, analytics: AnalyticsService) -> None:
    for _ in range(3):
        await add_deltas(store, ("sent", 2, NONE_AGO), ("sent", 1, NONE_AGO))
        await analytics.fold()

    assert (await analytics.summary(hours=1)).totals.sent == 9
    assert await rows_of(store, figures) <= 2


async def test_nothing_new_folds_nothing(analytics: AnalyticsService) -> None:
    assert await analytics.fold() == 0


@pytest.mark.parametrize("fold", [False, True])
async def test_the_series_tells_each_stretch_for_itself(
    store: Store, analytics: AnalyticsService, fold: bool
) -> None:
    ten = timedelta(minutes=10)
    await add_deltas(store, ("sent", 1, NONE_AGO), ("sent", 5, ten), ("failed", 2, ten))
    if fold:
        await analytics.fold()

    hour = await analytics.summary(hours=1)
    day = await analytics.summary(hours=24)

    busy = [point.figures for point in hour.series if point.figures.sent]
    assert [(figures.sent, figures.failed) for figures in busy] == [(5, 2), (1, 0)]
    assert sum(point.figures.sent for point in day.series) == 6


async def test_what_is_older_than_the_hours_asked_for_is_left_out(
    store: Store, analytics: AnalyticsService
) -> None:
    await add_deltas(store, ("sent", 1, timedelta(hours=3)), ("sent", 1, timedelta(hours=30)))

    assert (await analytics.summary(hours=2)).totals.sent == 0
    assert (await analytics.summary(hours=24)).totals.sent == 1
    assert (await analytics.summary(hours=48)).totals.sent == 2


async def test_the_summary_is_told_over_http(store: Store, analytics: AnalyticsService) -> None:
    await add_deltas(store, ("registered", 1, NONE_AGO), ("retried", 2, NONE_AGO))
    app = FastAPI()
    install_problems(app)
    app.include_router(analytics_router(analytics))
    transport = httpx2.ASGITransport(app=app)

    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.get("/v1/analytics/summary", params={"hours": 1})
        refused = await http.get("/v1/analytics/summary", params={"hours": 0})

    body = answer.json()
    assert body["totals"]["registrations"] == 1
    assert body["totals"]["retried"] == 2
    assert body["step_seconds"] == 60
    assert len(body["series"]) == 60
    assert (
        body["series"][-1]["figures"]["registrations"]
        + body["series"][-2]["figures"]["registrations"]
        == 1
    )
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.fixture
async def system() -> AsyncIterator[System]:
    settings = load_settings(database_url="sqlite://", poll_seconds=60)
    async with open_system(settings, publish=True) as system:
        yield system


def news(system: System, kind: str) -> Event:
    return Event(
        id=system.ids.new(),
        type=kind,
        source=system.store.installation.source,
        time=system.clock.now(),
    )


@pytest.mark.parametrize(
    ("bus_channel", "kind"),
    [(USER_CHANNEL, REGISTERED_USER), (DELIVERY_CHANNEL, DELIVERIES_SETTLED)],
)
async def test_the_worker_folds_when_it_hears_that_something_happened(
    system: System, bus_channel: str, kind: str
) -> None:
    stopping = asyncio.Event()
    working = asyncio.create_task(AnalyticsWorker(system).run(stopping))
    event = news(system, kind)
    with capture_logs() as lines:
        await add_deltas(system.store, ("registered", 1, NONE_AGO), ("sent", 1, NONE_AGO))
        await system.bus.publish(bus_channel, event)

        await until(lambda: any("now shows" in line["event"] for line in lines))

    stopping.set()
    await working
    told = [line["event"] for line in lines]
    assert f"heard {kind}" in told
    assert "the dashboard now shows 1 registration, 1 sent, 0 failed in the last 24 hours" in told
    assert any(line.get("event_id") == event.id for line in lines)


async def test_the_worker_finds_by_polling_what_no_news_told(system: System) -> None:
    stopping = asyncio.Event()
    worker = AnalyticsWorker(system)
    await add_deltas(system.store, ("sent", 1, NONE_AGO))

    with capture_logs() as lines:
        working = asyncio.create_task(worker.run(stopping))
        await until(lambda: any("1 sent" in line["event"] for line in lines))

    stopping.set()
    async with asyncio.timeout(2):
        await working
    assert await rows_of(system.store, figure_deltas) == 0


async def test_one_pass_folds_once_and_tells_how_much_was_new(system: System) -> None:
    await add_deltas(system.store, ("sent", 1, NONE_AGO), ("failed", 1, NONE_AGO))
    worker = AnalyticsWorker(system)

    assert [await worker.work(), await worker.work()] == [2, 0]


async def test_many_folds_are_told_in_one_line_and_the_last_of_them_later(
    system: System,
) -> None:
    worker = AnalyticsWorker(system, quiet=0.2)
    with capture_logs() as lines:
        for _ in range(3):
            await add_deltas(system.store, ("sent", 1, NONE_AGO))
            await worker.work()
        at_once = [line["event"] for line in lines]
        await asyncio.sleep(0.2)
        await worker.work()

    assert at_once == [
        "the dashboard now shows 0 registrations, 1 sent, 0 failed in the last 24 hours"
    ]
    assert [line["folded"] for line in lines] == [1, 2]
    assert "3 sent" in lines[-1]["event"]


class SurprisingAnalytics(AnalyticsService):
    """The service with a fault of its own."""

    tries = 0

    async def fold(self) -> int:
        self.tries += 1
        if self.tries < 3:
            raise ValueError("a surprise")
        return await super().fold()


async def test_the_worker_outlives_a_fault_nobody_foresaw(system: System) -> None:
    analytics = SurprisingAnalytics(system.store, clock=system.clock)
    stopping = asyncio.Event()
    await add_deltas(system.store, ("sent", 1, NONE_AGO))

    with capture_logs() as lines:
        worker = AnalyticsWorker(replace(system, analytics=analytics))
        working = asyncio.create_task(worker.run(stopping))
        await until(lambda: any("1 sent" in line["event"] for line in lines))

    stopping.set()
    await working
    assert [line["error"] for line in lines if line["log_level"] == "error"] == ["ValueError"]


class DownAnalytics(AnalyticsService):
    """The service while its database is down."""

    down = True
    tries = 0

    async def fold(self) -> int:
        self.tries += 1
        if self.down:
            raise Unavailable("the database does not answer")
        return await super().fold()


async def test_the_worker_outlives_a_database_that_is_down_and_says_so_once_a_second(
    system: System,
) -> None:
    analytics = DownAnalytics(system.store, clock=system.clock)
    stopping = asyncio.Event()
    await add_deltas(system.store, ("sent", 1, NONE_AGO))

    with capture_logs() as lines:
        worker = AnalyticsWorker(replace(system, analytics=analytics))
        working = asyncio.create_task(worker.run(stopping))
        await system.bus.publish(USER_CHANNEL, news(system, REGISTERED_USER))
        await until(lambda: analytics.tries >= 4)
        complaints = [line for line in lines if line["log_level"] == "warning"]
        analytics.down = False
        await until(lambda: any("1 sent" in line["event"] for line in lines))

    stopping.set()
    await working
    assert 1 <= len(complaints) <= 2


async def test_updating_after_nothing_says_nothing(system: System) -> None:
    with capture_logs() as lines:
        await update_analytics(system.analytics)

    assert lines == []
