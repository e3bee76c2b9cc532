"""A provider is out of order for half an hour while mail waits, and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from tests.faults.bulk import accept, multiply
from tests.faults.extent import extent
from tests.system.house import House, open_house
from tests.system.post_office import running
from tests.system.vendors import Vendor, most_in_a_second
from tidings.core.integrations import Integration, Limits
from tidings.core.models import Lane
from tidings.core.ports import SharedState, Store
from tidings.delivery.pace import Pace
from tidings.delivery.retry import exponential
from tidings.delivery.service import DeliveryService
from tidings.event_bus.shared_state import RedisSharedState
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.store import schema
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore
from tidings.testing.clock import MovableClock

WAITING = extent(500, 50_000)
#: calls a second that the one takes that fails, and the other
RATE, OTHER_RATE = extent(200.0, 1_000.0), 10.0
#: minutes of the outage, and the seconds of ours that each of them lasts
MINUTES, STEP = 30, 0.05

pytestmark = [pytest.mark.slow, pytest.mark.timeout(extent(120, 900)), pytest.mark.fault("F27")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """An installation of several workers on one store, and the vendors it sends by."""

    clock: MovableClock
    store: Store
    house: House
    workers: Sequence[SharedState]
    failing: Vendor
    other: Vendor

    def services(self) -> Sequence[DeliveryService]:
        integrations = [
            self.failing.named("failing", limits=Limits(rate=RATE)),
            self.other.named("other", limits=Limits(rate=OTHER_RATE)),
        ]
        return [self._service(shared, integrations) for shared in self.workers]

    async def unsent(self) -> int:
        query = (
            sa.select(sa.func.count())
            .select_from(schema.deliveries)
            .where(schema.deliveries.c.state != "sent")
        )
        return await self.store.run(lambda connection: connection.scalar(query) or 0)

    async def critical_seconds(self) -> float:
        """How long a critical message takes from being accepted to being taken."""
        before, began = len(self.other.messages), time.monotonic()
        event_id = await accept(self.store, Lane.CRITICAL)
        await self.house.plan()
        async with asyncio.timeout(20):
            while not any(
                message.address.startswith(event_id) for message in self.other.messages[before:]
            ):
                await asyncio.sleep(0.005)
        return time.monotonic() - began

    def _service(self, shared: SharedState, integrations: list[Integration]) -> DeliveryService:
        return DeliveryService(
            store=self.store,
            bus=self.house.bus,
            shared=shared,
            templates=self.house.templates,
            integrations={"email": integrations},
            retry=exponential(),
            metrics=self.house.metrics,
            clock=self.clock,
            # longer than the clock is moved at once, or a call under way would seem a dead one's
            pace=Pace(lease_seconds=300.0),
        )


@pytest.fixture(params=["sqlite", "postgres"])
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        store, workers = await _opened(request, clock)
        stack.push_async_callback(store.aclose)
        for shared in workers:
            stack.push_async_callback(shared.aclose)
        house = await stack.enter_async_context(open_house(store, clock=clock))
        yield Town(
            clock=clock,
            store=store,
            house=house,
            workers=workers,
            failing=Vendor(),
            other=Vendor(),
        )


async def test_after_half_an_hour_nothing_is_lost_and_nobody_is_overrun(
    town: Town, tell: list[str]
) -> None:
    await accept(town.store, Lane.BULK)
    await town.house.plan()
    await multiply(town.store, WAITING - 1)
    town.failing.go_down()
    critical = []

    async with AsyncExitStack() as stack:
        for service in town.services():
            await stack.enter_async_context(running(service))
        for minute in range(MINUTES):
            await asyncio.sleep(STEP)
            town.clock.advance(minutes=1)
            if minute % 10 == 5:
                critical.append(await town.critical_seconds())
        tried, left = len(town.failing.calls), await town.unsent()
        town.failing.come_back()
        back_at = time.monotonic()
        while not town.failing.messages:  # until it is tried, once its breaker lets it
            town.clock.advance(minutes=1)
            await asyncio.sleep(4 * STEP)
        while await town.unsent():
            await asyncio.sleep(0.2)

    after = [at for at in town.failing.calls if at >= back_at]
    most = most_in_a_second(after)
    tell.append(
        f"outage: {left:,} of {WAITING:,} waited through 30 minutes, {tried} calls tried; then at "
        f"most {most} calls a second where {RATE:.0f} are allowed, "
        f"{len(after) / max(after[-1] - after[0], 0.001):.0f} on average; critical meanwhile "
        f"{max(critical):.2f} s at most"
    )
    sent = [message.id for message in (*town.failing.messages, *town.other.messages)]
    assert len(sent) == len(set(sent)) == WAITING + len(critical)
    assert most <= 1.5 * RATE
    assert max(critical) < 2.0


async def _opened(
    request: pytest.FixtureRequest, clock: MovableClock
) -> tuple[Store, Sequence[SharedState]]:
    if request.param == "sqlite":
        return await SqliteStore.open(None, clock=clock), [MemorySharedState(clock=clock)]
    database, redis_url = (
        request.getfixturevalue(name) for name in ("migrated_postgres_url", "redis_url")
    )
    workers = [RedisSharedState(redis_url, clock=clock) for _ in range(2)]
    return await PostgresStore.open(database, clock=clock), workers
