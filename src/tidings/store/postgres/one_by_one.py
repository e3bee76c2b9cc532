"""A batch inside a transaction: together, or, when that failed, each alone under a savepoint."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from tidings.core.errors import StaleDefinitions, Unavailable
from tidings.core.work import PlanResult
from tidings.store.postgres.database import Database
from tidings.store.postgres.errors import blames_item, of_item

if TYPE_CHECKING:
    from tidings.store.postgres.connections import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")


class WriteEach(Protocol):
    """Writes items; gives what was written, and the items that were not, each with its error."""

    async def __call__(
        self,
        connection: "Connection",
        items: Sequence[Item],
        write: Callable[[Sequence[Item]], Awaitable[list[Result]]],
        /,
    ) -> tuple[list[Result], list[tuple[Item, Exception]]]:
        """Write these."""
        ...


async def plan_with(
    database: Database, work: "Callable[[Connection, WriteEach], Awaitable[PlanResult]]"
) -> PlanResult:
    """Plan in one transaction; when its rows fail, in another that writes them one by one."""
    try:
        return await database.transact(lambda connection: work(connection, write_together))
    except (StaleDefinitions, Unavailable):
        raise
    except Exception:
        return await database.transact(lambda connection: work(connection, write_alone))


async def write_together(
    _connection: "Connection",
    items: Sequence[Item],
    write: Callable[[Sequence[Item]], Awaitable[list[Result]]],
) -> tuple[list[Result], list[tuple[Item, Exception]]]:
    """Write all at once: the first error ends the transaction."""
    return (await write(items) if items else []), []


async def write_alone(
    connection: "Connection",
    items: Sequence[Item],
    write: Callable[[Sequence[Item]], Awaitable[list[Result]]],
) -> tuple[list[Result], list[tuple[Item, Exception]]]:
    """Write each under a savepoint of its own, so that one fails alone."""
    written: list[Result] = []
    failed: list[tuple[Item, Exception]] = []
    for item in items:
        try:
            async with connection.transaction():
                written += await write([item])
        except Exception as error:
            if not blames_item(error):
                raise
            failed.append((item, of_item(error)))
    return written, failed
