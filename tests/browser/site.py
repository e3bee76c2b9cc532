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
from tidings.api.keyring import Keyring
from tidings.api.keys import KeyService
from tidings.api.sessions import Sessions
from tidings.core.clock import SystemClock
from tidings.core.keys import Scope
from tidings.core.metrics import Metrics
from tidings.core.ports import EventBus, Store
from tidings.memory_bus import MemoryEventBus
from tidings.store.sqlite import SqliteStore
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
    #: whether the API has keys, so that the pages ask for one
    has_keys: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Site]:
    """Serve the site until the block is left; the same port again if it has one."""
    listener = socket.create_server(("127.0.0.1", site.port))
    site.port = listener.getsockname()[1]
    site.url = f"http://127.0.0.1:{site.port}"
    site.stopping = asyncio.Event()
    store = await SqliteStore.open(None, clock=SystemClock())
    config = uvicorn.Config(
        await _app(site, store), log_config=None, lifespan="off", timeout_graceful_shutdown=5
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield site
    finally:
        site.stopping.set()
        server.should_exit = True
        await serving
        listener.close()
        await store.aclose()


async def _app(site: Site, store: Store) -> FastAPI:
    if site.has_keys:
        keys = KeyService(store, clock=SystemClock(), changed=lambda: None)
        await keys.create("admin", [Scope.ADMIN], by="a test")
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
            keyring=Keyring(store, clock=SystemClock()),
            sessions=Sessions(b"a secret"),
            origin=site.url,
        )
    )
    return app


class _Server(uvicorn.Server):
    """uvicorn that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
