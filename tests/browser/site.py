"""The pages on a free port of this process, with what they show in the test's hands."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI

from tests.browser.samples import (
    SampleAnalytics,
    SampleDeadLetters,
    SampleNotifications,
    SampleOutbox,
)
from tidings.core.clock import SystemClock
from tidings.core.metrics import Metrics
from tidings.core.ports import EventBus
from tidings.memory_bus import MemoryEventBus
from tidings.web.pages import pages_router


@dataclass(kw_only=True)
class Site:
    """A running site; what it shows may be changed while it runs."""

    url: str = ""
    analytics: SampleAnalytics = field(default_factory=SampleAnalytics)
    notifications: SampleNotifications = field(default_factory=SampleNotifications)
    outbox: SampleOutbox = field(default_factory=SampleOutbox)
    dead_letters: SampleDeadLetters = field(default_factory=SampleDeadLetters)
    bus: EventBus = field(
        default_factory=lambda: MemoryEventBus(groups={}, metrics=Metrics(), clock=SystemClock())
    )
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Site]:
    """Serve the site until the block is left; the same port again if it has one."""
    listener = socket.create_server(("127.0.0.1", site.port))
    site.port = listener.getsockname()[1]
    site.url = f"http://127.0.0.1:{site.port}"
    site.stopping = asyncio.Event()
    server = _Server(
        uvicorn.Config(_app(site), log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield site
    finally:
        site.stopping.set()
        server.should_exit = True
        await serving
        listener.close()


def _app(site: Site) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(
        pages_router(
            analytics=site.analytics,
            notifications=site.notifications,
            outbox=site.outbox,
            dead_letters=site.dead_letters,
            bus=site.bus,
            clock=SystemClock(),
            stopping=site.stopping,
            origin=site.url,
        )
    )
    return app


class _Server(uvicorn.Server):
    """uvicorn that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
