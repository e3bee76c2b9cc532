"""What is of no use any more is found by an index, though nobody may be called."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    perishable = sa.text("state = 'pending' AND expires_at IS NOT NULL")
    op.create_index(
        "deliveries_expiry",
        "deliveries",
        ["channel", "expires_at"],
        sqlite_where=perishable,
        postgresql_where=perishable,
    )
