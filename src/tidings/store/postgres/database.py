"""The database: a pool of pinned connections for the hot verbs, SQLAlchemy for all else."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import asyncpg
import sqlalchemy as sa

from tidings.store.postgres.connections import (
    CONNECT_SECONDS,
    MIGRATION_SECONDS,
    accept_pool,
    hot_pool,
    require_durable,
    require_url,
    run_engine,
)
from tidings.store.postgres.errors import is_crossed, mapped, mapped_at_start, mapped_in_run

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection, Pool

Result = TypeVar("Result")

#: how often a transaction is begun again that another one's locks got in the way of
_MOST_ROUNDS = 5

_CROSSED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError)


class Database:
    """One PostgreSQL database, as one process uses it."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet; raises ConfigurationError when the URL is none."""
        require_url(url)
        self._url = url
        self._pool = hot_pool(url)
        self._accept_pool = accept_pool(url)
        self._engine = run_engine(url)

    async def start(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Connect, see that commits are durable, and run the first work, which may take long.

        Raises ConfigurationError for what must be mended, Unavailable for what may pass.
        """
        await self._pool
        await self._accept_pool
        engine = run_engine(self._url, seconds=MIGRATION_SECONDS)
        try:
            with mapped_at_start():
                async with engine.begin() as connection:
                    await connection.run_sync(require_durable)
                    return await connection.run_sync(work)
        finally:
            await engine.dispose()

    async def use(self, work: "Callable[[Connection], Awaitable[Result]]") -> Result:
        """Run work whose statements are each a transaction of their own."""
        with mapped():
            return await _in_rounds(self._pool, work)

    async def accept(self, work: "Callable[[Connection], Awaitable[Result]]") -> Result:
        """Run the work of accepting likewise, on connections of its own.

        Raises InProgress where another transaction is storing the same thing, and takes its time.
        """
        with mapped():
            return await _in_rounds(self._accept_pool, work)

    async def transact(self, work: "Callable[[Connection], Awaitable[Result]]") -> Result:
        """Run work in one transaction."""

        async def in_transaction(connection: "Connection") -> Result:
            async with connection.transaction():
                return await work(connection)

        return await self.use(in_transaction)

    async def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run work in SQLAlchemy Core, in one transaction, anew where locks crossed."""
        with mapped_in_run():
            for _ in range(_MOST_ROUNDS - 1):
                try:
                    return await self._begun(work)
                except sa.exc.DBAPIError as error:
                    if not is_crossed(error):
                        raise
            return await self._begun(work)

    async def aclose(self) -> None:
        """Finish what is under way, but not for long, and let go of every connection."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.gather(self._pool.close(), self._accept_pool.close())
        except TimeoutError:
            self._pool.terminate()
            self._accept_pool.terminate()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._engine.dispose()

    async def _begun(self, work: Callable[[sa.Connection], Result]) -> Result:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)


async def _in_rounds(pool: "Pool", work: "Callable[[Connection], Awaitable[Result]]") -> Result:
    async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
        for _ in range(_MOST_ROUNDS - 1):
            try:
                return await work(connection)
            except _CROSSED:
                continue
        return await work(connection)
