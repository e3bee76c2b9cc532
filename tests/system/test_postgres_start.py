"""How the store on PostgreSQL starts: what it refuses, and what it sees to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import sqlalchemy as sa

from tests.servers.postgres import GivenPostgres, PostgresServer
from tests.system.postgres_sessions import PATIENCE, SECRET, until, with_password
from tidings.core.clock import SystemClock
from tidings.core.errors import ConfigurationError, Unavailable
from tidings.store.postgres import PostgresStore
from tidings.store.postgres.connections import hot_pool, run_engine

if TYPE_CHECKING:
    Session = asyncpg.Connection[asyncpg.Record]


@pytest.fixture
async def onlooker(postgres_url: str) -> AsyncIterator["Session"]:
    """A session beside the store's."""
    session = await asyncpg.connect(postgres_url)
    yield session
    await session.close()


async def test_a_server_that_is_not_there_is_unavailable_at_start(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.kill()

    with pytest.raises(Unavailable) as failure:
        await PostgresStore.open(with_password(postgres_url), clock=SystemClock())

    assert SECRET not in str(failure.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://tidings:{SECRET}/#@localhost/tidings",
        f"postgresql://tidings:x@localhost:{SECRET}/tidings",
        f"mysql://tidings:{SECRET}@localhost/tidings",
    ],
)
async def test_a_wrong_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="TIDINGS_DATABASE_URL") as failure:
        await PostgresStore.open(url, clock=SystemClock())

    assert SECRET not in str(failure.value)


async def test_a_missing_database_is_a_matter_of_configuration(postgres_url: str) -> None:
    url = urlunsplit(urlsplit(with_password(postgres_url))._replace(path="/no_such_database"))

    with pytest.raises(ConfigurationError, match="3D000") as failure:
        await PostgresStore.open(url, clock=SystemClock())

    assert SECRET not in str(failure.value)


async def test_a_server_without_fsync_is_refused(
    postgres_url: str, postgres_server: PostgresServer, onlooker: "Session"
) -> None:
    if isinstance(postgres_server, GivenPostgres):
        pytest.skip("a server that is not ours keeps its settings")
    await set_fsync(onlooker, "off")
    try:
        with pytest.raises(ConfigurationError, match="fsync"):
            await PostgresStore.open(postgres_url, clock=SystemClock())
    finally:
        await set_fsync(onlooker, "on")


async def test_commits_reach_the_disk_whatever_the_database_is_set_to(
    postgres_url: str, onlooker: "Session"
) -> None:
    name = urlsplit(postgres_url).path.removeprefix("/")
    await onlooker.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')

    async with hot_pool(postgres_url) as pool:
        hot = await pool.fetchval("SHOW synchronous_commit")
    engine = run_engine(postgres_url)
    async with engine.connect() as connection:
        run = await connection.scalar(sa.text("SHOW synchronous_commit"))
    await engine.dispose()

    assert (hot, run) == ("on", "on")


async def test_several_fresh_databases_are_opened_at_once_in_one_process(
    postgres_url: str, onlooker: "Session"
) -> None:
    parts = urlsplit(postgres_url)
    names = [f"{parts.path.removeprefix('/')}_{n}" for n in range(5)]
    for name in names:
        await onlooker.execute(f'CREATE DATABASE "{name}"')

    async with AsyncExitStack() as closing:
        urls = [urlunsplit(parts._replace(path=f"/{name}")) for name in names]
        opening = asyncio.gather(*[PostgresStore.open(url, clock=SystemClock()) for url in urls])
        stores = await asyncio.wait_for(opening, PATIENCE)
        for store in stores:
            closing.push_async_callback(store.aclose)

    assert len({store.installation.id for store in stores}) == 5
    for name in names:
        await onlooker.execute(f'DROP DATABASE "{name}"')


async def test_dead_rows_of_the_queues_are_cleared_away_early(
    postgres_url: str, onlooker: "Session"
) -> None:
    await (await PostgresStore.open(postgres_url, clock=SystemClock())).aclose()

    query = "SELECT relname FROM pg_class WHERE reloptions @> $1 ORDER BY relname"
    tables = await onlooker.fetch(query, ["autovacuum_vacuum_scale_factor=0.01"])

    assert [each["relname"] for each in tables] == ["deliveries", "events", "notifications"]


async def set_fsync(session: "Session", value: str) -> None:
    await session.execute(f"ALTER SYSTEM SET fsync = {value}")
    await session.execute("SELECT pg_reload_conf()")

    async def is_set() -> bool:
        return bool(await session.fetchval("SHOW fsync") == value)

    await until(is_set)
