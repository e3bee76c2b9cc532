"""A backlog of bulk: as many deliveries as one likes, made of one that was planned."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from tidings.core.ids import Ids
from tidings.core.models import REGISTERED_USER, USER_CHANNEL, Event, Lane
from tidings.core.ports import Store
from tidings.core.work import Acceptance, Registration
from tidings.store import schema

_BATCH = 10_000
_ids = Ids()


async def accept(store: Store, lane: Lane, *, type: str = REGISTERED_USER) -> str:
    """A new user's event on a lane; its id."""
    event_id = _ids.new()
    user_id = f"u-{event_id}"
    event = Event(
        id=event_id,
        type=REGISTERED_USER,
        source=store.installation.source,
        time=await store.now(),
        user_id=user_id,
    )
    address = f"{event_id}@example.com"
    registration = Registration(user_id=user_id, channel="email", address=address)
    acceptance = Acceptance(
        event=event, bus_channel=USER_CHANNEL, lane=lane, registration=registration
    )
    await store.accept([acceptance])
    return event_id


async def multiply(store: Store, count: int) -> None:
    """Beside the one delivery there is, so many like it."""
    row = await store.run(_first)
    for begin in range(0, count, _BATCH):
        batch = [{**row, "id": _ids.new()} for _ in range(min(_BATCH, count - begin))]
        await store.run(partial(_insert, rows=batch))


def _insert(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(sa.insert(schema.deliveries), rows)


def _first(connection: sa.Connection) -> Mapping[str, Any]:
    return dict(connection.execute(sa.select(schema.deliveries)).mappings().one())
