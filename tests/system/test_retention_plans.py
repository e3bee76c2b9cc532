"""How PostgreSQL takes away a few old events among many: without reading any table whole."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tests.system.test_postgres_plans import GROW, WAITING
from tidings.core.clock import SystemClock
from tidings.store.old_events import Cutoffs, Swept, sweep
from tidings.store.postgres import PostgresStore

ENDED = """
UPDATE events SET state = 'planned', due_at = NULL, accepted_at = due_at - interval '1 year';
UPDATE notifications SET state = 'planned', due_at = NULL;
UPDATE deliveries SET state = 'sent', due_at = NULL, updated_at = now() - interval '1 year';
INSERT INTO attempts (delivery_id, epoch, provider, outcome, started_at)
SELECT id, 1, 'smtp', 'sent', now() FROM deliveries
"""
READ = """
SELECT relname AS name, seq_tup_read + coalesce(idx_tup_fetch, 0) AS read
FROM pg_stat_xact_user_tables
"""
#: events in a batch
FEW = 100
#: rows of a table that may be read for each
READ_EACH = 10


@pytest.fixture
async def store(migrated_postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(migrated_postgres_url, clock=SystemClock())
    yield store
    await store.aclose()


@pytest.mark.parametrize("counted", [True, False])
async def test_no_table_is_read_whole(store: PostgresStore, counted: bool) -> None:
    await store.run(lambda to: grow(to, counted=counted))

    swept, read = await store.run(sweep_watched)

    assert (swept.looked_at, swept.removed) == (FEW, FEW)
    assert max(read.values()) < READ_EACH * FEW, read


def grow(connection: sa.Connection, *, counted: bool) -> None:
    statements = f"{GROW.replace(str(WAITING), '20000')}{ENDED}".split(";")
    for statement in (*statements, *(["ANALYZE"] if counted else [])):
        if statement.strip():
            connection.exec_driver_sql(statement)


def sweep_watched(connection: sa.Connection) -> tuple[Swept, Mapping[str, int]]:
    """A sweep, and how many rows of each table it read."""
    start = rows_read(connection)
    old = datetime.now(UTC) - timedelta(days=90)
    swept = sweep(connection, Cutoffs(finished=old, dead=old), after=None, limit=FEW)
    return swept, {name: read - start[name] for name, read in rows_read(connection).items()}


def rows_read(connection: sa.Connection) -> Mapping[str, int]:
    """Rows read so far; of earlier transactions too, where they ended less than a second ago."""
    return {row.name: row.read for row in connection.execute(sa.text(READ))}
