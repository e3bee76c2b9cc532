"""What vendors confirm: the way of a delivery from `sent` to `delivered`."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.delivery_news import Told
from tidings.core.models import DeliveryState
from tidings.store import ends
from tidings.store.schema import deliveries

_TAKEN = (DeliveryState.SENT, DeliveryState.DELIVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What one transaction made of a provider's ids."""

    #: those under which something was sent; it is delivered now, if it was not before
    known: frozenset[str]
    #: the news of the deliveries that are by this alone
    told: Sequence[Told]


def confirm(
    connection: sa.Connection, provider: str, provider_ids: Collection[str], now: datetime
) -> Confirmation:
    """Mark as delivered what was sent under these ids, and count it, once however often it is."""
    found = connection.execute(taken_under(provider, provider_ids)).all()
    sent = [row for row in found if row.state == DeliveryState.SENT]
    if sent:
        ours = deliveries.c.id.in_([row.id for row in sent])
        change = {"state": DeliveryState.DELIVERED, "updated_at": now}
        connection.execute(sa.update(deliveries).where(ours).values(change))
        counted = Counter((row.workflow, row.channel, row.provider) for row in sent)
        ends.count(connection, DeliveryState.DELIVERED, counted, now)
    return Confirmation(
        known=frozenset(row.provider_id for row in found),
        told=[ends.told(row, DeliveryState.DELIVERED) for row in sent],
    )


def taken_under(provider: str, provider_ids: Collection[str]) -> sa.Select[Any]:
    """What the provider took under these ids, found by the index over them; locked."""
    table = deliveries.c
    named = table.provider_id.in_(provider_ids) & (table.provider == provider)
    return ends.locked(named & table.state.in_(_TAKEN))


def states_of(connection: sa.Connection, ids: Sequence[str]) -> Mapping[str, str]:
    """Delivery → its state."""
    query = sa.select(deliveries.c.id, deliveries.c.state).where(deliveries.c.id.in_(ids))
    return {row.id: row.state for row in connection.execute(query)}
