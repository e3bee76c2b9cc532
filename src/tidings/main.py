"""The HTTP API: `create_app(system)` joins the services' routers; `serve` runs it."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tidings.analytics.api import analytics_router
from tidings.api.access import LoopbackOnly, is_loopback
from tidings.api.access_log import AccessLog
from tidings.api.health import health_router
from tidings.api.problems import SCHEMA, install_problems
from tidings.core.errors import ConfigurationError
from tidings.core.logs import get_logger
from tidings.core.process import run_until_signal
from tidings.notifications.api import notifications_router
from tidings.settings import Settings
from tidings.users.api import users_router
from tidings.web.pages import pages_router
from tidings.wiring import System, load_settings, open_service

DESCRIPTION = "Takes events, decides whom to tell what, on which channel and when, and says why."


def create_app(system: System) -> FastAPI:
    """The FastAPI app of a system: every service's routes, the pages, health and metrics."""
    app = FastAPI(
        title="Tidings",
        version=version("tidings"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    install_problems(app)
    _include_routers(app, system)
    if not system.settings.allow_unauthenticated:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(AccessLog, metrics=system.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def listen(settings: Settings) -> socket.socket:
    """Take the port the API answers on.

    Raises ConfigurationError naming the setting at fault, also for a door open to strangers.
    """
    _refuse_open_door(settings)
    try:
        family, *_rest, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        return _bound(family, address)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"TIDINGS_HOST={settings.host} is no address of this machine ({error.strerror}): "
            "use 127.0.0.1, or the address to answer on."
        ) from error
    except OSError as error:
        raise _refused(settings, error) from error


async def serve(app: FastAPI, system: System, listener: socket.socket) -> None:
    """Serve the app until the system is stopping, then finish what is under way."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=bool(system.settings.trusted_proxies),
        forwarded_allow_ips=list(system.settings.trusted_proxies),
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    watcher = asyncio.create_task(_stop_with(server, system.stopping))
    try:
        await server.serve(sockets=[listener])
    finally:
        watcher.cancel()


def origin(settings: Settings, listener: socket.socket | None = None) -> str:
    """Where the API answers, as a browser on this machine writes it."""
    port = listener.getsockname()[1] if listener else settings.port
    return f"http://{_public_name(settings.host)}:{port}"


async def run(stopping: asyncio.Event) -> None:
    """The API and the pages as a process of their own."""
    with listen(load_settings()) as listener:
        async with open_service(stopping) as system:
            get_logger("api").info("the API answers", url=origin(system.settings, listener))
            await serve(create_app(system), system, listener)


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
    app.include_router(
        health_router(system.metrics, {"database": system.store.now}, look=system.backlog.look)
    )
    app.include_router(
        pages_router(
            analytics=system.analytics,
            notifications=system.notifications,
            outbox=system.outbox,
            dead_letters=system.dead_letters,
            bus=system.bus,
            clock=system.clock,
            stopping=system.stopping,
            origin=origin(system.settings),
            sender=system.settings.email_from,
        )
    )


def _refuse_open_door(settings: Settings) -> None:
    if not is_loopback(settings.host) and not settings.allow_unauthenticated:
        raise ConfigurationError(
            f"TIDINGS_HOST={settings.host} would let other machines in without a key: use "
            "127.0.0.1, or set TIDINGS_ALLOW_UNAUTHENTICATED=1 where the network is yours alone."
        )


def _bound(family: socket.AddressFamily, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _refused(settings: Settings, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError(
            f"TIDINGS_HOST={settings.host} is no address of this machine: use 127.0.0.1."
        )
    return ConfigurationError(
        f"Port {settings.port} on {settings.host} can't be used ({error.strerror}): "
        "stop what has it, or set TIDINGS_PORT to another."
    )


def _public_name(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_loopback or address.is_unspecified:
        return "localhost"
    return f"[{host}]" if address.version == 6 else host


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
