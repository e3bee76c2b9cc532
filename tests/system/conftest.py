"""What whole systems are tested on: both databases."""

from collections.abc import AsyncIterator

import pytest

from tidings.core.clock import SystemClock
from tidings.core.ports import Store
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    opened = await _open(request)
    yield opened
    await opened.aclose()


async def _open(request: pytest.FixtureRequest) -> Store:
    if request.param == "sqlite":
        return await SqliteStore.open(None, clock=SystemClock())
    url: str = request.getfixturevalue("migrated_postgres_url")
    return await PostgresStore.open(url, clock=SystemClock())
