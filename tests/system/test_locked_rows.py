"""A row that somebody else has locked holds up itself alone."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import structlog

from tests.system.house import open_house
from tests.system.post_office import HeldProvider, PostOffice, running, until
from tests.system.postgres_sessions import elsewhere
from tidings.core.work import SettleStatus
from tidings.store import schema
from tidings.store.postgres import PostgresStore
from tidings.store.postgres.connections import SESSION
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.given import LEASE, add_delivery, claim, claim_one
from tidings.testing.store_contract.settle import sent, statuses

pytestmark = pytest.mark.postgres


@pytest.fixture
async def office(migrated_postgres_url: str) -> AsyncIterator[PostOffice]:
    clock = MovableClock()
    store = await PostgresStore.open(migrated_postgres_url, clock=clock)
    async with open_house(store, clock=clock) as house:
        yield PostOffice(store=store, house=house, clock=clock)
    await store.aclose()


async def test_it_is_neither_held_nor_settled_and_all_others_are(
    office: PostOffice, migrated_postgres_url: str
) -> None:
    store = office.store
    for _ in range(3):
        await add_delivery(store)
    locked, *others = await claim(store)
    outcomes = [await sent(store, each) for each in (locked, *others)]

    async with elsewhere(migrated_postgres_url, lock(locked.id)):
        held = await store.beat([locked, *others], lease=LEASE)
        settled = await store.settle(outcomes)

    assert held == {each.id for each in others}
    assert statuses(settled) == [SettleStatus.BUSY, SettleStatus.SETTLED, SettleStatus.SETTLED]
    assert len(await office.rows(schema.attempts)) == 2
    assert statuses(await store.settle(outcomes[:1])) == [SettleStatus.SETTLED]


async def test_an_answer_for_it_is_kept_until_it_can_be_written(
    office: PostOffice, migrated_postgres_url: str
) -> None:
    await office.plan_welcomes(3)
    provider = HeldProvider()

    with structlog.testing.capture_logs() as lines:
        async with running(office.service(provider=provider)):
            await until(lambda: provider.started == 3)
            row, *_ = await office.rows(schema.deliveries)
            async with elsewhere(migrated_postgres_url, lock(row["id"])):
                provider.release.set()
                await until(lambda: _is_sent(office, 2))
                await until(lambda: any("row locked" in line["event"] for line in lines))
            await until(lambda: _is_sent(office, 3))

    assert provider.started == 3
    assert {each["fenced"] for each in await office.rows(schema.attempts)} == {False}


async def test_who_stands_still_with_a_lock_loses_it_before_a_lease_is_over(
    office: PostOffice, migrated_postgres_url: str
) -> None:
    store = office.store
    await add_delivery(store)
    claimed = await claim_one(store)
    session = await asyncpg.connect(migrated_postgres_url, server_settings=SESSION)
    await session.execute(f"BEGIN; {lock(claimed.id)}")

    async with asyncio.timeout(LEASE):
        while not await store.beat([claimed], lease=LEASE):
            await asyncio.sleep(0.1)
    session.terminate()


def lock(delivery_id: str) -> str:
    return f"SELECT 1 FROM deliveries WHERE id = '{delivery_id}' FOR UPDATE"


async def _is_sent(office: PostOffice, count: int) -> bool:
    return (await office.states()).count("sent") == count
