"""Live pages: one rendering for all who look, sent again whenever it changed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from starlette.responses import StreamingResponse

from tidings.core.bell import Bell
from tidings.core.errors import TidingsError, Unavailable
from tidings.core.logs import get_logger
from tidings.core.ports import EventBus

#: seconds between two renderings at least: four a second
PACE = 0.25
#: seconds after which to look without any news
LOOK = 2.0
#: seconds between two signs of life on a silent stream
HEARTBEAT = 15.0
#: seconds until the bus is asked again after it failed
BUS_BACK_OFF = 2.0

_SIGN_OF_LIFE = b": still here\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_log = get_logger("web")


class Broadcast:
    """Renders while at least one person looks, at most four times a second, once for all."""

    def __init__(
        self,
        render: Callable[[], Awaitable[bytes]],
        *,
        bus: EventBus,
        bus_channels: Sequence[str],
        stopping: asyncio.Event,
    ) -> None:
        self._render = render
        self._bus = bus
        self._bus_channels = bus_channels
        self._stopping = stopping
        self._frame = b""
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many look at this moment."""
        return len(self._listeners)

    def response(self) -> StreamingResponse:
        """The stream as the answer to a request (`text/event-stream`)."""
        return StreamingResponse(self.frames(), media_type="text/event-stream", headers=_HEADERS)

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Frames as they come, signs of life between; ends when the process is stopping."""
        with self._listening() as changed:
            seen = b""
            while self._task is not None and not self._stopping.is_set():
                if self._frame != seen:
                    seen = self._frame
                    yield seen
                elif not await _either(changed, self._stopping, seconds=HEARTBEAT):
                    yield _SIGN_OF_LIFE
                changed.clear()

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._listeners.add(changed)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._ended)
        try:
            yield changed
        finally:
            self._listeners.discard(changed)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        bell = Bell()
        async with asyncio.TaskGroup() as group:
            for bus_channel in self._bus_channels:
                group.create_task(self._watch(bus_channel, bell))
            group.create_task(self._keep_rendering(bell))

    async def _watch(self, bus_channel: str, bell: Bell) -> None:
        while True:
            # nothing rests on news: without a bus the page looks by itself
            with suppress(Unavailable):
                async with self._bus.watch(bus_channel) as events:
                    async for _event in events:
                        bell.ring()
            await asyncio.sleep(BUS_BACK_OFF)

    async def _keep_rendering(self, bell: Bell) -> None:
        while True:
            self._show(await self._safely_rendered())
            await asyncio.sleep(PACE)
            await bell.wait(LOOK)

    async def _safely_rendered(self) -> bytes:
        try:
            return await self._render()
        except TidingsError as error:
            return frame(str(error), event="trouble")

    def _show(self, rendered: bytes) -> None:
        if rendered != self._frame:
            self._frame = rendered
            self._wake()

    def _wake(self) -> None:
        for changed in self._listeners:
            changed.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if error := task.exception():
            _log.error("a live page ended; whoever looks connects again", exc_info=error)
        if task is self._task:
            self._task = None
        self._wake()


def frame(data: str, *, event: str = "") -> bytes:
    """One server-sent event; without a name it is HTML to be shown."""
    lines = [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in data.splitlines()]
    return "\n".join((*lines, "", "")).encode()


async def _either(first: asyncio.Event, second: asyncio.Event, *, seconds: float) -> bool:
    """Wait for one of two events, at most so long; tells whether one came."""
    waits = [asyncio.ensure_future(event.wait()) for event in (first, second)]
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()
