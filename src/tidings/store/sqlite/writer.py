"""The writer thread: the one place that touches the database, off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tidings.core.errors import Unavailable

Result = TypeVar("Result")


class Writer:
    """Runs what it is given one after another in one thread.

    A caller that is cancelled takes back what has not begun; what has begun is finished.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tidings-sqlite")
        self._closed = False

    async def call(self, work: Callable[[], Result]) -> Result:
        """Run work in the thread; raises Unavailable once the writer is closed."""
        if self._closed:
            raise Unavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def aclose(self, last: Callable[[], None]) -> None:
        """Finish what was given, then run `last` and end the thread."""
        if self._closed:
            return
        self._closed = True
        ending = asyncio.get_running_loop().run_in_executor(self._thread, last)
        try:
            await asyncio.shield(ending)
        finally:
            self._thread.shutdown(wait=False)
