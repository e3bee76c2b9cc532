"""What the pages need of the services they show."""

from collections.abc import Sequence
from typing import Protocol

from tidings.analytics.summary import Summary
from tidings.notifications.dead_letters import DeadLetterPage, Replayed
from tidings.notifications.explanation import Explanation
from tidings.notifications.recent import EventSummary
from tidings.store.dead_letters import Inspected
from tidings.store.outbox import OutboxMessage


class Notifications(Protocol):
    """The Notification Service, as far as the pages ask it."""

    async def recent(self, limit: int) -> Sequence[EventSummary]:
        """The events accepted last, newest first."""
        ...

    async def explain(self, event_id: str) -> Explanation:
        """One event with all it led to. Raises NotFound."""
        ...


class Analytics(Protocol):
    """The Analytics Service, as far as the pages ask it."""

    async def summary(self, *, hours: int) -> Summary:
        """The figures of the last hours."""
        ...


class Outbox(Protocol):
    """The dev outbox, as far as the pages ask it."""

    async def recent(
        self, *, search: str = "", limit: int = 50, before: str | None = None
    ) -> Sequence[OutboxMessage]:
        """The newest messages first, older than id `before`."""
        ...

    async def get(self, outbox_id: str) -> OutboxMessage:
        """One message. Raises NotFound."""
        ...

    async def event_key(self, message_id: str) -> str | None:
        """The key of the event that led to a message, or None where it is not known."""
        ...


class DeadLetters(Protocol):
    """The dead letters, as far as the pages ask for them."""

    async def list(
        self,
        *,
        kind: str | None = None,
        channel: str | None = None,
        workflow: str | None = None,
        provider: str | None = None,
        user_id: str | None = None,
        reason: str | None = None,
        limit: int = 20,
        before: str | None = None,
    ) -> DeadLetterPage:
        """The newest first, older than `before`. Raises InvalidInput."""
        ...

    async def get(self, kind: str, letter_id: str) -> Inspected:
        """One of them with all that is known of it. Raises NotFound."""
        ...

    async def replay(self, kind: str, letter_id: str, *, in_doubt: bool, by: str) -> None:
        """Make one due again. Raises NotFound and Conflict."""
        ...

    async def replay_all(
        self,
        *,
        kind: str | None = None,
        channel: str | None = None,
        workflow: str | None = None,
        provider: str | None = None,
        user_id: str | None = None,
        reason: str | None = None,
        in_doubt: bool = False,
        before: str | None = None,
        by: str,
    ) -> Replayed:
        """Replay those that are wanted, some at a time. Raises InvalidInput."""
        ...
