"""The planner: what an event leads to, and by which rule. Pure: the same in, the same out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidings.core.ids import derived
from tidings.core.models import (
    DIRECT_MESSAGE,
    REGISTERED_USER,
    Decision,
    Event,
    Lane,
    NotificationState,
    Recipient,
    Verdict,
)
from tidings.core.policy import out_of_date
from tidings.core.rules import Rule
from tidings.core.work import (
    DueEvent,
    DueNotification,
    EventPlan,
    PlannedDelivery,
    PlannedNotification,
)
from tidings.notifications.catalog import Catalog
from tidings.notifications.workflow import ChannelStep, Delay, Workflow
from tidings.users.consent import Consent, consent, rejected_words, suppressed_words


def plan_event(due: DueEvent, catalog: Catalog) -> EventPlan:
    """All that a due event leads to."""
    workflows = catalog.listening_to(due.event.type)
    plan = EventPlan(event=due.event, registers=_registers(due))
    if not workflows:
        return replace(plan, reason=f"No workflow listens to {due.event.type}.")
    if due.recipient is None:
        return replace(plan, reason=_nobody(due.event.user_id))
    return replace(
        plan,
        notifications=tuple(
            _start(workflow, due, due.recipient, catalog) for workflow in workflows
        ),
    )


def plan_on(due: DueNotification, catalog: Catalog) -> PlannedNotification:
    """What becomes of a notification whose wait is over, with the recipient as they are now."""
    workflow = catalog.version(due.workflow, due.workflow_version)
    if due.recipient is None:
        return _cancelled(due, Rule.NO_USER, _nobody(due.event.user_id))
    if workflow is None:
        reason = f"Version {due.workflow_version} of workflow {due.workflow} is gone."
        return _cancelled(due, Rule.NO_WORKFLOW, reason)
    run = _Run(
        id=due.id,
        event=due.event,
        workflow=workflow,
        recipient=due.recipient,
        now=due.now,
        catalog=catalog,
    )
    return run.walk(due.step, lane=due.lane)


def _registers(due: DueEvent) -> bool:
    return due.event.type == REGISTERED_USER and due.recipient is not None


def _nobody(user_id: str | None) -> str:
    if user_id is None:
        return "The event names no user."
    return f"There is no user {user_id} any more."


def _start(
    workflow: Workflow, due: DueEvent, recipient: Recipient, catalog: Catalog
) -> PlannedNotification:
    run = _Run(
        id=derived(due.event.key, workflow.key, recipient.id),
        event=due.event,
        workflow=workflow,
        recipient=recipient,
        now=due.now,
        catalog=catalog,
    )
    return run.walk(0, lane=due.lane)


def _cancelled(due: DueNotification, rule: str, reason: str) -> PlannedNotification:
    decision = Decision(at=due.now, verdict=Verdict.SKIP, rule=rule, reason=reason, step=due.step)
    return PlannedNotification(
        id=due.id,
        user_id=due.event.user_id or "",
        workflow=due.workflow,
        workflow_version=due.workflow_version,
        lane=due.lane,
        once=False,
        state=NotificationState.CANCELLED,
        step=due.step,
        due_at=None,
        decisions=(decision,),
        deliveries=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What one step came to."""

    decisions: tuple[Decision, ...]
    deliveries: tuple[PlannedDelivery, ...] = ()
    wait_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One workflow for one user at one moment."""

    id: str
    event: Event
    workflow: Workflow
    recipient: Recipient
    now: datetime
    catalog: Catalog

    def walk(self, first: int, *, lane: Lane) -> PlannedNotification:
        """Plan the steps from `first` up to the next wait, or the end."""
        done: list[_Planned] = []
        for index in range(first, len(self.workflow.steps)):
            done.append(self._plan(index))
            if done[-1].wait_until:
                break
        return self._notification(first, done, lane)

    def _notification(
        self, first: int, done: Sequence[_Planned], lane: Lane
    ) -> PlannedNotification:
        deliveries = tuple(delivery for each in done for delivery in each.deliveries)
        wait_until = done[-1].wait_until if done else None
        return PlannedNotification(
            id=self.id,
            user_id=self.recipient.id,
            workflow=self.workflow.key,
            workflow_version=self.workflow.version,
            lane=self._lane(lane),
            once=self.workflow.once,
            state=self._state(first, waits=wait_until is not None, sends=bool(deliveries)),
            step=first + len(done),
            due_at=wait_until,
            decisions=tuple(decision for each in done for decision in each.decisions),
            deliveries=deliveries,
        )

    def _lane(self, lane: Lane) -> Lane:
        """Critical where the workflow is, and only there: an event may have others beside it."""
        if self.workflow.critical:
            return Lane.CRITICAL
        return Lane.NORMAL if lane is Lane.CRITICAL else lane

    def _state(self, first: int, *, waits: bool, sends: bool) -> NotificationState:
        """Skipped only where nothing can have been sent, so that a `once` may be tried again."""
        if waits:
            return NotificationState.WAITING
        earlier = self.workflow.steps[:first]
        if sends or any(isinstance(step, ChannelStep) for step in earlier):
            return NotificationState.PLANNED
        return NotificationState.SKIPPED

    def _plan(self, index: int) -> _Planned:
        step = self.workflow.steps[index]
        if isinstance(step, Delay):
            return self._wait(index, step)
        return self._send(index, step)

    def _wait(self, index: int, step: Delay) -> _Planned:
        until = self.now + step.duration
        reason = f"Waits {step.in_words}, until {until:%Y-%m-%d %H:%M:%S} UTC."
        decision = self._decision(index, Verdict.WAIT, Rule.DELAY, reason)
        return _Planned(decisions=(decision,), wait_until=until)

    def _send(self, index: int, step: ChannelStep) -> _Planned:
        channel = step.channel
        late = out_of_date(self._expiry(index, step), self.now)
        if late is not None:
            return self._skip(index, channel, Rule.EXPIRED, late)
        addresses = self._addresses(channel)
        if not addresses:
            return self._skip(index, channel, *self._unreachable(channel))
        wish = consent(self.recipient, self.workflow.key, channel, critical=self.workflow.critical)
        if not wish.allowed:
            return self._skip(index, channel, wish.rule, wish.reason)
        return self._deliver(index, step, addresses, wish)

    def _expiry(self, index: int, step: ChannelStep) -> datetime | None:
        """When the step is of no use any more; a time that is yet to come begins now."""
        if step.expires_after is None:
            return None
        waits = [each.duration for each in self.workflow.steps[:index] if isinstance(each, Delay)]
        meant_for = min(self.event.time, self.now) + sum(waits, timedelta(0))
        return min(meant_for, self.now) + timedelta(seconds=step.expires_after)

    def _addresses(self, channel: str) -> tuple[str, ...]:
        """Where the user is reached; a direct message goes to its own address or nowhere."""
        return self._meant(self.recipient.reached_by(channel))

    def _meant(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        to = self._direct_address()
        return addresses if to is None else tuple(each for each in addresses if each == to)

    def _unreachable(self, channel: str) -> tuple[str, str]:
        """By which rule there is no address to send to, and in words."""
        if self._meant(self.recipient.suppressed.get(channel, ())):
            return Rule.SUPPRESSED, suppressed_words(channel)
        if self._meant(self.recipient.rejected.get(channel, ())):
            return Rule.REJECTED, rejected_words(channel)
        if self._direct_address() is None:
            return Rule.NO_ADDRESS, f"The user has no {channel} address."
        return Rule.NO_ADDRESS, f"The message's address is no longer the user's {channel} address."

    def _direct_address(self) -> object:
        return self.event.data.get("to") if self.event.type == DIRECT_MESSAGE else None

    def _deliver(
        self, index: int, step: ChannelStep, addresses: Sequence[str], wish: Consent
    ) -> _Planned:
        channel = step.channel
        template = self.catalog.templates.resolve(step.template, channel, self.recipient.locale)
        if template is None:
            reason = f"There is no template {step.template} for {channel}."
            return self._skip(index, channel, Rule.NO_TEMPLATE, reason)
        decision = self._decision(index, Verdict.SEND, wish.rule, wish.reason, channel)
        return _Planned(
            decisions=(decision,),
            deliveries=tuple(
                PlannedDelivery(
                    id=derived(self.id, str(index), channel, address),
                    step=index,
                    channel=channel,
                    address=address,
                    template=step.template,
                    template_version=template.version,
                    locale=template.locale or self.recipient.locale,
                    consent_version=self.recipient.consent_version,
                    due_at=self.now,
                    policy=self.workflow.policy,
                    expires_at=self._expiry(index, step),
                )
                for address in addresses
            ),
        )

    def _skip(self, index: int, channel: str, rule: str, reason: str) -> _Planned:
        return _Planned(decisions=(self._decision(index, Verdict.SKIP, rule, reason, channel),))

    def _decision(
        self, index: int, verdict: Verdict, rule: str, reason: str, channel: str | None = None
    ) -> Decision:
        return Decision(
            at=self.now, verdict=verdict, rule=rule, reason=reason, step=index, channel=channel
        )
