"""Reading again, right before a call, what a claim read a while ago."""

import sqlite3
from dataclasses import replace

from tidings.core.work import Claimed
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import fetch

_REREAD = """
SELECT user_id, cancelled_at IS NOT NULL AS cancelled
FROM deliveries WHERE id = :id AND epoch = :epoch AND +state = 'sending'
"""


def reread(connection: sqlite3.Connection, _now: int, claimed: Claimed) -> Claimed | None:
    """What is in hand as it stands now; None where it is not any more."""
    rows = fetch(connection, _REREAD, {"id": claimed.id, "epoch": claimed.epoch})
    if not rows:
        return None
    user_id = rows[0]["user_id"]
    recipient = read_recipients(connection, [user_id]).get(user_id)
    return replace(claimed, cancelled=bool(rows[0]["cancelled"]), recipient=recipient)
