"""The last look before a call: whether the person may still be told. Pure."""

from dataclasses import dataclass
from datetime import datetime

from tidings.core.models import DeliveryState, Lane, Recipient
from tidings.core.policy import called_off, out_of_date, with_doubt
from tidings.core.rules import Rule
from tidings.core.work import Claimed
from tidings.users.consent import consent, rejected_words, suppressed_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why no call is made: the state it ends in, the rule, and a sentence."""

    state: DeliveryState
    rule: Rule
    reason: str


def recheck(claimed: Claimed, now: datetime) -> Refusal | None:
    """None to send; else why not. Decided by delivery and user as read with the claim."""
    if claimed.cancelled:
        reason = called_off(doubt=claimed.doubt)
        return Refusal(state=DeliveryState.CANCELLED, rule=Rule.CANCELLED, reason=reason)
    return expired(claimed, now) or _unwanted(claimed)


def expired(claimed: Claimed, at: datetime) -> Refusal | None:
    """Why it is not called at that moment, if it is of no use to anybody by then."""
    reason = out_of_date(claimed.expires_at, at, doubt=claimed.doubt)
    if reason is None:
        return None
    return Refusal(state=DeliveryState.EXPIRED, rule=Rule.EXPIRED, reason=reason)


def _unwanted(claimed: Claimed) -> Refusal | None:
    found = _why_unwanted(claimed)
    if found is None:
        return None
    rule, reason = found
    return Refusal(
        state=DeliveryState.SUPPRESSED,
        rule=rule,
        reason=with_doubt(reason, doubt=claimed.doubt),
    )


def _why_unwanted(claimed: Claimed) -> tuple[Rule, str] | None:
    """By which rule, and in words."""
    recipient = claimed.recipient
    if recipient is None:
        return Rule.USER_GONE, "The user was deleted after this was planned."
    if claimed.address in recipient.suppressed.get(claimed.channel, ()):
        return Rule.SUPPRESSED, suppressed_words(claimed.channel)
    if claimed.address in recipient.rejected.get(claimed.channel, ()):
        return Rule.ADDRESS_GONE, rejected_words(claimed.channel)
    if claimed.address not in recipient.reached_by(claimed.channel):
        return Rule.ADDRESS_GONE, f"The {claimed.channel} address is no longer the user's."
    return _opted_out(claimed, recipient)


def _opted_out(claimed: Claimed, recipient: Recipient) -> tuple[Rule, str] | None:
    if recipient.consent_version == claimed.consent_version:
        return None
    answer = consent(
        recipient, claimed.workflow, claimed.channel, critical=claimed.lane is Lane.CRITICAL
    )
    return None if answer.allowed else (answer.rule, answer.reason)
