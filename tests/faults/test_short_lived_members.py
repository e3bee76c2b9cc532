"""Members of a group that come and go by the hundred: what they held is handled, and they go."""

import asyncio
import random
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from tests.faults.extent import extent
from tidings.core.clock import SystemClock
from tidings.core.ids import Ids
from tidings.core.metrics import Metrics
from tidings.core.models import USER_CHANNEL, Event
from tidings.event_bus import RedisEventBus
from tidings.event_bus.tuning import Tuning

MEMBERS, EVENTS, SEED = extent(50, 500), 5, 12
#: those who die with what they were given, and never say good-bye
DYING = 0.5
#: nothing is buried, however many die with it
SHORT = Tuning(block=0.1, beat=0.1, lapse=0.5, sweep=0.2, forget=1.0, deliveries=MEMBERS)
GROUP = "group"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.fault("F12"),
    pytest.mark.timeout(extent(120, 600)),
]


async def test_members_that_die_leave_neither_work_nor_a_name(
    redis_url: str, tell: list[str]
) -> None:
    chance, ids = random.Random(SEED), Ids()
    published: set[str] = set()
    handled: list[str] = []
    publisher = a_bus(redis_url)
    for number in range(MEMBERS):
        events = [an_event(ids.new()) for _ in range(EVENTS)]
        published |= {event.id for event in events}
        await publisher.publish(USER_CHANNEL, *events)
        await live(redis_url, handled, dying=number > 0 and chance.random() < DYING)

    bus = a_bus(redis_url)
    async with bus.subscribe(USER_CHANNEL, group=GROUP) as last:
        async with asyncio.timeout(60):
            async for batch in last:
                handled += [received.event.id for received in batch]
                await last.ack(batch)
                if published <= set(handled):
                    break
        async with Redis.from_url(redis_url) as redis:
            pending, members = await until_forgotten(redis)
    await bus.aclose()
    await publisher.aclose()
    tell.append(
        f"F12 {MEMBERS} short-lived members, seed {SEED}: {len(published)} events, "
        f"{len(published - set(handled))} lost, {pending} pending, {members} members left"
    )
    assert published <= set(handled)
    assert pending == 0
    assert members <= 11


async def live(url: str, handled: list[str], *, dying: bool) -> None:
    """A member's whole life: it takes one batch, and handles it unless it dies."""
    bus = a_bus(url)
    subscription = bus.subscribe(USER_CHANNEL, group=GROUP)
    member = await subscription.__aenter__()
    batch = await anext(aiter(member))
    if not dying:
        await member.ack(batch)
        handled += [received.event.id for received in batch]
        await subscription.__aexit__(None, None, None)
    await bus.aclose()
    if dying:
        await subscription.__aexit__(None, None, None)


async def until_forgotten(redis: Redis) -> tuple[int, int]:
    """Wait until few members are left; what is pending, and how many members there are."""
    async with asyncio.timeout(60):
        while True:
            (group,) = await redis.xinfo_groups(USER_CHANNEL)
            if group["consumers"] <= 11 and group["pending"] == 0:
                return int(group["pending"]), int(group["consumers"])
            await asyncio.sleep(0.1)


def a_bus(url: str) -> RedisEventBus:
    groups = {USER_CHANNEL: (GROUP,)}
    return RedisEventBus(url, groups=groups, metrics=Metrics(), clock=SystemClock(), tuning=SHORT)


def an_event(event_id: str) -> Event:
    return Event(id=event_id, type="TEST", source="test", time=datetime.now(UTC))
