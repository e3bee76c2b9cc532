"""`EventBus` over Redis Streams: publishing, subscribing in groups, watching."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from tidings.core import cloudevents
from tidings.core.clock import Clock
from tidings.core.errors import ConfigurationError, InvalidInput
from tidings.core.metrics import Metrics
from tidings.core.models import Event
from tidings.core.ports import Subscription
from tidings.core.quiet_log import QuietLog
from tidings.event_bus.burials import Burials
from tidings.event_bus.link import Link
from tidings.event_bus.member import Member, Tools
from tidings.event_bus.publisher import Publisher
from tidings.event_bus.sweeper import Sweeper
from tidings.event_bus.tuning import Tuning
from tidings.event_bus.watcher import Watcher

_NO_GROUPS: Mapping[str, Sequence[str]] = {}


class RedisEventBus:
    """News between services over Redis 6.2 or newer; a bus channel's key is just its name.

    `groups` declares the groups of each channel: whoever publishes first creates them, so that
    they hear everything. Made inside a running event loop or not, it connects on first use.
    """

    def __init__(
        self,
        url: str,
        *,
        groups: Mapping[str, Sequence[str]] = _NO_GROUPS,
        metrics: Metrics,
        clock: Clock,
        tuning: Tuning | None = None,
    ) -> None:
        self._tuning = tuning or Tuning()
        self._clock = clock
        self._log = QuietLog("event_bus")
        self._link = Link(url, patience=self._tuning.patience)
        sweeper = Sweeper(
            self._link, groups=groups, tuning=self._tuning, log=self._log, metrics=metrics
        )
        self._publisher = Publisher(self._link, sweeper, patience=self._tuning.patience)
        self._tools = Tools(
            link=self._link,
            sweeper=sweeper,
            burials=Burials(self._link, sweeper, clock=clock, metrics=metrics),
            clock=clock,
            tuning=self._tuning,
            log=self._log,
        )

    async def publish(self, bus_channel: str, *events: Event) -> None:
        """Put events on a channel, in order.

        Raises Unavailable when Redis can't be reached, InvalidInput when an event is no JSON.
        """
        if events:
            await self._publisher.publish(bus_channel, [_encoded(event) for event in events])

    @asynccontextmanager
    async def subscribe(self, *bus_channels: str, group: str) -> AsyncIterator[Subscription]:
        """Join a group as one more member; it waits by itself for a Redis that is away."""
        if not bus_channels:
            raise ConfigurationError(f"group {group} subscribes to no bus channel: name one")
        member = Member(self._tools, group=group, bus_channels=bus_channels)
        await member.join()
        try:
            yield member
        finally:
            await member.leave()

    @asynccontextmanager
    async def watch(self, bus_channel: str) -> AsyncIterator[AsyncIterator[Event]]:
        """Hear what is published from now on; lossy while Redis is away."""
        watcher = Watcher(
            self._link, bus_channel, clock=self._clock, tuning=self._tuning, log=self._log
        )
        try:
            yield await watcher.begin()
        finally:
            watcher.leave()

    async def ping(self) -> None:
        """Raises Unavailable when Redis does not answer."""
        await self._link.command("PING")

    async def aclose(self) -> None:
        """Let go of every connection; open subscriptions end."""
        await self._publisher.aclose()
        await self._link.aclose()


EventBus = RedisEventBus
"""The event bus: a class that encapsulates publishing and subscribing over Redis."""


def _encoded(event: Event) -> bytes:
    try:
        return cloudevents.encode(event)
    except TypeError as error:
        raise InvalidInput(f"event {event.id} can't be put into JSON: {error}") from error
