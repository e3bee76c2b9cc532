"""A delivery is found by the id its provider gave it, as receipts name it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    given = sa.text("provider_id IS NOT NULL")
    op.create_index(
        "deliveries_provider_id",
        "deliveries",
        ["provider_id", "provider"],
        sqlite_where=given,
        postgresql_where=given,
    )
