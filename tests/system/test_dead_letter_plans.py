"""How PostgreSQL lists and replays dead letters among many rows that are alive or dead."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.system.test_postgres_plans import GROW, WAITING, walk
from tidings.core.clock import SystemClock
from tidings.core.ids import Ids
from tidings.store.backlog import pin
from tidings.store.dead_letter_rows import Kind, Place, Wanted, page_queries
from tidings.store.postgres import PostgresStore
from tidings.store.schema import deliveries

#: every twentieth row of each kind is dead, and there are entries of the bus
BURY = """
UPDATE events SET accepted_at = due_at; UPDATE notifications SET created_at = due_at;
UPDATE deliveries SET updated_at = due_at;
UPDATE events SET state = 'failed', due_at = NULL WHERE source_id::integer % 20 = 0;
UPDATE notifications SET state = 'failed', due_at = NULL
WHERE id IN (SELECT id FROM notifications ORDER BY id LIMIT 1000);
UPDATE deliveries SET state = 'failed', due_at = NULL, reason = 'no such mailbox'
WHERE id IN (SELECT id FROM deliveries ORDER BY id LIMIT 1000);
INSERT INTO dead_letters (id, bus_channel, entry_id, reason, entry, created_at)
SELECT md5('l' || n)::uuid, 'USER_CHANNEL', n, 'not JSON', '{}',
       now() - make_interval(secs => n % 5000)
FROM generate_series(1, 20000) AS n
"""
INDEXES = {
    Kind.EVENT: "events_failed",
    Kind.NOTIFICATION: "notifications_failed",
    Kind.DELIVERY: "deliveries_failed",
    Kind.BUS_ENTRY: "dead_letters_created",
}
LIMIT = 100
#: more rows than a page may look at, for each it shows
ROWS_EACH = 5


@pytest.fixture
async def store(migrated_postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(migrated_postgres_url, clock=SystemClock())
    await store.run(grow)
    yield store
    await store.aclose()


def grow(connection: sa.Connection) -> None:
    fewer = GROW.replace(str(WAITING), "20000")
    for statement in f"{fewer}{BURY}".split(";"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def explained(connection: sa.Connection, query: sa.Select[Any]) -> Mapping[str, Any]:
    compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
    found: Any = connection.scalar(sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}"))
    [plan] = json.loads(found) if isinstance(found, str) else found
    return dict(plan["Plan"])


def looked_at(plan: Mapping[str, Any]) -> int:
    """Rows that the scans of a plan read, those they threw away included."""
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in walk(plan)
        if "Relation Name" in node
    )


def indexes(plan: Mapping[str, Any]) -> set[str]:
    return {node["Index Name"] for node in walk(plan) if "Index Name" in node}


async def test_each_page_is_read_along_the_index_of_the_dead(store: PostgresStore) -> None:
    before = Place(at=datetime.now(UTC) - timedelta(minutes=30), id=Ids().new())

    def explain(connection: sa.Connection) -> list[tuple[Kind, Mapping[str, Any]]]:
        pin(connection)
        return [
            (kind, explained(connection, query))
            for place in (None, before)
            for kind, query in page_queries(Wanted(), limit=LIMIT, before=place).items()
        ]

    await store.run(lambda connection: connection.exec_driver_sql("ANALYZE"))

    for kind, plan in await store.run(explain):
        assert indexes(plan) == {INDEXES[kind]}
        assert looked_at(plan) <= ROWS_EACH * LIMIT


async def test_rows_to_replay_are_found_by_their_ids(store: PostgresStore) -> None:
    def explain(connection: sa.Connection) -> tuple[Mapping[str, Any], ...]:
        connection.exec_driver_sql("ANALYZE")
        ids = connection.scalars(sa.select(deliveries.c.id).limit(LIMIT)).all()
        by_id = sa.select(deliveries.c.id).where(deliveries.c.id.in_(ids))
        states = ("failed", "held")
        kept = by_id.where((deliveries.c.state + "").in_(states))
        planted = sa.select(deliveries.c.id).where(deliveries.c.state.in_(states))
        return explained(connection, kept), explained(connection, planted)

    plan, whole = await store.run(explain)

    assert indexes(plan) == {"deliveries_pkey"}
    assert looked_at(plan) <= ROWS_EACH * LIMIT
    assert looked_at(whole) > ROWS_EACH * LIMIT, "the checker sees a plan that reads all the dead"
