"""The vendors' accounts of a run, and the state that all workers share about them."""

from collections import defaultdict
from collections.abc import Sequence

from tests.simulation.line import Line
from tests.simulation.loop import Process
from tests.simulation.vendor import SimulatedProvider
from tests.simulation.weather import Answering, Asking
from tests.simulation.world import World
from tidings.core.integrations import UNLIMITED, Integration, Limits
from tidings.core.ports import Change, Result

#: names of integrations with their limits and weights: one set-up for each run
_SET_UPS: Sequence[Sequence[tuple[str, Limits, int | None]]] = (
    (("east", UNLIMITED, None),),
    (("east", UNLIMITED, None),),
    (("east", Limits(concurrency=3), None),),
    (("east", Limits(rate=2.0), None),),
    (("east", UNLIMITED, None), ("west", UNLIMITED, None)),
    (("east", Limits(rate=3.0, concurrency=3), None), ("west", UNLIMITED, None)),
    (("east", UNLIMITED, 60), ("west", UNLIMITED, 40)),
)

SetUp = Sequence[tuple[str, Limits, int | None]]


def draw_set_up(world: World) -> SetUp:
    """The integrations of one run; its books know their limits where nothing hides them."""
    set_up = world.random.choice(_SET_UPS)
    weather = world.weather
    is_clear = weather.bus_asking == Asking() and weather.bus_answering == Answering()
    if is_clear and not weather.bus_losses:
        world.ledger.limits = {name: limits for name, limits, _ in set_up}
    return set_up


def integrations(world: World, process: Process, set_up: SetUp) -> Sequence[Integration]:
    """Them as one process has them."""
    return [
        Integration(
            name=name,
            provider=SimulatedProvider(world, process, name),
            limits=limits,
            weight=weight,
        )
        for name, limits, weight in set_up
    ]


class SharedValues:
    """Where the workers' shared state is kept; lost with the bus."""

    def __init__(self) -> None:
        self._values: defaultdict[str, bytes | None] = defaultdict(lambda: None)

    def lose(self) -> None:
        """It is empty."""
        self._values.clear()

    def change(self, key: str, now: float, change: Change[Result]) -> Result:
        """Put a new value in the old one's place."""
        self._values[key], result = change(now, self._values[key])
        return result

    def read(self, key: str, now: float) -> tuple[float, bytes | None]:
        """The value, and the time."""
        return now, self._values[key]


class SimulatedSharedState:
    """The shared state as one process has it."""

    def __init__(self, world: World, values: SharedValues, process: Process) -> None:
        self._world = world
        self._values = values
        self._line = Line(
            world,
            process,
            "bus",
            asking=world.weather.bus_asking,
            answering=world.weather.bus_answering,
        )

    async def change(self, key: str, change: Change[Result]) -> Result:
        """Put `change`'s new value in the old one's place; raises Unavailable."""
        return await self._line.call(
            "change",
            lambda: self._values.change(key, self._world.clock.now().timestamp(), change),
        )

    async def read(self, key: str) -> tuple[float, bytes | None]:
        """The time and the value; raises Unavailable."""
        return await self._line.call(
            "read", lambda: self._values.read(key, self._world.clock.now().timestamp())
        )

    async def aclose(self) -> None:
        """Nothing is held."""
