"""Accepting: events, their users and their idempotency records, in one transaction.

What was read before may have changed by the time of writing; then a key is there twice, the one
writing statement is refused whole, and the next round reads what the other process wrote.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson

from tidings.core.work import Acceptance, Accepted, AcceptStatus, Registration
from tidings.store.postgres.batches import Row, columns, distinct
from tidings.store.postgres.judging import Item, Known

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

KNOWN = """
SELECT 'key' AS kind, key AS id, fingerprint AS one, event_id AS two, NULL::text AS data
FROM idempotency WHERE key = ANY ($1::text[])
UNION ALL
SELECT 'event', id::text, type, user_id, data::text FROM events WHERE id = ANY ($2::uuid[])
UNION ALL
SELECT 'user', id, NULL, NULL, NULL FROM users WHERE id = ANY ($3::text[])
"""
WRITE = """
WITH new_users AS (
    INSERT INTO users (id, name, locale, consent_version, created_at, updated_at)
    SELECT id, name, locale, 0, now() + $1::interval, now() + $1::interval
    FROM unnest($2::text[], $3::text[], $4::text[]) AS item (id, name, locale)
    ON CONFLICT DO NOTHING
),
new_addresses AS (
    INSERT INTO addresses (user_id, channel, address, status, created_at)
    SELECT user_id, channel, address, 'active', now() + $1::interval
    FROM unnest($2::text[], $5::text[], $6::text[]) AS item (user_id, channel, address)
    WHERE NOT EXISTS (SELECT FROM users WHERE users.id = item.user_id)
    ON CONFLICT DO NOTHING
),
new_events AS (
    INSERT INTO events (id, source, source_id, bus_channel, type, user_id, data, time, lane,
                        state, due_at, tries, accepted_at)
    SELECT id, source, source_id, bus_channel, type, user_id, data::jsonb, time, lane,
           'due', now() + $1::interval, 0, now() + $1::interval
    FROM unnest($7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                $13::text[], $14::timestamptz[], $15::text[])
        AS item (id, source, source_id, bus_channel, type, user_id, data, time, lane)
)
INSERT INTO idempotency (key, fingerprint, event_id, created_at)
SELECT key, fingerprint, event_id, now() + $1::interval
FROM unnest($16::text[], $17::text[], $18::text[]) AS item (key, fingerprint, event_id)
"""


async def accept(
    connection: "Connection", shift: timedelta, acceptances: Sequence[Acceptance]
) -> list[Accepted]:
    """Store what is new; an answer for each, in the order given."""
    items = [Item(acceptance) for acceptance in acceptances]
    known = await _read(connection, items)
    answers = [known.judge(item) for item in items]
    stored = [
        item
        for item, answer in zip(items, answers, strict=True)
        if answer.status is AcceptStatus.STORED
    ]
    if stored:
        await _write(connection, shift, sorted(stored, key=lambda item: item.key))
    return answers


async def _read(connection: "Connection", items: Sequence[Item]) -> Known:
    records = (item.acceptance.idempotency for item in items)
    rows = await connection.fetch(
        KNOWN,
        distinct(record.key for record in records if record),
        distinct(item.key for item in items),
        distinct(user_id for item in items for user_id in item.user_ids),
    )
    return _known(rows)


def _known(rows: Iterable[Row]) -> Known:
    known = Known(keys={}, events={}, users=set())
    for row in rows:
        if row["kind"] == "key":
            known.keys[row["id"]] = row["one"], row["two"]
        elif row["kind"] == "event":
            known.events[row["id"]] = row["one"], row["two"], orjson.loads(row["data"])
        else:
            known.users.add(row["id"])
    return known


async def _write(connection: "Connection", shift: timedelta, items: Sequence[Item]) -> None:
    await connection.execute(
        WRITE,
        shift,
        *columns([_registration_row(each) for each in _registrations(items)], 5),
        *columns([_event_row(item) for item in items], 9),
        *columns(sorted(row for item in items for row in _key_rows(item)), 3),
    )


def _registrations(items: Sequence[Item]) -> list[Registration]:
    first: dict[str, Registration] = {}
    for item in items:
        registration = item.acceptance.registration
        if registration is not None:
            first.setdefault(registration.user_id, registration)
    return [first[user_id] for user_id in sorted(first)]


def _registration_row(each: Registration) -> list[object]:
    return [each.user_id, each.name, each.locale, each.channel, each.address]


def _event_row(item: Item) -> list[object]:
    acceptance, event = item.acceptance, item.acceptance.event
    return [
        item.key,
        event.source,
        event.id,
        acceptance.bus_channel,
        event.type,
        event.user_id,
        item.data,
        event.time,
        acceptance.lane,
    ]


def _key_rows(item: Item) -> list[tuple[str, str, str]]:
    record = item.acceptance.idempotency
    return [] if record is None else [(record.key, record.fingerprint, item.acceptance.event.id)]
