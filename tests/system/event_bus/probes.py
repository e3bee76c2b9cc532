"""Looking into Redis, and waiting for what must come."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from redis.asyncio import Redis

from tidings.core.metrics import Metrics
from tidings.event_bus import RedisEventBus


class MakeBus(Protocol):
    """Makes a bus with short times, closed at the end of the test."""

    def __call__(
        self,
        groups: dict[str, list[str]] | None = None,
        metrics: Metrics | None = None,
        **tuning: float,
    ) -> RedisEventBus: ...


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


async def has_length(redis: Redis, key: str, length: int) -> bool:
    return bool(await redis.xlen(key) == length)


async def calls(redis: Redis, command: str) -> int:
    """How often Redis was asked this since its start."""
    stats = await redis.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


async def reads(redis: Redis) -> int:
    """How often Redis read from its connections since its start."""
    return int((await redis.info("stats"))["total_reads_processed"])


async def consumers(redis: Redis, key: str, group: str) -> set[str]:
    return {str(one["name"], "ascii") for one in await redis.xinfo_consumers(key, group)}


async def pending(redis: Redis, key: str, group: str) -> list[str]:
    """The ids of the entries a group was given and has not acknowledged."""
    found: list[Any] = await redis.xpending_range(key, group, "-", "+", 1000)
    return [str(one["message_id"], "ascii") for one in found]


async def kept(redis: Redis, key: str) -> set[str]:
    """The ids of the entries of a stream."""
    found: list[Any] = await redis.xrange(key) or []
    return {str(entry_id, "ascii") for entry_id, _ in found}
