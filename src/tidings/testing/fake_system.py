"""`FakeSystem`: the whole system for your own tests, in memory, on a clock you move."""

from collections.abc import Iterable, Sequence
from typing import Any

from tidings.channels.recording import RecordingProvider
from tidings.core.models import Message, Verdict
from tidings.core.ports import Worker
from tidings.notification_system import NotificationSystem
from tidings.notifications.explanation import Explanation
from tidings.notifications.workflow import Workflow
from tidings.settings import Settings
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
        settings = Settings(
            **{"database_url": "sqlite://", "email_provider": "recording", **overrides}
        )
        super().__init__(settings, workflows=workflows, clock=self.clock)
        self._workers: Sequence[Worker] = ()

    @property
    def sent(self) -> Sequence[Message]:
        """What the provider took, in order."""
        return tuple(self._provider.messages)

    async def settle(self) -> None:
        """Plan and send until nothing is due."""
        for _ in range(PASSES):
            if not await self._pass():
                return
        raise AssertionError(f"something is due again and again: {PASSES} passes did not end it")

    async def advance(self, **delta: float) -> None:
        """Move the clock by days, hours, minutes, seconds …, then settle."""
        self.clock.advance(**delta)
        await self.settle()

    def sent_to(self, address: str) -> Sequence[Message]:
        """What was sent to one address, in order."""
        return [message for message in self.sent if message.address == address]

    def assert_sent(
        self, *, to: str, subject: str | None = None, text: str | None = None
    ) -> Message:
        """Exactly one message went to `to`, whose subject and text hold these; returns it."""
        found = [one for one in self.sent_to(to) if _matches(one, subject=subject, text=text)]
        assert len(found) == 1, f"{len(found)} such messages went to {to}; sent: {_list(self.sent)}"
        return found[0]

    def assert_nothing_sent(self, *, to: str | None = None) -> None:
        """No message went out, or none to `to`."""
        found = self.sent if to is None else self.sent_to(to)
        assert not found, f"sent all the same: {_list(found)}"

    async def assert_skipped(self, event_id: str, workflow: str, *, rule: str) -> None:
        """The workflow, or a step of it, was skipped for this event by this rule."""
        explanation = await self.explain(event_id)
        rules = _rules(explanation, workflow)
        assert rule in rules, f"{workflow} was not skipped by {rule}; its rules: {rules or 'none'}"

    def _start(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    async def _pass(self) -> int:
        return sum([await worker.work() for worker in self._workers])

    @property
    def _provider(self) -> RecordingProvider:
        _name, provider = self.system.providers["email"]
        assert isinstance(provider, RecordingProvider)
        return provider


def _matches(message: Message, *, subject: str | None, text: str | None) -> bool:
    content = message.content
    return (subject or "") in (content.subject or "") and (text or "") in content.text


def _list(messages: Iterable[Message]) -> str:
    return "; ".join(f"{one.content.subject} → {one.address}" for one in messages) or "nothing"


def _rules(explanation: Explanation, workflow: str) -> list[str]:
    return [
        decision.rule
        for notification in explanation.notifications
        if notification.workflow == workflow
        for decision in notification.decisions
        if decision.verdict is Verdict.SKIP
    ]
