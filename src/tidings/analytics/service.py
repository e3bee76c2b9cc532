"""The Analytics Service: folds what was counted into figures, and tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.analytics.summary import Count, Summary, first_step, step_for, summarise
from tidings.core.clock import Clock
from tidings.core.ports import Store
from tidings.store.schema.analytics import figure_deltas, figures
from tidings.store.schema.types import from_microseconds


class AnalyticsService:
    """The dashboard's figures. Raises Unavailable when the database can't be reached."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def fold(self) -> int:
        """Fold the deltas of planning and settling into figures; how many there were."""
        return await self._store.fold()

    async def summary(self, *, hours: int = 24) -> Summary:
        """The last `hours` hours: by the minute up to two hours, by the hour beyond.

        Deltas not folded in yet are counted too, so the answer is right however late a fold is.
        """
        now = self._clock.now()
        since = first_step(now, hours)
        counts = await self._store.run(lambda connection: _read(connection, since, step_for(hours)))
        return summarise(counts, now=now, hours=hours)


def _read(connection: sa.Connection, since: datetime, step: timedelta) -> list[Count]:
    rows = connection.execute(_counts(since, step, dialect=connection.dialect.name))
    return [Count(at=_moment(at), outcome=outcome, count=int(total)) for at, outcome, total in rows]


def _counts(since: datetime, step: timedelta, *, dialect: str) -> sa.Select[Any]:
    """Sums by stretch and outcome, in one statement so that a fold meanwhile counts once."""
    rows = sa.union_all(
        *(
            sa.select(table.c.minute, table.c.outcome, table.c["count"].label("number")).where(
                table.c.minute >= since
            )
            for table in (figures, figure_deltas)
        )
    ).subquery()
    at = _stretch(rows.c.minute, step, dialect=dialect)
    return sa.select(at.label("at"), rows.c.outcome, sa.func.sum(rows.c.number)).group_by(
        sa.literal_column("1"), sa.literal_column("2")
    )


def _stretch(
    minute: sa.ColumnElement[datetime], step: timedelta, *, dialect: str
) -> sa.ColumnElement[Any]:
    """The beginning of the stretch a minute lies in, as the database computes it."""
    if dialect == "sqlite":
        microseconds = step // timedelta(microseconds=1)
        raw = sa.type_coerce(minute, sa.BigInteger)
        return raw - raw % microseconds
    unit = "minute" if step < timedelta(hours=1) else "hour"
    return sa.func.date_trunc(unit, sa.type_coerce(minute, sa.DateTime(timezone=True)), "UTC")


def _moment(at: int | datetime) -> datetime:
    return from_microseconds(at) if isinstance(at, int) else at.astimezone(UTC)
