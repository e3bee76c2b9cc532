"""Reading again, right before the calls, what a claim read a while ago."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.rules import Rule
from tidings.core.work import Claimed
from tidings.store.postgres.batches import columns
from tidings.store.postgres.recipients import RECIPIENT, to_recipient

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection
    from tidings.store.rows import Row

#: `state || ''`: see store.postgres.settle
REREAD = f"""
SELECT deliveries.id::text, deliveries.epoch, cancelled_at IS NOT NULL AS cancelled,
       clock_timestamp() + $1::interval AS read_at, {RECIPIENT}
FROM unnest($2::uuid[], $3::integer[]) AS item (id, epoch)
JOIN deliveries ON deliveries.id = item.id AND deliveries.epoch = item.epoch
LEFT JOIN users ON users.id = deliveries.user_id
WHERE deliveries.state || '' = 'sending' AND deliveries.rule IS DISTINCT FROM '{Rule.TAKEN}'
"""


async def reread(
    connection: "Connection", shift: timedelta, claimed: Sequence[Claimed]
) -> list[Claimed | None]:
    """What is in hand as it stands now; None for what is not any more, or was taken before."""
    hands = [(each.id, each.epoch) for each in claimed]
    rows = await connection.fetch(REREAD, shift, *columns(hands, 2))
    found = {(row["id"], row["epoch"]): row for row in rows}
    return [_as_it_stands(each, found.get((each.id, each.epoch))) for each in claimed]


def _as_it_stands(claimed: Claimed, row: "Row | None") -> Claimed | None:
    if row is None:
        return None
    recipient = to_recipient(row)
    return replace(claimed, cancelled=row["cancelled"], recipient=recipient, read_at=row["read_at"])
