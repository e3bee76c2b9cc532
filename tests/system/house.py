"""The Notification Service with its neighbours on a store and the memory bus, without workers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.metrics import Metrics
from tidings.core.models import USER_CHANNEL
from tidings.core.ports import EventBus, Store
from tidings.memory_bus import MemoryEventBus
from tidings.notifications.admission import Admission
from tidings.notifications.intake import Intake
from tidings.notifications.service import NotificationService
from tidings.notifications.workflow import Workflow
from tidings.notifications.workflows import WorkflowService
from tidings.store.backlog import Backlog
from tidings.templates.service import TemplateService
from tidings.testing.clock import MovableClock
from tidings.users.service import UserService


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    store: Store
    bus: EventBus
    metrics: Metrics
    users: UserService
    templates: TemplateService
    workflows: WorkflowService
    intake: Intake
    notifications: NotificationService

    async def count(self, table: sa.Table) -> int:
        """How many rows a table has."""
        query = sa.select(sa.func.count()).select_from(table)
        return await self.store.run(lambda connection: connection.scalar(query) or 0)

    async def plan(self) -> None:
        """Plan until nothing is due."""
        while await self.notifications.plan_due() + await self.notifications.resume_due():
            pass


async def nobody_tells(_channel: str) -> None:
    """Nobody knows why a channel's integrations would not be called."""


@asynccontextmanager
async def open_house(
    store: Store,
    *,
    bus: EventBus | None = None,
    clock: Clock | None = None,
    workflows: Sequence[Workflow] = (),
    limit: int = 1_000_000,
) -> AsyncIterator[House]:
    clock, ids, metrics = clock or MovableClock(), Ids(), Metrics()
    bus = bus or MemoryEventBus(metrics=metrics, clock=clock)
    templates = TemplateService(store, clock=clock)
    registry = WorkflowService(store, clock=clock, templates=templates)
    backlog = Backlog(store, metrics=metrics, channels=("email",))
    intake = Intake(
        store=store,
        bus=bus,
        workflows=registry,
        admission=Admission(limit=limit, count=backlog.waiting, metrics=metrics),
        clock=clock,
        ids=ids,
        metrics=metrics,
        bus_channels=(USER_CHANNEL, "ORDERS"),
    )
    house = House(
        store=store,
        bus=bus,
        metrics=metrics,
        users=UserService(store, clock=clock),
        templates=templates,
        workflows=registry,
        intake=intake,
        notifications=NotificationService(
            store=store,
            bus=bus,
            workflows=registry,
            templates=templates,
            clock=clock,
            ids=ids,
            metrics=metrics,
            closed=nobody_tells,
        ),
    )
    await templates.load()
    await registry.load((), workflows)
    yield house
    await intake.aclose()
    await bus.aclose()
