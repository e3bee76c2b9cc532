"""The simulated installation: the real services of several processes on one store and one bus."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.simulation.bus import SharedBus, SimulatedBus
from tests.simulation.line import Line
from tests.simulation.loop import Process
from tests.simulation.settings import ATTEMPTS, BEAT, CALL_SECONDS, LEASE, PLANNER_POLL, POLL, SLOTS
from tests.simulation.store import (
    INSTALLATION,
    InlineWriter,
    SimulatedStore,
    known_definitions,
    refill,
)
from tests.simulation.vendor import SimulatedProvider
from tests.simulation.world import World
from tidings.analytics.service import AnalyticsService
from tidings.api.audit import AuditLog
from tidings.api.keyring import Keyring
from tidings.api.keys import KeyService
from tidings.api.sessions import Sessions
from tidings.channel_worker import ChannelWorker
from tidings.core.clock import SystemClock
from tidings.core.errors import Unavailable
from tidings.core.metrics import Metrics
from tidings.core.models import DEAD_LETTER_CHANNEL, DELIVERY_CHANNEL, USER_CHANNEL
from tidings.delivery.retry import Patience, exponential
from tidings.delivery.service import DeliveryService
from tidings.inbox.service import InboxService
from tidings.notification_worker import NotificationWorker
from tidings.notifications.admission import Admission
from tidings.notifications.dead_letters import DeadLetterService
from tidings.notifications.intake import Intake
from tidings.notifications.service import NotificationService
from tidings.settings import Settings
from tidings.store.backlog import Backlog
from tidings.store.dead_letters import DeadLetters
from tidings.store.outbox import Outbox
from tidings.store.retention import Retention
from tidings.store.sqlite.database import Database
from tidings.users.service import UserService
from tidings.wiring import System

Result = TypeVar("Result")

#: the processes there are, and what each one does
ROLES = ("api-1", "api-2", "planner-1", "planner-2", "sender-1", "sender-2")
#: seconds until a dead process is started anew, at most
_RESTART_SECONDS = 2.0
_PATIENCE = {"email": Patience(attempts=ATTEMPTS, max_age=300, base=0.5, cap=2.0)}


@functools.cache
def _metrics() -> Metrics:
    return Metrics()


@functools.cache
def _backlog(database: Database) -> Backlog:
    """Nobody looks at it here, and it is dear to make."""
    store = SimulatedStore(database, writer=InlineWriter(), clock=SystemClock())
    return Backlog(store, metrics=_metrics(), channels=("email",))


@functools.cache
def _settings(poll_seconds: float) -> Settings:
    return Settings(
        database_url="sqlite://",
        poll_seconds=poll_seconds,
        lease_seconds=LEASE,
        beat_seconds=BEAT,
        slots=SLOTS,
        drain_seconds=2.0,
    )


class _NothingIsOld(Retention):
    """A run is over in a minute."""

    async def apply(self) -> int:
        """Nothing to take away."""
        return 0


async def _nothing_waits(_most: int) -> int:
    return 0


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
        self.database, self.connection = refill()
        channels = (USER_CHANNEL, DELIVERY_CHANNEL, DEAD_LETTER_CHANNEL)
        self.bus = SharedBus(world, _metrics(), channels)
        self.running: dict[str, Running] = {}
        self._starts = 0
        world.kill, world.stop = self.kill, self.stop

    def start(self, role: str) -> None:
        """Start a process of a role."""
        self._starts += 1
        process = Process(f"{role}.{self._starts}")
        running = Running(role, process, self._system(process))
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

    def _system(self, process: Process) -> System:
        """What `wiring` builds, on simulated seams."""
        world, metrics, stopping = self.world, _metrics(), asyncio.Event()
        settings = _settings(PLANNER_POLL if "planner" in process.name else POLL)
        clock, ids = world.clock, world.ids
        weather = world.weather
        line = Line(world, process, "database", asking=weather.asking, answering=weather.answering)
        store = SimulatedStore(self.database, writer=InlineWriter(line), clock=clock)
        bus = SimulatedBus(world, self.bus, process)
        users = UserService(store, clock=clock)
        templates, workflows = known_definitions()
        keyring = Keyring(store, clock=clock)
        providers = {"email": ("vendor", SimulatedProvider(world, process))}
        intake = Intake(
            store=store,
            bus=bus,
            workflows=workflows,
            admission=Admission(limit=1_000_000, count=_nothing_waits, metrics=metrics),
            clock=clock,
            ids=ids,
            metrics=metrics,
        )
        audit = AuditLog(store, clock=clock, ids=ids)
        letters = DeadLetters(store, clock=clock)
        return System(
            settings=settings,
            clock=clock,
            ids=ids,
            metrics=metrics,
            store=store,
            backlog=_backlog(self.database),
            retention=_NothingIsOld(store),
            bus=bus,
            users=users,
            templates=templates,
            workflows=workflows,
            intake=intake,
            notifications=NotificationService(
                store=store,
                bus=bus,
                workflows=workflows,
                templates=templates,
                clock=clock,
                ids=ids,
                metrics=metrics,
            ),
            delivery=DeliveryService(
                store=store,
                bus=bus,
                templates=templates,
                providers=providers,
                retry=exponential(patience=_PATIENCE, chance=world.random.random),
                metrics=metrics,
                clock=clock,
                ids=ids,
                reject_address=users.reject_address,
                slots=settings.slots,
                lease_seconds=settings.lease_seconds,
                beat_seconds=settings.beat_seconds,
                poll_seconds=settings.poll_seconds,
                drain_seconds=settings.drain_seconds,
                call_seconds=CALL_SECONDS,
            ),
            inbox=InboxService(store, clock=clock, users=users),
            analytics=AnalyticsService(store, clock=clock),
            keys=KeyService(store, clock=clock, changed=keyring.forget),
            keyring=keyring,
            sessions=Sessions(INSTALLATION.address_key),
            audit=audit,
            outbox=Outbox(store, clock=clock, ids=ids),
            dead_letters=DeadLetterService(letters, intake=intake, audit=audit, clock=clock),
            providers=providers,
            stopping=stopping,
        )


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
