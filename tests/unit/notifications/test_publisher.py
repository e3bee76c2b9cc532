import asyncio
from datetime import UTC, datetime

import pytest

from tidings.core.clock import SystemClock
from tidings.core.errors import Unavailable
from tidings.core.metrics import Metrics
from tidings.core.models import Event
from tidings.memory_bus import MemoryEventBus
from tidings.notifications.publisher import Publisher


class SlowBus(MemoryEventBus):
    """Takes what it is given only while `open_` is set, and fails while `broken`."""

    def __init__(self) -> None:
        super().__init__(metrics=Metrics(), clock=SystemClock())
        self.open_ = asyncio.Event()
        self.open_.set()
        self.broken = False
        self.batches: list[tuple[str, list[str]]] = []

    async def publish(self, bus_channel: str, *events: Event) -> None:
        await self.open_.wait()
        if self.broken:
            raise Unavailable("no bus")
        self.batches.append((bus_channel, [event.id for event in events]))


@pytest.fixture
def bus() -> SlowBus:
    return SlowBus()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def event(number: int) -> Event:
    return Event(id=str(number), type="X", source="s", time=datetime.now(UTC))


def unpublished(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("tidings_events_unpublished_total") or 0


async def test_events_of_one_moment_share_a_batch_in_order(bus: SlowBus, metrics: Metrics) -> None:
    publisher = Publisher(bus, metrics)

    for number in range(3):
        publisher.publish("A", event(number))
    publisher.publish("B", event(3))
    await publisher.aclose()

    assert bus.batches == [("A", ["0", "1", "2"]), ("B", ["3"])]


async def test_a_bus_that_hangs_delays_nobody_and_is_counted(
    bus: SlowBus, metrics: Metrics
) -> None:
    bus.open_.clear()
    publisher = Publisher(bus, metrics, seconds=0.02)

    publisher.publish("A", event(1))
    await publisher.aclose()

    assert unpublished(metrics) == 1
    assert bus.batches == []


async def test_after_a_failure_the_next_events_go_out(bus: SlowBus, metrics: Metrics) -> None:
    publisher = Publisher(bus, metrics)
    bus.broken = True
    publisher.publish("A", event(1))
    await publisher.aclose()

    bus.broken = False
    publisher.publish("A", event(2))
    await publisher.aclose()

    assert unpublished(metrics) == 1
    assert bus.batches == [("A", ["2"])]


async def test_what_does_not_fit_is_let_go_and_counted(bus: SlowBus, metrics: Metrics) -> None:
    publisher = Publisher(bus, metrics, room=2)

    for number in range(5):
        publisher.publish("A", event(number))
    await publisher.aclose()

    assert bus.batches == [("A", ["0", "1"])]
    assert unpublished(metrics) == 3


async def test_closing_ends_within_its_bound(bus: SlowBus, metrics: Metrics) -> None:
    bus.open_.clear()
    publisher = Publisher(bus, metrics, seconds=60)
    publisher.publish("A", event(1))
    await asyncio.sleep(0)
    publisher.publish("B", event(2))

    async with asyncio.timeout(5):
        await publisher.aclose(seconds=0.02)

    assert bus.batches == []
