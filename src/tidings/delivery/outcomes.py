"""What becomes of a delivery after each kind of end: pure."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.models import DeliveryState, Receipt
from tidings.core.policy import NoMore, OnUnknown
from tidings.core.ports import RetryPolicy
from tidings.core.rules import Rule
from tidings.core.work import Attempt, AttemptOutcome, Claimed, Outcome
from tidings.delivery.recheck import Refusal, expired

_REASON_LIMIT = 500
#: what a database or a reader of logs can't take: control characters, lone surrogates
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One provider call that ended or was broken off."""

    provider: str
    started_at: datetime
    finished_at: datetime


def attempt_outcome(error: DeliveryError) -> AttemptOutcome:
    """The word that an attempt keeps for an error."""
    if isinstance(error, AddressRejected):
        return AttemptOutcome.REJECTED
    if isinstance(error, PermanentError):
        return AttemptOutcome.PERMANENT
    if isinstance(error, OutcomeUnknown):
        return AttemptOutcome.UNKNOWN
    return AttemptOutcome.TRANSIENT


def sent(claimed: Claimed, call: Call, receipt: Receipt) -> Outcome:
    """The provider took it."""
    return Outcome(
        claimed=claimed,
        state=DeliveryState.SENT,
        attempt=_taken(call, AttemptOutcome.SENT, receipt),
    )


def found(claimed: Claimed, call: Call, receipt: Receipt) -> Outcome:
    """The provider was asked, and had taken it before."""
    return Outcome(
        claimed=claimed,
        state=DeliveryState.SENT,
        attempt=_taken(call, AttemptOutcome.FOUND, receipt),
    )


def absent(claimed: Claimed, call: Call) -> Outcome:
    """The provider was asked, and surely has not taken it: it is called next, with leave anew."""
    said = f"Asked whether it has it, {call.provider} said no"
    attempt = _attempt(call, AttemptOutcome.ABSENT, error=f"{said}.", provider_id=None)
    reason = f"{said}: it is called again."
    return Outcome(claimed=claimed, state=DeliveryState.PENDING, reason=reason, attempt=attempt)


def not_sent(claimed: Claimed, call: Call, error: DeliveryError, retry: RetryPolicy) -> Outcome:
    """The call ended in an error: another try later, or the end."""
    reason = plain(str(error)) or type(error).__name__
    attempt = _attempt(call, attempt_outcome(error), error=reason, provider_id=None)
    unknown = isinstance(error, OutcomeUnknown)
    following = retry(claimed, error, call.finished_at)
    if unknown and _is_held(claimed, following):
        return _held(claimed, reason, attempt)
    if isinstance(following, NoMore):
        return Outcome(
            claimed=claimed,
            state=DeliveryState.FAILED,
            reason=reason,
            rule=following,
            attempt=attempt,
        )
    return _later(claimed, call.finished_at, following, reason, attempt)


def not_told(claimed: Claimed, call: Call, error: DeliveryError, retry: RetryPolicy) -> Outcome:
    """The provider was asked whether it has it, and could not tell: still nobody knows."""
    reason = plain(f"Asked whether it has it, {call.provider} could not tell: {error}")
    attempt = _attempt(call, AttemptOutcome.UNKNOWN, error=reason, provider_id=None)
    asked = getattr(error, "retry_after", None)
    following = retry(claimed, TransientError(reason, retry_after=asked), call.finished_at)
    if isinstance(following, NoMore):
        return _held(claimed, reason, attempt)
    return _later(claimed, call.finished_at, following, reason, attempt)


def unanswerable(claimed: Claimed) -> Outcome:
    """It may have been taken, and its provider can't be asked."""
    reason = f"It may have been sent, and {claimed.provider} can't be asked whether it has it."
    return _held(claimed, reason, None)


def refused(claimed: Claimed, refusal: Refusal) -> Outcome:
    """The re-check said no."""
    return Outcome(claimed=claimed, state=refusal.state, reason=refusal.reason, rule=refusal.rule)


def failed(claimed: Claimed, reason: str) -> Outcome:
    """It can't even be rendered."""
    return Outcome(
        claimed=claimed, state=DeliveryState.FAILED, reason=plain(reason), rule=Rule.TEMPLATE
    )


def given_back(claimed: Claimed, *, due_in: float = 0.0) -> Outcome:
    """Nothing was called: somebody else may take it, as if it had never been claimed."""
    return Outcome(claimed=claimed, state=DeliveryState.PENDING, due_in=due_in)


def plain(text: str) -> str:
    """A stranger's words, fit for one line and any database."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:_REASON_LIMIT]


def _is_held(claimed: Claimed, following: float | NoMore) -> bool:
    """Whether an unknown outcome waits for a person: one that is to be known is never given up."""
    wanted = claimed.policy.on_unknown
    gave_up = isinstance(following, NoMore)
    return wanted is OnUnknown.HOLD or (wanted is OnUnknown.CHECK and gave_up)


def _held(claimed: Claimed, reason: str, attempt: Attempt | None) -> Outcome:
    return Outcome(
        claimed=claimed,
        state=DeliveryState.HELD,
        reason=reason,
        rule=Rule.UNKNOWN_OUTCOME,
        attempt=attempt,
    )


def _later(claimed: Claimed, now: datetime, wait: float, reason: str, attempt: Attempt) -> Outcome:
    """Another try, unless it would come too late for anybody."""
    doubt = claimed.doubt or attempt.outcome == AttemptOutcome.UNKNOWN
    late = expired(replace(claimed, doubt=doubt), now + timedelta(seconds=wait))
    if late is not None:
        return replace(refused(claimed, late), attempt=attempt)
    return Outcome(
        claimed=claimed, state=DeliveryState.PENDING, reason=reason, due_in=wait, attempt=attempt
    )


def _taken(call: Call, outcome: AttemptOutcome, receipt: Receipt) -> Attempt:
    provider_id = plain(receipt.provider_id) if receipt.provider_id else None
    return _attempt(call, outcome, error=None, provider_id=provider_id)


def _attempt(
    call: Call, outcome: AttemptOutcome, *, error: str | None, provider_id: str | None
) -> Attempt:
    return Attempt(
        provider=call.provider,
        outcome=outcome,
        started_at=call.started_at,
        finished_at=call.finished_at,
        error=error,
        provider_id=provider_id,
    )
