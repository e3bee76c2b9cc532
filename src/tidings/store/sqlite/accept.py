"""Accepting: events, their users and their idempotency records, in one transaction.

The writer thread is alone, so that what was read before the writing still holds when it is done.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tidings.core.work import Acceptance, Accepted, AcceptStatus, Registration
from tidings.store.schema.types import to_microseconds
from tidings.store.sqlite.rows import batch, fetch, fetch_ids, ids, json_text

_KNOWN_KEYS = """
SELECT key, fingerprint, event_id
FROM idempotency WHERE key IN (SELECT value FROM json_each(:ids))
"""
_KNOWN_EVENTS = """
SELECT id, type, user_id, data
FROM events WHERE id IN (SELECT value FROM json_each(:ids))
"""
_KNOWN_USERS = "SELECT id FROM users WHERE id IN (SELECT value FROM json_each(:ids))"

_ADD_USERS = """
INSERT INTO users (id, name, locale, consent_version, created_at, updated_at)
SELECT value->>0, value->>1, value->>2, 0, :now, :now
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING
"""
_ADD_ADDRESSES = """
INSERT INTO addresses (user_id, channel, address, status, created_at)
SELECT value->>0, value->>1, value->>2, 'active', :now
FROM json_each(:rows) WHERE value->>3
ON CONFLICT DO NOTHING
"""
_ADD_EVENTS = """
INSERT INTO events (id, source, source_id, bus_channel, type, user_id, data, time, lane, state,
                    due_at, tries, accepted_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7,
       value->>8, 'due', :now, 0, :now
FROM json_each(:rows) WHERE true
"""
_ADD_KEYS = """
INSERT INTO idempotency (key, fingerprint, event_id, created_at)
SELECT value->>0, value->>1, value->>2, :now
FROM json_each(:rows) WHERE true
"""


def accept(
    connection: sqlite3.Connection, now: int, acceptances: Sequence[Acceptance]
) -> list[Accepted]:
    """Store what is new; an answer for each, in the order given."""
    items = [_Item(acceptance) for acceptance in acceptances]
    known = _read(connection, items)
    answers = [known.judge(item) for item in items]
    stored = [
        item
        for item, answer in zip(items, answers, strict=True)
        if answer.status is AcceptStatus.STORED
    ]
    _write(connection, now, sorted(stored, key=lambda item: item.key), known.users_before)
    return answers


class _Item:
    """One acceptance with what the statements need of it."""

    __slots__ = ("acceptance", "data", "key")

    def __init__(self, acceptance: Acceptance) -> None:
        self.acceptance = acceptance
        self.key = acceptance.event.key
        self.data = json_text(dict(acceptance.event.data))

    @property
    def content(self) -> tuple[str, str | None, Any]:
        """What makes two events of one id the same event."""
        event = self.acceptance.event
        return event.type, event.user_id, orjson.loads(self.data)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What the database and the items judged so far hold."""

    #: idempotency key → its fingerprint and event id
    keys: dict[str, tuple[str, str]]
    #: event key → its content
    events: dict[str, tuple[str, str | None, Any]]
    users: set[str]
    users_before: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.users_before = frozenset(self.users)

    def judge(self, item: _Item) -> Accepted:
        """What becomes of an item; the next item sees this one."""
        status, event_id = (
            self._judge_key(item) or self._judge_event(item) or self._judge_user(item)
        )
        if status is AcceptStatus.STORED:
            self._add(item)
        return Accepted(status=status, event_id=event_id)

    def _judge_key(self, item: _Item) -> tuple[AcceptStatus, str] | None:
        record = item.acceptance.idempotency
        known = self.keys.get(record.key) if record else None
        if record is None or known is None:
            return None
        fingerprint, event_id = known
        same = fingerprint == record.fingerprint
        return (AcceptStatus.REPLAYED if same else AcceptStatus.KEY_REUSED), event_id

    def _judge_event(self, item: _Item) -> tuple[AcceptStatus, str] | None:
        content = self.events.get(item.key)
        if content is None:
            return None
        same = content == item.content
        event_id = item.acceptance.event.id
        return (AcceptStatus.REPLAYED if same else AcceptStatus.ID_REUSED), event_id

    def _judge_user(self, item: _Item) -> tuple[AcceptStatus, str]:
        event, registration = item.acceptance.event, item.acceptance.registration
        known = event.user_id is None or registration is not None or event.user_id in self.users
        return (AcceptStatus.STORED if known else AcceptStatus.UNKNOWN_USER), event.id

    def _add(self, item: _Item) -> None:
        self.events[item.key] = item.content
        record, registration = item.acceptance.idempotency, item.acceptance.registration
        if record is not None:
            self.keys[record.key] = record.fingerprint, item.acceptance.event.id
        if registration is not None:
            self.users.add(registration.user_id)


def _read(connection: sqlite3.Connection, items: Sequence[_Item]) -> _Known:
    acceptances = [item.acceptance for item in items]
    keys = {"ids": ids(each.idempotency.key for each in acceptances if each.idempotency)}
    events = {"ids": ids(item.key for item in items)}
    users = {"ids": ids(_user_ids(acceptances))}
    return _Known(
        keys={
            row["key"]: (row["fingerprint"], row["event_id"])
            for row in fetch(connection, _KNOWN_KEYS, keys)
        },
        events={
            row["id"]: (row["type"], row["user_id"], orjson.loads(row["data"]))
            for row in fetch(connection, _KNOWN_EVENTS, events)
        },
        users=fetch_ids(connection, _KNOWN_USERS, users),
    )


def _user_ids(acceptances: Iterable[Acceptance]) -> Iterable[str | None]:
    for acceptance in acceptances:
        yield acceptance.event.user_id
        if acceptance.registration is not None:
            yield acceptance.registration.user_id


def _write(
    connection: sqlite3.Connection,
    now: int,
    items: Sequence[_Item],
    users_before: frozenset[str],
) -> None:
    registrations = _registrations(items)
    for statement, rows in (
        (_ADD_USERS, _user_rows(registrations)),
        (_ADD_ADDRESSES, _address_rows(registrations, users_before)),
        (_ADD_EVENTS, _event_rows(items)),
        (_ADD_KEYS, _key_rows(items)),
    ):
        connection.execute(statement, {"rows": batch(rows), "now": now})


def _registrations(items: Sequence[_Item]) -> list[Registration]:
    first: dict[str, Registration] = {}
    for item in items:
        registration = item.acceptance.registration
        if registration is not None:
            first.setdefault(registration.user_id, registration)
    return [first[user_id] for user_id in sorted(first)]


def _user_rows(registrations: Sequence[Registration]) -> list[object]:
    return [[each.user_id, each.name, each.locale] for each in registrations]


def _address_rows(
    registrations: Sequence[Registration], users_before: frozenset[str]
) -> list[object]:
    return [
        [each.user_id, each.channel, each.address, each.user_id not in users_before]
        for each in registrations
    ]


def _event_rows(items: Sequence[_Item]) -> list[object]:
    return [_event_row(item) for item in items]


def _event_row(item: _Item) -> list[object]:
    acceptance, event = item.acceptance, item.acceptance.event
    return [
        item.key,
        event.source,
        event.id,
        acceptance.bus_channel,
        event.type,
        event.user_id,
        item.data,
        to_microseconds(event.time),
        acceptance.lane,
    ]


def _key_rows(items: Sequence[_Item]) -> list[object]:
    return [
        [item.acceptance.idempotency.key, item.acceptance.idempotency.fingerprint, event_id]
        for item, event_id in ((item, item.acceptance.event.id) for item in items)
        if item.acceptance.idempotency
    ]
