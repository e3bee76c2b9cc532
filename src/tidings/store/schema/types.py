"""Column types that mean the same in both databases, and the one MetaData."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: a UUID, as its 36 characters in Python; `uuid` in PostgreSQL, text in SQLite
Id = sa.Uuid(as_uuid=False).with_variant(sa.Text(), "sqlite")

#: a JSON value; `jsonb` in PostgreSQL, text in SQLite
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` in PostgreSQL, microseconds since 1970 in SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The column type of each database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> object:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return to_microseconds(value)

    def process_result_value(self, value: object, dialect: sa.Dialect) -> datetime | None:
        """From the database."""
        if isinstance(value, int):
            return from_microseconds(value)
        return value.astimezone(UTC) if isinstance(value, datetime) else None


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970, as SQLite keeps times."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """The moment that many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=value)
