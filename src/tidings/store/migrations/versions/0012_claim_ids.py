"""Which claim took a delivery, so that one whose answer was lost can be given back."""

import sqlalchemy as sa
from alembic import op

from tidings.store.schema.types import Id

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("claim_id", Id))
