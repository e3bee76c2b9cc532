"""Those who listen on the bus in memory: members of groups, and watchers."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from tidings.core.bell import Bell
from tidings.core.models import Event
from tidings.core.ports import Received
from tidings.memory_bus.channel import Channel

#: seconds after which whoever waits looks again, rung or not
_POLL = 60.0

Bury = Callable[[Received, str, str], None]
"""Puts what a group was given on the dead-letter channel, with the reason."""


class Member:
    """One member's subscription to some channels."""

    def __init__(self, bury: Bury, group: str, channels: Sequence[Channel]) -> None:
        self._bell = Bell()
        self._bury = bury
        self._group = group
        self._channels = {channel.name: channel for channel in channels}
        #: in the order they were handed out
        self._in_hand: dict[str, dict[str, None]] = {name: {} for name in self._channels}
        self._left = False

    def __aiter__(self) -> AsyncIterator[Sequence[Received]]:
        return self

    async def __anext__(self) -> Sequence[Received]:
        """The next batch; ends when the subscription is left or the bus closed."""
        await asyncio.sleep(0)  # a full channel must not keep the loop from others
        while not self._left:
            batch = self._take()
            if batch:
                return batch
            await self._bell.wait(_POLL)
        raise StopAsyncIteration

    async def ack(self, received: Sequence[Received]) -> None:
        """These are done with."""
        for one in received:
            self._settle(one)

    async def bury(self, received: Received, reason: str) -> None:
        """Put it on the dead-letter channel, unless the group was done with it already."""
        if self._settle(received):
            self._bury(received, self._group, reason)

    def join(self) -> None:
        """Become a member of the group on every channel."""
        for channel in self._channels.values():
            channel.group(self._group).members.add(self)

    def leave(self) -> None:
        """Give back what is not settled, at once."""
        self.end()
        for name, channel in self._channels.items():
            channel.groups[self._group].members.discard(self)
            channel.give_back(self._group, self._in_hand[name])

    def ring(self) -> None:
        """There may be something to hear."""
        self._bell.ring()

    def end(self) -> None:
        """Nothing more is to be heard."""
        self._left = True
        self._bell.ring()

    def _take(self) -> list[Received]:
        batch: list[Received] = []
        for channel in self._channels.values():
            for one in channel.take(self._group):
                if channel.is_poison(one):
                    self._bury_poison(one)
                else:
                    self._in_hand[one.bus_channel][one.entry_id] = None
                    batch.append(one)
        return batch

    def _bury_poison(self, received: Received) -> None:
        self._settle(received)
        handed = received.delivery_count - 1
        self._bury(received, self._group, f"handed out {handed} times and never settled")

    def _settle(self, received: Received) -> bool:
        self._in_hand[received.bus_channel].pop(received.entry_id, None)
        return self._channels[received.bus_channel].settle(self._group, received.entry_id)


class Watcher:
    """Hears new events; the oldest unheard ones are dropped when it is slow."""

    def __init__(self, keep: int) -> None:
        self._heard: deque[Event] = deque(maxlen=keep)
        self._bell = Bell()
        self._left = False

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event; ends when the watch is left or the bus closed."""
        while not (self._heard or self._left):
            await self._bell.wait(_POLL)
        if self._left:
            raise StopAsyncIteration
        return self._heard.popleft()

    def hear(self, events: Iterable[Event]) -> None:
        """These were published."""
        self._heard.extend(events)
        self._bell.ring()

    def end(self) -> None:
        """The watch is over."""
        self._left = True
        self._bell.ring()
