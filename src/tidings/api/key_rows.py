"""The SQL of keys; each function is part of its caller's transaction."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from tidings.core.keys import ApiKey, Scope
from tidings.core.work import IdempotencyRecord
from tidings.store.schema import api_keys, idempotency, installation


def lock_keys(connection: sa.Connection) -> None:
    """Let nobody else make keys until the transaction ends."""
    connection.execute(sa.select(installation.c.id).with_for_update())


def add(connection: sa.Connection, key: ApiKey, digest: str) -> None:
    """Store a new key."""
    values = {
        "id": key.id,
        "name": key.name,
        "digest": digest,
        "scopes": list(key.scopes),
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }
    connection.execute(sa.insert(api_keys).values(values))


def made_under(connection: sa.Connection, key: str) -> tuple[str, str] | None:
    """The fingerprint of the request that came with an idempotency key, and the id it made."""
    query = sa.select(idempotency.c.fingerprint, idempotency.c.event_id).where(
        idempotency.c.key == key
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.fingerprint, row.event_id)


def note_made(
    connection: sa.Connection, record: IdempotencyRecord, key_id: str, now: datetime
) -> None:
    """A request made this key: a repeat of it makes no other."""
    values = {"event_id": key_id, "created_at": now}
    connection.execute(
        sa.insert(idempotency).values(key=record.key, fingerprint=record.fingerprint, **values)
    )


def revoke(connection: sa.Connection, key_id: str, now: datetime) -> ApiKey | None:
    """End a key, unless it has ended before; the key, or None where there is none."""
    connection.execute(
        sa.update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    row = connection.execute(sa.select(api_keys).where(api_keys.c.id == key_id)).first()
    return None if row is None else _key(row)


def find_all(connection: sa.Connection) -> list[ApiKey]:
    """Every key there ever was, in the order they were made."""
    query = sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
    return [_key(row) for row in connection.execute(query)]


def find_usable(connection: sa.Connection, now: datetime) -> list[tuple[ApiKey, str]]:
    """The live keys with their digests."""
    query = sa.select(api_keys).where(
        api_keys.c.revoked_at.is_(None),
        sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now),
    )
    return [(_key(row), row.digest) for row in connection.execute(query)]


def is_configured(connection: sa.Connection) -> bool:
    """Whether there ever was a key."""
    return connection.scalar(sa.select(sa.exists(sa.select(api_keys.c.id)))) or False


def note_use(connection: sa.Connection, key_ids: Iterable[str], now: datetime) -> None:
    """These were used just now."""
    connection.execute(
        sa.update(api_keys).where(api_keys.c.id.in_(tuple(key_ids))).values(last_used_at=now)
    )


def _key(row: sa.Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=tuple(map(Scope, row.scopes)),
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
