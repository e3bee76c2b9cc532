"""`FakeSystem`: the whole system for your own tests, in memory, on a clock you move."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tidings.channels.recording import RecordingProvider
from tidings.core.models import Message, Verdict
from tidings.core.ports import Worker
from tidings.notification_system import NotificationSystem
from tidings.notifications.explanation import Explanation
from tidings.notifications.workflow import Workflow
from tidings.store.schema import deliveries, events, notifications
from tidings.testing.clock import MovableClock

#: passes after which `settle` says that something never comes to rest
PASSES = 1_000


class FakeSystem(NotificationSystem):
    """`NotificationSystem` on in-memory SQLite; nothing is sent, all that would be is in `sent`.

    No worker runs by itself: `await system.settle()` does all that is due, and
    `await system.advance(hours=1)` moves the clock and settles again.
    """

    def __init__(self, *, workflows: Sequence[Workflow] = (), **overrides: Any) -> None:
        self.clock = MovableClock()
        super().__init__(
            workflows=workflows,
            clock=self.clock,
            database_url="sqlite://",
            redis_url=None,
            **{"email_provider": "recording", **overrides},
        )
        self._workers: Sequence[Worker] = ()

    @property
    def provider(self) -> RecordingProvider:
        """What would send: `provider.script([error, None, …])` makes it fail."""
        return next(iter(self.providers.values()))

    @property
    def providers(self) -> Mapping[str, RecordingProvider]:
        """Where there are several, `email_provider="east=recording, west=recording"`: by name."""
        return {
            integration.name: integration.provider
            for integration in self.services.providers["email"]
            if isinstance(integration.provider, RecordingProvider)
        }

    @property
    def sent(self) -> Sequence[Message]:
        """What the providers took; of each in order."""
        return [message for each in self.providers.values() for message in each.messages]

    async def settle(self) -> None:
        """Plan and send until nothing is due."""
        for _ in range(PASSES):
            if not await self._pass():
                return
        raise AssertionError(f"something is due again and again: {PASSES} passes did not end it")

    async def advance(self, **delta: float) -> None:
        """Let days, hours, minutes … pass; what falls due meanwhile is done in its time."""
        target = self.clock.now() + timedelta(**delta)
        await self.settle()
        while (moment := await self._next_moment()) is not None and moment <= target:
            self._move_to(moment)
            await self.settle()
        self._move_to(target)

    async def settled(self, event_id: str, *, seconds: float = 10.0) -> Explanation:
        """Settle, then explain the event."""
        await self.settle()
        return await super().settled(event_id, seconds=seconds)

    def sent_to(self, address: str) -> Sequence[Message]:
        """What was sent to one address, in order."""
        return [message for message in self.sent if message.address == address]

    def assert_sent(
        self, *, to: str, subject: str | None = None, text: str | None = None
    ) -> Message:
        """Exactly one message went to `to`, whose subject and text hold these; returns it."""
        found = [one for one in self.sent_to(to) if _matches(one, subject=subject, text=text)]
        wanted = f"{len(found)} such messages went to {to}, not one"
        assert len(found) == 1, f"{wanted}; sent: {_list(self.sent)}"
        return found[0]

    def assert_nothing_sent(self, *, to: str | None = None) -> None:
        """No message went out, or none to `to`."""
        found = self.sent if to is None else self.sent_to(to)
        assert not found, f"sent all the same: {_list(found)}"

    async def assert_skipped(self, event_id: str, workflow: str, *, rule: str) -> None:
        """The workflow, or a step of it, was skipped for this event by this rule."""
        explanation = await self.explain(event_id)
        rules = _rules(explanation, workflow)
        what = f"skipped by {', '.join(rules)}" if rules else "not skipped at all"
        assert rule in rules, f"{workflow} was not skipped by {rule}: it was {what}"

    def _start(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    async def _pass(self) -> int:
        return sum([await worker.work() for worker in self._workers])

    async def _next_moment(self) -> datetime | None:
        """When something falls due, or an integration may be called for which something waits."""
        due_at, now = await self.services.store.run(_next_due), self.clock.now()
        if due_at is None or due_at > now:
            return due_at
        return now + timedelta(seconds=self.services.delivery.leave_in)

    def _move_to(self, moment: datetime) -> None:
        self.clock.advance(seconds=max((moment - self.clock.now()).total_seconds(), 0))


def _next_due(connection: sa.Connection) -> datetime | None:
    moments = [
        connection.scalar(sa.select(sa.func.min(table.c.due_at)))
        for table in (events, notifications, deliveries)
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def _matches(message: Message, *, subject: str | None, text: str | None) -> bool:
    content = message.content
    return (subject or "") in (content.subject or "") and (text or "") in content.text


def _list(messages: Iterable[Message]) -> str:
    shown = [f"{one.content.subject!r} {one.content.text!r} to {one.address}" for one in messages]
    return "; ".join(shown) or "nothing"


def _rules(explanation: Explanation, workflow: str) -> list[str]:
    return [
        decision.rule
        for notification in explanation.notifications
        if notification.workflow == workflow
        for decision in notification.decisions
        if decision.verdict is Verdict.SKIP
    ]
