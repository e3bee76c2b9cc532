"""Reading again, right before the calls, what a claim read a while ago."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tidings.core.models import Recipient
from tidings.core.rules import Rule
from tidings.core.work import Claimed
from tidings.store.schema.types import from_microseconds
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import batch, fetch

_REREAD = f"""
SELECT deliveries.id, epoch, user_id, cancelled_at IS NOT NULL AS cancelled
FROM json_each(:rows) AS item, deliveries
WHERE deliveries.id = item.value->>0 AND epoch = item.value->>1 AND +state = 'sending'
  AND rule IS NOT '{Rule.TAKEN}'
"""


def reread(
    connection: sqlite3.Connection, now: int, claimed: Sequence[Claimed]
) -> list[Claimed | None]:
    """What is in hand as it stands now; None for what is not any more, or was taken before."""
    rows = fetch(connection, _REREAD, {"rows": batch([(each.id, each.epoch) for each in claimed])})
    found = {(row["id"], row["epoch"]): row for row in rows}
    recipients = read_recipients(connection, [row["user_id"] for row in rows])
    read_at = from_microseconds(now)
    return [
        _as_it_stands(each, found.get((each.id, each.epoch)), recipients, read_at)
        for each in claimed
    ]


def _as_it_stands(
    claimed: Claimed,
    row: sqlite3.Row | None,
    recipients: Mapping[str, Recipient],
    read_at: datetime,
) -> Claimed | None:
    if row is None:
        return None
    recipient = recipients.get(row["user_id"])
    return replace(claimed, cancelled=bool(row["cancelled"]), recipient=recipient, read_at=read_at)
