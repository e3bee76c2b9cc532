"""What becomes of an acceptance, given what is there already: pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tidings.core.ids import address_hash
from tidings.core.work import (
    Acceptance,
    Accepted,
    AcceptStatus,
    IdempotencyRecord,
    Registration,
)
from tidings.store.rows import Row, json_text
from tidings.store.same_json import is_same

#: what makes two events of one id the same event: type, user, cancel key and data
Content = tuple[str, str | None, str | None, Any]

#: what has a key of its own from then on
_TAKEN = frozenset({AcceptStatus.STORED, AcceptStatus.REPLAYED})


class Item:
    """One acceptance with what the statements need of it."""

    __slots__ = ("acceptance", "data", "key")

    def __init__(self, acceptance: Acceptance) -> None:
        self.acceptance = acceptance
        self.key = acceptance.event.key
        self.data = json_text(dict(acceptance.event.data))

    @property
    def content(self) -> Content:
        """Its event's content, as the database would give it back."""
        event, cancel_key = self.acceptance.event, self.acceptance.cancel_key
        return event.type, event.user_id, cancel_key, orjson.loads(self.data)

    @property
    def idempotency_key(self) -> str | None:
        """The key its request came with."""
        return self.acceptance.idempotency.key if self.acceptance.idempotency else None

    @property
    def user_ids(self) -> Iterable[str | None]:
        """The users it speaks of."""
        registration = self.acceptance.registration
        return self.acceptance.event.user_id, registration.user_id if registration else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer for each item, and what is to be written."""

    answers: list[Accepted]
    #: their events are new; in one order for all
    stored: list[Item]
    #: their keys are new, while their events may have been stored before
    keyed: list[Item]


@dataclass(slots=True, kw_only=True)
class Known:
    """What the database and the items judged so far hold."""

    #: idempotency key → its fingerprint and event id
    keys: dict[str, tuple[str, str]]
    #: event key → its content
    events: dict[str, Content]
    users: set[str]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Known":
        """Read from rows of a kind: `key`, `event` or `user`."""
        known = cls(keys={}, events={}, users=set())
        for row in rows:
            if row["kind"] == "key":
                known.keys[row["id"]] = row["one"], row["two"]
            elif row["kind"] == "event":
                data = orjson.loads(row["data"])
                known.events[row["id"]] = row["one"], row["two"], row["three"], data
            else:
                known.users.add(row["id"])
        return known

    def judge(self, items: Sequence[Item]) -> Judged:
        """What becomes of each item, given those before it."""
        judged = Judged(answers=[], stored=[], keyed=[])
        for item in items:
            judged.answers.append(self._judge_key(item) or self._judge_new(item, judged))
        judged.stored.sort(key=lambda item: item.key)
        return judged

    def _judge_new(self, item: Item, judged: Judged) -> Accepted:
        """One whose key, if it has one, is new."""
        answer = self._judge_event(item) or self._judge_user(item)
        if answer.status is AcceptStatus.STORED:
            self._add(item)
            judged.stored.append(item)
        if answer.status in _TAKEN and item.acceptance.idempotency is not None:
            self._add_key(item.acceptance.idempotency, answer.event_id)
            judged.keyed.append(item)
        return answer

    def _judge_key(self, item: Item) -> Accepted | None:
        record = item.acceptance.idempotency
        known = self.keys.get(record.key) if record else None
        if record is None or known is None:
            return None
        fingerprint, event_id = known
        same = fingerprint == record.fingerprint
        status = AcceptStatus.REPLAYED if same else AcceptStatus.KEY_REUSED
        return Accepted(status=status, event_id=event_id)

    def _judge_event(self, item: Item) -> Accepted | None:
        content = self.events.get(item.key)
        if content is None:
            return None
        same = is_same(content, item.content)
        status = AcceptStatus.REPLAYED if same else AcceptStatus.ID_REUSED
        return Accepted(status=status, event_id=item.acceptance.event.id)

    def _judge_user(self, item: Item) -> Accepted:
        event, registration = item.acceptance.event, item.acceptance.registration
        known = event.user_id is None or registration is not None or event.user_id in self.users
        status = AcceptStatus.STORED if known else AcceptStatus.UNKNOWN_USER
        return Accepted(status=status, event_id=event.id)

    def _add(self, item: Item) -> None:
        self.events[item.key] = item.content
        if item.acceptance.registration is not None:
            self.users.add(item.acceptance.registration.user_id)

    def _add_key(self, record: IdempotencyRecord, event_id: str) -> None:
        self.keys[record.key] = record.fingerprint, event_id


def event_row(item: Item) -> list[object]:
    """The columns of an item's event."""
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
        acceptance.cancel_key,
    ]


def registration_rows(items: Iterable[Item], key: bytes) -> list[list[object]]:
    """User, name, locale, channel, address and its hash of each user to be made, once for each."""
    first: dict[str, Registration] = {}
    for item in items:
        registration = item.acceptance.registration
        if registration is not None:
            first.setdefault(registration.user_id, registration)
    return [
        [user_id, each.name, each.locale, each.channel, each.address, _hash(each, key)]
        for user_id, each in sorted(first.items())
    ]


def key_rows(items: Iterable[Item]) -> list[tuple[str, str, str]]:
    """Idempotency keys with their fingerprints and their events' ids."""
    return sorted(
        (item.acceptance.idempotency.key, item.acceptance.idempotency.fingerprint, event_id)
        for item, event_id in ((item, item.acceptance.event.id) for item in items)
        if item.acceptance.idempotency
    )


def _hash(registration: Registration, key: bytes) -> str:
    return address_hash(key, registration.channel, registration.address)
