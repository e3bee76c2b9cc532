"""Claiming: due deliveries go into a worker's hands until their lease ends."""

import sqlite3
from collections.abc import Sequence

from tidings.core.work import Claimed, ClaimResult
from tidings.store.settling import ALONE_FROM, GAVE_UP, MOST_LAPSES, WORKER_DIED, to_claimed
from tidings.store.sqlite.due import read_lanes
from tidings.store.sqlite.figures import minute
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import batch, event_of

#: what is still `sending` was in a dead worker's hands
DUE = """
SELECT due.id, due.epoch, due.tries, due.lapses + (due.state = 'sending') AS lapses,
       due.state = 'sending' AS lapsed, due.provider, due.claimed_at,
       due.notification_id, due.user_id, due.workflow, due.step, due.channel, due.lane,
       due.address, due.template, due.template_version, due.locale, due.consent_version,
       events.source, events.source_id, events.type, events.user_id AS event_user_id,
       events.data, events.time
FROM deliveries AS due CROSS JOIN events ON events.id = due.event_id
WHERE due.state IN ('pending', 'sending')
  AND due.channel = :channel AND due.lane = :lane AND due.due_at <= :now
ORDER BY due.due_at, due.rowid
LIMIT :limit
"""
_ADD_LAPSES = f"""
INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, started_at)
SELECT value->>0, value->>1, value->>2, 'unknown', 0, '{WORKER_DIED}', value->>3
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
"""
CLAIM = """
UPDATE deliveries
SET state = 'sending', epoch = epoch + 1, due_at = :lease_end, claimed_at = :now,
    updated_at = :now, provider = :provider, lapses = item.value->>1
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""
_GIVE_UP = """
UPDATE deliveries
SET state = 'failed', reason = :reason, due_at = NULL, updated_at = :now, lapses = item.value->>1
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""
_COUNT = """
INSERT INTO figure_deltas (minute, workflow, channel, provider, outcome, count)
SELECT :minute, workflow, channel, provider, 'failed', count(*)
FROM json_each(:rows) AS item CROSS JOIN deliveries ON deliveries.id = item.value->>0
GROUP BY workflow, channel, provider
"""


def claim(
    connection: sqlite3.Connection, now: int, channel: str, provider: str, limit: int, lease: int
) -> ClaimResult:
    """Take up to `limit` due deliveries for `lease` microseconds, the critical lane first."""
    rows = read_lanes(connection, DUE, {"channel": channel, "now": now}, limit)
    taken = _together([row for row in rows if row["lapses"] < MOST_LAPSES])
    given_up = [row for row in rows if row["lapses"] >= MOST_LAPSES]
    _record_lapses(connection, [*taken, *given_up])
    values = {"now": now, "provider": provider, "lease_end": now + lease}
    connection.execute(CLAIM, {"rows": _with_lapses(taken), **values})
    _give_up(connection, now, given_up)
    return ClaimResult(
        taken=_claimed(connection, taken, 1), given_up=_claimed(connection, given_up)
    )


def _together(rows: Sequence[sqlite3.Row]) -> Sequence[sqlite3.Row]:
    if rows and rows[0]["lapses"] >= ALONE_FROM:
        return rows[:1]
    return [row for row in rows if row["lapses"] < ALONE_FROM]


def _record_lapses(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> None:
    lapsed = [
        [row["id"], row["epoch"], row["provider"], row["claimed_at"]]
        for row in rows
        if row["lapsed"]
    ]
    if lapsed:
        connection.execute(_ADD_LAPSES, {"rows": batch(lapsed)})


def _give_up(connection: sqlite3.Connection, now: int, rows: Sequence[sqlite3.Row]) -> None:
    if not rows:
        return
    values = {"rows": _with_lapses(rows), "now": now, "reason": GAVE_UP}
    connection.execute(_GIVE_UP, values)
    connection.execute(_COUNT, {"rows": values["rows"], "minute": minute(now)})


def _with_lapses(rows: Sequence[sqlite3.Row]) -> str:
    return batch([[row["id"], row["lapses"]] for row in rows])


def _claimed(
    connection: sqlite3.Connection, rows: Sequence[sqlite3.Row], epochs: int = 0
) -> list[Claimed]:
    recipients = read_recipients(connection, (row["user_id"] for row in rows))
    return [
        to_claimed(
            {**row, "epoch": row["epoch"] + epochs},
            event=event_of(row),
            recipient=recipients.get(row["user_id"]),
        )
        for row in rows
    ]
