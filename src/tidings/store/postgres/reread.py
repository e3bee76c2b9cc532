"""Reading again, right before the calls, what a claim read a while ago."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tidings.core.work import Claimed
from tidings.store.postgres.batches import columns
from tidings.store.postgres.recipients import RECIPIENT, to_recipient

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection
    from tidings.store.rows import Row

#: `state || ''`: see store.postgres.settle
REREAD = f"""
SELECT deliveries.id::text, deliveries.epoch, cancelled_at IS NOT NULL AS cancelled, {RECIPIENT}
FROM unnest($1::uuid[], $2::integer[]) AS item (id, epoch)
JOIN deliveries ON deliveries.id = item.id AND deliveries.epoch = item.epoch
LEFT JOIN users ON users.id = deliveries.user_id
WHERE deliveries.state || '' = 'sending'
"""


async def reread(connection: "Connection", claimed: Sequence[Claimed]) -> list[Claimed | None]:
    """What is in hand as it stands now; None for what is not any more."""
    hands = [(each.id, each.epoch) for each in claimed]
    rows = await connection.fetch(REREAD, *columns(hands, 2))
    found = {(row["id"], row["epoch"]): row for row in rows}
    return [_as_it_stands(each, found.get((each.id, each.epoch))) for each in claimed]


def _as_it_stands(claimed: Claimed, row: "Row | None") -> Claimed | None:
    if row is None:
        return None
    return replace(claimed, cancelled=row["cancelled"], recipient=to_recipient(row))
