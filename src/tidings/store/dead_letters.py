"""What the bus could not hand on, kept where a person can find it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.models import Event
from tidings.core.ports import Store
from tidings.store.schema import dead_letters
from tidings.store.upsert import insert


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One buried bus entry, why it was buried, and what it held."""

    id: str
    bus_channel: str
    entry_id: str
    reason: str
    #: the original envelope, or its raw text where it could not be read
    entry: Any
    created_at: datetime
    #: when it was handed on after all
    replayed_at: datetime | None


class DeadLetters:
    """Keeps what is heard on the dead-letter channel."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def keep(self, event: Event) -> None:
        """Keep a DEAD_LETTER event; the same event again changes nothing."""
        row = _row(event, self._clock.now())

        def keep(connection: sa.Connection) -> None:
            statement = insert(connection, dead_letters).values(row)
            connection.execute(statement.on_conflict_do_nothing())

        await self._store.run(keep)

    async def recent(self, limit: int = 50) -> list[DeadLetter]:
        """The newest first."""
        query = (
            sa.select(dead_letters)
            .order_by(dead_letters.c.created_at.desc(), dead_letters.c.id.desc())
            .limit(limit)
        )

        def find(connection: sa.Connection) -> list[DeadLetter]:
            return [DeadLetter(**row) for row in connection.execute(query).mappings()]

        return await self._store.run(find)


def _row(event: Event, now: datetime) -> Mapping[str, object]:
    return {
        "id": event.key,
        "bus_channel": str(event.data.get("bus_channel", "")),
        "entry_id": str(event.data.get("entry_id", "")),
        "reason": str(event.data.get("reason", "")),
        "entry": event.data.get("entry"),
        "created_at": now,
    }
