"""Fixtures every test may ask for; a server starts only when the first test asks for it."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.missing import in_ci
from tests.servers.postgres import PostgresServer, open_postgres
from tests.servers.redis import RedisServer, open_redis
from tests.servers.scratch import scratch
from tidings.core.clock import SystemClock
from tidings.core.logs import join_host_logs
from tidings.store.postgres import PostgresStore

MARKERS_BY_FIXTURE = {
    "redis_server": "redis",
    "postgres_server": "postgres",
    "browser": "browser",
}


def pytest_configure() -> None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch()))


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Lines as a host program gets them: structlog's own default draws every frame of a fault."""
    join_host_logs()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this session's own; tests may stop, kill and restart it."""
    server = open_redis()
    yield server
    server.close()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this session's own; tests may stop, kill and restart it."""
    server = open_postgres()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a fresh, empty database."""
    postgres_server.start()
    url = postgres_server.create_database()
    yield url
    postgres_server.start()
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def migrated_database(postgres_server: PostgresServer) -> str:
    """A database with our schema, to be copied: copying is quicker than migrating."""
    url = postgres_server.create_database()

    async def migrate() -> None:
        store = await PostgresStore.open(url, clock=SystemClock())
        await store.aclose()

    with ThreadPoolExecutor(max_workers=1) as thread:  # a loop may be running here
        thread.submit(asyncio.run, migrate()).result()
    return url


@pytest.fixture
def migrated_postgres_url(postgres_server: PostgresServer, migrated_database: str) -> Iterator[str]:
    """The address of a fresh database that has our schema and nothing in it."""
    postgres_server.start()
    url = postgres_server.create_database(migrated_database)
    yield url
    postgres_server.start()
    postgres_server.drop_database(url)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the servers they ask for, so that `-m "redis or postgres"` finds them all."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for fixture, marker in MARKERS_BY_FIXTURE.items():
            if fixture in fixtures:
                item.add_marker(marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if in_ci() and terminalreporter.stats.get("skipped"):
        terminalreporter.section("CI is set: a skipped test is a failure", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if in_ci() and reporter and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
