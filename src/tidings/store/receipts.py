"""What vendors confirm: the way of a delivery from `sent` to `delivered`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from tidings.core.models import DeliveryState
from tidings.store.schema import deliveries


def confirmed(connection: sa.Connection, provider: str, provider_id: str, at: datetime) -> bool:
    """Whether there is such a delivery; it has been delivered from now on.

    Only what was sent can be: a late or repeated confirmation changes nothing.
    """
    ours = (deliveries.c.provider == provider) & (deliveries.c.provider_id == provider_id)
    states = set(connection.scalars(sa.select(deliveries.c.state).where(ours)))
    if DeliveryState.SENT in states:
        connection.execute(
            sa.update(deliveries)
            .where(ours & (deliveries.c.state == DeliveryState.SENT))
            .values(state=DeliveryState.DELIVERED, updated_at=at)
        )
    return bool(states & {DeliveryState.SENT, DeliveryState.DELIVERED})


def states_of(connection: sa.Connection, ids: Sequence[str]) -> Mapping[str, str]:
    """Delivery → its state."""
    query = sa.select(deliveries.c.id, deliveries.c.state).where(deliveries.c.id.in_(ids))
    return {row.id: row.state for row in connection.execute(query)}
