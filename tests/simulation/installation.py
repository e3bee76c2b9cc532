"""The simulated installation: the real services of several processes on one store and one bus."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.simulation.loop import Process
from tests.simulation.services import Services
from tests.simulation.store import (
    refill,
)
from tests.simulation.world import World
from tidings.channel_worker import ChannelWorker
from tidings.core.errors import Unavailable
from tidings.notification_worker import NotificationWorker
from tidings.system import System

Result = TypeVar("Result")

#: the processes there are, by what each one does; a second planner only in every other run
_ROLES = ("api-1", "api-2", "planner-1", "sender-1", "sender-2")
#: seconds until a dead process is started anew, at most
_RESTART_SECONDS = 2.0


class Running:
    """One process while it lives: its services, and what clients wait for from it."""

    def __init__(self, role: str, process: Process, system: System) -> None:
        self.role = role
        self.process = process
        self.system = system
        self.asked: set[asyncio.Future[Any]] = set()
        self.task: asyncio.Task[Any] | None = None


class Installation:
    """Starts, kills, stops and restarts the processes."""

    def __init__(self, world: World) -> None:
        self.world = world
        database, self.connection = refill()
        self._services = Services(world, database)
        self.bus, self.shared = self._services.shared_bus, self._services.shared_values
        self.running: dict[str, Running] = {}
        self._starts = 0
        world.kill, world.stop = self.kill, self.stop

    def start_all(self) -> None:
        """Start one process of each role."""
        for role in (*_ROLES, *(("planner-2",) if self.world.random.random() < 0.5 else ())):
            self.start(role)

    def start(self, role: str) -> None:
        """Start a process of a role."""
        self._starts += 1
        process = Process(f"{role}.{self._starts}")
        running = Running(role, process, self._services.system(process))
        self.running[role] = running
        self.world.note(process, "starts")
        if not role.startswith("api"):
            running.task = self.world.loop.start(process, _worker(role, running.system))
            running.task.add_done_callback(
                lambda task: self._ended(running, task), context=self.world.loop.nobody
            )

    def kill(self, process: Process) -> None:
        """It dies as by `kill -9`, and comes back after a while."""
        self.world.note(process, "DIES")
        process.die()
        self.bus.bury(process)
        for running in tuple(self.running.values()):
            if running.process is process:
                self._lose(running)

    def stop(self, process: Process) -> None:
        """Ask a worker to end in order, as by SIGTERM."""
        for running in self.running.values():
            if running.process is process and running.task is not None:
                self.world.note(process, "is asked to stop")
                running.system.stopping.set()

    async def ask(self, role: str, work: Callable[[System], Coroutine[Any, Any, Result]]) -> Result:
        """A request to an API process. Raises Unavailable where it is not there, or dies."""
        running = self.running.get(role)
        if running is None:
            raise Unavailable(f"{role} does not answer")
        answer: asyncio.Future[Result] = self.world.loop.create_future()
        running.asked.add(answer)
        task = self.world.loop.start(running.process, work(running.system))
        task.add_done_callback(functools.partial(_pass_on, answer), context=self.world.loop.nobody)
        try:
            return await answer
        finally:
            running.asked.discard(answer)

    def _lose(self, running: Running) -> None:
        del self.running[running.role]
        for answer in running.asked:
            if not answer.done():
                answer.set_exception(Unavailable("the connection broke"))
        pause = _RESTART_SECONDS * self.world.random.random()
        self.world.later(pause, lambda: self.start(running.role))

    def _ended(self, running: Running, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.world.loop.failures.append(f"{running.process} ended: {error!r}")
        self.world.note(running.process, "has ended")
        if self.world.ledger.is_troubled(running.process, self.world.now):
            running.process.lost = True
        self._lose(running)


def _worker(role: str, system: System) -> Coroutine[Any, Any, None]:
    worker = NotificationWorker(system) if role.startswith("planner") else ChannelWorker(system)
    return worker.run(system.stopping)


def _pass_on(answer: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
    if answer.done():
        return
    if task.cancelled():
        answer.set_exception(Unavailable("the request was dropped"))
    elif (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())
