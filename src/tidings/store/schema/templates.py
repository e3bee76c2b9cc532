"""The Template Service's table: every version ever used, by content."""

import sqlalchemy as sa

from tidings.store.schema.types import Json, UtcDateTime, metadata

#: version: hash of the content · locale: "" for the default · status: published · archived
#: origin: folder · http
templates = sa.Table(
    "templates",
    metadata,
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False, server_default=""),
    sa.Column("parts", Json, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False, server_default="folder"),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

sa.Index(
    "templates_published",
    templates.c.key,
    templates.c.channel,
    templates.c.locale,
    unique=True,
    sqlite_where=templates.c.status == "published",
    postgresql_where=templates.c.status == "published",
)
