"""The bus contract, on every bus there is."""

from collections.abc import AsyncIterator

import pytest

from tidings.core.clock import SystemClock
from tidings.core.metrics import Metrics
from tidings.core.ports import EventBus
from tidings.event_bus import RedisEventBus, Tuning
from tidings.memory_bus import MemoryEventBus
from tidings.testing.bus_contract import BusContract


class TestMemoryBus(BusContract):
    @pytest.fixture
    async def bus(self) -> AsyncIterator[EventBus]:
        bus = MemoryEventBus(groups=self.groups, metrics=Metrics(), clock=SystemClock())
        yield bus
        await bus.aclose()

    @pytest.fixture
    def other_bus(self, bus: EventBus) -> EventBus:
        return bus


class TestRedisBus(BusContract):
    tuning = Tuning(block=0.05, beat=0.05, lapse=BusContract.lapse, sweep=0.05, pause=0.01)

    @pytest.fixture
    async def bus(self, redis_url: str) -> AsyncIterator[EventBus]:
        bus = self.redis_bus(redis_url)
        yield bus
        await bus.aclose()

    @pytest.fixture
    async def other_bus(self, redis_url: str) -> AsyncIterator[EventBus]:
        bus = self.redis_bus(redis_url)
        yield bus
        await bus.aclose()

    def redis_bus(self, url: str) -> RedisEventBus:
        return RedisEventBus(
            url, groups=self.groups, metrics=Metrics(), clock=SystemClock(), tuning=self.tuning
        )
