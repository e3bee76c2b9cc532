"""What strikes at a time of its own: kills, stops, standstills, outages, losses, replans."""

import sqlite3
from collections.abc import Callable

from tests.simulation.installation import Installation
from tests.simulation.loop import Process
from tests.simulation.settings import LEASE
from tests.simulation.weather import TROUBLE_SECONDS
from tests.simulation.world import World


class Nemesis:
    """Strikes as often as the weather says, at times drawn from the seed."""

    def __init__(self, world: World, installation: Installation) -> None:
        self._world = world
        self._installation = installation

    def start(self) -> None:
        """Draw the times of every stroke."""
        weather = self._world.weather
        for times, stroke in (
            (weather.kills, self._kill),
            (weather.stops, self._stop),
            (weather.stalls, self._stall),
            (weather.bus_losses, self._lose_bus),
            (weather.vendor_outages, self._vendor_outage),
            (weather.database_outages, self._database_outage),
            (weather.replans, self._replan),
        ):
            for _ in range(times):
                self._at_some_time(stroke)

    def _at_some_time(self, stroke: Callable[[], None]) -> None:
        self._world.later(self._world.random.random() * TROUBLE_SECONDS, stroke)

    def _kill(self) -> None:
        self._strike(self._installation.kill)

    def _stop(self) -> None:
        self._strike(self._installation.stop)

    def _stall(self) -> None:
        self._strike(self._world.stun)

    def _lose_bus(self) -> None:
        self._world.note("world", "the bus is lost")
        self._installation.bus.lose()
        self._installation.shared.lose()

    def _vendor_outage(self) -> None:
        self._world.note("world", "the vendor is down")
        self._world.vendor_down_until = self._world.now + 4 * self._world.random.random()

    def _database_outage(self) -> None:
        self._world.note("world", "the database is down")
        self._world.database_down_until = self._world.now + 2 * LEASE * self._world.random.random()

    def _replan(self) -> None:
        """Somebody has what was planned planned again, as a replay would."""
        self._world.note("world", "events are made due again")
        connection: sqlite3.Connection = self._installation.connection
        now = int(self._world.clock.now().timestamp() * 1_000_000)
        connection.execute(
            "UPDATE events SET state = 'due', due_at = ? WHERE state = 'planned'", (now,)
        )

    def _strike(self, stroke: Callable[[Process], None]) -> None:
        """One of those that run, if any does."""
        running = self._installation.running
        if running:
            stroke(running[self._world.random.choice(sorted(running))].process)
