"""INSERT with `on_conflict_do_nothing` and `on_conflict_do_update`, whichever the database."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.dml.Insert | postgresql.dml.Insert:
    """The insert construct of the connection's database."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
