"""Claiming: due deliveries go into a worker's hands until their lease ends."""

import sqlite3
from collections.abc import Sequence

from tidings.core.models import DeliveryState, Lane, Recipient
from tidings.core.work import Claimed
from tidings.store.sqlite.due import read_lanes
from tidings.store.sqlite.figures import Tally
from tidings.store.sqlite.recipients import read_recipients
from tidings.store.sqlite.rows import Row, batch, to_event

#: a delivery that was in so many dead workers' hands is not given to another
MOST_LAPSES = 3

_GAVE_UP = f"{MOST_LAPSES} workers died with this message in hand"

#: `updated_at` is when it was claimed last
DUE = """
SELECT due.id, due.epoch, due.tries, due.lapses, due.state, due.provider, due.updated_at,
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
_ADD_LAPSES = """
INSERT INTO attempts (delivery_id, epoch, provider, outcome, fenced, error, started_at)
SELECT value->>0, value->>1, coalesce(value->>2, 'unknown'), 'unknown', 0,
       'the worker died before an answer was recorded', value->>3
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
"""
CLAIM = """
UPDATE deliveries
SET state = 'sending', epoch = epoch + 1, due_at = :lease_end, updated_at = :now,
    lapses = item.value->>1
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""
_GIVE_UP = """
UPDATE deliveries
SET state = 'failed', reason = :reason, due_at = NULL, updated_at = :now, lapses = item.value->>1
FROM json_each(:rows) AS item
WHERE deliveries.id = item.value->>0
"""


def claim(
    connection: sqlite3.Connection, now: int, channel: str, limit: int, lease: int
) -> list[Claimed]:
    """Take up to `limit` due deliveries for `lease` microseconds, the critical lane first."""
    rows = read_lanes(connection, DUE, {"channel": channel, "now": now}, limit)
    taken = [row for row in rows if _lapses(row) < MOST_LAPSES]
    given_up = [row for row in rows if _lapses(row) >= MOST_LAPSES]
    _record_lapses(connection, rows)
    _take(connection, now, taken, lease)
    _give_up(connection, now, given_up)
    recipients = read_recipients(connection, (row["user_id"] for row in taken))
    return [_claimed(row, recipients.get(row["user_id"])) for row in taken]


def _lapsed(row: Row) -> bool:
    return bool(row["state"] == DeliveryState.SENDING)


def _lapses(row: Row) -> int:
    return int(row["lapses"]) + _lapsed(row)


def _record_lapses(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    lapsed = [
        [row["id"], row["epoch"], row["provider"], row["updated_at"]]
        for row in rows
        if _lapsed(row)
    ]
    if lapsed:
        connection.execute(_ADD_LAPSES, {"rows": batch(lapsed)})


def _take(connection: sqlite3.Connection, now: int, rows: Sequence[Row], lease: int) -> None:
    values = {"rows": _with_lapses(rows), "now": now, "lease_end": now + lease}
    connection.execute(CLAIM, values)


def _give_up(connection: sqlite3.Connection, now: int, rows: Sequence[Row]) -> None:
    if not rows:
        return
    values = {"rows": _with_lapses(rows), "now": now, "reason": _GAVE_UP}
    connection.execute(_GIVE_UP, values)
    tally = Tally()
    for row in rows:
        tally.count(
            DeliveryState.FAILED,
            workflow=row["workflow"],
            channel=row["channel"],
            provider=row["provider"] or "",
        )
    tally.write(connection, now)


def _with_lapses(rows: Sequence[Row]) -> str:
    return batch([[row["id"], _lapses(row)] for row in rows])


def _claimed(row: Row, recipient: Recipient | None) -> Claimed:
    return Claimed(
        id=row["id"],
        epoch=row["epoch"] + 1,
        tries=row["tries"],
        notification_id=row["notification_id"],
        event=to_event(row),
        workflow=row["workflow"],
        step=row["step"],
        channel=row["channel"],
        lane=Lane(row["lane"]),
        address=row["address"],
        template=row["template"],
        template_version=row["template_version"],
        locale=row["locale"],
        consent_version=row["consent_version"],
        recipient=recipient,
    )
