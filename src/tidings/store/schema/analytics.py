"""The Analytics Service's tables: figures by the minute, and the deltas not folded in yet."""

import sqlalchemy as sa

from tidings.store.schema.types import UtcDateTime, metadata

#: outcome: registered · planned · skipped (by planning) · a delivery's end state (by settling,
#: calling off, confirming)
figure_deltas = sa.Table(
    "figure_deltas",
    metadata,
    sa.Column(
        "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), primary_key=True
    ),
    sa.Column("minute", UtcDateTime, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
)

#: workflow, channel and provider are "" where they do not apply
figures = sa.Table(
    "figures",
    metadata,
    sa.Column("minute", UtcDateTime, primary_key=True),
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
