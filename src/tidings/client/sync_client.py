"""`Client`: a running Tidings over HTTP, for programs without asyncio."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tidings.client.answers import (
    BulkItem,
    Cancelled,
    Confirmed,
    EventItem,
    Explanation,
    NotificationTimeline,
)
from tidings.client.async_client import AsyncClient
from tidings.client.loop_thread import LoopThread
from tidings.client.suppressions import SyncSuppressions
from tidings.client.sync_dead_letters import SyncDeadLetters
from tidings.client.sync_resources import (
    SyncFeed,
    SyncKeys,
    SyncTemplates,
    SyncUsers,
    SyncWorkflows,
)
from tidings.client.transport import DEFAULT_URL, Pause
from tidings.core.clock import Clock
from tidings.core.models import USER_CHANNEL


class Client:
    """`AsyncClient` without `await`; any thread may use it, several at once.

    It runs an event loop in a thread of its own, until `close()` or the end of `with`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        clock: Clock | None = None,
        pause: Pause | None = None,
    ) -> None:
        self._client = AsyncClient(
            url, api_key=api_key, timeout=timeout, retries=retries, clock=clock, pause=pause
        )
        self._thread = LoopThread(type(self).__name__)
        self.users = SyncUsers(self._client.users, self._thread)
        self.suppressions = SyncSuppressions(self._client.suppressions, self._thread)
        self.workflows = SyncWorkflows(self._client.workflows, self._thread)
        self.templates = SyncTemplates(self._client.templates, self._thread)
        self.feed = SyncFeed(self._client.feed, self._thread)
        self.keys = SyncKeys(self._client.keys, self._thread)
        self.dead_letters = SyncDeadLetters(self._client.dead_letters, self._thread)

    def __repr__(self) -> str:
        return repr(self._client).removeprefix("Async")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def trigger(
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
        return self._thread.wait_for(
            self._client.trigger(
                event_type,
                user_id,
                data,
                event_id=event_id,
                idempotency_key=idempotency_key,
                bus_channel=bus_channel,
                cancel_key=cancel_key,
            )
        )

    def trigger_many(
        self, events: Sequence[EventItem], *, idempotency_key: str | None = None
    ) -> list[BulkItem]:
        """Say that up to 1,000 things happened: for each, in order, its id or a problem."""
        return self._thread.wait_for(
            self._client.trigger_many(events, idempotency_key=idempotency_key)
        )

    def register(
        self,
        email: str,
        *,
        name: str | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Make the user of an address, as `POST /register` does; the event's id."""
        return self._thread.wait_for(
            self._client.register(email, name=name, locale=locale, idempotency_key=idempotency_key)
        )

    def send(
        self,
        to: str,
        text: str,
        *,
        subject: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Send an e-mail to an address, without any workflow; the event's id."""
        return self._thread.wait_for(
            self._client.send(to, text, subject=subject, idempotency_key=idempotency_key)
        )

    def cancel(
        self,
        *,
        cancel_key: str | None = None,
        event_id: str | None = None,
        notification_id: str | None = None,
    ) -> Cancelled:
        """Call off what one of these names; how much could be, and how much is under way.

        Raises NotFound for an unknown event or notification.
        """
        return self._thread.wait_for(
            self._client.cancel(
                cancel_key=cancel_key, event_id=event_id, notification_id=notification_id
            )
        )

    def confirm(self, provider: str, provider_ids: Sequence[str]) -> Confirmed:
        """What an integration's vendor took under these ids was delivered; once is enough.

        What is unknown may just have been sent: ask again for that. Raises InvalidInput.
        """
        return self._thread.wait_for(self._client.confirm(provider, provider_ids))

    def explain(self, event_id: str) -> Explanation:
        """An event with all it led to, and why. Raises NotFound."""
        return self._thread.wait_for(self._client.explain(event_id))

    def timeline(self, notification_id: str) -> NotificationTimeline:
        """What happened to one notification, when, and by which rule. Raises NotFound."""
        return self._thread.wait_for(self._client.timeline(notification_id))

    def settled(self, event_id: str, *, seconds: float = 10.0) -> Explanation:
        """Wait until nothing of an event is left to do now, then explain it.

        Raises NotFound, and TimeoutError where something is still under way after `seconds`.
        """
        return self._thread.wait_for(self._client.settled(event_id, seconds=seconds))

    def close(self) -> None:
        """Close the connections and end the thread."""
        self._thread.close(self._client.aclose())
