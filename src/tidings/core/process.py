"""How a process ends: the first SIGTERM or SIGINT asks it to drain."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

from tidings.core.errors import TidingsError

Main = Callable[[asyncio.Event], Awaitable[None]]


def run_until_signal(main: Main) -> None:
    """Run `main` until it returns; its event is set by SIGTERM or SIGINT.

    An error of ours ends the process with status 1 and one sentence on standard error.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(main))
    except TidingsError as error:
        sys.stderr.write(f"tidings: {error}\n")
        raise SystemExit(1) from None


async def _run(main: Main) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await main(stopping)
