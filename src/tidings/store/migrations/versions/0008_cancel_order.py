"""What came under a cancel key is found in the order in which it was accepted."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    keyed = sa.text("cancel_key IS NOT NULL")
    op.drop_index("events_cancel_key", "events")
    op.create_index(
        "events_cancel_key",
        "events",
        ["cancel_key", "accepted_at", "id"],
        sqlite_where=keyed,
        postgresql_where=keyed,
    )
