"""What became of deliveries, told on DELIVERY_CHANNEL behind the back of whoever changed them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypedDict

from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.models import DELIVERIES_SETTLED, DELIVERY_CHANNEL, Event
from tidings.core.ports import EventBus
from tidings.core.quiet_log import QuietLog

#: seconds a publish may take; the news is a courtesy, the rows are the truth
_PUBLISH_SECONDS = 5.0


class Told(TypedDict):
    """What became of one delivery: ids and a reason, no address."""

    delivery_id: str
    #: as its sender knows it
    event_id: str
    user_id: str | None
    workflow: str
    channel: str
    state: str
    reason: str | None


Tell = Callable[[Sequence[Told]], None]
"""Told of deliveries once their new states are committed."""


class DeliveryNews:
    """Publishes each batch as one event; a bus that is slow or gone delays and fails nobody."""

    def __init__(
        self, bus: EventBus, *, source: str, clock: Clock, ids: Ids, quiet_log: QuietLog
    ) -> None:
        self._bus = bus
        self._source = source
        self._clock = clock
        self._ids = ids
        self._quiet_log = quiet_log
        self._under_way: set[asyncio.Task[None]] = set()

    def tell(self, told: Sequence[Told]) -> None:
        """Publish one batch soon; returns at once."""
        if told:
            task = asyncio.create_task(self._publish(self._event(told)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def published(self, seconds: float = _PUBLISH_SECONDS) -> None:
        """Until what is under way was published; after so many seconds the rest is dropped."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for task in late:
                task.cancel()

    def _event(self, told: Sequence[Told]) -> Event:
        return Event(
            id=self._ids.new(),
            type=DELIVERIES_SETTLED,
            source=self._source,
            time=self._clock.now(),
            data={"outcomes": list(told)},
        )

    async def _publish(self, event: Event) -> None:
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                await self._bus.publish(DELIVERY_CHANNEL, event)
        except Exception as error:  # news may get lost; nothing rests on it
            self._quiet_log.warning(
                "outcomes could not be published", reason=f"{type(error).__name__}: {error}"
            )
