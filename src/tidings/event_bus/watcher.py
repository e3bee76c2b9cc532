"""Hears what is published on a channel from now on, in every process."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from tidings.core.breath import Breath
from tidings.core.clock import Clock
from tidings.core.errors import TidingsError
from tidings.core.loops import BackOff
from tidings.core.models import Event
from tidings.core.ports import Received
from tidings.core.quiet_log import QuietLog
from tidings.event_bus.entries import read_entry
from tidings.event_bus.link import Link, milliseconds
from tidings.event_bus.scripts import END
from tidings.event_bus.tuning import Tuning


class Watcher:
    """Iterates over new events; lossy while Redis is away."""

    def __init__(
        self, link: Link, bus_channel: str, *, clock: Clock, tuning: Tuning, log: QuietLog
    ) -> None:
        self._link = link
        self._bus_channel = bus_channel
        self._clock = clock
        self._tuning = tuning
        self._log = log
        self._breath = Breath(tuning.breath)
        self._back_off = BackOff(first=tuning.pause, longest=tuning.longest_pause)
        self._last: bytes | None = None
        self._heard: deque[Event] = deque()
        self._left = False

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event; ends when the watch is left or the bus closed."""
        while not (self._heard or self._left or self._link.closed):
            await self._turn()
        if self._left or not self._heard:
            raise StopAsyncIteration
        return self._heard.popleft()

    async def begin(self) -> Self:
        """Remember where the channel ends now; when Redis is away, it is where it ends later."""
        try:
            self._last = await self._end()
        except TidingsError as error:
            self._complain(error)
        return self

    def leave(self) -> None:
        """The watch is over."""
        self._left = True

    async def _turn(self) -> None:
        await self._breath.take()
        try:
            self._heard.extend(await self._read())
        except TidingsError as error:
            if not (self._left or self._link.closed):
                self._complain(error)
                await self._back_off.pause()
            return
        self._back_off.reset()

    async def _read(self) -> list[Event]:
        if self._last is None:
            self._last = await self._end()
        answer = await self._link.read(
            "XREAD", "COUNT", 1000, "BLOCK", milliseconds(self._tuning.block),
            "STREAMS", self._bus_channel, self._last,
            block=self._tuning.block,
        )  # fmt: skip
        if not answer:
            await self._step_back()
            return []
        entries = answer[0][1]
        self._last = entries[-1][0]
        at = self._clock.now()
        read = (read_entry(self._bus_channel, id_, fields, at=at) for id_, fields in entries)
        return [entry.event for entry in read if isinstance(entry, Received)]

    async def _step_back(self) -> None:
        """After a flush the channel may number its entries below the last one we heard."""
        end = await self._end()
        if self._last is not None and _number(end) < _number(self._last):
            self._last = end

    async def _end(self) -> bytes:
        """The id of the last entry ever added."""
        last: bytes = await self._link.script(END, self._bus_channel)
        return last

    def _complain(self, error: TidingsError) -> None:
        self._log.warning("bus_unavailable", bus_channel=self._bus_channel, reason=str(error))


def _number(entry_id: bytes) -> tuple[int, int]:
    milliseconds_part, _, sequence = entry_id.partition(b"-")
    return int(milliseconds_part), int(sequence)
