"""Batches on their way into a statement, and values on their way out of rows.

A statement takes its whole batch as arrays, one for each column, which `unnest` turns into rows.
"""

from collections.abc import Iterable, Sequence


def columns(rows: Sequence[Sequence[object]], count: int) -> list[Sequence[object]]:
    """Rows of `count` values, as that many arrays."""
    return list(zip(*rows, strict=True)) if rows else [()] * count


def distinct(values: Iterable[str | None]) -> list[str]:
    """Each value once, none missing, in order."""
    return sorted({value for value in values if value is not None})
