"""The dead letters: what gave up, what could not be planned and what could not be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.models import Event
from tidings.core.ports import Store
from tidings.core.work import Acceptance, AcceptStatus
from tidings.store.backlog import pin
from tidings.store.dead_letter_rows import (
    SOURCES,
    DeadLetter,
    Kind,
    Place,
    Wanted,
    letter_of,
    page_queries,
    told_over,
)
from tidings.store.judging import Content, Item, Known
from tidings.store.replays import mark_replayed, replay
from tidings.store.schema import attempts, dead_letters, events, users
from tidings.store.upsert import insert

#: what is shown of a call
_CALL = (
    "epoch",
    "provider",
    "outcome",
    "fenced",
    "error",
    "provider_id",
    "started_at",
    "finished_at",
    "route",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A dead letter with all that its row holds, and the calls where it is a delivery."""

    letter: DeadLetter
    details: Mapping[str, Any]
    attempts: Sequence[Mapping[str, Any]] = ()


class DeadLetters:
    """Keeps what is heard on the dead-letter channel, and finds and replays every kind."""

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

    async def find(
        self, wanted: Wanted, *, limit: int, before: Place | None = None
    ) -> Sequence[DeadLetter]:
        """The newest first, of all kinds that are wanted, older than `before`."""
        queries = page_queries(wanted, limit=limit, before=before)

        def find(connection: sa.Connection) -> Sequence[DeadLetter]:
            pin(connection)
            found = [
                letter_of(kind, row)
                for kind, query in queries.items()
                for row in connection.execute(query).mappings()
            ]
            newest = sorted(found, key=lambda each: (each.at, each.id), reverse=True)
            return told_over(connection, newest[:limit])

        return await self._store.run(find)

    async def inspect(self, kind: Kind, letter_id: str) -> Inspected | None:
        """One of them with all that is known of it, or None where it is none (any more)."""
        return await self._store.run(lambda connection: _inspect(connection, kind, letter_id))

    async def state_of(self, kind: Kind, letter_id: str) -> str | None:
        """How a row of that kind stands, dead or not; None where there is none."""
        table = SOURCES[kind].table
        known: sa.ColumnElement[str] = sa.literal("replayed")
        if kind is not Kind.BUS_ENTRY:
            known = table.c.state
        query = sa.select(known).where(table.c.id == letter_id)
        return await self._store.run(lambda connection: connection.scalar(query))

    async def replay(
        self, kind: Kind, ids: Sequence[str], *, by: str, in_doubt: bool = False
    ) -> int:
        """Make those of these rows due that are dead at this moment; how many they were."""
        now = await self._store.now()
        return await self._store.run(
            lambda to: replay(to, kind, ids, by=by, now=now, in_doubt=in_doubt)
        )

    async def judge(self, acceptance: Acceptance) -> AcceptStatus:
        """What would become of an entry of the bus; nothing is stored."""
        return await self._store.run(lambda connection: _judge(connection, Item(acceptance)))

    async def mark_replayed(self, entry_id: str) -> bool:
        """Note that an entry of the bus was accepted after all; False if it was noted before."""
        now = self._clock.now()
        return await self._store.run(lambda to: mark_replayed(to, entry_id, now))


def _judge(connection: sa.Connection, item: Item) -> AcceptStatus:
    content = sa.select(events.c.type, events.c.user_id, events.c.cancel_key, events.c.data)
    known_users = [user_id for user_id in item.user_ids if user_id is not None]
    found = sa.select(users.c.id).where(users.c.id.in_(known_users))
    kept = connection.execute(content.where(events.c.id == item.key)).one_or_none()
    found_events: dict[str, Content] = {}
    if kept is not None:
        found_events[item.key] = kept.type, kept.user_id, kept.cancel_key, kept.data
    known = Known(
        keys={},
        events=found_events,
        users=set(connection.scalars(found)),
    )
    (answer,) = known.judge([item]).answers
    return answer.status


def _inspect(connection: sa.Connection, kind: Kind, letter_id: str) -> Inspected | None:
    source = SOURCES[kind]
    id_ = source.table.c.id
    row = connection.execute(source.query().where(id_ == letter_id)).mappings().one_or_none()
    if row is None:
        return None
    kept = connection.execute(sa.select(source.table).where(id_ == letter_id)).mappings().one()
    (letter,) = told_over(connection, [letter_of(kind, row)])
    return Inspected(
        letter=letter,
        details={name: kept[name] for name in source.details},
        attempts=_attempts(connection, letter_id) if kind is Kind.DELIVERY else (),
    )


def _attempts(connection: sa.Connection, delivery_id: str) -> Sequence[Mapping[str, Any]]:
    query = sa.select(attempts).where(attempts.c.delivery_id == delivery_id)
    rows = connection.execute(query.order_by(attempts.c.epoch)).mappings()
    return [{name: row[name] for name in _CALL} for row in rows]


def _row(event: Event, now: datetime) -> Mapping[str, object]:
    return {
        "id": event.key,
        "bus_channel": str(event.data.get("bus_channel", "")),
        "entry_id": str(event.data.get("entry_id", "")),
        "reason": str(event.data.get("reason", "")),
        "entry": event.data.get("entry"),
        "created_at": now,
    }
