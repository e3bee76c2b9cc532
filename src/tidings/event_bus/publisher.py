"""Puts events on channels: publishes of one tick of the event loop share one pipeline."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidings.core.errors import TidingsError, Unavailable
from tidings.event_bus.entries import FIELD
from tidings.event_bus.link import Link, Word, translated
from tidings.event_bus.sweeper import Sweeper


@dataclass(frozen=True, slots=True, kw_only=True)
class _Publication:
    bus_channel: str
    entries: Sequence[bytes]
    done: asyncio.Future[None]

    def settle(self, answers: Sequence[Any]) -> None:
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused:
            self.fail(translated(refused[0], "XADD"))
        elif not self.done.done():
            self.done.set_result(None)

    def fail(self, error: TidingsError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Publisher:
    """Sends what waits in one pipeline, one pipeline after the other, so that order is kept."""

    def __init__(self, link: Link, sweeper: Sweeper, *, patience: float) -> None:
        self._link = link
        self._sweeper = sweeper
        self._patience = patience
        self._waiting: list[_Publication] = []
        self._sending: asyncio.Task[None] | None = None

    async def publish(self, bus_channel: str, entries: Sequence[bytes]) -> None:
        """Put entries on a channel. Raises Unavailable when Redis does not take them in time."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Publication(bus_channel=bus_channel, entries=entries, done=done))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        try:
            async with asyncio.timeout(self._patience):
                await done
        except TimeoutError as error:
            raise Unavailable("Redis did not take the events in time") from error

    async def aclose(self) -> None:
        """Let what is under way come to its end."""
        if self._sending is not None:
            await self._sending

    async def _send_all(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            batch = [publication for publication in waiting if not publication.done.done()]
            try:
                await self._send(batch)
            except Exception as error:  # whatever went wrong, those who wait must hear of it
                self._fail(batch, error)

    async def _send(self, batch: Sequence[_Publication]) -> None:
        swept = self._swept(batch)
        commands = [self._sweeper.command(bus_channel) for bus_channel in swept]
        answers = iter(await self._link.pipeline([*commands, *_additions(batch)]))
        for bus_channel in swept:
            self._sweeper.report(bus_channel, next(answers))
        for publication in batch:
            publication.settle([next(answers) for _ in publication.entries])

    def _swept(self, batch: Sequence[_Publication]) -> list[str]:
        counts: dict[str, int] = {}
        for publication in batch:
            entries = len(publication.entries)
            counts[publication.bus_channel] = counts.get(publication.bus_channel, 0) + entries
        return [channel for channel, count in counts.items() if self._sweeper.due(channel, count)]

    def _fail(self, batch: Sequence[_Publication], error: Exception) -> None:
        ours = error if isinstance(error, TidingsError) else Unavailable(f"not sent: {error}")
        for publication in batch:
            self._sweeper.forget(publication.bus_channel)
            publication.fail(ours)


def _additions(batch: Sequence[_Publication]) -> list[tuple[Word, ...]]:
    return [
        ("XADD", publication.bus_channel, "*", FIELD, entry)
        for publication in batch
        for entry in publication.entries
    ]
