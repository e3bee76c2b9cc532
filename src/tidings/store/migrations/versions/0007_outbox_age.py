"""What is old in the outbox is found by an index."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("outbox_created", "outbox", ["created_at"])
