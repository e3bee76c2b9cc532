"""Deliveries that come to an end, or on, in nobody's hands: what is told and counted of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.core.delivery_news import Told
from tidings.core.models import DeliveryState
from tidings.store.schema import deliveries, events, figure_deltas

#: workflow, channel, provider; "" where they do not apply
Counted = Mapping[tuple[str, str, str], int]


def locked(which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Such deliveries with what is told of them, in the order in which everybody locks them."""
    columns = deliveries.c
    query = sa.select(
        columns.id,
        columns.state,
        columns.user_id,
        columns.workflow,
        columns.channel,
        columns.provider,
        columns.provider_id,
        columns.doubt,
        columns.cancelled_at,
        events.c.source_id,
    )
    query = query.join(events, events.c.id == columns.event_id).where(which).order_by(columns.id)
    return query.with_for_update(of=deliveries)


def told(row: sa.Row[Any], state: DeliveryState, reason: str | None = None) -> Told:
    """The news that such a row came to that state."""
    return Told(
        delivery_id=row.id,
        event_id=row.source_id,
        user_id=row.user_id,
        workflow=row.workflow,
        channel=row.channel,
        state=state.value,
        reason=reason,
    )


def count(connection: sa.Connection, outcome: str, counted: Counted, now: datetime) -> None:
    """Add to the figures of this minute."""
    minute = now.replace(second=0, microsecond=0)
    rows = [
        {
            "minute": minute,
            "workflow": workflow,
            "channel": channel,
            "provider": provider,
            "outcome": outcome,
            "count": number,
        }
        for (workflow, channel, provider), number in sorted(counted.items())
    ]
    connection.execute(sa.insert(figure_deltas), rows)
