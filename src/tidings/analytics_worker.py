"""The analytics worker: keeps the dashboard's figures up to date.

`python -m tidings.analytics_worker` runs it as a process of its own.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from tidings.analytics.service import AnalyticsService
from tidings.analytics.summary import in_words
from tidings.core.errors import Unavailable
from tidings.core.logs import get_logger
from tidings.core.loops import BackOff, pause, until
from tidings.core.models import DELIVERIES_SETTLED, DELIVERY_CHANNEL, REGISTERED_USER, Event
from tidings.core.ports import Received
from tidings.core.process import run_until_signal
from tidings.core.quiet_log import QuietLog
from tidings.service import open_service
from tidings.system import System
from tidings.wiring import ANALYTICS_GROUP

#: what changes the figures
NEWS = frozenset({REGISTERED_USER, DELIVERIES_SETTLED})

#: seconds between two batches, so that a rush of news becomes few folds
BREATH = 0.1
#: seconds between two lines about the figures: a summary costs more than a fold
QUIET = 5.0

_log = get_logger("analytics-worker")


async def update_analytics(analytics: AnalyticsService, events: Sequence[Event] = ()) -> int:
    """Bring the dashboard up to date after these events, or after none; how much was new.

    Raises Unavailable when the database can't be reached.
    """
    _tell_heard(events)
    return await analytics.fold()


class AnalyticsWorker:
    """Hears what happened and folds it in; also looks by itself, since news may be lost."""

    def __init__(self, system: System, *, quiet: float = QUIET) -> None:
        self._quiet = quiet
        self._tell_after = 0.0
        self._untold = 0
        self._analytics = system.analytics
        self._bus = system.bus
        self._bus_channels = (*system.settings.bus_channels, DELIVERY_CHANNEL)
        self._poll_seconds = system.settings.poll_seconds
        self._quiet_log = QuietLog("analytics-worker")

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; what is in hand then is finished."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(stopping))
            group.create_task(self._poll(stopping))

    async def work(self) -> int:
        """Fold once; how much was new. Raises Unavailable."""
        return await self._update()

    async def _listen(self, stopping: asyncio.Event) -> None:
        back_off = BackOff()
        while not stopping.is_set():
            try:
                await self._hear_all(stopping, back_off)
            except Exception as error:  # the figures are in the database, whatever it was
                self._complain("the bus can't be heard; figures are found by polling", error)
            await back_off.pause(stopping)

    async def _hear_all(self, stopping: asyncio.Event, back_off: BackOff) -> None:
        async with self._bus.subscribe(*self._bus_channels, group=ANALYTICS_GROUP) as subscription:
            async for batch in until(stopping, subscription):
                await self._hear(batch)
                await subscription.ack(batch)
                back_off.reset()
                await pause(stopping, BREATH)

    async def _hear(self, batch: Sequence[Received]) -> None:
        events = [received.event for received in batch if received.event.type in NEWS]
        if not events:
            return
        try:
            await self._update(events)
        except Exception as error:
            # the deltas stay in the database for the next poll, so the news need not wait
            self._complain("figures could not be folded; the next poll will catch up", error)

    async def _poll(self, stopping: asyncio.Event) -> None:
        back_off = BackOff()
        while not stopping.is_set():
            try:
                await self.work()
                back_off.reset()
                await pause(stopping, self._poll_seconds)
            except Exception as error:  # the figures are in the database, whatever it was
                self._complain("figures could not be folded; trying again", error)
                await back_off.pause(stopping)

    async def _update(self, events: Sequence[Event] = ()) -> int:
        folded = await update_analytics(self._analytics, events)
        self._untold += folded
        if self._untold and time.monotonic() >= self._tell_after:
            await self._tell_figures()
        return folded

    async def _tell_figures(self) -> None:
        told, self._untold = self._untold, 0
        self._tell_after = time.monotonic() + self._quiet
        totals = (await self._analytics.summary(hours=24)).totals
        _log.info(f"the dashboard now shows {in_words(totals)} in the last 24 hours", folded=told)

    def _complain(self, sentence: str, error: Exception) -> None:
        if isinstance(error, Unavailable):
            self._quiet_log.warning(sentence, reason=str(error))
        else:
            self._quiet_log.error(sentence, error)


def _tell_heard(events: Sequence[Event]) -> None:
    for kind, count in Counter(event.type for event in events).items():
        first = next(event for event in events if event.type == kind)
        times = f" {count} times" if count > 1 else ""
        _log.info(f"heard {kind}{times}", event_id=first.id)


async def _run(stopping: asyncio.Event) -> None:
    async with open_service(stopping) as system:
        await AnalyticsWorker(system).run(stopping)


def main() -> None:
    """Run the worker until SIGTERM or SIGINT."""
    run_until_signal(_run)


if __name__ == "__main__":
    main()
