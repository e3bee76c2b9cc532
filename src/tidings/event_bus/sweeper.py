"""Keeps Redis small: frees what every group has acknowledged, and says so when it frees more."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tidings.core.errors import TidingsError
from tidings.core.logs import get_logger
from tidings.core.metrics import Metrics
from tidings.core.quiet_log import QuietLog
from tidings.event_bus.link import Link, Word, milliseconds
from tidings.event_bus.scripts import SWEEP
from tidings.event_bus.tuning import Tuning

_log = get_logger("event_bus")


class Sweeper:
    """Knows which channel is due for a sweep, and the groups declared for each.

    The sweep also creates the declared groups at 0, so that nothing is freed before they exist.
    """

    def __init__(
        self,
        link: Link,
        *,
        groups: Mapping[str, Sequence[str]],
        tuning: Tuning,
        log: QuietLog,
        metrics: Metrics,
    ) -> None:
        self._link = link
        self._groups = groups
        self._tuning = tuning
        self._log = log
        self._metrics = metrics
        self._due_at: dict[str, float] = {}
        self._published: dict[str, int] = {}

    def due(self, bus_channel: str, entries: int) -> bool:
        """Whether a publisher that is about to add so many entries is to sweep first."""
        published = self._published.get(bus_channel, 0) + entries
        late = _now() >= self._due_at.get(bus_channel, 0.0)
        if not late and published < self._tuning.sweep_entries:
            self._published[bus_channel] = published
            return False
        self._due_at[bus_channel] = _now() + self._tuning.sweep
        self._published[bus_channel] = entries
        return True

    def forget(self, bus_channel: str) -> None:
        """A sweep did not come through: the next one is due at once."""
        self._due_at.pop(bus_channel, None)

    def command(self, bus_channel: str) -> tuple[Word, ...]:
        """The sweep of a channel, to be sent along in a pipeline."""
        tuning = self._tuning
        limits = (tuning.keep, tuning.most, milliseconds(tuning.retention))
        return ("EVAL", SWEEP, 1, bus_channel, *limits, *self._groups.get(bus_channel, ()))

    async def sweep(self, bus_channel: str) -> None:
        """Sweep now; a failure is logged, and the next sweep does the work."""
        try:
            self.report(bus_channel, await self._link.command(*self.command(bus_channel)))
        except TidingsError as error:
            if not self._link.closed:
                self._log.warning("bus_sweep_failed", bus_channel=bus_channel, reason=str(error))

    def report(self, bus_channel: str, answer: Any) -> None:
        """Say it aloud when a sweep freed what a group had not acknowledged."""
        if isinstance(answer, Exception):
            self.forget(bus_channel)
            self._log.warning("bus_sweep_failed", bus_channel=bus_channel, reason=str(answer))
        elif answer[0]:
            self._tell_of_loss(bus_channel, answer[0], answer[1:])

    def _tell_of_loss(self, bus_channel: str, entries: int, groups: Sequence[bytes]) -> None:
        self._metrics.bus_entries_lost.labels(bus_channel).inc(entries)
        _log.error(
            "bus_entries_lost",
            bus_channel=bus_channel,
            entries=entries,
            groups=sorted(name.decode(errors="replace") for name in groups),
            reason="not acknowledged within the retention period or the limit of entries: "
            "start the groups' workers, or XGROUP DESTROY groups nobody reads any more",
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
