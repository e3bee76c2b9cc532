"""An ASGI app that opens its system when a server starts it, and not when it is imported."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from tidings.core.errors import TidingsError
from tidings.service import start_service
from tidings.system import System
from tidings.wiring import open_system


class LazyApp:
    """The app of the environment's settings, for uvicorn and its like.

    It waits for a database that is not up yet, and ends its streams as soon as the server is told
    to stop, since the server waits for them.
    """

    def __init__(self, create: Callable[[System], ASGIApp]) -> None:
        self._create = create
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The lifespan is ours, everything else the app's."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            raise RuntimeError("tidings.main:app needs a server that supports ASGI's lifespan")
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._open(receive, send)
        except TidingsError as error:
            phase = "startup" if self._app is None else "shutdown"
            await send({"type": f"lifespan.{phase}.failed", "message": f"tidings: {error}"})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _open(self, receive: Receive, send: Send) -> None:
        stopping = asyncio.Event()
        _hear_signals(stopping)
        settings = start_service()
        async with open_system(settings, stopping=stopping, waiting=lambda _why: None) as system:
            self._app = self._create(system)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            stopping.set()


def _hear_signals(stopping: asyncio.Event) -> None:
    """Set `stopping` with the server's own signals, which it goes on to handle itself.

    A server in another thread than the first has no signals; its streams end with its lifespan.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        handle = signal.getsignal(number)
        if callable(handle):
            signal.signal(
                number, _passing_on(handle, lambda: loop.call_soon_threadsafe(stopping.set))
            )


def _passing_on(
    handle: Callable[[int, FrameType | None], Any], tell: Callable[[], object]
) -> Callable[[int, FrameType | None], Any]:
    def hear(number: int, frame: FrameType | None) -> Any:
        tell()
        return handle(number, frame)

    return hear
