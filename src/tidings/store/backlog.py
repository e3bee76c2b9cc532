"""How much is due and since when, as gauges, and how much waits in all, for who lets more in."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.errors import TidingsError
from tidings.core.metrics import Metrics
from tidings.core.ports import Store
from tidings.store.rows import LANES
from tidings.store.schema import deliveries, events, notifications
from tidings.store.schema.types import UtcDateTime

_Lane = sa.Select[str, str, str, int, Any]

#: rows of one lane that are counted at most: a gauge must not read a backlog of millions
MOST = 100_000
#: seconds for which the last answer serves, and that a reading may take
FRESH, PATIENCE = 10.0, 2.0

#: what a table's partial index holds, written out so that the planner sees that it fits
_STATES = {
    events: "state = 'due'",
    notifications: "state = 'waiting'",
    deliveries: "state = 'pending'",
}
# However the tables have grown, the partial indexes hold what is asked for.
PINNED = (
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL enable_bitmapscan = off",
    "SET LOCAL enable_incremental_sort = off",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is due on one lane."""

    #: events, notifications or deliveries
    kind: str
    #: empty for what is not bound to one yet
    channel: str
    lane: str
    #: at most `MOST`
    count: int
    oldest: datetime | None


class Backlog:
    """Sets the gauges of what is due; any number of processes may tell the same."""

    def __init__(
        self, store: Store, *, metrics: Metrics, channels: Sequence[str], fresh: float = FRESH
    ) -> None:
        self._fresh = fresh
        self._store = store
        self._metrics = metrics
        self._query = backlog_query(channels)
        self._fresh_until = 0.0
        self._turn = asyncio.Lock()

    async def look(self) -> None:
        """Bring the gauges up to date; when the database is away they say that, and nothing old."""
        async with self._turn:
            if time.monotonic() < self._fresh_until:
                return
            try:
                async with asyncio.timeout(PATIENCE):
                    now = await self._store.now()
                    found = await self.read(now)
            except (TidingsError, TimeoutError):
                self._metrics.forget_backlog()
            else:
                self._tell(found, now)
            self._fresh_until = time.monotonic() + self._fresh

    async def waiting(self, most: int) -> int:
        """How many events and deliveries are not done with, due or not, counted up to `most`."""
        query = waiting_query(most)

        def ask(connection: sa.Connection) -> int:
            pin(connection)
            return sum(connection.scalars(query))

        return min(await self._store.run(ask), most)

    async def read(self, now: datetime) -> Sequence[Due]:
        """What is due at a moment of the database's clock."""

        def ask(connection: sa.Connection) -> Sequence[Due]:
            pin(connection)
            rows = connection.execute(self._query, {"now": now}).mappings()
            return [Due(**row) for row in rows]

        return await self._store.run(ask)

    def _tell(self, found: Sequence[Due], now: datetime) -> None:
        self._metrics.database_up.set(1)
        for due in found:
            age = (now - due.oldest).total_seconds() if due.oldest else 0.0
            self._metrics.due.labels(due.kind, due.channel, due.lane).set(due.count)
            self._metrics.oldest_due.labels(due.kind, due.channel, due.lane).set(max(age, 0.0))


def waiting_query(most: int) -> sa.CompoundSelect[Any]:
    """One statement that counts what waits in either table, each along its partial index."""
    return sa.union_all(
        _count(events, events.c.lane, most), _count(deliveries, deliveries.c.channel, most)
    )


def _count(table: sa.Table, first: sa.Column[Any], most: int) -> sa.Select[int]:
    """The rows of a table's partial index, by the column it begins with."""
    rows = sa.select(first).where(sa.text(_STATES[table]), first >= "").limit(most).subquery()
    return sa.select(sa.func.count()).select_from(rows)


def pin(connection: sa.Connection) -> None:
    """Leave the planner nothing but the indexes, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        for statement in PINNED:
            connection.execute(sa.text(statement))


def backlog_query(channels: Sequence[str]) -> sa.CompoundSelect[Any]:
    """One statement over every lane of every table, each read in the order of its index."""
    return sa.union_all(*_lanes(channels))


def _lanes(channels: Sequence[str]) -> Iterator[_Lane]:
    for lane in LANES:
        yield _lane(events, "", lane)
        yield _lane(notifications, "", lane)
        for channel in channels:
            yield _lane(deliveries, channel, lane)


def _lane(table: sa.Table, channel: str, lane: str) -> _Lane:
    waiting = sa.select(table.c.due_at).where(
        sa.text(_STATES[table]),
        table.c.lane == lane,
        table.c.due_at <= sa.bindparam("now", type_=UtcDateTime),
    )
    if channel:
        waiting = waiting.where(table.c.channel == channel)
    due = waiting.order_by(table.c.due_at).limit(MOST).subquery()
    return sa.select(
        sa.literal(table.name, sa.Text).label("kind"),
        sa.literal(channel, sa.Text).label("channel"),
        sa.literal(lane, sa.Text).label("lane"),
        sa.func.count().label("count"),
        sa.func.min(due.c.due_at, type_=UtcDateTime).label("oldest"),
    ).select_from(due)
