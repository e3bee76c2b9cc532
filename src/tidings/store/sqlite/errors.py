"""What SQLite's errors mean to us."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tidings.core.errors import Unavailable

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


@contextmanager
def mapped() -> Iterator[None]:
    """Turn disk full, input/output errors and locks into Unavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise as_unavailable(error) or error from error
    except sa.exc.DBAPIError as error:
        raise as_unavailable(error.orig) or error from error


def as_unavailable(error: object) -> Unavailable | None:
    """The error of our tree, or None when the database is not to blame."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in _UNAVAILABLE:
        return None
    return Unavailable(
        f"the SQLite database can't be used now ({error}): look at its disk's space and permissions"
    )
