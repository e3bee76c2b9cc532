"""Until when integrations asked for silence outlives the workers and Redis."""

import sqlalchemy as sa
from alembic import op

from tidings.store.schema.types import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "integration_pauses",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("integration", sa.Text, primary_key=True),
        sa.Column("until", UtcDateTime, nullable=False),
    )
