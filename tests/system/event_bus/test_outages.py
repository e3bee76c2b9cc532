"""Redis is flushed, restarted, hangs or is not there; members die."""

import asyncio
import signal
import sys

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.servers.redis import RedisServer
from tests.system.event_bus.probes import (
    MakeBus,
    calls,
)
from tidings.core.errors import Unavailable
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
    ids_of,
    watched,
)


async def test_a_flushed_redis_is_used_on_without_a_hot_loop(
    make_bus: MakeBus, redis: Redis
) -> None:
    bus = make_bus({USER_CHANNEL: ["group"]})
    with capture_logs() as logs:
        async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
            await bus.publish(USER_CHANNEL, *events(5))
            in_hand = await hear(subscription, 5)
            before = await calls(redis, "xreadgroup")
            await redis.flushall()
            await subscription.ack(in_hand)
            assert await hears_nothing(subscription, 1.0)

            await bus.publish(USER_CHANNEL, an_event(7))
            assert ids(await handle(subscription)) == ["event-7"]

            count = await calls(redis, "xreadgroup") - before

    assert count < 60
    assert len(logs) <= 3


async def test_what_is_published_into_a_flushed_redis_is_heard_by_every_declared_group(
    make_bus: MakeBus, redis: Redis
) -> None:
    bus = make_bus({USER_CHANNEL: ["early", "late"]})
    await bus.publish(USER_CHANNEL, an_event(1))
    await redis.flushall()
    await bus.publish(USER_CHANNEL, *events(3000))

    async with bus.subscribe(USER_CHANNEL, group="early") as early:
        assert ids_of(events(3000)) == ids(await handle(early, 3000))
    async with bus.subscribe(USER_CHANNEL, group="late") as late:
        assert ids_of(events(3000)) == ids(await handle(late, 3000))


async def test_a_group_that_keeps_vanishing_makes_no_hot_loop(
    bus: RedisEventBus, redis: Redis
) -> None:
    enough = asyncio.Event()

    async def vanish() -> None:
        while not enough.is_set():
            await redis.delete(USER_CHANNEL)
            await asyncio.sleep(0.001)

    with capture_logs() as logs:
        async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
            vanishing = asyncio.create_task(vanish())
            before = await calls(redis, "xreadgroup")
            assert await hears_nothing(subscription, 2.0)
            count = await calls(redis, "xreadgroup") - before
            enough.set()
            await vanishing
            await bus.publish(USER_CHANNEL, an_event(1))
            assert ids(await handle(subscription)) == ["event-1"]

    assert count < 40
    assert 1 <= len(logs) <= 5


async def test_a_restart_of_redis_is_survived_by_itself(
    make_bus: MakeBus, redis_server: RedisServer
) -> None:
    bus = make_bus({USER_CHANNEL: ["group"]})
    with capture_logs() as logs:
        async with (
            bus.subscribe(USER_CHANNEL, group="group") as subscription,
            bus.watch(USER_CHANNEL) as watch,
        ):
            await bus.publish(USER_CHANNEL, an_event(1))
            await handle(subscription)
            assert await watched(watch, 1) == ["event-1"]
            redis_server.kill()
            assert await hears_nothing(subscription, 2.5)
            with pytest.raises(Unavailable):
                await bus.publish(USER_CHANNEL, an_event(2))

            await asyncio.to_thread(redis_server.start)
            hearing = asyncio.create_task(watched(watch, 1))
            await asyncio.sleep(0.5)
            await bus.publish(USER_CHANNEL, an_event(3))

            assert ids(await handle(subscription)) == ["event-3"]
            assert await hearing == ["event-3"]

    assert 1 <= len(logs) <= 5
    assert "check that it runs" in logs[0]["reason"]


async def test_a_subscription_opened_before_redis_is_up_waits_for_it(
    make_bus: MakeBus, redis_server: RedisServer
) -> None:
    redis_server.stop()
    bus = make_bus()
    async with (
        bus.subscribe(USER_CHANNEL, group="group") as subscription,
        bus.watch(USER_CHANNEL) as watch,
    ):
        heard = asyncio.create_task(handle(subscription))
        hearing = asyncio.create_task(watched(watch, 1))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(redis_server.start)
        await asyncio.sleep(0.5)
        await bus.publish(USER_CHANNEL, an_event(1))

        assert ids(await heard) == ["event-1"]
        assert await hearing == ["event-1"]


async def test_a_redis_that_hangs_is_unavailable_within_bounded_time(
    make_bus: MakeBus, redis: Redis
) -> None:
    bus = make_bus(patience=0.3)
    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        await bus.publish(USER_CHANNEL, an_event(1))
        [received] = await hear(subscription)
        await redis.client_pause(1500)

        async with asyncio.timeout(1.0):
            with pytest.raises(Unavailable):
                await bus.publish(USER_CHANNEL, an_event(2))
            with pytest.raises(Unavailable):
                await subscription.ack([received])

        assert "event-1" in ids(await handle(subscription))


async def test_a_watch_goes_on_where_a_flush_made_ids_begin_anew(
    bus: RedisEventBus, redis: Redis
) -> None:
    await redis.xadd(USER_CHANNEL, {"event": "far ahead"}, id="99999999999999-0")
    async with bus.watch(USER_CHANNEL) as watch:
        hearing = asyncio.create_task(watched(watch, 1))
        await redis.flushall()
        await asyncio.sleep(0.5)
        await bus.publish(USER_CHANNEL, an_event(1))

        assert await hearing == ["event-1"]


async def test_cancelled_publishes_and_reads_leave_the_connections_sound(
    bus: RedisEventBus,
) -> None:
    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        for number in range(100):
            publishing = asyncio.create_task(bus.publish(USER_CHANNEL, an_event(number)))
            reading = asyncio.ensure_future(anext(aiter(subscription)))
            await asyncio.sleep(number % 10 / 5000)
            publishing.cancel()
            reading.cancel()
            await asyncio.wait([publishing, reading])
        await bus.publish(USER_CHANNEL, an_event(1000))

        heard: list[str] = []
        while "event-1000" not in heard:
            heard += ids(await handle(subscription))


MEMBER = """
import asyncio, sys
from tidings.core.clock import SystemClock
from tidings.core.metrics import Metrics
from tidings.event_bus import RedisEventBus

async def main():
    bus = RedisEventBus(sys.argv[1], metrics=Metrics(), clock=SystemClock())
    async with bus.subscribe("USER_CHANNEL", group="group") as subscription:
        async for batch in subscription:
            print(len(batch), flush=True)

asyncio.run(main())
"""


async def test_a_member_killed_with_work_in_hand_is_succeeded_after_the_lapse(
    bus: RedisEventBus, redis_url: str, redis: Redis
) -> None:
    await bus.publish(USER_CHANNEL, *events(3))
    member = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEMBER, redis_url, stdout=asyncio.subprocess.PIPE
    )
    assert member.stdout is not None
    assert await member.stdout.readline() == b"3\n"
    member.send_signal(signal.SIGKILL)
    await member.wait()

    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        heard = await handle(subscription, 3)

    assert ids_of(events(3)) == ids(heard)
    assert [one.delivery_count for one in heard] == [2, 2, 2]


async def test_the_gauge_of_the_bus_falls_with_redis_and_rises_with_it(
    make_bus: MakeBus, redis_server: RedisServer
) -> None:
    metrics = Metrics()
    bus = make_bus(metrics=metrics, patience=1.0)
    await bus.publish(USER_CHANNEL, an_event(1))
    before = metrics.registry.get_sample_value("tidings_bus_up")
    redis_server.stop()

    with pytest.raises(Unavailable):
        await bus.publish(USER_CHANNEL, an_event(2))
    without = metrics.registry.get_sample_value("tidings_bus_up")
    redis_server.start()
    await bus.publish(USER_CHANNEL, an_event(3))

    assert (before, without) == (1, 0)
    assert metrics.registry.get_sample_value("tidings_bus_up") == 1
