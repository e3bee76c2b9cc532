"""Reads from the database how everything ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.faults.checker import End, Ends
from tidings.core.clock import SystemClock
from tidings.core.ports import Store
from tidings.store.postgres import PostgresStore
from tidings.store.schema import attempts, deliveries, events, notifications
from tidings.store.sqlite import SqliteStore

_TO_BE_PLANNED = (
    sa.select(events.c.id).where(events.c.state == "due"),
    sa.select(notifications.c.id).where(notifications.c.state == "waiting"),
)
_TO_BE_SENT = sa.select(deliveries.c.id).where(deliveries.c.state.in_(["pending", "sending"]))
_later = attempts.alias()
#: whether an answer came only when a later call had begun, so that nobody knew it by then
_CAME_LATE = sa.exists().where(
    _later.c.delivery_id == attempts.c.delivery_id,
    _later.c.epoch > attempts.c.epoch,
    _later.c.started_at < attempts.c.finished_at,
)
_UNANSWERED = (
    sa.select(sa.func.count())
    .where(attempts.c.delivery_id == deliveries.c.id)
    .where((attempts.c.outcome == "unknown") | (attempts.c.fenced & _CAME_LATE))
    .scalar_subquery()
)
_ENDS = sa.select(deliveries.c.id, deliveries.c.address, deliveries.c.state, _UNANSWERED)


@asynccontextmanager
async def opened(where: str | Path) -> AsyncIterator[Store]:
    """The store at the address of a PostgreSQL, or in a file that no process has open."""
    store: Store
    if isinstance(where, Path):
        store = await SqliteStore.open(where, clock=SystemClock())
    else:
        store = await PostgresStore.open(where, clock=SystemClock())
    try:
        yield store
    finally:
        await store.aclose()


async def read_ends(store: Store) -> Ends:
    """How every delivery stands, and what is still to be planned."""

    def read(connection: sa.Connection) -> Ends:
        rows = connection.execute(_ENDS).all()
        open_work = [one for query in _TO_BE_PLANNED for one in connection.scalars(query)]
        return Ends(
            deliveries=[End(key=a, address=b, state=c, unanswered=d) for a, b, c, d in rows],
            unplanned=frozenset(open_work),
        )

    return await store.run(read)


async def until_settled(store: Store, *, seconds: float = 120) -> None:
    """Wait until nothing is left to be planned or sent."""
    async with asyncio.timeout(seconds):
        while await store.run(_is_open):
            await asyncio.sleep(0.1)


def _is_open(connection: sa.Connection) -> bool:
    return any(
        connection.scalars(query.limit(1)).first() for query in (*_TO_BE_PLANNED, _TO_BE_SENT)
    )
