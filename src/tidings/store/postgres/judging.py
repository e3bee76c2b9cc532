"""What becomes of an acceptance, given what is there already: pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from tidings.core.work import Acceptance, Accepted, AcceptStatus
from tidings.store.postgres.batches import json_text

#: what makes two events of one id the same event: type, user and data
Content = tuple[str, str | None, Any]


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
        event = self.acceptance.event
        return event.type, event.user_id, orjson.loads(self.data)

    @property
    def user_ids(self) -> Iterable[str | None]:
        """The users it speaks of."""
        registration = self.acceptance.registration
        return self.acceptance.event.user_id, registration.user_id if registration else None


@dataclass(slots=True, kw_only=True)
class Known:
    """What the database and the items judged so far hold."""

    #: idempotency key → its fingerprint and event id
    keys: dict[str, tuple[str, str]]
    #: event key → its content
    events: dict[str, Content]
    users: set[str]

    def judge(self, item: Item) -> Accepted:
        """What becomes of an item; the next item sees this one."""
        status, event_id = (
            self._judge_key(item) or self._judge_event(item) or self._judge_user(item)
        )
        if status is AcceptStatus.STORED:
            self._add(item)
        return Accepted(status=status, event_id=event_id)

    def _judge_key(self, item: Item) -> tuple[AcceptStatus, str] | None:
        record = item.acceptance.idempotency
        known = self.keys.get(record.key) if record else None
        if record is None or known is None:
            return None
        fingerprint, event_id = known
        same = fingerprint == record.fingerprint
        return (AcceptStatus.REPLAYED if same else AcceptStatus.KEY_REUSED), event_id

    def _judge_event(self, item: Item) -> tuple[AcceptStatus, str] | None:
        content = self.events.get(item.key)
        if content is None:
            return None
        same = content == item.content
        event_id = item.acceptance.event.id
        return (AcceptStatus.REPLAYED if same else AcceptStatus.ID_REUSED), event_id

    def _judge_user(self, item: Item) -> tuple[AcceptStatus, str]:
        event, registration = item.acceptance.event, item.acceptance.registration
        known = event.user_id is None or registration is not None or event.user_id in self.users
        return (AcceptStatus.STORED if known else AcceptStatus.UNKNOWN_USER), event.id

    def _add(self, item: Item) -> None:
        event, record = item.acceptance.event, item.acceptance.idempotency
        self.events[item.key] = event.type, event.user_id, orjson.loads(item.data)
        if record is not None:
            self.keys[record.key] = record.fingerprint, event.id
        if item.acceptance.registration is not None:
            self.users.add(item.acceptance.registration.user_id)
