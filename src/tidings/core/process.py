"""How a process ends: the first SIGTERM or SIGINT asks it to drain, the second breaks it off."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

import uvloop

from tidings.core.errors import TidingsError
from tidings.core.logs import get_logger

_log = get_logger("process")

#: seconds after the first signal at which what still runs is broken off, and then left behind
BREAK_OFF, LEAVE = 9.0, 9.7

Main = Callable[[asyncio.Event], Awaitable[None]]


def run_until_signal(main: Main) -> None:
    """Run `main` until it returns; its event is set by SIGTERM or SIGINT.

    An error of ours, or a drain that takes too long, ends the process with status 1 and one
    sentence on standard error. Work broken off is found again in its rows at the next start.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(main))
    except TidingsError as error:
        _end(str(error))
    except asyncio.CancelledError:
        _end("stopped before all was finished; the next start takes up what was in hand")


async def _run(main: Main) -> None:
    stopping = asyncio.Event()
    ending = _Ending(asyncio.ensure_future(main(stopping)), stopping)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.ask)
    await ending.task
    _log.info("stopped")


class _Ending:
    def __init__(self, task: asyncio.Future[None], stopping: asyncio.Event) -> None:
        self.task = task
        self._stopping = stopping

    def ask(self) -> None:
        if self._stopping.is_set():
            self.task.cancel()
            return
        _log.info("stopping: what is in hand is finished or given back")
        self._stopping.set()
        asyncio.get_running_loop().call_later(BREAK_OFF, self.task.cancel)
        leave = threading.Timer(LEAVE, os._exit, (1,))
        leave.daemon = True
        leave.start()


def _end(sentence: str) -> None:
    sys.stderr.write(f"tidings: {sentence}\n")
    raise SystemExit(1) from None
