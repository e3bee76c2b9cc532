"""The dashboard: what happened, live, and the story of each event."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from tidings.analytics.summary import in_words
from tidings.core.clock import Clock
from tidings.core.models import DELIVERY_CHANNEL, USER_CHANNEL
from tidings.core.ports import EventBus
from tidings.notifications.recent import EventSummary
from tidings.web.chart import draw
from tidings.web.engine import Engine
from tidings.web.live import Broadcast, frame
from tidings.web.ports import Analytics, DeadLetters, Notifications
from tidings.web.routes import as_id, page_route
from tidings.web.security import page_response
from tidings.web.timeline import (
    STILL_TO_COME,
    badge,
    badges,
    needs_reason,
    open_reasons,
    outcomes,
    timeline,
)

EVENTS = 20
DEAD_LETTERS = 10

#: shown even at zero; the others only when there are any
_ALWAYS = ("registrations", "sent", "failed")
_SOMETIMES = ("delivered", "retried", "suppressed", "skipped", "expired", "cancelled", "held")


def dashboard_router(
    *,
    engine: Engine,
    analytics: Analytics,
    notifications: Notifications,
    dead_letters: DeadLetters,
    bus: EventBus,
    clock: Clock,
    stopping: asyncio.Event,
) -> APIRouter:
    """`/dashboard`, its live stream, and a page for each event."""
    router = APIRouter(include_in_schema=False, route_class=page_route(engine))
    pages = _DashboardPages(engine, analytics, notifications, dead_letters, clock)
    live = Broadcast(
        pages.live, bus=bus, bus_channels=(USER_CHANNEL, DELIVERY_CHANNEL), stopping=stopping
    )

    @router.get("/dashboard")
    async def show_dashboard() -> Response:
        return page_response(await pages.dashboard())

    @router.get("/dashboard/stream")
    async def stream_dashboard() -> Response:
        return live.response()

    @router.get("/dashboard/events/{event_id}")
    async def show_event(event_id: str) -> Response:
        return page_response(await pages.event(event_id))

    return router


class _DashboardPages:
    def __init__(
        self,
        engine: Engine,
        analytics: Analytics,
        notifications: Notifications,
        dead_letters: DeadLetters,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._analytics = analytics
        self._notifications = notifications
        self._dead_letters = dead_letters
        self._clock = clock
        self._known_reasons: dict[object, Sequence[str]] = {}

    async def dashboard(self) -> str:
        """The whole page."""
        return self._engine.render("dashboard.html", **await self._figures())

    async def live(self) -> bytes:
        """The part of the page that changes, as a frame of the stream."""
        return frame(self._engine.render("dashboard_live.html", **await self._figures()))

    async def event(self, event_id: str) -> str:
        """One event's story."""
        event = await self._notifications.explain(as_id(event_id, what="event"))
        return self._engine.render(
            "event.html",
            event=event,
            badges=badges(event.state, outcomes(event)),
            timeline=timeline(event),
            delivery_badge=badge,
        )

    async def _figures(self) -> dict[str, Any]:
        day = (await self._analytics.summary(hours=24)).totals
        hour = await self._analytics.summary(hours=1)
        return {
            "totals": [(name, getattr(day, name)) for name in _ALWAYS]
            + [(name, count) for name in _SOMETIMES if (count := getattr(day, name))],
            "in_words": in_words(day),
            "chart": draw(hour.series),
            "events": [
                await self._row(event) for event in await self._notifications.recent(EVENTS)
            ],
            "dead_letters": (await self._dead_letters.list(limit=DEAD_LETTERS)).dead_letters,
        }

    async def _row(self, event: EventSummary) -> dict[str, Any]:
        reasons = [event.reason] if event.reason else await self._reasons(event)
        return {"event": event, "badges": badges(event.state, event.outcomes), "reasons": reasons}

    async def _reasons(self, event: EventSummary) -> Sequence[str]:
        """Why something waits or did not go well; asked once for each way an event stands.

        Where something waits it is asked again each minute: it may go on to wait for another.
        """
        now = self._clock.now()
        if not needs_reason(event, now):
            return ()
        waits = not STILL_TO_COME.isdisjoint(event.outcomes)
        minute = now.replace(second=0, microsecond=0) if waits else None
        standing = (event.key, tuple(event.outcomes.items()), minute)
        if standing not in self._known_reasons:
            if len(self._known_reasons) > 10 * EVENTS:
                self._known_reasons.clear()
            story = await self._notifications.explain(event.key)
            self._known_reasons[standing] = open_reasons(story)
        return self._known_reasons[standing]
