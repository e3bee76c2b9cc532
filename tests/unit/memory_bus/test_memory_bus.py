"""What the bus in memory keeps, and what it lets go."""

from structlog.testing import capture_logs

from tidings.core.clock import SystemClock
from tidings.core.metrics import Metrics
from tidings.core.models import USER_CHANNEL
from tidings.memory_bus import MemoryEventBus, MemoryLimits
from tidings.testing.bus_contract import events, handle, hear, heard_within, ids, ids_of


def a_bus(
    *groups: str, most: int = 500, keep: int = 100, metrics: Metrics | None = None
) -> MemoryEventBus:
    return MemoryEventBus(
        groups={USER_CHANNEL: groups},
        metrics=metrics or Metrics(),
        clock=SystemClock(),
        limits=MemoryLimits(most=most, keep=keep),
    )


async def kept(bus: MemoryEventBus) -> int:
    """How many entries a group that comes now is given."""
    async with bus.subscribe(USER_CHANNEL, group="newcomer") as newcomer:
        heard = await heard_within(newcomer, 0.05)
        await newcomer.ack(heard)
    return len(heard)


async def test_entries_are_freed_when_every_group_has_acknowledged_them() -> None:
    bus = a_bus("first", "second")
    await bus.publish(USER_CHANNEL, *events(10))

    async with bus.subscribe(USER_CHANNEL, group="first") as first:
        await handle(first, 10)
    assert await kept(bus) == 10

    async with bus.subscribe(USER_CHANNEL, group="second") as second:
        await handle(second, 10)
    assert await kept(bus) == 0


async def test_a_channel_without_groups_keeps_the_newest() -> None:
    bus = a_bus(keep=100)
    await bus.publish(USER_CHANNEL, *events(1000))

    async with bus.subscribe(USER_CHANNEL, group="newcomer") as newcomer:
        assert ids_of(events(1000)[900:]) == ids(await handle(newcomer, 100))


async def test_a_group_nobody_reads_does_not_fill_memory_and_is_named_in_the_log() -> None:
    metrics = Metrics()
    bus = a_bus("abandoned", "read", most=500, metrics=metrics)
    with capture_logs() as logs:
        async with bus.subscribe(USER_CHANNEL, group="read") as read:
            for _ in range(4):
                await bus.publish(USER_CHANNEL, *events(400))
                await handle(read, 400)

    assert [line["groups"] for line in logs] == [["abandoned"]]
    lost = metrics.registry.get_sample_value(
        "tidings_bus_entries_lost_total", {"bus_channel": USER_CHANNEL}
    )
    assert lost == 1100
    async with bus.subscribe(USER_CHANNEL, group="abandoned") as abandoned:
        assert len(await handle(abandoned, 500)) == 500


async def test_what_was_dropped_while_in_hand_does_not_come_back() -> None:
    bus = a_bus("slow", most=5)
    await bus.publish(USER_CHANNEL, *events(5))
    async with bus.subscribe(USER_CHANNEL, group="slow") as slow:
        in_hand = await hear(slow, 5)
        await bus.publish(USER_CHANNEL, *events(8)[5:])
        await slow.ack(in_hand[:1])

    async with bus.subscribe(USER_CHANNEL, group="slow") as slow:
        expected = [f"event-{number}" for number in range(3, 8)]
        assert expected == ids(await handle(slow, 5))


async def test_what_is_given_back_is_heard_first_and_in_order() -> None:
    bus = a_bus("group")
    await bus.publish(USER_CHANNEL, *events(30)[:20])
    async with bus.subscribe(USER_CHANNEL, group="group") as leaving:
        await hear(leaving, 20)
        await bus.publish(USER_CHANNEL, *events(30)[20:])

    async with bus.subscribe(USER_CHANNEL, group="group") as staying:
        assert ids_of(events(30)) == ids(await handle(staying, 30))
