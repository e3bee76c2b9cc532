"""Accepting on PostgreSQL while others hold what it needs: its wait is bounded, and it says why."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.system.postgres_sessions import elsewhere, until_one_waits
from tidings.core.clock import SystemClock
from tidings.core.errors import InProgress, Unavailable
from tidings.core.group_commit import GroupCommit
from tidings.core.work import Acceptance, Accepted, AcceptStatus, IdempotencyRecord
from tidings.store import schema
from tidings.store.postgres import PostgresStore
from tidings.store.postgres.connections import HOT_CONNECTIONS, LOCK_SECONDS
from tidings.testing.store_contract.given import accept, an_acceptance, an_event, claim, rows

#: seconds that a machine under load may add to a bound
SLACK = 1.0

STORING = """
INSERT INTO idempotency (key, fingerprint, event_id, created_at) VALUES ('k1', 'f', 'e1', now())
"""


@pytest.fixture
async def store(migrated_postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(migrated_postgres_url, clock=SystemClock())
    yield store
    await store.aclose()


def keyed(store: PostgresStore, key: str) -> Acceptance:
    record = IdempotencyRecord(key=key, fingerprint="f")
    return an_acceptance(an_event(store), idempotency=record)


async def test_a_key_another_process_is_storing_is_in_progress_then_a_replay(
    store: PostgresStore, migrated_postgres_url: str
) -> None:
    async with elsewhere(migrated_postgres_url, STORING):
        began = time.monotonic()
        with pytest.raises(InProgress):
            await store.accept([keyed(store, "k1")])
        took = time.monotonic() - began

    (again,) = await store.accept([keyed(store, "k1")])

    assert LOCK_SECONDS * 0.9 <= took < LOCK_SECONDS + SLACK
    assert again == Accepted(status=AcceptStatus.REPLAYED, event_id="e1")
    assert await rows(store, schema.events) == []


async def test_whoever_stores_quickly_is_waited_for(
    store: PostgresStore, migrated_postgres_url: str
) -> None:
    async with elsewhere(migrated_postgres_url, STORING):
        waiting = asyncio.create_task(store.accept([keyed(store, "k1")]))
        await until_one_waits(migrated_postgres_url)

    (answer,) = await waiting
    assert answer.status is AcceptStatus.REPLAYED


async def test_what_is_stored_together_with_such_a_key_is_stored_all_the_same(
    store: PostgresStore, migrated_postgres_url: str
) -> None:
    group = GroupCommit(store.accept)

    async with elsewhere(migrated_postgres_url, STORING):
        keys = ["k1", "k2", "k3", "k4"]
        answers = await asyncio.gather(
            *[group.submit(keyed(store, key)) for key in keys], return_exceptions=True
        )
        assert len(await rows(store, schema.events)) == 3

    assert [type(each) for each in answers] == [InProgress, Accepted, Accepted, Accepted]


async def test_a_locked_table_is_unavailable_within_the_bound_and_nothing_is_stored(
    store: PostgresStore, migrated_postgres_url: str
) -> None:
    await accept(store, an_event(store))
    async with elsewhere(migrated_postgres_url, "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await store.accept([keyed(store, "k1")])
        took = time.monotonic() - began

    assert took < LOCK_SECONDS + SLACK
    assert len(await rows(store, schema.events)) == 1
    assert await rows(store, schema.idempotency) == []


async def test_workers_that_hold_every_connection_do_not_hold_up_accepting(
    store: PostgresStore, migrated_postgres_url: str
) -> None:
    lock = "LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE"
    async with elsewhere(migrated_postgres_url, lock):
        claims = [asyncio.create_task(claim(store)) for _ in range(HOT_CONNECTIONS)]
        await until_one_waits(migrated_postgres_url, count=HOT_CONNECTIONS)

        accepted = await accept(store, an_event(store))

    assert accepted.status is AcceptStatus.STORED
    await asyncio.gather(*claims)
