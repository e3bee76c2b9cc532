"""What is kept for a time only, and what takes it away when that is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from tidings.core.ports import Store
from tidings.store.old_events import Place, Swept, sweep
from tidings.store.schema import idempotency, outbox

#: rows that one transaction takes away
BATCH = 1_000

#: rows that an event leads to at most, about
_ROWS_OF_AN_EVENT = 20

#: how often the old events that stay are looked at again
_ROUND = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """How long the rows of a table are kept."""

    table: sa.Table
    #: since when a row is kept; an index leads to the oldest
    since: sa.Column[Any]
    kept: timedelta


IDEMPOTENCY = Period(table=idempotency, since=idempotency.c.created_at, kept=timedelta(days=7))


class Walk:
    """Goes through the old events in the order of acceptance, from the first again each day.

    So an hourly run does not look again at what stays, and what finished late goes within a day.
    """

    def __init__(self, store: Store, *, kept: timedelta, limit: int) -> None:
        self._store = store
        self._kept = kept
        self._limit = limit
        self._reached: Place | None = None
        self._anew = datetime.min.replace(tzinfo=UTC)

    async def go_on(self, now: datetime) -> Swept:
        """Look at what is old and was not looked at today; what is not finished is passed over."""
        if now >= self._anew:
            self._reached, self._anew = None, now + _ROUND
        looked_at = removed = 0
        while True:
            swept = await self._store.run(self._sweep(now - self._kept))
            looked_at, removed = looked_at + swept.looked_at, removed + swept.removed
            self._reached = swept.last
            if swept.looked_at < self._limit:
                return Swept(looked_at=looked_at, removed=removed, last=swept.last)

    def _sweep(self, before: datetime) -> Callable[[sa.Connection], Swept]:
        return partial(sweep, before=before, after=self._reached, limit=self._limit)


class Retention:
    """Takes away what is over, a batch at a time; any number of processes may do so at once.

    Finished events, with all they led to and the outbox, are kept for so many `days`; None: for
    ever. It must be more than idempotency records are kept, for these answer with their events.
    """

    def __init__(self, store: Store, *, days: int | None = None, batch: int = BATCH) -> None:
        self._store = store
        self._kept = None if days is None else timedelta(days=days)
        self._batch = batch
        limit = max(1, batch // _ROWS_OF_AN_EVENT)
        self._walk = None if self._kept is None else Walk(store, kept=self._kept, limit=limit)

    async def apply(self) -> int:
        """Take away everything whose term is over; how much it was. Raises Unavailable."""
        now = await self._store.now()
        removed = sum([await self._empty(each, now - each.kept) for each in self._periods()])
        if self._walk is None:
            return removed
        return removed + (await self._walk.go_on(now)).removed

    def _periods(self) -> Sequence[Period]:
        if self._kept is None:
            return (IDEMPOTENCY,)
        return IDEMPOTENCY, Period(table=outbox, since=outbox.c.created_at, kept=self._kept)

    async def _empty(self, period: Period, before: datetime) -> int:
        removed = 0
        while taken := await self._store.run(lambda to: self._remove(to, period, before)):
            removed += taken
        return removed

    def _remove(self, connection: sa.Connection, period: Period, before: datetime) -> int:
        """One batch, without those another process has in hand."""
        (key,) = period.table.primary_key.columns
        over = (
            sa.select(key)
            .where(period.since < before)
            .order_by(period.since)
            .limit(self._batch)
            .with_for_update(skip_locked=True)
        )
        return connection.execute(sa.delete(period.table).where(key.in_(over))).rowcount
