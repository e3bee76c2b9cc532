"""What whole systems are tested on: both databases, a post office, a fake system and its API."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.system.post_office import PostOffice, open_post_office
from tidings.core.clock import SystemClock
from tidings.core.ports import Store
from tidings.main import create_app
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore
from tidings.testing.clock import MovableClock
from tidings.testing.fake_system import FakeSystem


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    opened = await _open(request)
    yield opened
    await opened.aclose()


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with open_post_office() as office:
        yield office


@pytest.fixture
async def system() -> AsyncIterator[FakeSystem]:
    async with FakeSystem() as system:
        yield system


@pytest.fixture
async def http(system: FakeSystem) -> AsyncIterator[httpx2.AsyncClient]:
    """The API of the system."""
    transport = httpx2.ASGITransport(app=create_app(system.services))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


async def _open(request: pytest.FixtureRequest) -> Store:
    if request.param == "sqlite":
        return await SqliteStore.open(None, clock=SystemClock())
    url: str = request.getfixturevalue("migrated_postgres_url")
    return await PostgresStore.open(url, clock=SystemClock())
