"""What SQLite's errors mean to us."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tidings.core.errors import InvalidInput, TidingsError, Unavailable

#: primary result codes of a database that can't serve now; all else is a fault of the statement
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


#: result codes that blame the values given
_BAD_VALUES = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG})


@contextmanager
def mapped() -> Iterator[None]:
    """Turn disk full, input/output errors and locks into Unavailable, a bad value to InvalidInput.

    A statement's own fault stays as it is.
    """
    try:
        yield
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        raise of_ours(error) or error from None


def of_ours(error: Exception) -> TidingsError | None:
    """The error of our tree, or None when neither database nor values are to blame."""
    beneath = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    code = getattr(beneath, "sqlite_errorcode", 0) & 0xFF
    if code in _BAD_VALUES:
        return InvalidInput(f"SQLite can't store this ({getattr(beneath, 'sqlite_errorname', '')})")
    if code in _UNAVAILABLE:
        return Unavailable(
            f"the SQLite database can't be used now ({beneath}): look at its disk's space and "
            "permissions"
        )
    return None
