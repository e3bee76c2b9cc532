"""Accepting: events, their users and their idempotency records, in one transaction.

The writer thread is alone, so that what was read before the writing still holds when it is done.
"""

import sqlite3
from collections.abc import Sequence

from tidings.core.work import Acceptance, Accepted
from tidings.store.judging import Item, Judged, Known, event_row, key_rows, registration_rows
from tidings.store.sqlite.rows import batch, fetch, ids

_KNOWN = """
SELECT 'key' AS kind, key AS id, fingerprint AS one, event_id AS two, NULL AS three, NULL AS data
FROM idempotency WHERE key IN (SELECT value FROM json_each(:keys))
UNION ALL
SELECT 'event', id, type, user_id, cancel_key, data
FROM events WHERE id IN (SELECT value FROM json_each(:events))
UNION ALL
SELECT 'user', id, NULL, NULL, NULL, NULL
FROM users WHERE id IN (SELECT value FROM json_each(:users))
"""
#: before the users, so that one who is there already gets none
_ADD_ADDRESSES = """
INSERT INTO addresses (user_id, channel, address, status, suppression, created_at)
SELECT value->>0, value->>3, value->>4, iif(address_hash IS NULL, 'active', 'suppressed'),
       address_hash, :now
FROM json_each(:rows) LEFT JOIN suppressions ON address_hash = value->>5
WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = value->>0)
ON CONFLICT DO NOTHING
"""
_ADD_USERS = """
INSERT INTO users (id, name, locale, consent_version, created_at, updated_at)
SELECT value->>0, value->>1, value->>2, 0, :now, :now
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
"""
_ADD_EVENTS = """
INSERT INTO events (id, source, source_id, bus_channel, type, user_id, data, time, lane,
                    cancel_key, state, due_at, tries, accepted_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8, value->>9, 'due', :now, 0, :now
FROM json_each(:rows) WHERE true
"""
_ADD_KEYS = """
INSERT INTO idempotency (key, fingerprint, event_id, created_at)
SELECT value->>0, value->>1, value->>2, :now
FROM json_each(:rows) WHERE true
"""


def accept(
    connection: sqlite3.Connection, now: int, key: bytes, acceptances: Sequence[Acceptance]
) -> list[Accepted]:
    """Store what is new; an answer for each, in the order given."""
    items = [Item(acceptance) for acceptance in acceptances]
    judged = _read(connection, items).judge(items)
    _write(connection, now, key, judged)
    return judged.answers


def _read(connection: sqlite3.Connection, items: Sequence[Item]) -> Known:
    wanted = {
        "keys": ids(item.idempotency_key for item in items),
        "events": ids(item.key for item in items),
        "users": ids(user_id for item in items for user_id in item.user_ids),
    }
    return Known.of(fetch(connection, _KNOWN, wanted))


def _write(connection: sqlite3.Connection, now: int, key: bytes, judged: Judged) -> None:
    registrations = registration_rows(judged.stored, key)
    for statement, rows in (
        (_ADD_ADDRESSES, registrations),
        (_ADD_USERS, registrations),
        (_ADD_EVENTS, [event_row(item) for item in judged.stored]),
        (_ADD_KEYS, key_rows(judged.keyed)),
    ):
        connection.execute(statement, {"rows": batch(rows), "now": now})
