"""Keys of the API: made, listed and revoked."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from tidings.api import key_rows as rows
from tidings.api.idempotency import key_reused, record_of
from tidings.core.clock import Clock
from tidings.core.errors import Conflict, InvalidInput, NotFound
from tidings.core.keys import ApiKey, NewKey, Scope, digest, new_token
from tidings.core.ports import Store
from tidings.core.text import is_one_line
from tidings.core.work import IdempotencyRecord

#: live keys of one name: the old one and the new one, while they are changed over
MOST_LIVE = 2
_LONGEST_NAME = 100
#: before the idempotency keys of keys, so that they never meet those of events
_KEYS = "\x1fkeys\x1f"


class KeyService:
    """Makes and ends keys; what `changed` is told of each change."""

    def __init__(self, store: Store, *, clock: Clock, changed: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._changed = changed

    async def create(
        self,
        name: str,
        scopes: Collection[Scope],
        *,
        by: str,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> NewKey:
        """Make a key; its token is in the answer and nowhere else.

        Raises InvalidInput, and Conflict where two of that name are live already, or where the same
        request made a key before.
        """
        now = self._clock.now()
        key_id, token = new_token()
        key = ApiKey(
            id=key_id,
            name=_checked(name),
            scopes=tuple(sorted(set(scopes))),
            created_by=by,
            created_at=now,
            expires_at=expires_at,
        )
        _check(key, now)
        record = _record(key, idempotency_key)

        def work(connection: sa.Connection) -> None:
            rows.lock_keys(connection)
            _require_new(connection, record)
            _require_room(rows.find_all(connection), key, now)
            rows.add(connection, key, digest(token))
            if record is not None:
                rows.note_made(connection, record, key_id, now)

        await self._store.run(work)
        self._changed()
        return NewKey(key=key, token=token)

    async def list(self) -> Sequence[ApiKey]:
        """Every key there ever was, in the order they were made."""
        return await self._store.run(rows.find_all)

    async def revoke(self, key_id: str) -> ApiKey:
        """End a key, at the latest within a second everywhere. Raises NotFound."""
        now = self._clock.now()
        key = await self._store.run(lambda connection: rows.revoke(connection, key_id, now))
        if key is None:
            raise NotFound(f"there is no key {key_id}", field="id")
        self._changed()
        return key


def _checked(name: str) -> str:
    if not 0 < len(name) <= _LONGEST_NAME or not is_one_line(name):
        raise InvalidInput(
            f"name: must be one line of 1 to {_LONGEST_NAME} characters", field="name"
        )
    return name


def _check(key: ApiKey, now: datetime) -> None:
    if not key.scopes:
        raise InvalidInput(f"scopes: name at least one of {', '.join(Scope)}", field="scopes")
    if key.expires_at is not None and key.expires_at.tzinfo is None:
        raise InvalidInput("expires_at: must have a time zone, such as Z", field="expires_at")
    if not key.is_live(now):
        raise InvalidInput("expires_at: must lie in the future", field="expires_at")


def _record(key: ApiKey, idempotency_key: str | None) -> IdempotencyRecord | None:
    name = None if idempotency_key is None else f"{_KEYS}{idempotency_key}"
    return record_of(name, (key.name, key.scopes, key.expires_at))


def _require_new(connection: sa.Connection, record: IdempotencyRecord | None) -> None:
    """Raises for a repeat: the token it asks for is kept nowhere, and another key is not made."""
    made = None if record is None else rows.made_under(connection, record.key)
    if record is None or made is None:
        return
    fingerprint, key_id = made
    if fingerprint != record.fingerprint:
        raise key_reused()
    raise Conflict(
        f"this request made key {key_id} before, and its token was in that answer alone: if it is "
        "lost, revoke the key and make another under a new Idempotency-Key"
    )


def _require_room(known: Sequence[ApiKey], key: ApiKey, now: datetime) -> None:
    live = [one for one in known if one.is_live(now)]
    if not any(Scope.ADMIN in one.scopes for one in (key, *live)):
        raise InvalidInput(
            "scopes: the first key must be an admin's, or nobody could make another: add admin",
            field="scopes",
        )
    if [one.name for one in live].count(key.name) >= MOST_LIVE:
        raise Conflict(
            f"two keys named {key.name} are live already, the old one and the new one: "
            "revoke the old one first, or take another name"
        )
