"""The Notification Service: plans what is due, and explains what became of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from tidings.core.clock import Clock
from tidings.core.delivery_news import DeliveryNews
from tidings.core.errors import NotFound, StaleDefinitions, Unavailable
from tidings.core.ids import Ids, event_key
from tidings.core.logs import get_logger
from tidings.core.metrics import Metrics
from tidings.core.models import BELL_CHANNEL, DELIVERIES_PLANNED, Event
from tidings.core.ports import EventBus, Store
from tidings.core.quiet_log import QuietLog, in_words
from tidings.core.work import DueEvent, DueNotification, EventPlan, PlannedNotification, PlanResult
from tidings.notifications.cancel_rows import Cancelled
from tidings.notifications.cancelling import Cancelling
from tidings.notifications.catalog import Catalog
from tidings.notifications.explanation import (
    ExplainedNotification,
    Explanation,
    read_explanation,
    read_notification,
)
from tidings.notifications.planner import plan_event, plan_on
from tidings.notifications.recent import EventSummary, read_recent
from tidings.notifications.timeline import NotificationTimeline, timeline
from tidings.notifications.waiting import Closed, with_waits
from tidings.notifications.workflows import WorkflowService
from tidings.templates.service import TemplateService

_log = get_logger("notifications")

#: steps planned in one transaction, and notifications resumed
_BATCH = 500
#: seconds the bus may take to ring the channel workers; polling covers what it misses
_RING_SECONDS = 1.0
#: seconds for the last news when all ends
_NEWS_SECONDS = 1.0

Handler = Callable[[DueEvent, Catalog], EventPlan]
"""Plans the events of one type; pure, since it may be asked again for the same event."""

Tell = Callable[[EventPlan], None]
"""Told of each event once it is planned, with the plan as it was committed."""

Planning = Callable[[Catalog], Awaitable[PlanResult]]


class NotificationService:
    """Turns due events and waiting notifications into deliveries, a transaction for each batch."""

    def __init__(
        self,
        *,
        store: Store,
        bus: EventBus,
        workflows: WorkflowService,
        templates: TemplateService,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        closed: Closed,
    ) -> None:
        self._store = store
        self._bus = bus
        self._workflows = workflows
        self._templates = templates
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._closed = closed
        self._catalog: Catalog | None = None
        #: old versions that something waited in, by key and version
        self._old_versions: set[tuple[str, str]] = set()
        self._quiet_log = QuietLog("notifications")
        self._news = DeliveryNews(
            bus,
            source=store.installation.source,
            clock=clock,
            ids=ids,
            quiet_log=self._quiet_log,
        )
        self._cancelling = Cancelling(store, clock=clock, tell=self._news.tell)

    async def plan_due(
        self, handlers: Mapping[str, Handler] | None = None, *, tell: Tell = lambda _plan: None
    ) -> int:
        """Plan one batch of due events; how many there were.

        `handlers` plan the types of events they are named for, `plan_event` all others.
        `tell` hears of each plan after the commit. Raises Unavailable.
        """
        special = handlers or {}

        def planning(catalog: Catalog) -> Awaitable[PlanResult]:
            def decide(due: DueEvent) -> EventPlan:
                return special.get(due.event.type, plan_event)(due, catalog)

            limit = max(1, _BATCH // catalog.most_steps)
            return self._store.plan(limit=limit, definitions=catalog.definitions, decide=decide)

        result = await self._with_catalog(planning)
        await self._tell(result)
        for plan in result.plans:
            tell(plan)
        return len(result.plans) + len(result.failed)

    async def resume_due(self) -> int:
        """Plan on one batch of notifications whose wait is over; how many there were.

        Raises Unavailable.
        """

        def planning(catalog: Catalog) -> Awaitable[PlanResult]:
            def decide(due: DueNotification) -> PlannedNotification:
                self._require_version(due, catalog)
                return plan_on(due, catalog)

            return self._store.resume(limit=_BATCH, definitions=catalog.definitions, decide=decide)

        result = await self._with_catalog(planning)
        await self._tell(result)
        return len(result.resumed) + len(result.failed)

    async def explain(self, event_id: str, *, source: str | None = None) -> Explanation:
        """An event by the id its sender gave it or the key of its row. Raises NotFound.

        `source` is the sender, where the event was not handed to us but heard on the bus.
        """
        key = event_key(source or self._store.installation.source, event_id)
        found = await self._store.run(lambda connection: read_explanation(connection, key))
        if found is None:
            raise NotFound(f"there is no event {event_id}", field="event_id")
        return replace(found, notifications=await self._waiting(found.notifications))

    async def timeline(self, notification_id: str) -> NotificationTimeline:
        """What happened to one notification, when, and by which rule. Raises NotFound."""
        found = await self._store.run(lambda to: read_notification(to, notification_id))
        if found is None:
            raise NotFound(f"there is no notification {notification_id}", field="notification_id")
        source, event_id, notification = found
        (notification,) = await self._waiting([notification])
        return NotificationTimeline(
            event_id=event_id,
            source=source,
            notification=notification,
            timeline=timeline(notification),
        )

    async def cancel(
        self,
        *,
        cancel_key: str | None = None,
        event_id: str | None = None,
        source: str | None = None,
        notification_id: str | None = None,
    ) -> Cancelled:
        """Call off what one of these names; raises InvalidInput and NotFound.

        Once it is answered, nothing of it is called any more, save the calls under way.
        """
        return await self._cancelling.by(
            cancel_key=cancel_key,
            event_id=event_id,
            source=source,
            notification_id=notification_id,
        )

    async def recent(self, limit: int = 20) -> Sequence[EventSummary]:
        """The events accepted last, newest first."""
        return await self._store.run(lambda connection: read_recent(connection, limit))

    async def aclose(self) -> None:
        """Publish what is still to be told, but not for long."""
        await self._news.published(_NEWS_SECONDS)

    async def _waiting(
        self, runs: Sequence[ExplainedNotification]
    ) -> tuple[ExplainedNotification, ...]:
        return await with_waits(runs, self._closed, self._clock.now())

    async def _with_catalog(self, planning: Planning) -> PlanResult:
        while True:
            catalog = self._catalog or await self._read_catalog()
            try:
                return await planning(catalog)
            except StaleDefinitions:
                _log.debug("workflows or templates changed: reading them again")
                self._catalog = None

    def _require_version(self, due: DueNotification, catalog: Catalog) -> None:
        """Raises StaleDefinitions for an old version that was never looked for."""
        pinned = (due.workflow, due.workflow_version)
        if catalog.version(*pinned) is None and pinned not in self._old_versions:
            self._old_versions.add(pinned)
            raise StaleDefinitions(f"an older version of workflow {due.workflow} is wanted")

    async def _read_catalog(self) -> Catalog:
        workflows = await self._workflows.read()  # its stamp is read before anything else
        archived = await self._workflows.versions(self._old_versions) if self._old_versions else ()
        self._catalog = Catalog.of(workflows, await self._templates.catalog(), archived)
        return self._catalog

    async def _tell(self, result: PlanResult) -> None:
        for plan in result.plans:
            self._tell_of_event(plan)
        for notification in result.resumed:
            self._tell_of_notification(notification, None)
        for failed in result.failed:
            _log.error(
                "an event could not be planned",
                event_id=failed.event_id,
                reason=failed.reason,
                final=failed.final,
            )
        await self._ring(result)

    def _tell_of_event(self, plan: EventPlan) -> None:
        if plan.reason is not None:
            _log.info(
                "nothing planned",
                event_id=plan.event.id,
                user_id=plan.event.user_id,
                type=plan.event.type,
                reason=plan.reason,
            )
        for notification in plan.notifications:
            self._tell_of_notification(notification, plan.event)

    def _tell_of_notification(self, notification: PlannedNotification, event: Event | None) -> None:
        state, workflow = notification.state.value, notification.workflow
        self._metrics.planned.labels(workflow=workflow, state=state).inc()
        last = notification.decisions[-1] if notification.decisions else None
        _log.info(
            f"notification {state}",
            event_id=event.id if event else None,
            notification_id=notification.id,
            user_id=notification.user_id,
            workflow=workflow,
            rule=last and last.rule,
            reason=last and last.reason,
        )

    async def _ring(self, result: PlanResult) -> None:
        """Wake the channel workers, once for the whole batch."""
        channels = _deliveries_by_channel(result)
        if not channels:
            return
        bell = Event(
            id=self._ids.new(),
            type=DELIVERIES_PLANNED,
            source=self._store.installation.source,
            time=self._clock.now(),
            data={"channels": channels},
        )
        try:
            async with asyncio.timeout(_RING_SECONDS):
                await self._bus.publish(BELL_CHANNEL, bell)
        except (TimeoutError, Unavailable) as error:
            self._quiet_log.warning(
                "channel workers not rung; they will poll", reason=in_words(error, _RING_SECONDS)
            )


def _deliveries_by_channel(result: PlanResult) -> dict[str, int]:
    planned = [notification for plan in result.plans for notification in plan.notifications]
    return dict(
        Counter(
            delivery.channel
            for notification in (*planned, *result.resumed)
            for delivery in notification.deliveries
        )
    )
