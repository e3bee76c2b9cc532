"""Pages by a key: each answer says what to ask with for the next one."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=100, description="How many to show at most.")]

#: how many a page shows unless the request says otherwise
DEFAULT_LIMIT = 20


def cut(
    found: Sequence[Item], limit: int, key: Callable[[Item], str]
) -> tuple[Sequence[Item], str | None]:
    """A page of what was looked for with one more than `limit`, and the key to go on with."""
    shown = found[:limit]
    return shown, key(shown[-1]) if len(found) > limit else None
