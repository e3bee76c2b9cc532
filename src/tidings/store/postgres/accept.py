"""Accepting: events, their users and their idempotency records, in one transaction.

What was read before may have changed by the time of writing; then a key is there twice, the one
writing statement is refused whole, and the next round reads what the other process wrote.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tidings.core.work import Acceptance, Accepted
from tidings.store.address_locks import KIND, locks_of
from tidings.store.judging import Item, Judged, Known, event_row, key_rows, registration_rows
from tidings.store.postgres.batches import columns, distinct

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

KNOWN = """
SELECT 'key' AS kind, key AS id, fingerprint AS one, event_id AS two, NULL::text AS three,
       NULL::text AS data
FROM idempotency WHERE key = ANY ($1::text[])
UNION ALL
SELECT 'event', id::text, type, user_id, cancel_key, data::text
FROM events WHERE id = ANY ($2::uuid[])
UNION ALL
SELECT 'user', id, NULL, NULL, NULL, NULL FROM users WHERE id = ANY ($3::text[])
"""
#: `tidings_listed` first waits for changes of the list that are under way at these addresses, and
#: lets no other begin: what is not on the list now is made before they look for it
WRITE = f"""
WITH listed AS MATERIALIZED (
    SELECT address_hash
    FROM tidings_listed({KIND}, $21::integer[], $20::text[]) AS address_hash
),
new_users AS (
    INSERT INTO users (id, name, locale, consent_version, created_at, updated_at)
    SELECT id, name, locale, 0, now() + $1::interval, now() + $1::interval
    FROM unnest($2::text[], $3::text[], $4::text[]) AS item (id, name, locale)
    ON CONFLICT DO NOTHING
),
new_addresses AS (
    INSERT INTO addresses (user_id, channel, address, status, suppression, created_at)
    SELECT user_id, channel, address,
           CASE WHEN address_hash IS NULL THEN 'active' ELSE 'suppressed' END,
           address_hash, now() + $1::interval
    FROM unnest($2::text[], $5::text[], $6::text[], $20::text[])
        AS item (user_id, channel, address, hash)
    LEFT JOIN listed ON address_hash = hash
    WHERE NOT EXISTS (SELECT FROM users WHERE users.id = item.user_id)
    ON CONFLICT DO NOTHING
),
new_events AS (
    INSERT INTO events (id, source, source_id, bus_channel, type, user_id, data, time, lane,
                        cancel_key, state, due_at, tries, accepted_at)
    SELECT id, source, source_id, bus_channel, type, user_id, data::jsonb, time, lane,
           cancel_key, 'due', now() + $1::interval, 0, now() + $1::interval
    FROM unnest($7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                $13::text[], $14::timestamptz[], $15::text[], $16::text[])
        AS item (id, source, source_id, bus_channel, type, user_id, data, time, lane, cancel_key)
)
INSERT INTO idempotency (key, fingerprint, event_id, created_at)
SELECT key, fingerprint, event_id, now() + $1::interval
FROM unnest($17::text[], $18::text[], $19::text[]) AS item (key, fingerprint, event_id)
"""


async def accept(
    connection: "Connection", shift: timedelta, key: bytes, acceptances: Sequence[Acceptance]
) -> list[Accepted]:
    """Store what is new; an answer for each, in the order given."""
    items = [Item(acceptance) for acceptance in acceptances]
    judged = (await _read(connection, items)).judge(items)
    if judged.stored or judged.keyed:
        await _write(connection, shift, key, judged)
    return judged.answers


async def _read(connection: "Connection", items: Sequence[Item]) -> Known:
    rows = await connection.fetch(
        KNOWN,
        distinct(item.idempotency_key for item in items),
        distinct(item.key for item in items),
        distinct(user_id for item in items for user_id in item.user_ids),
    )
    return Known.of(rows)


async def _write(connection: "Connection", shift: timedelta, key: bytes, judged: Judged) -> None:
    *users, hashes = columns(registration_rows(judged.stored, key), 6)
    locks = locks_of(str(each) for each in hashes)
    await connection.execute(
        WRITE,
        shift,
        *users,
        *columns([event_row(item) for item in judged.stored], 10),
        *columns(key_rows(judged.keyed), 3),
        hashes,
        locks,
    )
