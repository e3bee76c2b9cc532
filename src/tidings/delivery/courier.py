"""Takes one claimed delivery to its outcome: re-check, render, ask if in doubt, call."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from tidings.core.clock import Clock
from tidings.core.errors import DeliveryError, OutcomeUnknown, TidingsError, Unavailable
from tidings.core.models import Content, DeliveryState, Message
from tidings.core.policy import OnUnknown
from tidings.core.ports import Find, RetryPolicy, Send
from tidings.core.quiet_log import QuietLog
from tidings.core.work import AttemptOutcome, Claimed, Outcome
from tidings.delivery import outcomes
from tidings.delivery.recheck import Refusal, recheck


class Templates(Protocol):
    """What renders; the Template Service."""

    async def render(self, version: str, context: Mapping[str, Any]) -> Content:
        """Raises TemplateError, its message naming the line; Unavailable without a database."""
        ...


class Courier:
    """One provider's courier. Being cancelled ends in an outcome too, so that nothing is lost."""

    def __init__(
        self,
        *,
        templates: Templates,
        provider: str,
        send: Send,
        find: Find | None = None,
        retry: RetryPolicy,
        current: Callable[[Claimed], Awaitable[Claimed | None]],
        silence: Callable[[], float | None],
        clock: Clock,
        quiet_log: QuietLog,
    ) -> None:
        self._templates = templates
        self._provider = provider
        self._send = send
        self._find = find
        self._retry = retry
        self._current = current
        self._silence = silence
        self._clock = clock
        self._quiet_log = quiet_log

    async def carry(self, claimed: Claimed) -> Outcome:
        """To the end, or to the next try; raises nothing."""
        refusal = recheck(claimed, self._clock.now())
        if refusal is None:
            return await self._carried(claimed)
        if self._find is None or not _is_to_be_asked(claimed):
            return outcomes.refused(claimed, refusal)
        return self._refused(claimed, refusal, await self._carried(claimed))

    def _refused(self, claimed: Claimed, refusal: Refusal, asked: Outcome) -> Outcome:
        """There is to be no other call, but what the provider knew of an earlier one counts."""
        attempt = asked.attempt
        is_given_back = attempt is None and asked.state is DeliveryState.PENDING
        if is_given_back or asked.state is DeliveryState.SENT:
            return asked
        if attempt is not None and attempt.outcome == AttemptOutcome.ABSENT:
            refusal = recheck(replace(claimed, doubt=False), self._clock.now()) or refusal
        return replace(outcomes.refused(claimed, refusal), attempt=attempt)

    async def _carried(self, claimed: Claimed) -> Outcome:
        rendered = await self._rendered(claimed)
        if isinstance(rendered, Outcome):
            return rendered
        if _is_to_be_asked(claimed):
            return await self._asked_first(claimed, rendered)
        return await self._called(claimed, rendered)

    async def _rendered(self, claimed: Claimed) -> Message | Outcome:
        try:
            content = await self._templates.render(claimed.template_version, _context(claimed))
        except asyncio.CancelledError:
            uncancel()
            return outcomes.given_back(claimed)
        except Unavailable as error:
            return outcomes.given_back(claimed, due_in=error.retry_after)
        except TidingsError as error:
            return outcomes.failed(claimed, str(error))
        except Exception as error:
            self._quiet_log.error("a template broke the renderer", error, delivery_id=claimed.id)
            reason = f"The template can't be rendered ({type(error).__name__})."
            return outcomes.failed(claimed, reason)
        return _message(claimed, content)

    async def _asked_first(self, claimed: Claimed, message: Message) -> Outcome:
        """Ask whether an earlier call was taken after all; if surely not, the next claim calls."""
        if self._find is None:
            if _is_decided(claimed):
                return await self._called(claimed, message)
            return outcomes.unanswerable(claimed)
        hushed = self._hushed(claimed)
        if hushed is not None:
            return hushed
        started_at = self._clock.now()
        try:
            receipt = await self._find(message)
        except asyncio.CancelledError:
            uncancel()
            return outcomes.given_back(claimed)
        except DeliveryError as error:
            return outcomes.not_told(claimed, self._call(started_at), error, self._retry)
        if receipt is None:
            return outcomes.absent(claimed, self._call(started_at))
        return outcomes.found(claimed, self._call(started_at), receipt)

    async def _called(self, claimed: Claimed, message: Message) -> Outcome:
        stopped = await self._stopped(claimed)
        if stopped is not None:
            return stopped
        started_at = self._clock.now()
        error: DeliveryError
        try:
            receipt = await self._send(message)
            return outcomes.sent(claimed, self._call(started_at), receipt)
        except asyncio.CancelledError:
            uncancel()
            error = OutcomeUnknown("the worker was stopped before the provider answered")
        except DeliveryError as raised:
            error = raised
        return outcomes.not_sent(claimed, self._call(started_at), error, self._retry)

    async def _stopped(self, claimed: Claimed) -> Outcome | None:
        """What becomes of it instead of the call, if anything speaks against that by now."""
        try:
            current = await self._current(claimed)
        except asyncio.CancelledError:
            uncancel()
            return outcomes.given_back(claimed)
        except Unavailable as error:
            return outcomes.given_back(claimed, due_in=error.retry_after)
        if current is None:
            self._quiet_log.warning(
                "given back: the lease was over, or it was sent, before the call could begin"
            )
            return outcomes.given_back(claimed)
        refusal = recheck(current, self._clock.now())
        return self._hushed(claimed) if refusal is None else outcomes.refused(claimed, refusal)

    def _hushed(self, claimed: Claimed) -> Outcome | None:
        """Given back, where its provider asked for silence since there was leave to call it."""
        silence = self._silence()
        return None if silence is None else outcomes.given_back(claimed, due_in=silence)

    def _call(self, started_at: datetime) -> outcomes.Call:
        return outcomes.Call(
            provider=self._provider, started_at=started_at, finished_at=self._clock.now()
        )


def _is_to_be_asked(claimed: Claimed) -> bool:
    """Whether an earlier call of it may have been taken here, and is to be asked about first."""
    in_doubt = claimed.doubt and not claimed.elsewhere
    return in_doubt and claimed.policy.on_unknown is OnUnknown.CHECK


def _is_decided(claimed: Claimed) -> bool:
    """Whether a person replayed it in doubt, and no call since then left doubt of its own."""
    return not claimed.lapses and (not claimed.tries or claimed.answered)


def _context(claimed: Claimed) -> Mapping[str, Any]:
    recipient, event = claimed.recipient, claimed.event
    return {
        "user": {
            "id": recipient.id if recipient else event.user_id,
            "name": recipient.name if recipient else None,
            "locale": recipient.locale if recipient else None,
        },
        "event": {"id": event.id, "type": event.type, "time": event.time.isoformat()},
        "data": event.data,
    }


def _message(claimed: Claimed, content: Content) -> Message:
    return Message(
        id=claimed.id,
        channel=claimed.channel,
        address=claimed.address,
        content=content,
        recipient_name=claimed.recipient.name if claimed.recipient else None,
        locale=claimed.locale,
        workflow=claimed.workflow,
        lane=claimed.lane,
    )


def uncancel() -> None:
    """The wish to end was heard and is answered by an outcome instead."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
