"""Brings a database to this program's schema; reads first, changes only what must change."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import sqlalchemy as sa

from tidings.core.errors import ConfigurationError
from tidings.store.schema import installation

#: every revision this program knows, "0001" first; a new migration raises the last number
REVISIONS = tuple(f"{number:04}" for number in range(1, 12 + 1))

#: the oldest of them whose programs can go on working on the newest schema: raised only by a
#: migration that takes away what they use
SUITS = "0001"

#: how long a change may wait for what others do on a table
_LOCK_MILLISECONDS = 3000

#: names the lock in PostgreSQL: two processes never migrate one database at once
_ADVISORY_LOCK = 0x7469_6469_6E67_7300

#: Alembic keeps what it works on in globals: one database at a time in each process
_ALEMBIC = Lock()

_FOLDER = Path(__file__).parent


def migrate(connection: sa.Connection) -> None:
    """Apply what is missing, inside the caller's transaction.

    Raises ConfigurationError when the database was made by a newer program.
    """
    if _is_current(connection):
        return
    _lock(connection)
    if not _is_current(connection):
        _upgrade(connection)


def _is_current(connection: sa.Connection) -> bool:
    """Whether nothing is to be done; a newer schema may suit this program too."""
    revision = _revision(connection)
    if revision is None or revision in REVISIONS:
        return revision == REVISIONS[-1]
    if _suited(connection) not in REVISIONS:
        raise ConfigurationError(
            f"the database has schema {revision}, which this program does not know (its newest is "
            f"{REVISIONS[-1]}): start the newer Tidings that made it, or name another database in "
            "TIDINGS_DATABASE_URL"
        )
    return True


def _suited(connection: sa.Connection) -> str | None:
    found: str | None = connection.scalar(sa.select(installation.c.suits))
    return found


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _lock(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Whoever waits for a table's lock makes all others wait behind: give up and come again.
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def _upgrade(connection: sa.Connection) -> None:
    # One line of ours says it all; Alembic would tell of its plug-ins too.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Imported here because it costs 0.8 s, which a start on a current database need not pay.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _turn(connection):
        command.upgrade(config, "head")
    connection.execute(sa.update(installation).values(suits=SUITS))
    logging.getLogger("tidings.store").info("the database now has schema %s", REVISIONS[-1])


@contextmanager
def _turn(connection: sa.Connection) -> Iterator[None]:
    # On PostgreSQL the one before may be waiting on this very thread's loop, which must go on.
    waits_on_loop = connection.dialect.name == "postgresql"
    while not _ALEMBIC.acquire(blocking=not waits_on_loop):
        connection.execute(sa.text("SELECT pg_sleep(0.05)"))
    try:
        yield
    finally:
        _ALEMBIC.release()
