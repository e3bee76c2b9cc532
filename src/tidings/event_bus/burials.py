"""Puts what nobody can handle on the dead-letter channel."""

from collections.abc import Sequence
from typing import Any

from tidings.core import cloudevents
from tidings.core.clock import Clock
from tidings.core.dead_letters import dead_letter
from tidings.core.logs import get_logger
from tidings.core.metrics import Metrics
from tidings.core.models import DEAD_LETTER_CHANNEL
from tidings.core.ports import Received
from tidings.event_bus.entries import FIELD, Malformed
from tidings.event_bus.link import Link, Word, translated
from tidings.event_bus.sweeper import Sweeper

_log = get_logger("event_bus")


class Burials:
    """A letter is added and the entry acknowledged in one MULTI: both or neither."""

    def __init__(self, link: Link, sweeper: Sweeper, *, clock: Clock, metrics: Metrics) -> None:
        self._link = link
        self._sweeper = sweeper
        self._clock = clock
        self._metrics = metrics

    async def bury(self, entry: Received | Malformed, *, group: str, reason: str) -> None:
        """Put a letter about an entry on the dead-letter channel. Raises Unavailable.

        A dead letter that can't be handled is only acknowledged, or it would bear another.
        """
        ack = ("XACK", entry.bus_channel, group, entry.entry_id)
        if entry.bus_channel == DEAD_LETTER_CHANNEL:
            await self._link.command(*ack)
        else:
            await self._send([*self._letter(entry, group, reason), ack])
        self._metrics.dead_letters.labels(bus_channel=entry.bus_channel).inc()
        _log.warning(
            "bus_entry_buried",
            bus_channel=entry.bus_channel,
            group=group,
            entry_id=entry.entry_id,
            reason=reason,
        )

    def _letter(
        self, entry: Received | Malformed, group: str, reason: str
    ) -> list[tuple[Word, ...]]:
        letter = dead_letter(
            bus_channel=entry.bus_channel,
            group=group,
            entry_id=entry.entry_id,
            reason=reason,
            entry=entry.raw if isinstance(entry, Malformed) else entry.event,
            at=self._clock.now(),
        )
        add: tuple[Word, ...] = (
            "XADD", DEAD_LETTER_CHANNEL, "*", FIELD, cloudevents.encode(letter)
        )  # fmt: skip
        return [self._sweeper.command(DEAD_LETTER_CHANNEL), add]

    async def _send(self, commands: Sequence[tuple[Word, ...]]) -> None:
        answers: list[Any] = await self._link.pipeline(commands, atomic=True)
        self._sweeper.report(DEAD_LETTER_CHANNEL, answers[0])
        for answer in answers[1:]:
            if isinstance(answer, Exception):
                raise translated(answer, "XADD")
