"""The delivery engine's front: what a channel worker runs."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tidings.core.bell import Bell
from tidings.core.clock import Clock
from tidings.core.delivery_news import DeliveryNews
from tidings.core.errors import ConfigurationError, Unavailable
from tidings.core.ids import Ids
from tidings.core.integrations import Integration
from tidings.core.metrics import Metrics
from tidings.core.ports import EventBus, RetryPolicy, SharedState, Store
from tidings.core.quiet_log import QuietLog
from tidings.delivery.building import Workshop
from tidings.delivery.channel import Channel
from tidings.delivery.confirming import Confirmed, Confirming
from tidings.delivery.courier import Templates
from tidings.delivery.database_clock import DatabaseClock
from tidings.delivery.dead_addresses import RejectAddress
from tidings.delivery.ends import Ends
from tidings.delivery.hold import Hold
from tidings.delivery.news import News
from tidings.delivery.pace import USUAL_PACE, Pace
from tidings.delivery.pauses import Pauses
from tidings.delivery.settler import Settler

#: seconds for a claim under way when the worker is to stop, and for the last news
_CLAIM_SECONDS: Final = 0.5
_NEWS_SECONDS: Final = 1.0
#: to put down what is in hand when `run` itself is broken off
_LAST_SECONDS: Final = 0.5
#: how often the workers agree on how the integrations fare, where nothing is urgent
_TELL_SECONDS: Final = 0.5
#: how often it is looked for what no claim comes for
_SWEEP_SECONDS: Final = 1.0


class DeliveryService:
    """Sends what is due on its channels: claim, re-check, render, call, settle.

    While a call is under way its lease is renewed beat by beat; when this process dies, the lease
    runs out and another takes over.
    """

    def __init__(
        self,
        *,
        store: Store,
        bus: EventBus,
        shared: SharedState,
        templates: Templates,
        integrations: Mapping[str, Sequence[Integration]],
        retry: RetryPolicy,
        metrics: Metrics,
        clock: Clock,
        ids: Ids | None = None,
        reject_address: RejectAddress | None = None,
        chance: Callable[[], float] = random.random,
        pace: Pace = USUAL_PACE,
    ) -> None:
        self._store = store
        self._pace = pace
        ids = ids or Ids()
        self._quiet_log = QuietLog("delivery")
        self._urgent = Bell()
        self._bus_news = DeliveryNews(
            bus,
            source=store.installation.source,
            clock=clock,
            ids=ids,
            quiet_log=self._quiet_log,
        )
        self._confirming = Confirming(store, tell=self._bus_news.tell)
        database_clock = DatabaseClock(clock)
        self._news = News(self._bus_news, ends=Ends(metrics, clock=database_clock))
        self._hold = Hold(
            store=store,
            clock=database_clock,
            lease_seconds=pace.lease_seconds,
            beat_seconds=pace.beat_seconds,
            quiet_log=self._quiet_log,
        )
        self._pauses = Pauses(store, clock=clock, quiet_log=self._quiet_log)
        workshop = Workshop(
            store=store,
            shared=shared,
            templates=templates,
            retry=retry,
            hold=self._hold,
            settler=self._settler(reject_address),
            news=self._news,
            metrics=metrics,
            clock=clock,
            database_clock=database_clock,
            ids=ids,
            quiet_log=self._quiet_log,
            pace=pace,
            pauses=self._pauses,
            urgent=self._urgent.ring,
            worker=ids.new(),
            chance=chance,
        )
        self._channels = {
            name: workshop.channel(name, those) for name, those in integrations.items()
        }

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels there is an integration for."""
        return tuple(self._channels)

    @property
    def leave_in(self) -> float:
        """Seconds until it is worth another pass where something due was not handled."""
        return max(channel.leave_in for channel in self._channels.values())

    def note_outage(self) -> None:
        """The database was away when this process began: the others may have to renew leases."""
        self._hold.note_outage()

    def ring(self) -> None:
        """There may be work: look at once instead of at the next poll."""
        for channel in self._channels.values():
            channel.ring()

    async def run(self, stopping: asyncio.Event, *, channels: Sequence[str] | None = None) -> None:
        """Deliver until `stopping`, then drain: finish or give back within `drain_seconds`.

        Raises ConfigurationError for a channel that no provider serves.
        """
        chosen = self._chosen(channels)
        kept = [
            asyncio.create_task(self._hold.keep()),
            asyncio.create_task(self._pauses.keep()),
            asyncio.create_task(self._keep_telling(chosen)),
            *[asyncio.create_task(self._keep_sweeping(channel)) for channel in chosen],
        ]
        is_drained = False
        try:
            await self._claim_until(stopping, chosen)
            await self._drain(chosen, self._pace.drain_seconds)
            is_drained = True
        finally:
            if not is_drained:
                await self._drain(chosen, _LAST_SECONDS)
            for task in kept:
                task.cancel()
            await asyncio.wait(kept)

    async def work(self, *, channels: Sequence[str] | None = None) -> int:
        """One pass over what is due, as many as there are slots; how many were handled."""
        handled, chosen = 0, self._chosen(channels)
        await self._tell(chosen)
        for channel in chosen:
            handled += await channel.once()
        await self._tell(chosen)
        await self._pauses.save()
        await self._bus_news.published()
        return handled

    async def confirm(self, provider: str, provider_ids: Sequence[str]) -> Confirmed:
        """What an integration's vendor took under these ids was delivered. Raises InvalidInput.

        A repeat changes nothing. What is unknown may just have been sent: ask again for that.
        """
        return await self._confirming.by(provider, provider_ids)

    async def aclose(self) -> None:
        """Publish what is still to be told, but not for long."""
        await self._bus_news.published(_NEWS_SECONDS)

    def _chosen(self, channels: Sequence[str] | None) -> Sequence[Channel]:
        for channel in channels or ():
            if channel not in self._channels:
                served = ", ".join(self._channels) or "none"
                raise ConfigurationError(
                    f"no provider is set up for the channel {channel!r}: the channels are {served}."
                )
        return [self._channels[channel] for channel in channels or self._channels]

    def _settler(self, reject_address: RejectAddress | None) -> Settler:
        return Settler(
            store=self._store,
            news=self._news,
            quiet_log=self._quiet_log,
            note_outage=self._hold.note_outage,
            reject=reject_address,
        )

    async def _keep_telling(self, channels: Sequence[Channel]) -> None:
        while True:
            await self._urgent.wait(_TELL_SECONDS)
            await self._tell(channels)

    async def _tell(self, channels: Sequence[Channel]) -> None:
        for channel in channels:
            try:
                await channel.tell()
            except Unavailable as error:  # the next time, then; calls don't rest on it
                self._quiet_log.warning("receipts can't be looked up", reason=str(error))
            except Exception as error:  # likewise
                self._quiet_log.error("how the integrations fare can't be agreed on", error)

    async def _keep_sweeping(self, channel: Channel) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await channel.recall()
                await channel.sweep()
            except Exception as error:  # the next time, or a claim, then
                self._quiet_log.warning("what no claim comes for can't be swept", reason=str(error))

    async def _claim_until(self, stopping: asyncio.Event, channels: Sequence[Channel]) -> None:
        """A claim that hangs then is broken off; what it took all the same is given back."""
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(channel.run(stopping)) for channel in channels]
            await stopping.wait()
            for channel in channels:
                channel.wake()
            await asyncio.wait(loops, timeout=_CLAIM_SECONDS)
            for loop in loops:
                loop.cancel()

    async def _drain(self, channels: Sequence[Channel], seconds: float) -> None:
        await asyncio.gather(*[channel.drain(seconds) for channel in channels])
        await asyncio.gather(
            self._hold.given_back(_NEWS_SECONDS),
            self._pauses.saved(_NEWS_SECONDS),
            self._bus_news.published(_NEWS_SECONDS),
        )
