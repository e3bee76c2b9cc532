"""What the console provider took, and what the bus could not hand on."""

import sqlalchemy as sa

from tidings.store.schema.types import Id, Json, UtcDateTime, metadata

#: one row for each call, so that a repeat shows
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("message_id", Id, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("recipient_name", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("html", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
#: finds what is old enough to go
sa.Index("outbox_created", outbox.c.created_at)

#: heard on DEAD_LETTER_CHANNEL; id: the key of that event
dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("bus_channel", sa.Text, nullable=False),
    sa.Column("entry_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("entry", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("replayed_at", UtcDateTime),
)
sa.Index("dead_letters_created", dead_letters.c.created_at, dead_letters.c.id)
