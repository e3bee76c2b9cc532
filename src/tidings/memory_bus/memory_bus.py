"""`MemoryEventBus`: the contract of the event bus inside one process, without Redis."""

import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from tidings.core.clock import Clock
from tidings.core.dead_letters import dead_letter
from tidings.core.errors import ConfigurationError, Unavailable
from tidings.core.logs import get_logger
from tidings.core.metrics import Metrics
from tidings.core.models import DEAD_LETTER_CHANNEL, Event
from tidings.core.ports import Received, Subscription
from tidings.memory_bus.channel import Channel, MemoryLimits
from tidings.memory_bus.member import Member, Watcher

_log = get_logger("memory_bus")
_NO_GROUPS: Mapping[str, Sequence[str]] = {}


class MemoryEventBus:
    """News between services inside one process; nothing outlives it.

    `groups` declares the groups of each channel, so that they hear what comes before a member.
    """

    def __init__(
        self,
        *,
        groups: Mapping[str, Sequence[str]] = _NO_GROUPS,
        metrics: Metrics,
        clock: Clock,
        limits: MemoryLimits | None = None,
    ) -> None:
        self._groups = groups
        self._metrics = metrics
        self._clock = clock
        self._limits = limits or MemoryLimits()
        self._channels: dict[str, Channel] = {}
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._numbers = itertools.count(1)
        self._open: set[Member | Watcher] = set()
        self._closed = False

    async def publish(self, bus_channel: str, *events: Event) -> None:
        """Put events on a channel, in order. Raises Unavailable when the bus is closed."""
        await self.ping()
        self._put(bus_channel, events)

    @asynccontextmanager
    async def subscribe(self, *bus_channels: str, group: str) -> AsyncIterator[Subscription]:
        """Join a group as one more member; the group hears what came before its first member."""
        if not bus_channels:
            raise ConfigurationError(f"group {group} subscribes to no bus channel: name one")
        member = Member(self._bury, group, [self._channel(name) for name in bus_channels])
        member.join()
        self._open.add(member)
        try:
            yield member
        finally:
            self._open.discard(member)
            member.leave()

    @asynccontextmanager
    async def watch(self, bus_channel: str) -> AsyncIterator[AsyncIterator[Event]]:
        """Hear what is published from now on; lossy."""
        watcher = Watcher(self._limits.keep)
        self._watchers[bus_channel].add(watcher)
        self._open.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[bus_channel].discard(watcher)
            self._open.discard(watcher)
            watcher.end()

    async def ping(self) -> None:
        """Raises Unavailable when the bus is closed."""
        if self._closed:
            raise Unavailable("the event bus is closed")

    async def aclose(self) -> None:
        """End every open subscription and watch."""
        self._closed = True
        for one in self._open:
            one.end()

    def _bury(self, received: Received, group: str, reason: str) -> None:
        """Put a buried entry on the dead-letter channel; a dead letter bears no other."""
        if received.bus_channel != DEAD_LETTER_CHANNEL:
            self._put(DEAD_LETTER_CHANNEL, [self._about(received, group, reason)])
        self._metrics.dead_letters.labels(bus_channel=received.bus_channel).inc()
        _log.warning(
            "bus_entry_buried",
            bus_channel=received.bus_channel,
            group=group,
            entry_id=received.entry_id,
            reason=reason,
        )

    def _about(self, received: Received, group: str, reason: str) -> Event:
        return dead_letter(
            bus_channel=received.bus_channel,
            group=group,
            entry_id=received.entry_id,
            reason=reason,
            entry=received.event,
            at=self._clock.now(),
        )

    def _put(self, bus_channel: str, events: Sequence[Event]) -> None:
        channel = self._channel(bus_channel)
        for event in events:
            channel.add(self._entry_id(), event)
        channel.ring()
        for watcher in self._watchers[bus_channel]:
            watcher.hear(events)

    def _channel(self, name: str) -> Channel:
        if name not in self._channels:
            self._channels[name] = Channel(
                name,
                self._groups.get(name, ()),
                limits=self._limits,
                lost=self._metrics.bus_entries_lost.labels(name),
            )
        return self._channels[name]

    def _entry_id(self) -> str:
        """Time first, as in Redis, so that no two processes number alike."""
        return f"{int(self._clock.now().timestamp() * 1000)}-{next(self._numbers)}"
