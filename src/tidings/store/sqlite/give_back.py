"""Giving back: what claims took whose answers nobody heard is due again."""

import sqlite3
from collections.abc import Collection, Sequence

from tidings.store.sqlite.rows import batch

_GIVE_BACK = """
UPDATE deliveries SET state = 'pending', due_at = created_at, updated_at = :now
WHERE state = 'sending' AND claim_id IN (SELECT value FROM json_each(:claims))
  AND id NOT IN (SELECT value FROM json_each(:spared))
"""


def give_back(
    connection: sqlite3.Connection, now: int, claims: Collection[str], spared: Sequence[str]
) -> int:
    """Make due again what these claims took; how many it was."""
    values = {"now": now, "claims": batch(tuple(claims)), "spared": batch(spared)}
    return connection.execute(_GIVE_BACK, values).rowcount
