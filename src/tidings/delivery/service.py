"""The delivery engine's front: what a channel worker runs."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from tidings.core.clock import Clock
from tidings.core.errors import ConfigurationError
from tidings.core.ids import Ids
from tidings.core.metrics import Metrics
from tidings.core.ports import EventBus, Provider, RetryPolicy, Store
from tidings.core.quiet_log import QuietLog
from tidings.core.work import Claimed, ClaimRequest
from tidings.delivery.courier import Courier, Templates
from tidings.delivery.hold import Hold
from tidings.delivery.middleware import contained_find, containment, metered, timeout, wrapped
from tidings.delivery.news import News
from tidings.delivery.settler import RejectAddress, Settler
from tidings.delivery.window import Claim, Window

#: seconds for a claim under way when the worker is to stop, and for the last news
_CLAIM_SECONDS: Final = 0.5
_NEWS_SECONDS: Final = 1.0
#: to put down what is in hand when `run` itself is broken off
_LAST_SECONDS: Final = 0.5


class DeliveryService:
    """Sends what is due on its channels: claim, re-check, render, call, settle.

    While a call is under way its lease is renewed every `beat_seconds`; when this process dies,
    the lease of `lease_seconds` runs out and another takes over. All times are in seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        bus: EventBus,
        templates: Templates,
        providers: Mapping[str, tuple[str, Provider]],
        retry: RetryPolicy,
        metrics: Metrics,
        clock: Clock,
        ids: Ids | None = None,
        reject_address: RejectAddress | None = None,
        slots: int = 100,
        lease_seconds: float = 10.0,
        beat_seconds: float = 3.0,
        poll_seconds: float = 1.0,
        drain_seconds: float = 8.0,
        call_seconds: float = 330.0,
    ) -> None:
        self._drain_seconds = drain_seconds
        self._lease_seconds = lease_seconds
        quiet_log = QuietLog("delivery")
        self._news = News(
            bus=bus,
            source=store.installation.source,
            clock=clock,
            ids=ids or Ids(),
            quiet_log=quiet_log,
        )
        self._hold = Hold(
            store=store,
            lease_seconds=lease_seconds,
            beat_seconds=beat_seconds,
            quiet_log=quiet_log,
        )
        settler = Settler(
            store=store,
            news=self._news,
            quiet_log=quiet_log,
            note_outage=self._hold.note_outage,
            reject=reject_address,
        )
        self._windows: dict[str, Window] = {}
        for channel, (name, provider) in providers.items():
            send = wrapped(
                provider.send,
                metered(metrics, channel=channel, provider=name),
                containment(quiet_log),
                timeout(call_seconds),
            )
            courier = Courier(
                templates=templates,
                provider=name,
                send=send,
                find=contained_find(provider, seconds=call_seconds, quiet_log=quiet_log),
                retry=retry,
                current=self._hold.current,
                clock=clock,
                quiet_log=quiet_log,
            )
            self._windows[channel] = Window(
                channel=channel,
                claim=self._claim_on(channel, name),
                carry=courier.carry,
                settle=settler.settle,
                hold=self._hold,
                slots=min(slots, provider.concurrency),
                poll_seconds=poll_seconds,
                quiet_log=quiet_log,
                gauge=metrics.in_flight.labels(channel),
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels there is a provider for."""
        return tuple(self._windows)

    def ring(self) -> None:
        """There may be work: look at once instead of at the next poll."""
        for window in self._windows.values():
            window.ring()

    async def run(self, stopping: asyncio.Event, *, channels: Sequence[str] | None = None) -> None:
        """Deliver until `stopping`, then drain: finish or give back within `drain_seconds`.

        Raises ConfigurationError for a channel that no provider serves.
        """
        windows = self._chosen(channels)
        heart = asyncio.create_task(self._hold.keep())
        try:
            await self._claim_until(stopping, windows)
            await self._drain(windows, self._drain_seconds)
        finally:
            await self._drain(windows, _LAST_SECONDS)
            heart.cancel()
            await asyncio.wait([heart])

    async def work(self, *, channels: Sequence[str] | None = None) -> int:
        """One pass over what is due, as many as there are slots; how many were handled."""
        handled = 0
        for window in self._chosen(channels):
            handled += await window.once()
        await self._news.told()
        return handled

    def _chosen(self, channels: Sequence[str] | None) -> Sequence[Window]:
        for channel in channels or ():
            if channel not in self._windows:
                served = ", ".join(self._windows) or "none"
                raise ConfigurationError(
                    f"no provider is set up for the channel {channel!r}: the channels are {served}."
                )
        return [self._windows[channel] for channel in channels or self._windows]

    def _claim_on(self, channel: str, provider: str) -> Claim:
        async def claim(limit: int) -> Sequence[Claimed]:
            result = await self._hold.claim(
                ClaimRequest(
                    channel=channel, providers=(provider,), limit=limit, lease=self._lease_seconds
                )
            )
            self._news.tell_ended(result.ended)
            return result.taken

        return claim

    async def _claim_until(self, stopping: asyncio.Event, windows: Sequence[Window]) -> None:
        """A claim that hangs then is broken off; what it took all the same is left to its lease."""
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(window.run(stopping)) for window in windows]
            await stopping.wait()
            for window in windows:
                window.wake()
            await asyncio.wait(loops, timeout=_CLAIM_SECONDS)
            for loop in loops:
                loop.cancel()

    async def _drain(self, windows: Sequence[Window], seconds: float) -> None:
        await asyncio.gather(*[window.drain(seconds) for window in windows])
        await self._news.told(_NEWS_SECONDS)
