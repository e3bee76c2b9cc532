"""Keys of the API, and what was done with those that may do everything."""

import sqlalchemy as sa

from tidings.store.schema.types import Id, Json, UtcDateTime, metadata

#: `digest` is the token's SHA-256; a revoked key stays, so that having keys is never undone
api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("last_used_at", UtcDateTime),
)

#: `status` is the answer's, null where none was given before the process ended
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
)
#: finds what is old enough to go
sa.Index("audit_at", audit.c.at)
