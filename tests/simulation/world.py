"""What every part of a run shares: its clock, its chance, its ledger and its trace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from tests.simulation.ledger import Ledger
from tests.simulation.loop import START, Process, SimulatedLoop
from tests.simulation.settings import LEASE
from tests.simulation.weather import TROUBLE_SECONDS, draw_weather
from tidings.core.ids import Ids

#: seconds within which one who wakes does what it had in mind
_HARM_SECONDS = 0.4
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=START)


class World:
    """One run's surroundings; its own clock and ids, so that nothing of this machine comes in."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.weather = draw_weather(self.random)
        self.loop = SimulatedLoop(self.random)
        self.ledger = Ledger()
        self.clock = VirtualClock(self.loop)
        self.ids = SeededIds(self)
        self.calm_at = START + TROUBLE_SECONDS
        #: no call to the database or to the vendor gets through before these times
        self.database_down_until = 0.0
        self.vendor_down_until = 0.0
        #: what the installation does to a process
        self.kill: Callable[[Process], None] = Process.die
        self.stop: Callable[[Process], None] = Process.die
        self._asleep: Process | None = None
        self._trace: list[tuple[float, str, str]] = []

    @property
    def now(self) -> float:
        """The virtual clock, in seconds."""
        return self.loop.time()

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self.now >= self.calm_at

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Let something happen that is no process's doing."""
        self.loop.call_at(self.now + seconds, callback, context=self.loop.nobody)

    @property
    def all_awake(self) -> bool:
        """Whether nobody stands still, nor did just now: who wakes late may still do harm."""
        return self._asleep is None or self._asleep.stands_until < self.now - _HARM_SECONDS

    def stun(self, process: Process) -> None:
        """It stands still, often beyond its lease, and then goes on as if nothing was.

        One at a time: while all of them sleep nothing can be seen.
        """
        if self._asleep is not None and self._asleep.stands_until > self.now:
            return
        self._asleep = process
        seconds = LEASE * self.random.choice((0.3, 0.9, 1.1, 1.6, 1.6, 2.0))
        process.stands_until = self.now + seconds
        self.ledger.trouble(process, until=process.stands_until)
        self.note(process, f"stands still for {seconds:.1f} s")

    def note(self, who: object, what: str) -> None:
        """A line of the trace."""
        self._trace.append((self.now - START, str(who), what))

    def trace(self, last: int | None = None) -> list[str]:
        """What happened, or the last of it."""
        lines = self._trace if last is None else self._trace[-last:]
        return [f"{at:8.3f}  {who:<12} {what}" for at, who, what in lines]


class VirtualClock:
    """The loop's clock as everybody's time of day, the database's too."""

    shift = timedelta(0)

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self._told: tuple[float, datetime] = (0.0, _EPOCH)

    def now(self) -> datetime:
        """This moment, in UTC."""
        seconds = self._loop.time()
        if self._told[0] != seconds:
            self._told = seconds, _EPOCH + timedelta(seconds=seconds)
        return self._told[1]


class SeededIds(Ids):
    """UUIDv7 by the virtual clock and the run's own chance."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._count = 0

    def new(self) -> str:
        """The next id, rising like those of `Ids`."""
        self._count += 1
        milliseconds = int(self._world.clock.now().timestamp() * 1000)
        high = f"{milliseconds:012x}7{self._count:03x}"
        low = f"{self._world.random.getrandbits(60) | 8 << 60:016x}"
        return f"{high[:8]}-{high[8:12]}-{high[12:]}-{low[:4]}-{low[4:]}"
