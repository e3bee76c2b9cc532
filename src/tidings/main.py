"""The HTTP API: `create_app(system)` joins the services' routers; `tidings api` runs it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from fastapi import APIRouter, FastAPI

from tidings.analytics.api import analytics_router
from tidings.api.health import health_router
from tidings.api.hot import HotRoutes, hot_routes
from tidings.api.keys_api import keys_router
from tidings.api.openapi import describe
from tidings.api.problems import install_problems
from tidings.api.server import origin
from tidings.core.errors import ConfigurationError
from tidings.core.process import run_until_signal
from tidings.delivery.receipts_api import receipts_router
from tidings.inbox.api import inbox_router
from tidings.lazy_app import LazyApp
from tidings.notifications.api import notifications_router
from tidings.notifications.cancel_api import cancel_router
from tidings.notifications.dead_letters_api import dead_letters_router
from tidings.notifications.timeline_api import timeline_router
from tidings.service import guard, open_service, readiness
from tidings.system import System
from tidings.templates.api import templates_router
from tidings.users.api import users_router
from tidings.users.suppressions_api import suppressions_router
from tidings.web.pages import pages_router

DESCRIPTION = "Takes events, decides whom to tell what, on which channel and when, and says why."


def create_app(system: System, services: Sequence[str] = ()) -> FastAPI:
    """The FastAPI app of a system: the routes of the named services, or of all of them.

    Keys, health and metrics are part of each. Raises ConfigurationError for an unknown service.
    """
    app = FastAPI(
        title="Tidings",
        version=version("tidings"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    install_problems(app)
    routers = [router for name in services or SERVICES for router in _service(name)(system)]
    for router in (*routers, keys_router(system.keys, system.audit)):
        app.include_router(router)
    app.include_router(health_router(system.metrics, readiness(system), look=system.backlog.look))
    app.add_middleware(HotRoutes, routes=hot_routes(routers), metrics=system.metrics)
    guard(app, system)
    describe(app)
    return app


def _users(system: System) -> Sequence[APIRouter]:
    return [users_router(system.users), suppressions_router(system.suppressions)]


def _templates(system: System) -> Sequence[APIRouter]:
    return [templates_router(system.templates)]


def _notifications(system: System) -> Sequence[APIRouter]:
    router = notifications_router(
        intake=system.intake,
        notifications=system.notifications,
        workflows=system.workflows,
        register_rate=system.settings.register_rate,
        metrics=system.metrics,
    )
    notifications = system.notifications
    return [
        router,
        timeline_router(notifications),
        cancel_router(notifications),
        dead_letters_router(system.dead_letters),
        receipts_router(system.delivery),
    ]


def _inbox(system: System) -> Sequence[APIRouter]:
    return [inbox_router(system.inbox)]


def _analytics(system: System) -> Sequence[APIRouter]:
    pages = pages_router(
        analytics=system.analytics,
        notifications=system.notifications,
        outbox=system.outbox,
        dead_letters=system.dead_letters,
        bus=system.bus,
        clock=system.clock,
        stopping=system.stopping,
        keyring=system.keyring,
        sessions=system.sessions,
        allow_unauthenticated=system.settings.allow_unauthenticated,
        origin=origin(system.settings.host, system.settings.port),
        sender=system.settings.email_from,
    )
    return [analytics_router(system.analytics), pages]


SERVICES: Mapping[str, Callable[[System], Sequence[APIRouter]]] = {
    "users": _users,
    "templates": _templates,
    "notifications": _notifications,
    "inbox": _inbox,
    "analytics": _analytics,
}
"""Each service by its name, with the routes it has; `analytics` carries the pages."""


def _service(name: str) -> Callable[[System], Sequence[APIRouter]]:
    if name not in SERVICES:
        raise ConfigurationError(f"There is no service {name}: use {', '.join(SERVICES)}.")
    return SERVICES[name]


def main(services: Sequence[str] = ()) -> None:
    """`python -m tidings.main` and `tidings api`: the API until SIGTERM or SIGINT."""

    async def run(stopping: asyncio.Event) -> None:
        async with open_service(
            stopping, app=lambda system: create_app(system, services)
        ) as system:
            await stopping.wait()
            await asyncio.sleep(system.settings.linger_seconds)

    for name in services:
        _service(name)
    run_until_signal(run)


app = LazyApp(create_app)
"""For servers that run an app by its name: `uvicorn tidings.main:app`."""


if __name__ == "__main__":
    main()
