"""The shared state's contract, on both there are; and what only Redis can do to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import redis

from tests.servers.redis import RedisServer
from tidings.core.errors import Unavailable
from tidings.core.ports import SharedState
from tidings.event_bus.shared_state import PREFIX, RedisSharedState
from tidings.memory_bus.shared_state import MemorySharedState
from tidings.testing.clock import MovableClock
from tidings.testing.shared_state_contract import SharedStateContract, counted


class TestMemorySharedState(SharedStateContract):
    @pytest.fixture
    def state(self, clock: MovableClock) -> SharedState:
        return MemorySharedState(clock=clock)

    @pytest.fixture
    def other_state(self, state: SharedState) -> SharedState:
        return state


class TestRedisSharedState(SharedStateContract):
    @pytest.fixture
    async def state(self, redis_url: str, clock: MovableClock) -> AsyncIterator[SharedState]:
        state = RedisSharedState(redis_url, clock=clock)
        yield state
        await state.aclose()

    @pytest.fixture
    async def other_state(self, redis_url: str, clock: MovableClock) -> AsyncIterator[SharedState]:
        state = RedisSharedState(redis_url, clock=clock)
        yield state
        await state.aclose()

    async def test_many_processes_change_one_value_and_lose_nothing(
        self, redis_url: str, clock: MovableClock
    ) -> None:
        async def count(state: SharedState) -> None:
            for _ in range(20):
                await state.change("key", counted)

        async with AsyncExitStack() as stack:
            states = [RedisSharedState(redis_url, clock=clock) for _ in range(12)]
            for state in states:
                stack.push_async_callback(state.aclose)
            await asyncio.gather(*map(count, states))

            assert await states[0].change("key", counted) == 241

    async def test_what_is_idle_is_forgotten_after_the_longest_silence(
        self, state: SharedState, redis_url: str
    ) -> None:
        await state.change("key", counted)

        with redis.Redis.from_url(redis_url) as client:
            assert client.keys() == [f"{PREFIX}key".encode()]
            assert 24 * 3_600 < client.ttl(f"{PREFIX}key") <= 25 * 3_600

    async def test_a_dead_redis_is_told_soon_and_a_new_one_used(
        self, state: SharedState, redis_server: RedisServer
    ) -> None:
        await state.change("key", counted)
        redis_server.kill()

        with pytest.raises(Unavailable):
            await state.change("key", counted)
        redis_server.start()

        assert await state.change("key", counted) == 1
