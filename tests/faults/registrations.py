"""Many registrations over HTTP."""

import asyncio
import time
from collections.abc import Iterable, Sequence

import aiohttp

from tests.faults.checker import Asked

CONNECTIONS = 50
PATIENCE = 30.0
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


async def _register_some(
    session: aiohttp.ClientSession, url: str, waiting: Iterable[str], asked: dict[str, Asked]
) -> None:
    for address in waiting:
        await _register(session, url, address)
        asked[address] = Asked.OK


async def _register(session: aiohttp.ClientSession, url: str, address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            async with session.post(f"{url}/register", json={"email": address}) as answer:
                if answer.status == 202:
                    return
                assert answer.status == 503, await answer.text()
        except aiohttp.ClientError:
            pass
        assert time.monotonic() < deadline, "the API stayed away"
        await asyncio.sleep(0.05)
