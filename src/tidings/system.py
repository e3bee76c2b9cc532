"""`System`: all services of one process, and how they stand on what was picked for them."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from tidings.analytics.service import AnalyticsService
from tidings.api.audit import AuditLog
from tidings.api.keyring import Keyring
from tidings.api.keys import KeyService
from tidings.api.sessions import Sessions
from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.integrations import Integration
from tidings.core.metrics import Metrics
from tidings.core.ports import EventBus, RetryPolicy, SharedState, Store
from tidings.delivery.closed import ClosedChannels
from tidings.delivery.pace import Pace
from tidings.delivery.service import DeliveryService
from tidings.inbox.service import InboxService
from tidings.notifications.admission import Admission
from tidings.notifications.dead_letters import DeadLetterService
from tidings.notifications.intake import Intake
from tidings.notifications.service import NotificationService
from tidings.notifications.workflows import WorkflowService
from tidings.settings import Settings
from tidings.store.backlog import Backlog
from tidings.store.dead_letters import DeadLetters
from tidings.store.outbox import Outbox
from tidings.store.retention import Retention
from tidings.templates.service import TemplateService
from tidings.users.service import UserService
from tidings.users.suppressions import SuppressionService


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What was picked, and what is made before there are integrations."""

    settings: Settings
    clock: Clock
    ids: Ids
    metrics: Metrics
    store: Store
    backlog: Backlog
    retention: Retention
    bus: EventBus
    shared: SharedState
    users: UserService
    inbox: InboxService
    outbox: Outbox
    templates: TemplateService
    workflows: WorkflowService
    #: channel → its integrations, in order
    providers: Mapping[str, Sequence[Integration]]
    admission: Admission
    retry: RetryPolicy
    pace: Pace
    chance: Callable[[], float] = random.random
    #: set when the process is to end; open streams end with it
    stopping: asyncio.Event


@dataclass(frozen=True, slots=True, kw_only=True)
class System(Parts):
    """All services of one process, on the implementations its settings ask for."""

    suppressions: SuppressionService
    intake: Intake
    notifications: NotificationService
    delivery: DeliveryService
    analytics: AnalyticsService
    keys: KeyService
    keyring: Keyring
    sessions: Sessions
    audit: AuditLog
    dead_letters: DeadLetterService


def assemble(parts: Parts) -> System:
    """Every service on its parts; nothing is opened. Who opened the parts closes them."""
    store, clock = parts.store, parts.clock
    keyring = Keyring(store, clock=clock)
    audit = AuditLog(store, clock=clock, ids=parts.ids)
    intake = _intake(parts)
    return System(
        **{part.name: getattr(parts, part.name) for part in fields(Parts)},
        suppressions=SuppressionService(store, clock=clock, channels=tuple(parts.providers)),
        intake=intake,
        notifications=_notifications(parts),
        delivery=_delivery(parts),
        analytics=AnalyticsService(store, clock=clock),
        keys=KeyService(store, clock=clock, changed=keyring.forget),
        keyring=keyring,
        sessions=Sessions(store.installation.address_key),
        audit=audit,
        dead_letters=DeadLetterService(
            DeadLetters(store, clock=clock), intake=intake, audit=audit, clock=clock
        ),
    )


def _intake(parts: Parts) -> Intake:
    return Intake(
        store=parts.store,
        bus=parts.bus,
        workflows=parts.workflows,
        admission=parts.admission,
        clock=parts.clock,
        ids=parts.ids,
        metrics=parts.metrics,
        bus_channels=parts.settings.bus_channels,
    )


def _notifications(parts: Parts) -> NotificationService:
    return NotificationService(
        store=parts.store,
        bus=parts.bus,
        workflows=parts.workflows,
        templates=parts.templates,
        clock=parts.clock,
        ids=parts.ids,
        metrics=parts.metrics,
        closed=ClosedChannels(parts.shared, parts.providers),
    )


def _delivery(parts: Parts) -> DeliveryService:
    return DeliveryService(
        store=parts.store,
        bus=parts.bus,
        templates=parts.templates,
        shared=parts.shared,
        integrations=parts.providers,
        retry=parts.retry,
        metrics=parts.metrics,
        clock=parts.clock,
        ids=parts.ids,
        reject_address=parts.users.reject_address,
        chance=parts.chance,
        pace=parts.pace,
    )
