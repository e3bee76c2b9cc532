"""What every process that is one of several does alike: settings, logs, health, a good end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from tidings.api.access import Gate
from tidings.api.access_log import AccessLog
from tidings.api.front import Front
from tidings.api.health import Readiness, health_router
from tidings.api.problems import install_problems
from tidings.api.server import listen, origin, serving
from tidings.core.errors import ConfigurationError
from tidings.core.logs import configure_logs, get_logger
from tidings.settings import Settings, load_settings
from tidings.system import System
from tidings.wiring import open_system

_log = get_logger("service")


@asynccontextmanager
async def open_service(
    stopping: asyncio.Event,
    *,
    app: Callable[[System], ASGIApp] | None = None,
    publish: bool = False,
) -> AsyncIterator[System]:
    """Open the system of a process that is one of several: by the environment, with its logs.

    It answers `app` on TIDINGS_PORT, or without one its health on TIDINGS_HEALTH_PORT: from the
    first moment on, while the database is waited for, until the block has been left. Raises
    ConfigurationError on SQLite.
    """
    settings = start_service()
    port, setting = (
        (settings.port, "TIDINGS_PORT") if app else (settings.health_port, "TIDINGS_HEALTH_PORT")
    )
    front = Front(stopping)
    proxies = settings.trusted_proxies
    with listen(settings.host, port, setting=setting) as listener:
        url = origin(settings.host, listener.getsockname()[1])
        async with (
            serving(front, listener, stopping, trusted_proxies=proxies) as server,
            open_system(
                settings, stopping=stopping, publish=publish, waiting=front.waits_for
            ) as system,
        ):
            front.open((app or health_app)(system))
            _log.info("the API answers" if app else "health is told", url=url)
            try:
                yield system
            finally:
                await server.stop()


def start_service() -> Settings:
    """The settings of a process that is one of several, its logs set up.

    Raises ConfigurationError where they are those of one process alone.
    """
    settings = load_settings()
    configure_logs(form=settings.log_format, level=settings.log_level)
    if settings.uses_sqlite or settings.redis_url is None:
        raise ConfigurationError(
            "A service of its own needs TIDINGS_DATABASE_URL=postgresql://… and "
            "TIDINGS_REDIS_URL=redis://…: set both, or start everything in one process by "
            "`tidings up`."
        )
    return settings


def health_app(system: System) -> FastAPI:
    """What a worker answers: whether it lives, whether it can work, and its metrics."""
    app = FastAPI(openapi_url=None)
    install_problems(app)
    app.include_router(health_router(system.metrics, readiness(system), look=system.backlog.look))
    guard(app, system)
    return app


def readiness(system: System) -> Readiness:
    """A process needs its database; without its bus it is slower."""
    return Readiness(
        system.stopping,
        needed={"database": system.store.now},
        useful={"bus": system.bus.ping},
    )


def guard(app: FastAPI, system: System) -> None:
    """Let in only who may ask, and log what was asked."""
    app.add_middleware(
        Gate,
        keyring=system.keyring,
        audit=system.audit,
        sessions=system.sessions,
        clock=system.clock,
        allow_unauthenticated=system.settings.allow_unauthenticated,
    )
    app.add_middleware(AccessLog, metrics=system.metrics)
