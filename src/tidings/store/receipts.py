"""What vendors confirm: the way of a delivery from `sent` to `delivered`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.models import DeliveryState
from tidings.store.schema import deliveries


def confirmed(connection: sa.Connection, provider: str, provider_id: str, at: datetime) -> bool:
    """Whether there is such a delivery; it has been delivered from now on.

    Only what was sent can be: a late or repeated confirmation changes nothing.
    """
    states = set(connection.scalars(states_named(provider, provider_id)))
    if DeliveryState.SENT in states:
        connection.execute(
            sa.update(deliveries)
            .where(_named(provider, provider_id) & (deliveries.c.state == DeliveryState.SENT))
            .values(state=DeliveryState.DELIVERED, updated_at=at)
        )
    return bool(states & {DeliveryState.SENT, DeliveryState.DELIVERED})


def states_named(provider: str, provider_id: str) -> sa.Select[Any]:
    """The states of what a provider gave that id, by the index over such ids."""
    return sa.select(deliveries.c.state).where(_named(provider, provider_id))


def states_of(connection: sa.Connection, ids: Sequence[str]) -> Mapping[str, str]:
    """Delivery → its state."""
    query = sa.select(deliveries.c.id, deliveries.c.state).where(deliveries.c.id.in_(ids))
    return {row.id: row.state for row in connection.execute(query)}


def _named(provider: str, provider_id: str) -> sa.ColumnElement[bool]:
    return (deliveries.c.provider_id == provider_id) & (deliveries.c.provider == provider)
