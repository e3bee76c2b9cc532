"""The process that sends: `python -m tidings.channel_worker email` serves the channels it names."""

import asyncio
import sys
from collections.abc import Sequence

from tidings.core.logs import get_logger
from tidings.core.loops import BackOff
from tidings.core.models import BELL_CHANNEL
from tidings.core.process import run_until_signal
from tidings.core.quiet_log import QuietLog
from tidings.service import open_service
from tidings.system import System

_log = get_logger("channel-worker")


class ChannelWorker:
    """Delivers what is due on its channels; the bell saves it the wait for the next poll."""

    def __init__(self, system: System, *, channels: Sequence[str] | None = None) -> None:
        self._bus = system.bus
        self._delivery = system.delivery
        self._quiet_log = QuietLog("channel-worker")
        self._channels = tuple(channels or system.delivery.channels)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`, then drain. Raises ConfigurationError for an unknown channel."""
        _log.info("delivering", channels=list(self._channels))
        listening = asyncio.create_task(self._listen(stopping))
        try:
            await self._delivery.run(stopping, channels=self._channels)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
        _log.info("stopped", channels=list(self._channels))

    async def work(self) -> int:
        """One pass over what is due; how many deliveries were handled."""
        return await self._delivery.work(channels=self._channels)

    async def _listen(self, stopping: asyncio.Event) -> None:
        """Without the bell there is the poll: so any failure is only logged and tried again."""
        back_off = BackOff()
        while not stopping.is_set():
            try:
                async with self._bus.watch(BELL_CHANNEL) as rings:
                    self._delivery.ring()
                    async for _ in rings:
                        back_off.reset()
                        self._delivery.ring()
            except Exception as error:
                self._quiet_log.warning(
                    "the bell can't be heard; what is due is found by polling", reason=str(error)
                )
            await back_off.pause(stopping)


async def run_worker(stopping: asyncio.Event, *, channels: Sequence[str]) -> None:
    """Open the system of the environment's settings and deliver until `stopping`."""
    async with open_service(stopping) as system:
        await ChannelWorker(system, channels=channels).run(stopping)


def main(arguments: Sequence[str] | None = None) -> None:
    """The program: each argument is a channel; none means every channel with a provider."""
    channels = tuple(sys.argv[1:] if arguments is None else arguments)

    async def worker(stopping: asyncio.Event) -> None:
        await run_worker(stopping, channels=channels)

    run_until_signal(worker)


if __name__ == "__main__":
    main()
