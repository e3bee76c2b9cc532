"""The HTTP API: `create_app(system)` joins the services' routers; `serve` runs it."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tidings.analytics.api import analytics_router
from tidings.api.access import LoopbackOnly, is_loopback
from tidings.api.access_log import AccessLog
from tidings.api.health import health_router
from tidings.api.problems import SCHEMA, install_problems
from tidings.core.errors import ConfigurationError
from tidings.core.logs import configure_logs, get_logger
from tidings.core.process import run_until_signal
from tidings.notifications.api import notifications_router
from tidings.settings import Settings
from tidings.users.api import users_router
from tidings.web.pages import pages_router
from tidings.wiring import System, load_settings, open_system

DESCRIPTION = "Takes events, decides whom to tell what, on which channel and when, and says why."


def create_app(system: System) -> FastAPI:
    """The FastAPI app of a system: every service's routes, the pages, health and metrics.

    Raises ConfigurationError where it would answer strangers without keys.
    """
    _refuse_open_door(system.settings)
    app = FastAPI(
        title="Tidings",
        version=version("tidings"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
    )
    install_problems(app)
    _include_routers(app, system)
    if not system.settings.allow_unauthenticated:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(AccessLog)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


async def serve(
    app: FastAPI,
    settings: Settings,
    stopping: asyncio.Event,
    *,
    started: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve the app until `stopping` is set, then finish what is under way.

    `started` is called once with the address. Raises ConfigurationError for a port in use.
    """
    server = _Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5
        )
    )
    listener = _listen(settings)
    watcher = asyncio.create_task(_stop_with(server, stopping))
    started(_origin(settings, port=listener.getsockname()[1]))
    try:
        await server.serve(sockets=[listener])
    finally:
        watcher.cancel()
        listener.close()


async def run(stopping: asyncio.Event) -> None:
    """The API and the pages as a process of their own."""
    settings = load_settings()
    configure_logs(form=settings.log_format, level=settings.log_level)
    async with open_system(settings, stopping=stopping) as system:
        await serve(create_app(system), settings, stopping, started=_log_started)


def main() -> None:
    """`python -m tidings.main` and `tidings api`."""
    run_until_signal(run)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the process has one place for signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _include_routers(app: FastAPI, system: System) -> None:
    app.include_router(
        notifications_router(
            intake=system.intake,
            notifications=system.notifications,
            workflows=system.workflows,
            register_rate=system.settings.register_rate,
        )
    )
    app.include_router(users_router(system.users))
    app.include_router(analytics_router(system.analytics))
    app.include_router(health_router(system.metrics, {"database": system.store.now}))
    app.include_router(
        pages_router(
            analytics=system.analytics,
            notifications=system.notifications,
            outbox=system.outbox,
            dead_letters=system.dead_letters,
            bus=system.bus,
            stopping=system.stopping,
            origin=_origin(system.settings),
        )
    )


def _log_started(url: str) -> None:
    get_logger("api").info("the API answers", url=url)


def _refuse_open_door(settings: Settings) -> None:
    if not is_loopback(settings.host) and not settings.allow_unauthenticated:
        raise ConfigurationError(
            f"TIDINGS_HOST={settings.host} would let other machines in without a key: use "
            "127.0.0.1, or set TIDINGS_ALLOW_UNAUTHENTICATED=1 where the network is yours alone."
        )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Port {settings.port} on {settings.host} can't be used ({error.strerror}): "
            "stop what has it, or set TIDINGS_PORT to another."
        ) from error
    listener.listen(2048)
    return listener


def _origin(settings: Settings, port: int | None = None) -> str:
    return f"http://{_public_name(settings.host)}:{port or settings.port}"


def _public_name(host: str) -> str:
    address = ipaddress.ip_address(host) if host[0].isdigit() or ":" in host else None
    everywhere = address is not None and (address.is_loopback or address.is_unspecified)
    return "localhost" if everywhere else host


async def _stop_with(server: uvicorn.Server, stopping: asyncio.Event) -> None:
    await stopping.wait()
    server.should_exit = True


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = dict(SCHEMA)
        app.openapi_schema = schema
    return app.openapi_schema


if __name__ == "__main__":
    main()
