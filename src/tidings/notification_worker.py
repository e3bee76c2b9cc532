"""The notification worker: hears what happened, plans what is due, tells how it went.

`python -m tidings.notification_worker` runs it as a process of its own.
"""

import asyncio
import time
from collections.abc import Sequence

from tidings.core.bell import Bell
from tidings.core.breath import Breath
from tidings.core.errors import InProgress, InvalidInput, NotFound, Unavailable
from tidings.core.logs import get_logger
from tidings.core.loops import BackOff, pause, until
from tidings.core.models import (
    DEAD_LETTER,
    DEAD_LETTER_CHANNEL,
    DELIVERIES_SETTLED,
    DELIVERY_CHANNEL,
    REGISTERED_USER,
    Event,
)
from tidings.core.ports import Received, Subscription
from tidings.core.process import run_until_signal
from tidings.core.quiet_log import QuietLog
from tidings.core.work import DueEvent, EventPlan
from tidings.notifications.builtin import WELCOME
from tidings.notifications.catalog import Catalog
from tidings.notifications.planner import plan_event
from tidings.service import open_service
from tidings.system import System
from tidings.wiring import NOTIFICATION_GROUP

_log = get_logger("notification-worker")

#: seconds between two looks at the events: longer than one takes, shorter than anybody notices
_BREATH = 0.005
#: seconds between two looks at what waits for its hour, however often the bell rings
_RESUME_SECONDS = 0.25
#: seconds between two looks at what is kept for a time only
_TIDY_SECONDS = 3600.0


def sent_email(due: DueEvent, catalog: Catalog) -> EventPlan:
    """Plan a REGISTERED_USER, heard on the bus or found by polling: the welcome e-mail among it.

    Pure: it may be asked again for an event whose transaction failed. `tell_welcome` is told of
    what was committed.
    """
    return plan_event(due, catalog)


def tell_welcome(plan: EventPlan) -> None:
    """Log what became of the welcome e-mail, once it is committed."""
    for notification in plan.notifications:
        if notification.workflow == WELCOME.key:
            last = notification.decisions[-1]
            _log.info(
                f"welcome e-mail {notification.state.value}",
                event_id=plan.event.id,
                user_id=notification.user_id,
                rule=last.rule,
                reason=last.reason,
            )


HANDLERS = {REGISTERED_USER: sent_email}
"""Who plans which type of event; all others go straight to the planner."""


class NotificationWorker:
    """Stores what others say on the bus, plans what is due, and logs outcomes."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._bell = Bell()
        self._quiet_log = QuietLog("notification-worker")
        self._resume_after = 0.0
        self._breath = Breath(_BREATH)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; what is in hand then is finished."""
        async with asyncio.TaskGroup() as group:
            for bus_channels in self._heard_apart():
                group.create_task(self._listen(bus_channels, stopping))
            group.create_task(self._plan(stopping))
            group.create_task(self._tidy(stopping))
            group.create_task(self._wake_at_the_end(stopping))

    async def work(self) -> int:
        """Plan one batch of what is due; how much there was. Raises Unavailable."""
        return await self._plan_events() + await self._system.notifications.resume_due()

    async def _plan_events(self) -> int:
        return await self._system.notifications.plan_due(HANDLERS, tell=tell_welcome)

    async def _resume(self) -> int:
        """Take up what waited, unless nothing was due a moment ago: no bell rings for it."""
        if time.monotonic() < self._resume_after:
            return 0
        resumed = await self._system.notifications.resume_due()
        self._resume_after = 0.0 if resumed else time.monotonic() + _RESUME_SECONDS
        return resumed

    async def _plan(self, stopping: asyncio.Event) -> None:
        back_off = BackOff()
        while not stopping.is_set():
            await self._breath.take()
            try:
                if not await self._plan_events() + await self._resume():
                    await self._bell.wait(self._system.settings.poll_seconds)
                back_off.reset()
            except Exception as error:  # what is due stays due, whatever it was
                self._complain("planning failed; trying again", error)
                await back_off.pause(stopping)

    async def _tidy(self, stopping: asyncio.Event) -> None:
        """Take away what was kept long enough, now and then; nobody waits for it."""
        while not stopping.is_set():
            try:
                await self._system.retention.apply()
            except Exception as error:  # what is over stays over, whatever it was
                self._complain("what is kept for a time only could not be taken away", error)
            await pause(stopping, _TIDY_SECONDS)

    async def _wake_at_the_end(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._bell.ring()

    def _heard_apart(self) -> Sequence[tuple[str, ...]]:
        """Channels of others, each alone: where one has to wait for room, only it waits."""
        others = [(bus_channel,) for bus_channel in self._system.settings.bus_channels]
        return [*others, (DELIVERY_CHANNEL, DEAD_LETTER_CHANNEL)]

    async def _listen(self, bus_channels: Sequence[str], stopping: asyncio.Event) -> None:
        back_off = BackOff()
        while not stopping.is_set():
            try:
                async with self._system.bus.subscribe(
                    *bus_channels, group=NOTIFICATION_GROUP
                ) as subscription:
                    async for batch in until(stopping, subscription):
                        await self._hear(subscription, batch, stopping)
                        back_off.reset()
                await back_off.pause(stopping)
            except Exception as error:  # what was heard comes again, whatever it was
                self._complain("the bus can't be heard; what is due is found by polling", error)
                await back_off.pause(stopping)

    async def _hear(
        self, subscription: Subscription, batch: Sequence[Received], stopping: asyncio.Event
    ) -> None:
        handled = await asyncio.gather(
            *(self._handle(subscription, received, stopping) for received in batch),
            return_exceptions=True,
        )
        done = [each for each, settled in zip(batch, handled, strict=True) if settled is True]
        if done:
            await subscription.ack(done)
            self._bell.ring()
        for fault in handled:
            if isinstance(fault, BaseException):
                raise fault

    async def _handle(
        self, subscription: Subscription, received: Received, stopping: asyncio.Event
    ) -> bool:
        """Whether it may be acknowledged; a database that is down is waited for."""
        back_off = BackOff()
        while True:
            try:
                await self._take(received)
                return True
            except (InvalidInput, NotFound) as error:
                await subscription.bury(received, str(error))
                return False
            except (Unavailable, InProgress) as error:
                self._complain("what was heard can't be stored yet, and is kept", error)
                if stopping.is_set():
                    return False
                await back_off.pause(stopping)
            except Exception as error:  # one poisonous event must not end the worker
                _log.exception("a heard event failed for a reason nobody foresaw")
                await subscription.bury(received, f"{type(error).__name__}: {error}")
                return False

    async def _take(self, received: Received) -> None:
        event = received.event
        if received.bus_channel == DELIVERY_CHANNEL:
            _tell_outcomes(event)
        elif received.bus_channel == DEAD_LETTER_CHANNEL:
            await self._keep(event)
        else:
            await self._take_news(event, received.bus_channel)

    async def _take_news(self, event: Event, bus_channel: str) -> None:
        _log.info(
            f"heard {event.type}",
            event_id=event.id,
            user_id=event.user_id,
            bus_channel=bus_channel,
        )
        if event.source != self._system.store.installation.source:
            await self._system.intake.accept_heard(event, bus_channel)

    async def _keep(self, event: Event) -> None:
        if event.type != DEAD_LETTER:
            return
        await self._system.dead_letters.keep(event)
        _log.warning(
            "a bus entry could not be handled and is among the dead letters",
            bus_channel=event.data.get("bus_channel"),
            entry_id=event.data.get("entry_id"),
            reason=event.data.get("reason"),
        )

    def _complain(self, sentence: str, error: Exception) -> None:
        if isinstance(error, Unavailable | InProgress):
            self._quiet_log.warning(sentence, reason=str(error))
        else:
            self._quiet_log.error(sentence, error)


def _tell_outcomes(event: Event) -> None:
    outcomes = event.data.get("outcomes")
    if event.type != DELIVERIES_SETTLED or not isinstance(outcomes, list):
        return
    for outcome in outcomes:
        if isinstance(outcome, dict):
            _log.info(
                _outcome_in_words(outcome),
                event_id=outcome.get("event_id"),
                user_id=outcome.get("user_id"),
                delivery_id=outcome.get("delivery_id"),
                reason=outcome.get("reason"),
            )


def _outcome_in_words(outcome: dict[str, object]) -> str:
    channel = "e-mail" if outcome.get("channel") == "email" else outcome.get("channel")
    return f"{outcome.get('workflow')} {channel} {outcome.get('state')}"


async def _run(stopping: asyncio.Event) -> None:
    async with open_service(stopping, publish=True) as system:
        await NotificationWorker(system).run(stopping)


def main() -> None:
    """Run the worker until SIGTERM or SIGINT."""
    run_until_signal(_run)


if __name__ == "__main__":
    main()
