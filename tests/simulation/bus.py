"""The real bus in memory, reached over a line by each process, and sometimes lost as a whole."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.simulation.line import Line
from tests.simulation.loop import Process
from tests.simulation.world import World
from tidings.core.errors import Unavailable
from tidings.core.metrics import Metrics
from tidings.core.models import BELL_CHANNEL, Event
from tidings.core.ports import Subscription
from tidings.memory_bus import MemoryEventBus
from tidings.memory_bus.member import Member

GROUP = "notification"
#: seconds until a group notices that a member died with entries in hand
_IDLE_SECONDS = 2.0
#: the share of what is published that is heard twice
_TWICE = 0.2


class SharedBus:
    """The one server all processes speak to; `lose` replaces it by an empty one."""

    def __init__(self, world: World, metrics: Metrics, channels: Sequence[str]) -> None:
        self._world = world
        self._metrics = metrics
        self._groups = dict.fromkeys(channels, (GROUP,))
        #: whether bells are heard at all, and whether news comes twice
        self.deaf = world.random.random() < 0.15
        self.repeats = world.random.random() < 0.3
        self.bus = self._empty()
        self._members: dict[Process, list[Member]] = {}

    def lose(self) -> None:
        """Everything on it is gone; whoever listens has to come again."""
        for one in self._members.values():
            one.clear()
        lost, self.bus = self.bus, self._empty()
        lost.close_now()

    def join(self, process: Process, member: Member) -> None:
        """Remember who to give up when a process dies."""
        self._members.setdefault(process, []).append(member)

    def bury(self, process: Process) -> None:
        """What a dead process had in hand comes back after a while."""
        members = self._members.pop(process, [])
        for member in members:
            self._world.later(_IDLE_SECONDS, member.leave)

    def _empty(self) -> "_Bus":
        return _Bus(groups=self._groups, metrics=self._metrics, clock=self._world.clock)


class _Bus(MemoryEventBus):
    """The bus, and a way to put something on it from outside of any process."""

    def put_now(self, bus_channel: str, events: Sequence[Event]) -> None:
        """Put events on a channel."""
        if self._closed:
            raise Unavailable("the event bus is closed")
        self._put(bus_channel, events)

    def close_now(self) -> None:
        """End every subscription."""
        self._closed = True
        for one in self._open:
            one.end()


class SimulatedBus:
    """The bus as one process has it."""

    def __init__(self, world: World, shared: SharedBus, process: Process) -> None:
        self._world = world
        self._shared = shared
        self._process = process
        self._line = Line(
            world,
            process,
            "bus",
            asking=world.weather.bus_asking,
            answering=world.weather.bus_answering,
        )

    async def publish(self, bus_channel: str, *events: Event) -> None:
        """Put events on a channel; a bell may be lost, and anything may come twice."""
        if bus_channel == BELL_CHANNEL and self._shared.deaf:
            return
        await self._line.call(f"publish {events[0].type}", lambda: self._put(bus_channel, events))

    @asynccontextmanager
    async def subscribe(self, *bus_channels: str, group: str) -> AsyncIterator[Subscription]:
        """Join a group; a dead process's member is given up after a while."""
        await self._line.call("subscribe", lambda: None)
        async with self._shared.bus.subscribe(*bus_channels, group=group) as member:
            assert isinstance(member, Member)
            self._shared.join(self._process, member)
            yield member

    @asynccontextmanager
    async def watch(self, bus_channel: str) -> AsyncIterator[AsyncIterator[Event]]:
        """Hear what is published from now on."""
        await self._line.call("watch", lambda: None)
        async with self._shared.bus.watch(bus_channel) as events:
            yield events

    async def ping(self) -> None:
        """Raises Unavailable when the bus does not answer."""
        await self._line.call("ping", lambda: None)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _put(self, bus_channel: str, events: Sequence[Event]) -> None:
        self._shared.bus.put_now(bus_channel, events)
        if self._shared.repeats and self._world.random.random() < _TWICE:
            self._shared.bus.put_now(bus_channel, events)
