"""Where a template came from."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tell_where_templates_came_from()


def _tell_where_templates_came_from() -> None:
    op.add_column(
        "templates", sa.Column("origin", sa.Text, nullable=False, server_default="folder")
    )
