"""What is kept for a time only, and what takes it away when that is over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.core.ports import Store
from tidings.store.schema import idempotency

#: rows that one transaction takes away
BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """How long the rows of a table are kept."""

    table: sa.Table
    #: since when a row is kept; an index leads to the oldest
    since: sa.Column[Any]
    kept: timedelta


PERIODS = (Period(table=idempotency, since=idempotency.c.created_at, kept=timedelta(days=7)),)
"""Every table whose rows have a term."""


class Retention:
    """Takes away what is over, a batch at a time; any number of processes may do so at once."""

    def __init__(self, store: Store, *, batch: int = BATCH) -> None:
        self._store = store
        self._batch = batch

    async def apply(self) -> int:
        """Take away everything whose term is over; how much it was. Raises Unavailable."""
        now = await self._store.now()
        return sum([await self._empty(period, now - period.kept) for period in PERIODS])

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
