"""What the bus leaves in Redis: little, and never less than is owed."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.system.event_bus.probes import (
    MakeBus,
    consumers,
    has_length,
    kept,
    pending,
    reads,
    until,
)
from tidings.core.metrics import Metrics
from tidings.core.models import USER_CHANNEL
from tidings.event_bus import RedisEventBus
from tidings.testing.bus_contract import (
    an_event,
    events,
    handle,
    hear,
    hears_nothing,
    ids,
)


async def test_memory_does_not_grow_with_acknowledged_events(
    make_bus: MakeBus, redis: Redis
) -> None:
    bus = make_bus({USER_CHANNEL: ["first", "second"]})
    sizes: list[int] = []
    async with (
        bus.subscribe(USER_CHANNEL, group="first") as first,
        bus.subscribe(USER_CHANNEL, group="second") as second,
    ):
        for _ in range(4):
            await bus.publish(USER_CHANNEL, *events(5000))
            await handle(first, 5000)
            await handle(second, 5000)
            await until(lambda: has_length(redis, USER_CHANNEL, 0))
            sizes.append(int(await redis.memory_usage(USER_CHANNEL) or 0))

    assert max(sizes) < 20_000


async def test_what_any_group_has_not_acknowledged_is_kept(
    bus: RedisEventBus, redis: Redis
) -> None:
    await redis.xgroup_create(USER_CHANNEL, "stranger", id="0", mkstream=True)
    await bus.publish(USER_CHANNEL, *events(10))
    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        await handle(subscription, 10)
        await redis.xreadgroup("stranger", "s1", {USER_CHANNEL: ">"}, count=6)
        read = await pending(redis, USER_CHANNEL, "stranger")
        await redis.xack(USER_CHANNEL, "stranger", read[0], read[1], read[4])

        await until(lambda: has_length(redis, USER_CHANNEL, 8))
        assert await hears_nothing(subscription, 0.3)

    assert await redis.xlen(USER_CHANNEL) == 8
    unsettled = await pending(redis, USER_CHANNEL, "stranger")
    assert set(unsettled) <= await kept(redis, USER_CHANNEL)


async def all_told(logs: Sequence[Mapping[str, Any]]) -> bool:
    """The line comes after the trimming it tells of."""
    told: list[int] = [line["entries"] for line in logs if line["event"] == "bus_entries_lost"]
    return sum(told) == 100


async def test_a_group_nobody_reads_does_not_fill_redis_and_is_named_in_the_log(
    make_bus: MakeBus, redis: Redis
) -> None:
    metrics = Metrics()
    bus = make_bus({USER_CHANNEL: ["read", "abandoned"]}, metrics=metrics, retention=1.0)
    with capture_logs() as logs:
        async with bus.subscribe(USER_CHANNEL, group="read") as subscription:
            await bus.publish(USER_CHANNEL, *events(100))
            await handle(subscription, 100)
            await until(lambda: has_length(redis, USER_CHANNEL, 0))
            await until(lambda: all_told(logs))

    losses = [line for line in logs if line["event"] == "bus_entries_lost"]
    assert {tuple(loss["groups"]) for loss in losses} == {("abandoned",)}
    assert sum(loss["entries"] for loss in losses) == 100
    assert {loss["bus_channel"] for loss in losses} == {USER_CHANNEL}
    assert {loss["log_level"] for loss in losses} == {"error"}
    lost = metrics.registry.get_sample_value(
        "tidings_bus_entries_lost_total", {"bus_channel": USER_CHANNEL}
    )
    assert lost == 100


async def test_retention_says_nothing_where_nothing_is_lost(
    make_bus: MakeBus, redis: Redis
) -> None:
    bus = make_bus({USER_CHANNEL: ["read"]}, retention=0.2)
    with capture_logs() as logs:
        async with bus.subscribe(USER_CHANNEL, group="read") as subscription:
            await bus.publish(USER_CHANNEL, *events(100))
            await handle(subscription, 100)
            assert await hears_nothing(subscription, 0.6)

    assert logs == []


async def test_a_channel_never_grows_beyond_its_limit(make_bus: MakeBus, redis: Redis) -> None:
    bus = make_bus({USER_CHANNEL: ["abandoned"]}, most=2000)
    for _ in range(10):
        await bus.publish(USER_CHANNEL, *events(1000))

    assert await redis.xlen(USER_CHANNEL) <= 2000 + 1000 + 200


async def test_a_channel_without_groups_keeps_about_a_thousand(
    bus: RedisEventBus, redis: Redis
) -> None:
    for _ in range(50):
        await bus.publish(USER_CHANNEL, *events(100))

    assert 1000 <= await redis.xlen(USER_CHANNEL) <= 1700


async def test_a_member_that_leaves_with_nothing_in_hand_leaves_nothing_behind(
    bus: RedisEventBus, redis: Redis
) -> None:
    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        await bus.publish(USER_CHANNEL, an_event(1))
        await handle(subscription)
        assert len(await redis.xinfo_consumers(USER_CHANNEL, "group")) == 1

    assert await redis.xinfo_consumers(USER_CHANNEL, "group") == []


async def test_members_long_gone_are_forgotten_but_never_with_work_pending(
    make_bus: MakeBus, redis: Redis
) -> None:
    bus = make_bus(forget=0.1, lapse=60.0)
    await bus.publish(USER_CHANNEL, an_event(1))
    await redis.xgroup_create(USER_CHANNEL, "group", id="0")
    await redis.xreadgroup("group", "tidings-holding", {USER_CHANNEL: ">"})
    for name in ("tidings-idle", "stranger"):
        await redis.xgroup_createconsumer(USER_CHANNEL, "group", name)

    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        assert await hears_nothing(subscription, 0.5)
        present = await consumers(redis, USER_CHANNEL, "group")

    named = {name for name in present if len(name) < len("tidings-") + 36}
    assert {"tidings-holding", "stranger"} == named


async def test_entries_trimmed_while_pending_are_given_up_and_told(
    bus: RedisEventBus, redis: Redis
) -> None:
    await bus.publish(USER_CHANNEL, *events(3))
    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        await hear(subscription, 3)
    await redis.xtrim(USER_CHANNEL, maxlen=1, approximate=False)

    with capture_logs() as logs:
        async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
            assert ids(await handle(subscription)) == ["event-2"]

    assert [line["entries"] for line in logs if line["event"] == "bus_entries_gone"] == [2]
    assert (await redis.xpending(USER_CHANNEL, "group"))["pending"] == 0


async def test_publishes_of_one_tick_share_a_pipeline(bus: RedisEventBus, redis: Redis) -> None:
    await bus.publish(USER_CHANNEL, an_event())
    before = await reads(redis)

    await asyncio.gather(*(bus.publish(USER_CHANNEL, event) for event in events(400)))

    count = await reads(redis) - before
    assert await redis.xlen(USER_CHANNEL) == 401
    assert count < 40
