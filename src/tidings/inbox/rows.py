"""The Inbox Service's SQL; each function is part of its caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tidings.inbox.items import Counts, FeedItem, Status
from tidings.store.schema import feed
from tidings.store.upsert import insert

_STANDING = feed.c.archived_at.is_(None)
_UNREAD = _STANDING & feed.c.read_at.is_(None)

#: what is unseen is unread too, and said so for the index's sake
_FILTERS: Mapping[Status | None, sa.ColumnElement[bool]] = {
    None: _STANDING,
    Status.UNREAD: _UNREAD,
    Status.UNSEEN: _UNREAD & feed.c.seen_at.is_(None),
    Status.ARCHIVED: feed.c.archived_at.is_not(None),
    Status.ALL: sa.true(),
}


def add(connection: sa.Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Add items, save those that are there already."""
    connection.execute(insert(connection, feed).on_conflict_do_nothing(), list(rows))


def find_page(
    connection: sa.Connection,
    user_id: str,
    *,
    status: Status | None,
    limit: int,
    before: FeedItem | None,
) -> list[FeedItem]:
    """The newest items, or the newest of those before an item."""
    query = (
        sa.select(feed)
        .where(feed.c.user_id == user_id, _FILTERS[status])
        .order_by(feed.c.created_at.desc(), feed.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        place = sa.tuple_(feed.c.created_at, feed.c.id)
        query = query.where(place < (before.created_at, before.id))
    return [_item(row) for row in connection.execute(query)]


def find_item(
    connection: sa.Connection, user_id: str, item_id: str, *, hold: bool
) -> FeedItem | None:
    """The user's item; with `hold` nobody else changes it until the transaction ends."""
    query = sa.select(feed).where(feed.c.id == item_id, feed.c.user_id == user_id)
    row = connection.execute(query.with_for_update() if hold else query).first()
    return None if row is None else _item(row)


def write_marks(connection: sa.Connection, item: FeedItem) -> None:
    """Write down when an item was seen, read and archived."""
    connection.execute(
        sa.update(feed)
        .where(feed.c.id == item.id)
        .values(seen_at=item.seen_at, read_at=item.read_at, archived_at=item.archived_at)
    )


def mark_all(connection: sa.Connection, user_id: str, status: Status, now: datetime) -> None:
    """Mark all that is unseen as seen, or all that is unread as seen and read."""
    seen_at = sa.func.coalesce(feed.c.seen_at, sa.literal(now, feed.c.seen_at.type))
    read_at = {"read_at": now} if status is Status.UNREAD else {}
    connection.execute(
        sa.update(feed)
        .where(feed.c.user_id == user_id, _FILTERS[status])
        .values(seen_at=seen_at, **read_at)
    )


def count(connection: sa.Connection, user_id: str) -> Counts:
    """How much the user has not seen and not read."""
    unseen = sa.func.count().filter(feed.c.seen_at.is_(None))
    query = sa.select(unseen, sa.func.count()).where(feed.c.user_id == user_id, _UNREAD)
    found = connection.execute(query).one()
    return Counts(unseen=found[0], unread=found[1])


def _item(row: sa.Row[Any]) -> FeedItem:
    return FeedItem(
        id=row.id,
        workflow=row.workflow,
        title=row.title,
        body=row.body,
        created_at=row.created_at,
        seen_at=row.seen_at,
        read_at=row.read_at,
        archived_at=row.archived_at,
    )
