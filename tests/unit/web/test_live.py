"""Live pages, without a server: rendered once for all who look, and only while somebody does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from tidings.core.clock import SystemClock
from tidings.core.errors import Unavailable
from tidings.core.metrics import Metrics
from tidings.core.models import USER_CHANNEL, Event
from tidings.core.ports import EventBus
from tidings.memory_bus import MemoryEventBus
from tidings.web import live
from tidings.web.live import Broadcast, frame

NEWS = Event(id="1", type="NEWS", source="test", time=datetime.now(UTC))


class Page:
    """Something to render that counts its renderings."""

    def __init__(self) -> None:
        self.text = "first"
        self.renderings: list[float] = []
        self.error: Unavailable | None = None

    async def render(self) -> bytes:
        self.renderings.append(asyncio.get_running_loop().time())
        if self.error:
            raise self.error
        return frame(self.text)


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def bus() -> AsyncIterator[EventBus]:
    bus = MemoryEventBus(metrics=Metrics(), clock=SystemClock())
    yield bus
    await bus.aclose()


@pytest.fixture
def broadcast(page: Page, bus: EventBus, stopping: asyncio.Event) -> Broadcast:
    return Broadcast(page.render, bus=bus, bus_channels=(USER_CHANNEL,), stopping=stopping)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def within(seconds: float, frames: Awaitable[bytes]) -> bytes:
    async with asyncio.timeout(seconds):
        return await frames


async def test_news_on_the_bus_bring_the_page_at_once(
    page: Page, bus: EventBus, broadcast: Broadcast
) -> None:
    async with aclosing(broadcast.frames()) as frames:
        assert await within(1, anext(frames)) == b"data: first\n\n"
        page.text = "second"
        await bus.publish(USER_CHANNEL, NEWS)

        assert await within(1, anext(frames)) == b"data: second\n\n"


async def test_without_news_the_page_looks_by_itself(
    page: Page, broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK", 0.05)
    async with aclosing(broadcast.frames()) as frames:
        await anext(frames)
        page.text = "second"

        assert await within(1, anext(frames)) == b"data: second\n\n"


async def test_a_rush_of_news_is_rendered_at_most_four_times_a_second(
    page: Page, bus: EventBus, broadcast: Broadcast
) -> None:
    async with aclosing(broadcast.frames()) as frames:
        await anext(frames)
        start = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < start + 1:
            await bus.publish(USER_CHANNEL, NEWS)
            await asyncio.sleep(0.01)

    assert 3 <= len([at for at in page.renderings if at > start]) <= 4


async def test_a_hundred_who_look_cost_one_rendering(page: Page, broadcast: Broadcast) -> None:
    streams = [broadcast.frames() for _ in range(100)]

    firsts = [await anext(stream) for stream in streams]

    assert firsts == [b"data: first\n\n"] * 100
    assert len(page.renderings) == 1
    for stream in streams:
        await stream.aclose()


async def test_nothing_is_rendered_when_nobody_looks_any_more(
    page: Page, broadcast: Broadcast
) -> None:
    before = asyncio.all_tasks()
    stream = broadcast.frames()
    await anext(stream)

    await stream.aclose()

    assert broadcast.listeners == 0
    await until(lambda: asyncio.all_tasks() <= before)


async def test_streams_end_at_once_when_the_process_stops(
    broadcast: Broadcast, stopping: asyncio.Event
) -> None:
    async with aclosing(broadcast.frames()) as frames:
        await anext(frames)
        rest = asyncio.create_task(anext(frames, b"ended"))
        await asyncio.sleep(0)

        stopping.set()

        assert await within(0.5, rest) == b"ended"


async def test_a_silent_stream_gives_signs_of_life(
    broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)
    async with aclosing(broadcast.frames()) as frames:
        await anext(frames)

        assert (await within(1, anext(frames))).startswith(b":")


async def test_a_database_that_is_down_is_told_and_its_return_too(
    page: Page, broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK", 0.01)
    async with aclosing(broadcast.frames()) as frames:
        await anext(frames)
        page.error = Unavailable("the database does not answer")

        trouble = await within(1, anext(frames))
        page.error = None

        assert trouble == b"event: trouble\ndata: the database does not answer\n\n"
        assert await within(1, anext(frames)) == b"data: first\n\n"


async def test_a_fault_in_a_page_ends_its_streams_and_the_next_look_starts_afresh(
    page: Page, bus: EventBus, stopping: asyncio.Event
) -> None:
    async def broken() -> bytes:
        if not page.renderings:
            page.renderings.append(0)
            raise RuntimeError("planted")
        return await page.render()

    broadcast = Broadcast(broken, bus=bus, bus_channels=(), stopping=stopping)

    assert [chunk async for chunk in broadcast.frames()] == []
    async with aclosing(broadcast.frames()) as frames:
        assert await within(1, anext(frames)) == b"data: first\n\n"


def test_every_line_of_a_frame_is_data() -> None:
    assert frame("a\r\nb\nc", event="news") == b"event: news\ndata: a\ndata: b\ndata: c\n\n"
