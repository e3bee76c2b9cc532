"""How PostgreSQL finds the one delivery that a receipt names among many."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from tests.system.test_dead_letter_plans import explained, indexes, looked_at
from tests.system.test_postgres_plans import GROW, WAITING
from tidings.core.clock import SystemClock
from tidings.store.postgres import PostgresStore
from tidings.store.receipts import confirm, taken_under

SENT = "UPDATE deliveries SET state = 'sent', due_at = NULL, provider_id = 'id-' || id"


@pytest.fixture
async def store(migrated_postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(migrated_postgres_url, clock=SystemClock())
    await store.run(grow)
    yield store
    await store.aclose()


def grow(connection: sa.Connection) -> None:
    for statement in (*GROW.replace(str(WAITING), "20000").split(";"), SENT, "ANALYZE deliveries"):
        if statement.strip():
            connection.exec_driver_sql(statement)


async def test_a_receipt_leads_to_its_delivery_by_an_index(store: PostgresStore) -> None:
    named = await store.run(
        lambda to: to.scalar(sa.text("SELECT min(provider_id) FROM deliveries"))
    )

    plan = await store.run(lambda to: explained(to, taken_under("smtp", [named, "other"])))

    assert indexes(plan) == {"deliveries_provider_id", "events_pkey"}
    assert looked_at(plan) == 2
    now = await store.now()
    confirmation = await store.run(lambda to: confirm(to, "smtp", [named, "other"], now))
    assert confirmation.known == {named}
