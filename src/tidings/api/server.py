"""The HTTP server of a process: takes a port, answers, and leaves in good order."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tidings.core.errors import ConfigurationError

#: seconds that requests under way may take once the server is told to stop
_GRACE = 5


def listen(host: str, port: int, *, setting: str = "TIDINGS_PORT") -> socket.socket:
    """Take a port; 0 takes any that is free.

    Raises ConfigurationError naming TIDINGS_HOST or the `setting` of the port.
    """
    try:
        family, *_rest, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _bound(family, address)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"TIDINGS_HOST={host} is no address of this machine ({error.strerror}): "
            "use 127.0.0.1, or the address to answer on."
        ) from error
    except OSError as error:
        raise _refused(host, port, setting, error) from error


def origin(host: str, port: int) -> str:
    """Where a server answers, as a browser on this machine writes it."""
    return f"http://{_public_name(host)}:{port}"


@asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    stopping: asyncio.Event,
    *,
    trusted_proxies: Sequence[str] = (),
) -> AsyncIterator["HttpServer"]:
    """Answer as long as the block runs; leaving it finishes what is under way.

    A server that fails sets `stopping`, and raises when the block is left.
    """
    server = HttpServer(app, trusted_proxies)
    task = asyncio.create_task(server.serve(listener))
    task.add_done_callback(lambda _task: stopping.set())
    try:
        yield server
    finally:
        await server.stop()
        await task


class HttpServer:
    """uvicorn without signal handlers of its own: the process has one place for signals."""

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[str] = ()) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            timeout_graceful_shutdown=_GRACE,
        )
        self._server = _Server(config)
        self._ended = asyncio.Event()

    async def serve(self, listener: socket.socket) -> None:
        """Answer on the listener until `stop`."""
        try:
            await self._server.serve(sockets=[listener])
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Listen no more, and wait until what is under way is answered."""
        self._server.should_exit = True
        await self._ended.wait()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


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


def _refused(host: str, port: int, setting: str, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError(
            f"TIDINGS_HOST={host} is no address of this machine: use 127.0.0.1."
        )
    return ConfigurationError(
        f"Port {port} on {host} can't be used ({error.strerror}): "
        f"stop what has it, or set {setting} to another."
    )


def _public_name(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_loopback or address.is_unspecified:
        return "localhost"
    return f"[{host}]" if address.version == 6 else host
