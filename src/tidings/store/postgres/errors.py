"""What PostgreSQL's errors mean to us.

Messages name an error by its class and code: its text may quote what was stored, or the URL. For
the same reason an error that blames a value is not kept as a cause: its traceback would tell it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import sqlalchemy as sa

from tidings.core.errors import (
    ConfigurationError,
    InProgress,
    InvalidInput,
    TidingsError,
    Unavailable,
)

#: classes of SQLSTATE that blame the values given: data exception, constraint, limit exceeded
_BAD_VALUES = ("22", "23", "54")
#: serialization failure, deadlock
_CROSSED = ("40001", "40P01")
#: wrong at start and wrong until somebody mends it: sign-in, database name
_BAD_SETTINGS = ("28", "3D")
_LOST = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@contextmanager
def mapped() -> Iterator[None]:
    """Turn the hot verbs' errors into ours: a bad value is InvalidInput, all else Unavailable.

    Except that what another transaction is storing meanwhile is InProgress.
    """
    try:
        yield
    except (asyncpg.PostgresError, *_LOST) as error:
        if is_bad_value(error):
            raise InvalidInput(_bad_value(error)) from None
        if _waited_for_its_like(error):
            raise InProgress(
                "the same is being stored by another process at this moment: ask again for its "
                "answer"
            ) from None
        raise _lost(error) from error


@contextmanager
def mapped_in_run() -> Iterator[None]:
    """The same for SQLAlchemy's errors; a statement's own fault stays as it is."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if is_bad_value(error):
            raise InvalidInput(_bad_value(error)) from None
        raise _of_driver(error) or error from error
    except (sa.exc.TimeoutError, asyncpg.PostgresError, *_LOST) as error:
        raise _lost(error) from error


@contextmanager
def mapped_at_start() -> Iterator[None]:
    """Like `mapped_in_run`, and a refused sign-in or a missing database is ConfigurationError."""
    try:
        with mapped_in_run():
            yield
    except TidingsError as error:
        code = _sqlstate(error.__cause__)
        if not code.startswith(_BAD_SETTINGS):
            raise
        raise ConfigurationError(
            f"PostgreSQL refused the sign-in ({code}): mend user, password or database name in "
            "TIDINGS_DATABASE_URL, or create them"
        ) from error


def is_crossed(error: BaseException) -> bool:
    """Whether another transaction's locks got in the way, so that the next try may fare better."""
    return _sqlstate(error).startswith(_CROSSED)


def is_bad_value(error: BaseException) -> bool:
    """Whether the values of a row are to blame, so that other rows may fare better."""
    return isinstance(error, asyncpg.DataError) or _sqlstate(error).startswith(_BAD_VALUES)


def blames_item(error: Exception) -> bool:
    """Whether one item's content made this error, and not the database or the way to it."""
    foreign = isinstance(error, (asyncpg.PostgresError, *_LOST))
    return is_bad_value(error) or not foreign


def of_item(error: Exception) -> Exception:
    """The error of one item as ours, so that no value of the row is told with it."""
    return InvalidInput(_bad_value(error)) if is_bad_value(error) else error


def _waited_for_its_like(error: BaseException) -> bool:
    """Whether it waited for a row of the same key, which another transaction has not committed."""
    waited = isinstance(error, asyncpg.LockNotAvailableError)
    return waited and "_pkey" in (getattr(error, "context", None) or "")


def _of_driver(error: sa.exc.DBAPIError) -> TidingsError | None:
    blames_statement = _sqlstate(error).startswith(("0A", "21", "42"))
    known = bool(_sqlstate(error)) or error.connection_invalidated
    if blames_statement or not known:
        return None
    return _lost(error.orig)


def _lost(error: BaseException | None) -> Unavailable:
    return Unavailable(
        f"PostgreSQL can't be used now ({_name(error)}): see that it runs, answers and has "
        "connections to spare"
    )


def _bad_value(error: BaseException) -> str:
    return f"PostgreSQL can't store this ({_name(error)})"


def _name(error: BaseException | None) -> str:
    code = _sqlstate(error)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def _sqlstate(error: BaseException | None) -> str:
    beneath = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return getattr(beneath, "sqlstate", None) or ""
