"""Many registrations over HTTP."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import aiohttp

from tests.faults.checker import Asked
from tests.faults.extent import extent
from tidings.core.loops import pause

CONNECTIONS = 50
PATIENCE = extent(30.0, 120.0)
"""Seconds a client asks again while the API is away."""


def addresses(number: int) -> list[str]:
    """That many addresses, all different."""
    return [f"person-{index}@example.com" for index in range(number)]


async def register_all(url: str, people: Sequence[str]) -> dict[str, Asked]:
    """Register everybody, each until it is accepted."""
    waiting = iter(people)
    asked: dict[str, Asked] = {}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(
            *(_register_some(session, url, waiting, asked) for _ in range(CONNECTIONS))
        )
    return asked


@asynccontextmanager
async def registering(url: str, *, pace: float) -> AsyncIterator[dict[str, Asked]]:
    """Inside of it people register, so many a second, whether or not others were answered.

    Leaving waits for those under way.
    """
    asked: dict[str, Asked] = {}
    over = asyncio.Event()
    load = asyncio.create_task(_keep_registering(url, asked, pace, over))
    try:
        yield asked
    finally:
        over.set()
        await load


async def _keep_registering(
    url: str, asked: dict[str, Asked], pace: float, over: asyncio.Event
) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        began = time.monotonic()
        for index in itertools.count():
            await pause(over, began + index / pace - time.monotonic())
            if over.is_set():
                return
            group.create_task(_note(session, url, f"person-{index}@example.com", asked))


async def _note(
    session: aiohttp.ClientSession, url: str, address: str, asked: dict[str, Asked]
) -> None:
    await _register(session, url, address)
    asked[address] = Asked.OK


async def _register_some(
    session: aiohttp.ClientSession, url: str, waiting: Iterable[str], asked: dict[str, Asked]
) -> None:
    for address in waiting:
        await _note(session, url, address, asked)


async def _register(session: aiohttp.ClientSession, url: str, address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (wait := await _asked(session, url, address)) is not None:
        assert time.monotonic() < deadline, "the API stayed away"
        await asyncio.sleep(wait)


async def _asked(session: aiohttp.ClientSession, url: str, address: str) -> float | None:
    """Seconds to wait before asking again, as a refusal tells them; None once it is accepted."""
    try:
        async with session.post(f"{url}/register", json={"email": address}) as answer:
            if answer.status == 202:
                return None
            assert answer.status in {429, 503}, await answer.text()
            return float(answer.headers["Retry-After"])
    except aiohttp.ClientError:
        return 0.05
