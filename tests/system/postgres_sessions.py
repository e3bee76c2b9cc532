"""What the tests of the store on PostgreSQL share: patience, and a password to look for."""

import asyncio
from collections.abc import Awaitable, Callable

SECRET = "s3cret-word"
PATIENCE = 20.0


async def until(ask: Callable[[], Awaitable[object]]) -> None:
    """Ask until the answer is true."""
    async with asyncio.timeout(PATIENCE):
        while not await ask():
            await asyncio.sleep(0.01)


def with_password(url: str) -> str:
    return url.replace("://tidings@", f"://tidings:{SECRET}@")
