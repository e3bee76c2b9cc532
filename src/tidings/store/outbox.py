"""The dev outbox: every message the console provider took, to be looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.errors import InvalidInput, NotFound
from tidings.core.group_commit import GroupCommit
from tidings.core.ids import Ids, is_uuid
from tidings.core.models import Content, Message
from tidings.core.ports import Store
from tidings.store.schema import deliveries, notifications, outbox

_Query = sa.Select[Any]
_Row = Mapping[str, object]

#: where a search looks
_SEARCHED = (outbox.c.address, outbox.c.recipient_name, outbox.c.subject, outbox.c.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One message as the console provider took it; a repeat has an id of its own."""

    id: str
    message_id: str
    channel: str
    address: str
    recipient_name: str | None
    content: Content
    created_at: datetime


class Outbox:
    """Keeps messages (an `OutboxWriter`) and finds them again."""

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._group = GroupCommit[_Row, None](self._keep)

    async def __call__(self, message: Message) -> None:
        """Keep one message, in one commit with others that come meanwhile."""
        await self._group.submit(self._row(message))

    async def aclose(self) -> None:
        """Wait until everything taken is kept."""
        await self._group.aclose()

    async def recent(
        self, *, search: str = "", limit: int = 50, before: str | None = None
    ) -> list[OutboxMessage]:
        """The newest first, older than id `before`, with `search` in address, name or words.

        Raises InvalidInput when `before` is no id.
        """
        query = sa.select(outbox).order_by(outbox.c.id.desc()).limit(limit)
        if before is not None:
            if not is_uuid(before):
                raise InvalidInput("before must be the id of a message", field="before")
            query = query.where(outbox.c.id < before)
        if search:
            query = query.where(_holds(search))
        return await self._find(query)

    async def get(self, outbox_id: str) -> OutboxMessage:
        """One message by its outbox id. Raises NotFound."""
        found: list[OutboxMessage] = []
        if is_uuid(outbox_id):
            found = await self._find(sa.select(outbox).where(outbox.c.id == outbox_id))
        if not found:
            raise NotFound("there is no such message in the outbox")
        return found[0]

    async def event_key(self, message_id: str) -> str | None:
        """The key of the event that led to a message, or None where it is not known."""
        query = (
            sa.select(notifications.c.event_id)
            .join(deliveries, deliveries.c.notification_id == notifications.c.id)
            .where(deliveries.c.id == message_id)
        )
        return await self._store.run(lambda connection: connection.scalar(query))

    async def _find(self, query: _Query) -> list[OutboxMessage]:
        def find(connection: sa.Connection) -> list[OutboxMessage]:
            return [_message(row) for row in connection.execute(query).mappings()]

        return await self._store.run(find)

    async def _keep(self, rows: Sequence[_Row]) -> Sequence[None]:
        statement = sa.insert(outbox)

        def keep(connection: sa.Connection) -> None:
            connection.execute(statement, list(rows))

        await self._store.run(keep)
        return [None] * len(rows)

    def _row(self, message: Message) -> _Row:
        return {
            "id": self._ids.new(),
            "message_id": message.id,
            "channel": message.channel,
            "address": message.address,
            "recipient_name": message.recipient_name,
            "subject": message.content.subject,
            "text": message.content.text,
            "html": message.content.html,
            "created_at": self._clock.now(),
        }


def _holds(search: str) -> sa.ColumnElement[bool]:
    # PostgreSQL takes no null characters, and no message holds one.
    words = search.replace("\x00", "")
    return sa.or_(*[column.icontains(words, autoescape=True) for column in _SEARCHED])


def _message(row: sa.RowMapping) -> OutboxMessage:
    return OutboxMessage(
        id=row["id"],
        message_id=row["message_id"],
        channel=row["channel"],
        address=row["address"],
        recipient_name=row["recipient_name"],
        content=Content(text=row["text"], subject=row["subject"], html=row["html"]),
        created_at=row["created_at"],
    )
