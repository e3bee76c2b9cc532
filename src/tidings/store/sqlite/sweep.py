"""Sweeping: what no claim comes for ends, or is taken back from dead workers."""

import sqlite3
from collections.abc import Sequence

from tidings.core.work import Claimed, Swept
from tidings.store.lapses import LEFT_SECONDS
from tidings.store.sqlite.claim import abandoned, end, ending, note_lapses, read_claimed
from tidings.store.sqlite.expire import expire
from tidings.store.sqlite.rows import batch

_LEFT = LEFT_SECONDS * 1_000_000
#: due since it was planned, so that it comes before what came later
_GIVE_BACK = """
UPDATE deliveries
SET state = 'pending', due_at = created_at, updated_at = :now, lapses = item.value->>1,
    doubt = item.value->>2
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""


def sweep(
    connection: sqlite3.Connection, now: int, channel: str, limit: int, spared: Sequence[str]
) -> Swept:
    """Take back what dead workers left, and end what is of no use any more."""
    found = abandoned(connection, now - _LEFT, channel, limit + len(spared))
    left = [row for row in found if row["id"] not in spared][:limit]
    note_lapses(connection, left)
    given_up = end(connection, now, [row for row in left if ending(row)])
    taken_back = _give_back(connection, now, [row for row in left if ending(row) is None])
    return Swept(taken_back=taken_back, ended=[*given_up, *expire(connection, now, channel, limit)])


def _give_back(
    connection: sqlite3.Connection, now: int, rows: Sequence[sqlite3.Row]
) -> list[Claimed]:
    if not rows:
        return []
    changes = batch([[row["id"], row["lapses"], row["doubt"]] for row in rows])
    connection.execute(_GIVE_BACK, {"rows": changes, "now": now})
    return read_claimed(connection, now, rows, [row["provider"] for row in rows])
