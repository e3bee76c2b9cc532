"""A batch inside a transaction: together first, then each alone, so that one fails alone."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tidings.core.errors import Unavailable
from tidings.store.sqlite.errors import of_ours

Item = TypeVar("Item")
Result = TypeVar("Result")
Write = Callable[[Sequence[Item]], list[Result]]


def write_each(
    connection: sqlite3.Connection, items: Sequence[Item], write: Write[Item, Result]
) -> tuple[list[Result], list[tuple[Item, Exception]]]:
    """What was written, and the items that were not, each with its error."""
    try:
        with _savepoint(connection):
            return write(items), []
    except Exception as error:
        _raise_if_unavailable(error)
    return _write_alone(connection, items, write)


def _write_alone(
    connection: sqlite3.Connection, items: Sequence[Item], write: Write[Item, Result]
) -> tuple[list[Result], list[tuple[Item, Exception]]]:
    written: list[Result] = []
    failed: list[tuple[Item, Exception]] = []
    for item in items:
        try:
            with _savepoint(connection):
                written += write([item])
        except Exception as error:
            _raise_if_unavailable(error)
            failed.append((item, of_ours(error) or error))
    return written, failed


def _raise_if_unavailable(error: Exception) -> None:
    if isinstance(of_ours(error), Unavailable):
        raise error


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT batch")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO batch")
            connection.execute("RELEASE batch")
        raise
    connection.execute("RELEASE batch")
