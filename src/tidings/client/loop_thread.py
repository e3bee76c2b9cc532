"""An event loop in a thread of its own, so that code without one may wait for what needs it."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopThread:
    """Runs coroutines for any thread, also for one in which another loop is running."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=owner, daemon=True)
        self._lock = threading.Lock()
        self._thread.start()

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` comes to. Raises RuntimeError when closed, or in another process."""
        future = self._submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise self._gone() from None
        finally:
            future.cancel()  # whoever waited may have been interrupted

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run `last`, give up what is under way, and end the thread; again does nothing."""
        with self._lock:
            if not self._thread.is_alive():
                last.close()
                return
            asyncio.run_coroutine_threadsafe(self._end(last), self._loop)
            self._thread.join()
            self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        with self._lock:
            if self._thread.is_alive():
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise self._gone()

    def _gone(self) -> RuntimeError:
        return RuntimeError(
            f"this {self._owner} is closed, or was made before a fork: make a new one"
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        try:
            await last
        finally:
            self._loop.stop()
