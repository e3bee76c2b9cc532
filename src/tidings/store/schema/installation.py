"""What is true of the whole installation: one row."""

import sqlalchemy as sa

from tidings.store.schema.types import Id, UtcDateTime, metadata

#: made by the first migration; `definitions` rises whenever a workflow or template changes;
#: `suits` is the oldest revision whose programs can work on this schema
installation = sa.Table(
    "installation",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("address_key", sa.LargeBinary, nullable=False),
    sa.Column("definitions", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("suits", sa.Text, nullable=False, server_default="0001"),
)
