"""One member of a group: reads, keeps what is in its hands, takes over from the dead."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from tidings.core.breath import Breath
from tidings.core.clock import Clock
from tidings.core.errors import TidingsError
from tidings.core.loops import BackOff
from tidings.core.ports import Received
from tidings.core.quiet_log import QuietLog
from tidings.event_bus.burials import Burials
from tidings.event_bus.entries import Malformed, pairs, read_entry
from tidings.event_bus.link import GroupMissing, Link, milliseconds
from tidings.event_bus.scripts import BEAT, FORGET, LEAVE, TAKE_OVER
from tidings.event_bus.sweeper import Sweeper
from tidings.event_bus.tuning import Tuning

#: how our members' names begin; others' members are never removed
_PREFIX = "tidings-"
#: what a leaving member gives back counts as idle for so long
_LONG = 10 * 365 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every member of a bus works with."""

    link: Link
    sweeper: Sweeper
    burials: Burials
    clock: Clock
    tuning: Tuning
    log: QuietLog


class Member:
    """A subscription: iterating reads, `ack` and `bury` settle.

    It survives restarts of Redis by itself; what was not settled is handed out again.
    """

    def __init__(self, tools: Tools, *, group: str, bus_channels: Sequence[str]) -> None:
        self._tools = tools
        self._group = group
        self._bus_channels = tuple(dict.fromkeys(bus_channels))
        self._name = f"{_PREFIX}{uuid.uuid4()}"
        self._in_hand: dict[str, set[str]] = {name: set() for name in self._bus_channels}
        self._breath = Breath(tools.tuning.breath)
        self._back_off = BackOff(first=tools.tuning.pause, longest=tools.tuning.longest_pause)
        self._look_at = 0.0
        self._left = False
        self._keeper: asyncio.Task[None] | None = None

    def __aiter__(self) -> AsyncIterator[Sequence[Received]]:
        return self

    async def __anext__(self) -> Sequence[Received]:
        """The next batch; ends when the subscription is left or the bus closed."""
        while not (self._left or self._tools.link.closed):
            batch = await self._turn()
            if batch:
                return batch
        raise StopAsyncIteration

    async def ack(self, received: Sequence[Received]) -> None:
        """These are done with. Raises Unavailable; then they are handed out again."""
        for bus_channel in self._bus_channels:
            ids = [one.entry_id for one in received if one.bus_channel == bus_channel]
            if ids:
                # Out of our hands either way: kept alive unacknowledged, they would never return.
                self._in_hand[bus_channel].difference_update(ids)
                await self._tools.link.command("XACK", bus_channel, self._group, *ids)

    async def bury(self, received: Received, reason: str) -> None:
        """Put it on the dead-letter channel. Raises Unavailable; then it is handed out again."""
        self._in_hand[received.bus_channel].discard(received.entry_id)
        await self._tools.burials.bury(received, group=self._group, reason=reason)

    async def join(self) -> None:
        """Create the group where it is missing; begin to keep what comes into our hands."""
        try:
            await self._create_groups()
        except TidingsError as error:
            self._complain(error)
        self._keeper = asyncio.create_task(self._keep())

    async def leave(self) -> None:
        """Give back what is not settled, at once."""
        self._left = True
        await self._stop_keeping()
        for bus_channel in self._bus_channels:
            try:
                await self._script(LEAVE, bus_channel, milliseconds(_LONG))
            except TidingsError as error:
                self._complain(error)
                return

    async def _turn(self) -> Sequence[Received]:
        """What there is to hand over, perhaps nothing; failures end in a pause."""
        await self._breath.take()
        try:
            batch = await self._taken_over() or await self._read()
        except TidingsError as error:
            await self._recover(error)
            return ()
        self._back_off.reset()
        return batch

    async def _recover(self, error: TidingsError) -> None:
        if self._left or self._tools.link.closed:
            return
        self._complain(error)
        await self._back_off.pause()
        with contextlib.suppress(TidingsError):
            await self._create_groups()

    async def _create_groups(self) -> None:
        create = [
            ("XGROUP", "CREATE", bus_channel, self._group, "0", "MKSTREAM")
            for bus_channel in self._bus_channels
        ]
        await self._tools.link.pipeline(create)

    async def _read(self) -> Sequence[Received]:
        tuning = self._tools.tuning
        words = ("COUNT", tuning.batch, "BLOCK", milliseconds(tuning.block), "STREAMS")
        answer = await self._tools.link.read(
            "XREADGROUP", "GROUP", self._group, self._name, *words,
            *self._bus_channels, *(">" for _ in self._bus_channels),
            block=tuning.block,
        )  # fmt: skip
        at = self._tools.clock.now()
        found = [
            read_entry(bus_channel.decode(), entry_id, fields, at=at)
            for bus_channel, entries in answer or ()
            for entry_id, fields in entries
        ]
        return await self._handed(found)

    async def _taken_over(self) -> Sequence[Received]:
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return ()
        await self._beat()  # what is in our own hands must not seem idle to us
        found: list[Received | Malformed] = []
        for bus_channel in self._bus_channels:
            found += await self._take_over(bus_channel)
        if not found:
            self._look_at = now + min(self._tools.tuning.block, self._tools.tuning.lapse / 2)
        return await self._handed(found)

    async def _take_over(self, bus_channel: str) -> list[Received | Malformed]:
        tuning = self._tools.tuning
        idle = milliseconds(tuning.lapse)
        taken = await self._script(TAKE_OVER, bus_channel, idle, tuning.batch)
        gone = sum(len(entry) == 1 for entry in taken)
        if gone:
            self._tools.log.warning(
                "bus_entries_gone", bus_channel=bus_channel, group=self._group, entries=gone
            )
        at = self._tools.clock.now()
        return [
            read_entry(bus_channel, entry[0], pairs(entry[2]), at=at, count=entry[1])
            for entry in taken
            if len(entry) > 1
        ]

    async def _handed(self, found: Sequence[Received | Malformed]) -> Sequence[Received]:
        """Keep what can be handled; the bus itself buries the rest."""
        batch: list[Received] = []
        for entry in found:
            reason = self._poison(entry)
            if reason is None and isinstance(entry, Received):
                self._in_hand[entry.bus_channel].add(entry.entry_id)
                batch.append(entry)
            else:
                await self._bury_poison(entry, reason or "")
        return batch

    def _poison(self, entry: Received | Malformed) -> str | None:
        if isinstance(entry, Malformed):
            return entry.reason
        if entry.delivery_count > self._tools.tuning.deliveries:
            return f"handed out {entry.delivery_count - 1} times and never settled"
        return None

    async def _bury_poison(self, entry: Received | Malformed, reason: str) -> None:
        try:
            await self._tools.burials.bury(entry, group=self._group, reason=reason)
        except TidingsError as error:  # it stays pending, and is buried when it comes back
            self._complain(error)

    async def _keep(self) -> None:
        tuning = self._tools.tuning
        loop = asyncio.get_running_loop()
        sweep_at = loop.time() + tuning.sweep
        while not self._tools.link.closed:
            await asyncio.sleep(min(tuning.beat, tuning.sweep))
            await self._beat()
            if loop.time() >= sweep_at:
                await self._sweep()
                sweep_at = loop.time() + tuning.sweep

    async def _beat(self) -> None:
        for bus_channel, in_hand in self._in_hand.items():
            asked = sorted(in_hand)
            if not asked:
                continue
            try:
                held = await self._script(BEAT, bus_channel, *asked)
            except GroupMissing:
                held = []
            except TidingsError as error:
                self._complain(error)
                continue
            in_hand.difference_update(set(asked) - {entry_id.decode() for entry_id in held})

    async def _sweep(self) -> None:
        silent = milliseconds(self._tools.tuning.forget)
        for bus_channel in self._bus_channels:
            await self._tools.sweeper.sweep(bus_channel)
            with contextlib.suppress(TidingsError):
                await self._tools.link.script(FORGET, bus_channel, self._group, _PREFIX, silent)

    async def _stop_keeping(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def _script(self, script: str, bus_channel: str, *arguments: str | int) -> Any:
        link = self._tools.link
        return await link.script(script, bus_channel, self._group, self._name, *arguments)

    def _complain(self, error: TidingsError) -> None:
        self._tools.log.warning(
            "bus_unavailable",
            group=self._group,
            bus_channels=list(self._bus_channels),
            reason=str(error),
        )
