"""The User Service's tables: people, where they are reached, what they chose."""

import sqlalchemy as sa

from tidings.store.schema.types import UtcDateTime, metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("locale", sa.Text),
    #: rises with every change of preferences or addresses; a delivery remembers the one it knew
    sa.Column("consent_version", sa.Integer, nullable=False, server_default="0"),
    #: when the user's first REGISTERED_USER was planned
    sa.Column("registered_at", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

#: status: active · rejected · suppressed
addresses = sa.Table(
    "addresses",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False, server_default="active"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    #: the hash it is suppressed by
    sa.Column("suppression", sa.Text),
)
#: finds whom a rejected address belongs to
sa.Index("addresses_address", addresses.c.channel, addresses.c.address)
#: finds what a suppression that is lifted held back
sa.Index(
    "addresses_suppression",
    addresses.c.suppression,
    sqlite_where=addresses.c.suppression.is_not(None),
    postgresql_where=addresses.c.suppression.is_not(None),
)

#: workflow and channel may each be "*"; the most specific row wins
preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

#: what must not be written to, known only by a keyed hash, so that it outlives the user
suppressions = sa.Table(
    "suppressions",
    metadata,
    #: of the channel and the address: see core.ids.address_hash
    sa.Column("address_hash", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
