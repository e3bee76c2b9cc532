"""The only place that picks implementations: settings in, a working system out.

What is not picked is not imported: the one process on SQLite starts without asyncpg and redis.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tidings.api.audit import AuditLog
from tidings.api.keys import KeyService
from tidings.channels.email.addresses import sender
from tidings.channels.integrations import load_integration
from tidings.channels.registry import ProviderPorts
from tidings.core.clock import Clock, SystemClock
from tidings.core.errors import ConfigurationError, Unavailable
from tidings.core.ids import Ids
from tidings.core.integrations import Integration, IntegrationSpec
from tidings.core.loops import BackOff
from tidings.core.metrics import Metrics
from tidings.core.models import DEAD_LETTER_CHANNEL, DELIVERY_CHANNEL, IN_APP
from tidings.core.ports import EventBus, SharedState, Store
from tidings.core.quiet_log import QuietLog
from tidings.delivery.pace import Pace
from tidings.delivery.retry import exponential
from tidings.inbox.service import InboxService
from tidings.notifications import workflow_rows
from tidings.notifications.admission import Admission
from tidings.notifications.workflow import Workflow
from tidings.notifications.workflows import WorkflowService
from tidings.settings import Settings
from tidings.store.backlog import Backlog
from tidings.store.outbox import Outbox
from tidings.store.retention import Retention
from tidings.system import Parts, System, assemble
from tidings.templates.service import TemplateService
from tidings.users.service import UserService

NOTIFICATION_GROUP = "notification"
ANALYTICS_GROUP = "analytics"

Waiting = Callable[[str], None]
"""Told what keeps a start waiting, as often as it is tried again."""


def bus_groups(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Our groups on each bus channel, which whoever publishes first creates."""
    both = (NOTIFICATION_GROUP, ANALYTICS_GROUP)
    return {
        **dict.fromkeys(settings.bus_channels, both),
        DELIVERY_CHANNEL: both,
        DEAD_LETTER_CHANNEL: (NOTIFICATION_GROUP,),
    }


@asynccontextmanager
async def open_system(
    settings: Settings,
    *,
    clock: Clock | None = None,
    workflows: Sequence[Workflow] = (),
    stopping: asyncio.Event | None = None,
    publish: bool = False,
    waiting: Waiting | None = None,
) -> AsyncIterator[System]:
    """Open everything the settings ask for; leaving closes it in reverse order.

    With `publish` its workflows and templates become those of the installation: only who plans
    does that, so that a process without them can't withdraw them. With `waiting` a database that
    is not up yet is waited for, and `waiting` told why. Raises ConfigurationError for what can't
    work, and Unavailable when the database is down.
    """
    async with AsyncExitStack() as stack:
        clock, stopping = clock or SystemClock(), stopping or asyncio.Event()
        _refuse_half_a_cluster(settings)
        was_away = False
        if waiting is None:
            store = await _open_store(settings, clock)
        else:
            store, was_away = await _await_store(settings, clock, stopping, waiting)
        stack.push_async_callback(store.aclose)
        system = assemble(_pick(settings, store, clock, stopping, stack))
        for telling in (system.intake, system.notifications, system.delivery):
            stack.push_async_callback(telling.aclose)
        if was_away:
            system.delivery.note_outage()
        if publish:
            await _publish(system, workflows, waiting)
        yield system


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncIterator[tuple[KeyService, AuditLog]]:
    """The keys in the database itself, for who has no key yet; what is done is to be audited.

    Raises ConfigurationError where a running process has the SQLite file, and Unavailable.
    """
    clock = SystemClock()
    store = await _open_store(settings, clock)
    try:
        keys = KeyService(store, clock=clock, changed=lambda: None)
        yield keys, AuditLog(store, clock=clock, ids=Ids())
    finally:
        await store.aclose()


def _pick(
    settings: Settings,
    store: Store,
    clock: Clock,
    stopping: asyncio.Event,
    stack: AsyncExitStack,
) -> Parts:
    metrics, ids = Metrics(), Ids()
    bus, shared = _open_bus(settings, metrics, clock), _open_shared_state(settings, clock)
    outbox = Outbox(store, clock=clock, ids=ids)
    users = UserService(store, clock=clock)
    inbox = InboxService(store, clock=clock, users=users)
    for each in (bus, outbox, inbox, shared):
        stack.push_async_callback(each.aclose)
    ports = ProviderPorts(
        outbox=outbox, feed=inbox.add, email_from=settings.email_from, clock=clock
    )
    providers = _load_providers(settings, ports, stack)
    templates = TemplateService(store, clock=clock, needed_by=workflow_rows.needing)
    backlog = Backlog(store, metrics=metrics, channels=tuple(providers))
    return Parts(
        settings=settings,
        clock=clock,
        ids=ids,
        metrics=metrics,
        store=store,
        backlog=backlog,
        retention=Retention(
            store, days=settings.retention_days, long_days=settings.long_retention_days
        ),
        bus=bus,
        shared=shared,
        users=users,
        inbox=inbox,
        outbox=outbox,
        templates=templates,
        workflows=WorkflowService(store, clock=clock, templates=templates),
        providers=providers,
        admission=Admission(limit=settings.backlog_limit, count=backlog.waiting, metrics=metrics),
        retry=exponential(),
        pace=_pace(settings),
        stopping=stopping,
    )


async def _publish(system: System, workflows: Sequence[Workflow], waiting: Waiting | None) -> None:
    """Publish what the settings name; a database that is away again is waited for again."""
    back_off = BackOff()
    while True:
        try:
            await system.templates.load(*_folders(system.settings))
            await system.workflows.load(system.settings.workflows, workflows)
            return
        except Unavailable as error:
            if waiting is None or system.stopping.is_set():
                raise
            waiting(str(error))
            await back_off.pause(system.stopping)


async def _await_store(
    settings: Settings, clock: Clock, stopping: asyncio.Event, waiting: Waiting
) -> tuple[Store, bool]:
    """The store, and whether its database was away."""
    back_off, quiet_log, was_away = BackOff(), QuietLog("start"), False
    while True:
        try:
            return await _open_store(settings, clock), was_away
        except Unavailable as error:
            was_away = True
            if stopping.is_set():
                raise
            waiting(str(error))
            quiet_log.warning("waiting for the database", reason=str(error))
            await back_off.pause(stopping)


async def _open_store(settings: Settings, clock: Clock) -> Store:
    if settings.uses_sqlite:
        from tidings.store.sqlite import SqliteStore

        return await SqliteStore.open(settings.sqlite_path, clock=clock)
    from tidings.store.postgres import PostgresStore

    try:
        return await PostgresStore.open(settings.database_url, clock=clock)
    except Unavailable as error:
        raise Unavailable(
            f"{error}: is {settings.database_name} of TIDINGS_DATABASE_URL up and within reach?"
        ) from error


def _open_bus(settings: Settings, metrics: Metrics, clock: Clock) -> EventBus:
    groups = bus_groups(settings)
    if settings.redis_url is None:
        from tidings.memory_bus import MemoryEventBus

        return MemoryEventBus(groups=groups, metrics=metrics, clock=clock)
    from tidings.event_bus import RedisEventBus

    return RedisEventBus(settings.redis_url, groups=groups, metrics=metrics, clock=clock)


def _open_shared_state(settings: Settings, clock: Clock) -> SharedState:
    if settings.redis_url is None:
        from tidings.memory_bus.shared_state import MemorySharedState

        return MemorySharedState(clock=clock)
    from tidings.event_bus.shared_state import RedisSharedState

    return RedisSharedState(settings.redis_url, clock=clock)


def _load_providers(
    settings: Settings, ports: ProviderPorts, stack: AsyncExitStack
) -> Mapping[str, Sequence[Integration]]:
    sender(settings.email_from)
    in_app = IntegrationSpec(name=IN_APP, provider=IN_APP)

    def load(spec: IntegrationSpec, setting: str) -> Integration:
        options = settings.provider_options(spec.name)
        integration = load_integration(spec, options, ports, setting=setting)
        stack.push_async_callback(integration.provider.aclose)
        return integration

    return {
        "email": [load(spec, "TIDINGS_EMAIL_PROVIDER") for spec in settings.email_integrations],
        IN_APP: [load(in_app, f"The channel {IN_APP}")],
    }


def _pace(settings: Settings) -> Pace:
    return Pace(
        slots=settings.slots,
        lease_seconds=settings.lease_seconds,
        beat_seconds=settings.beat_seconds,
        poll_seconds=settings.poll_seconds,
        drain_seconds=settings.drain_seconds,
    )


def _folders(settings: Settings) -> tuple[Path, ...]:
    return (settings.templates,) if settings.templates else ()


def _refuse_half_a_cluster(settings: Settings) -> None:
    if settings.uses_sqlite and settings.redis_url is not None:
        raise ConfigurationError(
            "TIDINGS_REDIS_URL is set but TIDINGS_DATABASE_URL is SQLite, which serves one "
            "process: set TIDINGS_DATABASE_URL to a PostgreSQL, or unset TIDINGS_REDIS_URL."
        )
