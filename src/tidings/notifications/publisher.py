"""Publishes accepted events behind the answer's back: the bus may be slow or gone, we are not."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from tidings.core.metrics import Metrics
from tidings.core.models import Event
from tidings.core.ports import EventBus
from tidings.core.quiet_log import QuietLog, in_words


class Publisher:
    """Hands events to the bus in the background, in batches by bus channel.

    What the bus can't take is counted and let go: the rows are the queue, the bus only tells.
    At most `room` events wait, each batch may take `seconds`.
    """

    def __init__(
        self, bus: EventBus, metrics: Metrics, *, room: int = 10_000, seconds: float = 2.0
    ) -> None:
        self._bus = bus
        self._metrics = metrics
        self._room = room
        self._seconds = seconds
        self._waiting: dict[str, list[Event]] = {}
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._log = QuietLog("publisher")

    def publish(self, bus_channel: str, event: Event) -> None:
        """Publish an event soon; returns at once and never fails."""
        if self._count >= self._room:
            self._let_go(bus_channel, 1, "too many events wait to be published")
            return
        self._waiting.setdefault(bus_channel, []).append(event)
        self._count += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def aclose(self, *, seconds: float = 2.0) -> None:
        """Publish what waits, for at most `seconds`; let go of the rest."""
        task = self._task
        if task is None:
            return
        await asyncio.wait((task,), timeout=seconds)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for bus_channel, events in self._take().items():
            self._let_go(bus_channel, len(events), "the process ended")

    async def _run(self) -> None:
        try:
            while self._waiting:
                for bus_channel, events in self._take().items():
                    await self._hand_over(bus_channel, events)
        finally:
            self._task = None

    def _take(self) -> dict[str, list[Event]]:
        taken, self._waiting, self._count = self._waiting, {}, 0
        return taken

    async def _hand_over(self, bus_channel: str, events: Sequence[Event]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._bus.publish(bus_channel, *events)
        except TimeoutError as error:
            self._let_go(bus_channel, len(events), in_words(error, self._seconds))
        except Exception as error:  # whatever it is, the rows are safe and the next batch may go
            self._let_go(bus_channel, len(events), f"{type(error).__name__}: {error}")

    def _let_go(self, bus_channel: str, count: int, reason: str) -> None:
        self._metrics.unpublished.inc(count)  # by no label: callers choose the bus channel
        self._log.warning(
            "accepted events could not be published; they are delivered all the same",
            bus_channel=bus_channel,
            count=count,
            reason=reason,
        )
