"""The audit: who did what with the right to do everything, kept before it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.ports import Store
from tidings.store.schema import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was asked for: when, by whom, and how it was answered."""

    id: str
    at: datetime
    #: a key by id and name, or another way in words
    actor: str
    #: method and path of the request
    action: str
    #: the answer's status; None where the process ended before it
    status: int | None


class AuditLog:
    """Keeps entries; nothing of ours changes or deletes one."""

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def begin(self, actor: str, action: str) -> str:
        """Write down what is about to be done; the entry's id. Raises Unavailable."""
        entry_id = self._ids.new()
        row = {"id": entry_id, "at": self._clock.now(), "actor": actor, "action": action}
        await self._store.run(lambda to: to.execute(sa.insert(audit).values(row)) is None)
        return entry_id

    async def end(self, entry_id: str, status: int) -> None:
        """Write down how it was answered. Raises Unavailable."""
        statement = sa.update(audit).where(audit.c.id == entry_id).values(status=status)
        await self._store.run(lambda to: to.execute(statement) is None)

    async def list(self, *, limit: int, before: str | None = None) -> Sequence[AuditEntry]:
        """The newest entries first, older than id `before`."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)

        def find(connection: sa.Connection) -> list[AuditEntry]:
            return [AuditEntry(**row) for row in connection.execute(query).mappings()]

        return await self._store.run(find)
