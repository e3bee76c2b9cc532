"""What is on the list of suppressions is read under the locks of the addresses asked for."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: one call, so that accepting stays one statement; and a function, for within one statement
#: whatever follows the locks would still see the list as it was before them
_LISTED = """
CREATE FUNCTION tidings_listed(kind integer, locks integer[], hashes text[])
RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(kind, lock) FROM unnest(locks) AS lock;
    RETURN QUERY SELECT address_hash FROM suppressions WHERE address_hash = ANY (hashes);
END
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_LISTED)
