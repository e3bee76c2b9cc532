"""Changes of the list of suppressions and new addresses on PostgreSQL: who waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.system.postgres_sessions import elsewhere, until_one_waits
from tidings.core.clock import SystemClock
from tidings.core.ids import address_hash
from tidings.core.work import Acceptance, Registration
from tidings.store import schema
from tidings.store.address_locks import lock_of
from tidings.store.postgres import PostgresStore
from tidings.store.postgres.accept import accept
from tidings.store.postgres.connections import SESSION
from tidings.testing.store_contract.given import add_user, an_acceptance, an_event, rows
from tidings.users.service import UserService
from tidings.users.suppressions import SuppressionService

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

ADA = "ada@example.com"
#: seconds within which what need not wait is done, though the machine is busy
SOON = 10.0


@pytest.fixture
async def store(migrated_postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(migrated_postgres_url, clock=SystemClock())
    yield store
    await store.aclose()


@pytest.fixture
def suppressions(store: PostgresStore) -> SuppressionService:
    return SuppressionService(store, clock=SystemClock(), channels=("email",))


@pytest.fixture
async def session(migrated_postgres_url: str) -> AsyncIterator["Connection"]:
    """A session of another process, whose waiting for locks has no end."""
    async with (
        asyncpg.create_pool(
            migrated_postgres_url, min_size=1, max_size=1, server_settings=SESSION
        ) as pool,
        pool.acquire() as session,
    ):
        yield session


async def test_a_change_waits_for_those_who_come_to_its_address_and_for_no_others(
    store: PostgresStore,
    suppressions: SuppressionService,
    session: "Connection",
    migrated_postgres_url: str,
) -> None:
    async with session.transaction():
        await come(session, store, "ada", ADA)

        async with asyncio.timeout(SOON):
            await suppressions.put("email", address_apart(store))
        late = asyncio.create_task(suppressions.put("email", ADA))
        await until_one_waits(migrated_postgres_url)
    await late

    assert await statuses(store) == {"ada": "suppressed"}


async def test_who_comes_waits_for_a_change_of_the_address_and_for_no_others(
    store: PostgresStore,
    suppressions: SuppressionService,
    session: "Connection",
    migrated_postgres_url: str,
) -> None:
    users, apart = UserService(store, SystemClock()), address_apart(store)
    await add_user(store, "ada", ADA)
    async with elsewhere(migrated_postgres_url, "SELECT FROM users FOR UPDATE"):
        change = asyncio.create_task(suppressions.put("email", ADA))
        await until_one_waits(migrated_postgres_url)

        async with asyncio.timeout(SOON):
            await store.accept([arrival(store, "ben", apart)])
            await users.put("eve", email=apart)
        late = [
            asyncio.create_task(come(session, store, "mia", ADA)),
            asyncio.create_task(users.put("joe", email=ADA)),
        ]
        await until_one_waits(migrated_postgres_url, count=3)
    await asyncio.gather(change, *late)

    kept = await statuses(store)
    assert (kept.pop("ben"), kept.pop("eve")) == ("active", "active")
    assert kept == dict.fromkeys(("ada", "mia", "joe"), "suppressed")


def arrival(store: PostgresStore, user_id: str, address: str) -> Acceptance:
    registration = Registration(user_id=user_id, channel="email", address=address)
    return an_acceptance(an_event(store), registration=registration)


async def come(session: "Connection", store: PostgresStore, user_id: str, address: str) -> None:
    """Accept a registration as another process would, without its bound on waiting."""
    key = store.installation.address_key
    await accept(session, timedelta(), key, [arrival(store, user_id, address)])


def address_apart(store: PostgresStore) -> str:
    """One whose lock is not Ada's."""
    key = store.installation.address_key
    candidates = (f"ben{number}@example.com" for number in count())
    taken = lock_of(address_hash(key, "email", ADA))
    return next(each for each in candidates if lock_of(address_hash(key, "email", each)) != taken)


async def statuses(store: PostgresStore) -> dict[str, str]:
    return {each["user_id"]: each["status"] for each in await rows(store, schema.addresses)}
