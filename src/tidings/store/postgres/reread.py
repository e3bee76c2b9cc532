"""Reading again, right before a call, what a claim read a while ago."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tidings.core.work import Claimed
from tidings.store.postgres.recipients import RECIPIENT, to_recipient

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

#: `state || ''`: see store.postgres.settle
REREAD = f"""
SELECT cancelled_at IS NOT NULL AS cancelled, {RECIPIENT}
FROM deliveries LEFT JOIN users ON users.id = deliveries.user_id
WHERE deliveries.id = $1::uuid AND epoch = $2 AND deliveries.state || '' = 'sending'
"""


async def reread(connection: "Connection", claimed: Claimed) -> Claimed | None:
    """What is in hand as it stands now; None where it is not any more."""
    row = await connection.fetchrow(REREAD, claimed.id, claimed.epoch)
    if row is None:
        return None
    return replace(claimed, cancelled=row["cancelled"], recipient=to_recipient(row))
