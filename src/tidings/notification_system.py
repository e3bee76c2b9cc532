"""`NotificationSystem`: everything in one process, by itself or inside your own asyncio program."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from tidings.analytics_worker import AnalyticsWorker
from tidings.api.server import listen, origin, serving
from tidings.channel_worker import ChannelWorker
from tidings.core.clock import Clock
from tidings.core.errors import Unavailable
from tidings.core.logs import configure_logs, get_logger, join_host_logs
from tidings.core.loops import pause
from tidings.core.models import UNDER_WAY, USER_CHANNEL, EventState
from tidings.core.ports import Worker
from tidings.core.process import run_until_signal
from tidings.delivery.confirming import Confirmed
from tidings.inbox.service import InboxService
from tidings.main import create_app
from tidings.notification_worker import NotificationWorker
from tidings.notifications.cancel_rows import Cancelled
from tidings.notifications.dead_letters import DeadLetterService
from tidings.notifications.explanation import Explanation
from tidings.notifications.intake import Intake
from tidings.notifications.timeline import NotificationTimeline
from tidings.notifications.workflow import Workflow
from tidings.notifications.workflows import WorkflowService
from tidings.settings import Settings, load_settings
from tidings.system import System
from tidings.templates.service import TemplateService
from tidings.users.service import UserService
from tidings.users.suppressions import SuppressionService
from tidings.wiring import open_system

#: seconds between two looks at an event that is waited for
_LOOK_SECONDS = 0.02


class NotificationSystem:
    """All of Tidings: `async with NotificationSystem() as tidings: await tidings.trigger(...)`.

    By default on SQLite (`tidings.db`) and the in-memory bus. Settings come from the environment
    and from keyword arguments named like the fields of `Settings`, or whole as `settings`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        workflows: Sequence[Workflow] = (),
        clock: Clock | None = None,
        stopping: asyncio.Event | None = None,
        **overrides: Any,
    ) -> None:
        if settings is not None and overrides:
            raise TypeError("give settings, or single fields of them, not both")
        self._settings = settings
        self._overrides = overrides
        self._workflows = workflows
        self._clock = clock
        self._stopping = stopping or asyncio.Event()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._services: System | None = None

    async def __aenter__(self) -> Self:
        if self._services is not None or self._stopping.is_set():
            raise RuntimeError("a NotificationSystem is opened once: make a new one")
        join_host_logs()
        settings = self._settings or load_settings(**self._overrides)
        self._services = await self._stack.enter_async_context(
            open_system(
                settings,
                clock=self._clock,
                workflows=self._workflows,
                stopping=self._stopping,
                publish=True,
            )
        )
        self._start(all_workers(self._services))
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        try:
            ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self._services = None
            await self._stack.aclose()
        failures = [end for end in ends if isinstance(end, Exception)]
        if failures and error is None:
            raise failures[0]

    @property
    def services(self) -> System:
        """All services, for what this class has no method for; only inside `async with`."""
        if self._services is None:
            raise RuntimeError("NotificationSystem is not open: use it in `async with`.")
        return self._services

    @property
    def users(self) -> UserService:
        """People, their addresses and preferences."""
        return self.services.users

    @property
    def suppressions(self) -> SuppressionService:
        """Addresses nothing is sent to."""
        return self.services.suppressions

    @property
    def templates(self) -> TemplateService:
        """Templates and their versions."""
        return self.services.templates

    @property
    def workflows(self) -> WorkflowService:
        """Workflows and their versions."""
        return self.services.workflows

    @property
    def feed(self) -> InboxService:
        """What each user finds in their feed."""
        return self.services.inbox

    @property
    def dead_letters(self) -> DeadLetterService:
        """What came to nothing, and how to replay it."""
        return self.services.dead_letters

    async def trigger(
        self,
        event_type: str,
        user_id: str,
        data: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        bus_channel: str = USER_CHANNEL,
        cancel_key: str | None = None,
    ) -> str:
        """Say that something happened to a user; the event's id, once it is stored durably.

        Raises NotFound for an unknown user, InvalidInput for what can't be taken.
        """
        accepted = await self._intake.trigger(
            event_type,
            user_id,
            dict(data or {}),
            event_id=event_id,
            idempotency_key=idempotency_key,
            bus_channel=bus_channel,
            cancel_key=cancel_key,
        )
        return accepted.event_id

    async def register(
        self,
        email: str,
        *,
        name: str | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Make the user of an address, as `POST /register` does; the event's id."""
        accepted = await self._intake.register(
            email, name=name, locale=locale, idempotency_key=idempotency_key
        )
        return accepted.event_id

    async def send(
        self,
        to: str,
        text: str,
        *,
        subject: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Send an e-mail to an address, without any workflow; the event's id."""
        accepted = await self._intake.send(
            to, text, subject=subject, idempotency_key=idempotency_key
        )
        return accepted.event_id

    async def cancel(
        self,
        *,
        cancel_key: str | None = None,
        event_id: str | None = None,
        notification_id: str | None = None,
    ) -> Cancelled:
        """Call off what one of these names; how much could be, and how much is under way.

        Raises NotFound for an unknown event or notification.
        """
        return await self.services.notifications.cancel(
            cancel_key=cancel_key, event_id=event_id, notification_id=notification_id
        )

    async def confirm(self, provider: str, provider_ids: Sequence[str]) -> Confirmed:
        """What an integration's vendor took under these ids was delivered; once is enough.

        What is unknown may just have been sent: ask again for that. Raises InvalidInput.
        """
        return await self.services.delivery.confirm(provider, provider_ids)

    async def explain(self, event_id: str) -> Explanation:
        """An event with all it led to, and why. Raises NotFound."""
        return await self.services.notifications.explain(event_id)

    async def timeline(self, notification_id: str) -> NotificationTimeline:
        """What happened to one notification, when, and by which rule. Raises NotFound."""
        return await self.services.notifications.timeline(notification_id)

    async def settled(self, event_id: str, *, seconds: float = 10.0) -> Explanation:
        """Wait until nothing of an event is left to do now, then explain it.

        Raises NotFound, and TimeoutError where something is still under way after `seconds`.
        """
        async with asyncio.timeout(seconds):
            while not _is_settled(explanation := await self.explain(event_id)):
                await pause(self._stopping, _LOOK_SECONDS)
        return explanation

    @property
    def _intake(self) -> Intake:
        intake = self.services.intake
        if self._stopping.is_set():
            raise Unavailable("this system is stopping: nothing is accepted any more")
        return intake

    def _start(self, workers: Sequence[Worker]) -> None:
        self._tasks = [asyncio.create_task(self._run(worker)) for worker in workers]

    async def _run(self, worker: Worker) -> None:
        try:
            await worker.run(self._stopping)
        except Exception:
            get_logger("system").exception("a worker ended for a reason nobody foresaw")
            self._stopping.set()
            raise


async def run(stopping: asyncio.Event) -> None:
    """The whole system as one process: workers, API and pages, until `stopping` is set."""
    settings = load_settings()
    configure_logs(form=settings.log_format, level=settings.log_level)
    with listen(settings.host, settings.port) as listener:
        async with NotificationSystem(settings, stopping=stopping) as tidings:
            app, proxies = create_app(tidings.services), settings.trusted_proxies
            async with serving(app, listener, stopping, trusted_proxies=proxies):
                _greet(origin(settings.host, listener.getsockname()[1]), settings)
                await stopping.wait()


def main() -> None:
    """`python -m tidings.notification_system` and `tidings up`."""
    run_until_signal(run)


def all_workers(system: System) -> tuple[Worker, ...]:
    """One of each worker."""
    return NotificationWorker(system), ChannelWorker(system), AnalyticsWorker(system)


def _is_settled(explanation: Explanation) -> bool:
    deliveries = [one for each in explanation.notifications for one in each.deliveries]
    planned = explanation.state != EventState.DUE
    return planned and all(one.state not in UNDER_WAY for one in deliveries)


def _greet(url: str, settings: Settings) -> None:
    sys.stderr.write(
        f"""
  Tidings is up. Everything runs in this process; what it keeps is in {settings.database_name}.

    API         {url}/v1
    API docs    {url}/docs
    Outbox      {url}/outbox
    Dashboard   {url}/dashboard

  Try it:  curl -X POST "{url}/register?email=test@example.com"

"""
    )


if __name__ == "__main__":
    main()
