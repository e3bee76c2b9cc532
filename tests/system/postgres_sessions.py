"""What the tests of the store on PostgreSQL share: patience, a password to look for, rivals."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Session = asyncpg.Connection[asyncpg.Record]

SECRET = "s3cret-word"
PATIENCE = 20.0


async def until(ask: Callable[[], Awaitable[object]]) -> None:
    """Ask until the answer is true."""
    async with asyncio.timeout(PATIENCE):
        while not await ask():
            await asyncio.sleep(0.01)


def with_password(url: str) -> str:
    return url.replace("://tidings@", f"://tidings:{SECRET}@")


@asynccontextmanager
async def elsewhere(url: str, statement: str) -> AsyncIterator["Session"]:
    """Another process in the middle of a transaction."""
    session = await asyncpg.connect(url)
    transaction = session.transaction()
    await transaction.start()
    await session.execute(statement)
    yield session
    await session.execute("COMMIT")
    await session.close()


async def until_one_waits(url: str, *, count: int = 1) -> None:
    session = await asyncpg.connect(url)
    query = (
        "SELECT count(*) >= $1 FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'tidings' AND wait_event_type = 'Lock'"
    )
    await until(lambda: session.fetchval(query, count))
    await session.close()
