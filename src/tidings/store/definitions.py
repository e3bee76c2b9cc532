"""The stamp that rises with every change of workflows and templates."""

import sqlalchemy as sa

from tidings.store.schema import installation


def read(connection: sa.Connection) -> int:
    """The stamp as it stands."""
    return int(connection.execute(sa.select(installation.c.definitions)).scalar_one())


def bump(connection: sa.Connection) -> None:
    """Raise the stamp, in the transaction of the change itself."""
    connection.execute(sa.update(installation).values(definitions=installation.c.definitions + 1))
