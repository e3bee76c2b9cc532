"""What becomes of a delivery after each kind of end: pure."""

import re
from dataclasses import dataclass
from datetime import datetime

from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
)
from tidings.core.models import DeliveryState, Receipt
from tidings.core.ports import RetryPolicy
from tidings.core.work import Attempt, Claimed, Outcome
from tidings.delivery.recheck import Refusal

SENT = "sent"
REJECTED = "rejected"
_REASON_LIMIT = 500
#: what a database or a reader of logs can't take: control characters, lone surrogates
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One provider call that ended or was broken off."""

    provider: str
    started_at: datetime
    finished_at: datetime


def attempt_outcome(error: DeliveryError) -> str:
    """The word that an attempt keeps for an error."""
    if isinstance(error, AddressRejected):
        return REJECTED
    if isinstance(error, PermanentError):
        return "permanent"
    return "unknown" if isinstance(error, OutcomeUnknown) else "transient"


def sent(claimed: Claimed, call: Call, receipt: Receipt) -> Outcome:
    """The provider took it."""
    provider_id = plain(receipt.provider_id) if receipt.provider_id else None
    attempt = _attempt(call, SENT, error=None, provider_id=provider_id)
    return Outcome(claimed=claimed, state=DeliveryState.SENT, attempt=attempt)


def not_sent(claimed: Claimed, call: Call, error: DeliveryError, retry: RetryPolicy) -> Outcome:
    """The call ended in an error: another try later, or the end."""
    reason = plain(str(error)) or type(error).__name__
    attempt = _attempt(call, attempt_outcome(error), error=reason, provider_id=None)
    wait = retry(claimed.tries + 1, error)
    if wait is None:
        return Outcome(claimed=claimed, state=DeliveryState.FAILED, reason=reason, attempt=attempt)
    return Outcome(
        claimed=claimed, state=DeliveryState.PENDING, reason=reason, due_in=wait, attempt=attempt
    )


def refused(claimed: Claimed, refusal: Refusal) -> Outcome:
    """The re-check said no."""
    return Outcome(claimed=claimed, state=refusal.state, reason=refusal.reason)


def failed(claimed: Claimed, reason: str) -> Outcome:
    """It can't even be rendered."""
    return Outcome(claimed=claimed, state=DeliveryState.FAILED, reason=plain(reason))


def given_back(claimed: Claimed, *, due_in: float = 0.0) -> Outcome:
    """Nothing was called: somebody else may take it, as if it had never been claimed."""
    return Outcome(claimed=claimed, state=DeliveryState.PENDING, due_in=due_in)


def plain(text: str) -> str:
    """A stranger's words, fit for one line and any database."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:_REASON_LIMIT]


def _attempt(call: Call, outcome: str, *, error: str | None, provider_id: str | None) -> Attempt:
    return Attempt(
        provider=call.provider,
        outcome=outcome,
        started_at=call.started_at,
        finished_at=call.finished_at,
        error=error,
        provider_id=provider_id,
    )
