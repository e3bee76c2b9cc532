"""The real services of one process on simulated seams: what `wiring` does for a real one."""

import asyncio
import functools

from tests.simulation.accounts import (
    SharedValues,
    SimulatedSharedState,
    draw_set_up,
    integrations,
)
from tests.simulation.bus import SharedBus, SimulatedBus
from tests.simulation.line import Line
from tests.simulation.loop import Process
from tests.simulation.settings import (
    ATTEMPTS,
    BEAT,
    CALL_SECONDS,
    LEASE,
    PLANNER_POLL,
    POLL,
    SLOTS,
)
from tests.simulation.store import INSTALLATION, InlineWriter, SimulatedStore, known_definitions
from tests.simulation.world import World
from tidings.analytics.service import AnalyticsService
from tidings.api.audit import AuditLog
from tidings.api.keyring import Keyring
from tidings.api.keys import KeyService
from tidings.api.sessions import Sessions
from tidings.core.clock import SystemClock
from tidings.core.metrics import Metrics
from tidings.core.models import DEAD_LETTER_CHANNEL, DELIVERY_CHANNEL, USER_CHANNEL
from tidings.core.ports import EventBus, Store
from tidings.delivery.pace import Pace
from tidings.delivery.retry import Patience, exponential
from tidings.delivery.service import DeliveryService
from tidings.inbox.service import InboxService
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
from tidings.users.suppressions import SuppressionService
from tidings.wiring import System

_PACE = Pace(
    slots=SLOTS,
    lease_seconds=LEASE,
    beat_seconds=BEAT,
    poll_seconds=POLL,
    drain_seconds=2.0,
    call_seconds=CALL_SECONDS,
)
_PATIENCE = {"email": Patience(attempts=ATTEMPTS, max_age=300, base=0.5, cap=2.0)}
_BUS_CHANNELS = (USER_CHANNEL, DELIVERY_CHANNEL, DEAD_LETTER_CHANNEL)


class Services:
    """Makes the services of each process, all on one database, one bus and one shared state."""

    def __init__(self, world: World, database: Database) -> None:
        self._world = world
        self._database = database
        self._set_up = draw_set_up(world)
        self.shared_bus = SharedBus(world, _metrics(), _BUS_CHANNELS)
        self.shared_values = SharedValues()

    def system(self, process: Process) -> System:
        """What `wiring` builds, as far as a run needs it."""
        world, metrics = self._world, _metrics()
        clock, ids = world.clock, world.ids
        store, bus = self._store(process), SimulatedBus(world, self.shared_bus, process)
        templates, workflows = known_definitions()
        users, keyring = UserService(store, clock=clock), Keyring(store, clock=clock)
        accounts = {"email": integrations(world, process, self._set_up)}
        intake = self._intake(store, bus)
        audit = AuditLog(store, clock=clock, ids=ids)
        letters = DeadLetters(store, clock=clock)
        return System(
            settings=_settings(PLANNER_POLL if "planner" in process.name else POLL),
            clock=clock,
            ids=ids,
            metrics=metrics,
            store=store,
            backlog=_backlog(self._database),
            retention=_NothingIsOld(store),
            bus=bus,
            users=users,
            suppressions=SuppressionService(store, clock=clock, channels=tuple(accounts)),
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
                shared=SimulatedSharedState(world, self.shared_values, process),
                templates=templates,
                integrations=accounts,
                retry=exponential(patience=_PATIENCE, chance=world.random.random),
                metrics=metrics,
                clock=clock,
                ids=ids,
                reject_address=users.reject_address,
                chance=world.random.random,
                pace=_PACE,
            ),
            inbox=InboxService(store, clock=clock, users=users),
            analytics=AnalyticsService(store, clock=clock),
            keys=KeyService(store, clock=clock, changed=keyring.forget),
            keyring=keyring,
            sessions=Sessions(INSTALLATION.address_key),
            audit=audit,
            outbox=Outbox(store, clock=clock, ids=ids),
            dead_letters=DeadLetterService(letters, intake=intake, audit=audit, clock=clock),
            providers=accounts,
            stopping=asyncio.Event(),
        )

    def _store(self, process: Process) -> SimulatedStore:
        weather = self._world.weather
        line = Line(
            self._world, process, "database", asking=weather.asking, answering=weather.answering
        )
        writer = InlineWriter(line)
        return SimulatedStore(self._database, writer=writer, clock=self._world.clock)

    def _intake(self, store: Store, bus: EventBus) -> Intake:
        return Intake(
            store=store,
            bus=bus,
            workflows=known_definitions()[1],
            admission=Admission(limit=1_000_000, count=_nothing_waits, metrics=_metrics()),
            clock=self._world.clock,
            ids=self._world.ids,
            metrics=_metrics(),
        )


class _NothingIsOld(Retention):
    """A run is over in a minute."""

    async def apply(self) -> int:
        """Nothing to take away."""
        return 0


async def _nothing_waits(_most: int) -> int:
    return 0


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
    return Settings(database_url="sqlite://", poll_seconds=poll_seconds)
