"""Buses with short times on an empty Redis."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.system.event_bus.probes import MakeBus
from tidings.core.clock import SystemClock
from tidings.core.metrics import Metrics
from tidings.event_bus import RedisEventBus, Tuning

QUICK: dict[str, Any] = {"block": 0.05, "beat": 0.05, "lapse": 0.3, "sweep": 0.05, "pause": 0.05}


@pytest.fixture
async def make_bus(redis_url: str) -> AsyncIterator[MakeBus]:
    made: list[RedisEventBus] = []

    def make(
        groups: dict[str, list[str]] | None = None, metrics: Metrics | None = None, **tuning: Any
    ) -> RedisEventBus:
        bus = RedisEventBus(
            redis_url,
            groups=groups or {},
            metrics=metrics or Metrics(),
            clock=SystemClock(),
            tuning=Tuning(**{**QUICK, **tuning}),
        )
        made.append(bus)
        return bus

    yield make
    for bus in made:
        await bus.aclose()


@pytest.fixture
def bus(make_bus: MakeBus) -> RedisEventBus:
    return make_bus()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, protocol=2) as client:
        yield client
