"""The delivery engine's own table: until when integrations asked for silence."""

import sqlalchemy as sa

from tidings.store.schema.types import UtcDateTime, metadata

#: a row for each integration that ever asked, so that there are never many
integration_pauses = sa.Table(
    "integration_pauses",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("integration", sa.Text, primary_key=True),
    sa.Column("until", UtcDateTime, nullable=False),
)
