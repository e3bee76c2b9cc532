"""The Inbox Service's table: what each person finds in their feed."""

import sqlalchemy as sa

from tidings.store.schema.types import Id, UtcDateTime, metadata

#: id: the message's, so that a repeat is no second item · seen_at is set wherever read_at is
feed = sa.Table(
    "feed",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("title", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime),
    sa.Column("read_at", UtcDateTime),
    sa.Column("archived_at", UtcDateTime),
)
#: by time, for the ids of messages are in the order of nothing where events had ids of their own
sa.Index("feed_user", feed.c.user_id, feed.c.created_at, feed.c.id)
#: what the counts are counted from, however long the feed is
sa.Index(
    "feed_unread",
    feed.c.user_id,
    feed.c.created_at,
    feed.c.id,
    sqlite_where=feed.c.read_at.is_(None) & feed.c.archived_at.is_(None),
    postgresql_where=feed.c.read_at.is_(None) & feed.c.archived_at.is_(None),
)
#: finds what is old enough to go
sa.Index("feed_created", feed.c.created_at)
