"""The one connection: plain for the hot verbs, wrapped in SQLAlchemy for all else.

Everything here is called in the writer thread alone.
"""

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from tidings.core.errors import ConfigurationError
from tidings.store.sqlite.errors import mapped
from tidings.store.sqlite.file_lock import FileLock

Result = TypeVar("Result")

#: the first SQLite that knows RETURNING, UPDATE … FROM and ->>
_OLDEST = (3, 38, 0)


#: the database holds addresses and messages, and SQLite's other files take its mode
_OWNER_ONLY = 0o600


class Database:
    """A SQLite database, in a file or, with no path, in memory; every commit reaches the disk."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._closing = ExitStack()
        self._connection: sqlite3.Connection
        self._engine: sa.Engine

    def open(self) -> None:
        """Lock and open the file.

        Raises ConfigurationError when another process has it, or when it can't be a database.
        """
        _require_version()
        if self._path is not None:
            self._closing.callback(FileLock(self._path).release)
        self._connection = _connect(self._path)
        self._closing.callback(self._connection.close)
        self._engine = _engine(self._connection)
        self._closing.callback(self._engine.dispose)

    def transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run work on the plain connection, in one transaction."""
        with mapped():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        return result

    def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run work in SQLAlchemy Core, in one transaction."""
        with mapped(), self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Let go of whatever was opened."""
        self._closing.close()

    def _roll_back(self) -> None:
        # A full disk may have rolled back already; the first error is the one worth telling.
        with suppress(sqlite3.Error):
            self._connection.rollback()


def _require_version() -> None:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise ConfigurationError(
            f"Python's SQLite is {sqlite3.sqlite_version}, and Tidings needs 3.38 or newer: use a "
            "newer Python, or set TIDINGS_DATABASE_URL to PostgreSQL"
        )


def _connect(path: Path | None) -> sqlite3.Connection:
    try:
        if path is not None:
            path.touch(mode=_OWNER_ONLY)
        connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        try:
            _prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise ConfigurationError(
            f"{path} can't be opened as a SQLite database ({error}): mend or move the file, "
            "or name another in TIDINGS_DATABASE_URL"
        ) from error
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 5000")
    # SQLite's own knows ASCII alone.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: str | float | bytes | None) -> str | float | bytes | None:
    return value.lower() if isinstance(value, str) else value


def _engine(connection: sqlite3.Connection) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: connection,
        poolclass=sa.StaticPool,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "begin")
    def begin(begun: sa.Connection) -> None:
        begun.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
