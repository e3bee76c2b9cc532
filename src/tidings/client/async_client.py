"""`AsyncClient`: a running Tidings over HTTP, for asyncio programs."""

import asyncio
import uuid
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
from tidings.client.dead_letters import DeadLetters
from tidings.client.problems import part_of
from tidings.client.resources import Feed, Keys, Templates, Users, Workflows
from tidings.client.suppressions import Suppressions
from tidings.client.transport import DEFAULT_URL, Pause, Transport, path_of
from tidings.core.clock import Clock
from tidings.core.models import UNDER_WAY, USER_CHANNEL, EventState

#: seconds between two looks at an event that is waited for
_LOOK_SECONDS = 0.1


class AsyncClient:
    """Talks to the API at `url`; raises the same errors as the system in process.

    `timeout` is in seconds and for each try. A request that does no harm twice is tried again, up
    to `retries` times, where the server is down, full or silent. `clock` and `pause` are for tests.
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
        self._transport = Transport(
            url, api_key=api_key, timeout=timeout, retries=retries, clock=clock, pause=pause
        )
        self.users = Users(self._transport)
        self.suppressions = Suppressions(self._transport)
        self.workflows = Workflows(self._transport)
        self.templates = Templates(self._transport)
        self.feed = Feed(self._transport)
        self.keys = Keys(self._transport)
        self.dead_letters = DeadLetters(self._transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.aclose()

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
        body = {
            "type": event_type,
            "user_id": user_id,
            "data": dict(data or {}),
            "id": event_id,
            "channel": bus_channel,
            **({} if cancel_key is None else {"cancel_key": cancel_key}),
        }
        return await self._accepted(path_of("events"), body, idempotency_key)

    async def trigger_many(
        self, events: Sequence[EventItem], *, idempotency_key: str | None = None
    ) -> list[BulkItem]:
        """Say that up to 1,000 things happened: for each, in order, its id or a problem."""
        answer = await self._transport.post(
            path_of("events", "bulk"),
            {"events": list(events)},
            idempotency_key=_key(idempotency_key),
        )
        return list(part_of(answer, "results"))

    async def register(
        self,
        email: str,
        *,
        name: str | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Make the user of an address, as `POST /register` does; the event's id."""
        body = {"email": email, "name": name, "locale": locale}
        return await self._accepted("/register", body, idempotency_key)

    async def send(
        self,
        to: str,
        text: str,
        *,
        subject: str | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Send an e-mail to an address, without any workflow; the event's id."""
        body = {"to": to, "text": text, "subject": subject}
        return await self._accepted(path_of("messages"), body, idempotency_key)

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
        named = {"cancel_key": cancel_key, "event_id": event_id, "notification_id": notification_id}
        cancelled: Cancelled = await self._transport.post(
            path_of("cancellations"), named, harmless=True
        )
        return cancelled

    async def confirm(self, provider: str, provider_ids: Sequence[str]) -> Confirmed:
        """What an integration's vendor took under these ids was delivered; once is enough.

        What is unknown may just have been sent: ask again for that. Raises InvalidInput.
        """
        body = {"provider": provider, "provider_ids": list(provider_ids)}
        confirmed: Confirmed = await self._transport.post(path_of("receipts"), body, harmless=True)
        return confirmed

    async def explain(self, event_id: str) -> Explanation:
        """An event with all it led to, and why. Raises NotFound."""
        explanation: Explanation = await self._transport.get(path_of("events", event_id))
        return explanation

    async def timeline(self, notification_id: str) -> NotificationTimeline:
        """What happened to one notification, when, and by which rule. Raises NotFound."""
        path = path_of("notifications", notification_id)
        found: NotificationTimeline = await self._transport.get(path)
        return found

    async def settled(self, event_id: str, *, seconds: float = 10.0) -> Explanation:
        """Wait until nothing of an event is left to do now, then explain it.

        Raises NotFound, and TimeoutError where something is still under way after `seconds`.
        """
        async with asyncio.timeout(seconds):
            while not _is_settled(explanation := await self.explain(event_id)):
                await self._transport.pause(_LOOK_SECONDS)
        return explanation

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _accepted(
        self, path: str, body: Mapping[str, Any], idempotency_key: str | None
    ) -> str:
        answer = await self._transport.post(path, body, idempotency_key=_key(idempotency_key))
        return str(part_of(answer, "event_id"))


def _key(given: str | None) -> str:
    """The caller's key, or a new one, so that repeating the request never does it twice."""
    return str(uuid.uuid4()) if given is None else given


def _is_settled(explanation: Explanation) -> bool:
    deliveries = [one for each in explanation["notifications"] for one in each["deliveries"]]
    planned = explanation["state"] != EventState.DUE
    return planned and all(one["state"] not in UNDER_WAY for one in deliveries)
