"""What is kept for a time only, and what takes it away when that is over."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from tidings.core.ports import Store
from tidings.store.old_events import Cutoffs, Place, Swept, sweep
from tidings.store.schema import audit, dead_letters, feed, figures, idempotency, outbox

#: rows that one transaction takes away
BATCH = 1_000

#: rows that an event leads to at most, about
_ROWS_OF_AN_EVENT = 20

#: how often the old events that stay are looked at again
_ROUND = timedelta(days=1)


#: before it was nothing: what is older than this is kept for ever
_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """How long the rows of a table are kept."""

    #: since when a row is kept; an index leads to the oldest
    since: sa.Column[Any]
    kept: timedelta


IDEMPOTENCY = Period(since=idempotency.c.created_at, kept=timedelta(days=7))
#: what goes with the finished events, and what is looked back on for longer
_SHORT = (outbox.c.created_at,)
_LONG = (dead_letters.c.created_at, feed.c.created_at, figures.c.minute, audit.c.at)


class Walk:
    """Goes through the old events in the order of acceptance, from the first again each day.

    So an hourly run does not look again at what stays, and what finished late goes within a day.
    """

    def __init__(
        self, store: Store, *, kept: timedelta, dead_kept: timedelta | None = None, limit: int
    ) -> None:
        self._store = store
        self._kept = kept
        self._dead_kept = dead_kept
        self._limit = limit
        self._reached: Place | None = None
        self._anew = datetime.min.replace(tzinfo=UTC)

    async def go_on(self, now: datetime) -> Swept:
        """Look at what is old and was not looked at today; what is not finished is passed over."""
        if now >= self._anew:
            self._reached, self._anew = None, now + _ROUND
        looked_at = removed = 0
        while True:
            swept = await self._store.run(self._sweep(self._cutoffs(now)))
            looked_at, removed = looked_at + swept.looked_at, removed + swept.removed
            self._reached = swept.last
            if swept.looked_at < self._limit:
                return Swept(looked_at=looked_at, removed=removed, last=swept.last)

    def _cutoffs(self, now: datetime) -> Cutoffs:
        dead = _NEVER if self._dead_kept is None else now - self._dead_kept
        return Cutoffs(finished=now - self._kept, dead=dead)

    def _sweep(self, cutoffs: Cutoffs) -> Callable[[sa.Connection], Swept]:
        return partial(sweep, cutoffs=cutoffs, after=self._reached, limit=self._limit)


class Retention:
    """Takes away what is over, a batch at a time; any number of processes may do so at once.

    Finished events, with all they led to and the outbox, are kept for so many `days`; None: for
    ever. It must be more than idempotency records are kept, for these answer with their events.
    Dead letters, feeds, figures and the audit are kept for `long_days`, which are never fewer.
    """

    def __init__(
        self,
        store: Store,
        *,
        days: int | None = None,
        long_days: int | None = None,
        batch: int = BATCH,
    ) -> None:
        self._store = store
        self._batch = batch
        self._walk: Walk | None = None
        self._periods: list[Period] = [IDEMPOTENCY]
        if days is not None:
            self._keep(timedelta(days=days), _long(days, long_days))

    async def apply(self) -> int:
        """Take away everything whose term is over; how much it was. Raises Unavailable."""
        now = await self._store.now()
        removed = sum([await self._empty(each, now - each.kept) for each in self._periods])
        if self._walk is None:
            return removed
        return removed + (await self._walk.go_on(now)).removed

    def _keep(self, short: timedelta, long: timedelta | None) -> None:
        limit = max(1, self._batch // _ROWS_OF_AN_EVENT)
        self._walk = Walk(self._store, kept=short, dead_kept=long, limit=limit)
        self._periods += [Period(since=each, kept=short) for each in _SHORT]
        if long is not None:
            self._periods += [Period(since=each, kept=long) for each in _LONG]

    async def _empty(self, period: Period, before: datetime) -> int:
        removed = 0
        while taken := await self._store.run(lambda to: self._remove(to, period, before)):
            removed += taken
        return removed

    def _remove(self, connection: sa.Connection, period: Period, before: datetime) -> int:
        """One batch, without those another process has in hand."""
        table = period.since.table
        key = sa.tuple_(*table.primary_key.columns)
        over = (
            sa.select(*table.primary_key.columns)
            .where(period.since < before)
            .order_by(period.since)
            .limit(self._batch)
            .with_for_update(skip_locked=True)
        )
        return connection.execute(sa.delete(table).where(key.in_(over))).rowcount


def _long(days: int, long_days: int | None) -> timedelta | None:
    return None if long_days is None else timedelta(days=max(days, long_days))
