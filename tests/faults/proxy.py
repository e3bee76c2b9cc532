"""A TCP proxy that harms what passes: it stands before one server and is told what to do."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from tests.faults.proxy_ways import OPEN, Cut, Direction, Pump, Way
from tests.faults.resets import reset as reset_by_rst

Target = Path | int
"""A server's Unix socket, or its port on the loopback."""


class FaultProxy:
    """Listens on a port of the loopback, in a thread of its own, until it is left.

    Its methods may be called from any other thread and hold at once, on all connections.
    """

    def __init__(self, target: Target, *, seed: int = 1) -> None:
        self._target = target
        self._up, self._down = Direction(seed), Direction(seed + 1)
        self._refusing = False
        self._links: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        #: how many there were
        self.connections = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy")
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._call(self._stopping.set)
        self._thread.join()

    @property
    def cuts(self) -> int:
        """How many connections were cut."""
        return self._up.cuts + self._down.cuts

    def harm(self, *, up: Way = OPEN, down: Way = OPEN, refusing: bool = False) -> None:
        """Harm what goes up to the server and down from it; refusing resets who comes anew."""

        def change() -> None:
            self._refusing = refusing
            self._up.change(up)
            self._down.change(down)

        self._call(change)

    def heal(self) -> None:
        """All passes again as it comes."""
        self.harm()

    def aim(self, target: Target) -> None:
        """Who comes from now on meets this server."""
        self._call(lambda: setattr(self, "_target", target))

    def reset(self) -> None:
        """End every connection there is by RST."""

        def reset() -> None:
            for writer in chain.from_iterable(self._links.values()):
                reset_by_rst(writer.transport)

        self._call(reset)

    def _call(self, what: Callable[[], object]) -> None:
        done = threading.Event()

        def call() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(call)
        assert done.wait(10), "the proxy hangs"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener)
        await self._stopping.wait()
        server.close()
        for link in tuple(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            reset_by_rst(writer.transport)
            return
        link = asyncio.create_task(self._link(reader, writer))
        self._links[link] = [writer]
        link.add_done_callback(lambda done: self._links.pop(done, None))

    async def _link(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        writers, reset = [client], False
        try:
            from_server, server = await self._connect()
            writers.append(server)
            self._links[_this_task()] = writers
            up, down = Pump(self._up, reader, server), Pump(self._down, from_server, client)
            up.face(down)
            cut = await _first_cut(up, down)
            reset = cut is not None and cut.reset
        except OSError:
            reset = True
        finally:
            await _hang_up_all(writers, reset=reset)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)


def target_of(url: str) -> Target:
    """Where the PostgreSQL or the Redis of a URL listens."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Path(parts.path)
    if folder := dict(parse_qsl(parts.query)).get("host"):
        return Path(folder) / ".s.PGSQL.5432"
    assert parts.port is not None, "name the port of the server"
    return parts.port


def through(proxy: FaultProxy, url: str) -> str:
    """The same database or Redis, by way of the proxy."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"redis://127.0.0.1:{proxy.port}/0"
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@127.0.0.1:{proxy.port}" if user else f"127.0.0.1:{proxy.port}"
    query = "sslmode=disable" if parts.scheme.startswith("postgres") else ""
    return urlunsplit(parts._replace(netloc=netloc, query=query))


async def _hang_up_all(writers: Sequence[asyncio.StreamWriter], *, reset: bool) -> None:
    for writer in writers:
        if reset:
            reset_by_rst(writer.transport)
        else:
            writer.close()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _first_cut(*pumps: Pump) -> Cut | None:
    """Run until both directions ended, or one was cut; raises OSError."""
    tasks = {asyncio.create_task(pump.run()) for pump in pumps}
    try:
        while tasks:
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            cuts = [cut for task in done if (cut := task.result()) is not None]
            if cuts:
                return cuts[0]
        return None
    finally:
        for task in tasks:
            task.cancel()
