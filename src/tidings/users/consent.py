"""Whether a person wants to be told: pure, and with the rule and reason for either answer."""

from dataclasses import dataclass
from typing import Final

from tidings.core.models import Recipient
from tidings.core.rules import Rule

ANY: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The answer, the rule that gave it, and a sentence that can be read out to the person."""

    allowed: bool
    rule: Rule
    reason: str


def consent(recipient: Recipient, workflow: str, channel: str, *, critical: bool) -> Consent:
    """Whether `workflow` may reach `recipient` on `channel`; the most specific choice wins.

    Order: this workflow on this channel, this workflow, this channel, everything, and then yes.
    Nobody can opt out of a critical workflow.
    """
    if critical:
        reason = f"{workflow} is critical: nobody can turn it off."
        return Consent(allowed=True, rule=Rule.CRITICAL, reason=reason)
    for scope in _scopes(workflow, channel):
        if scope in recipient.preferences:
            return _chosen(recipient.preferences[scope], *scope)
    reason = f"Nothing was chosen for {workflow} by {channel}, so it is on."
    return Consent(allowed=True, rule=Rule.DEFAULT, reason=reason)


def suppressed_words(channel: str) -> str:
    """Why a suppressed address gets nothing, on any lane."""
    return f"The {channel} address is suppressed: nothing may be sent to it."


def rejected_words(channel: str) -> str:
    """Why an address that a provider refused for good gets nothing, on any lane."""
    return f"A provider refused the {channel} address for good: it is not used any more."


def _scopes(workflow: str, channel: str) -> tuple[tuple[str, str], ...]:
    return ((workflow, channel), (workflow, ANY), (ANY, channel), (ANY, ANY))


def _chosen(enabled: bool, workflow: str, channel: str) -> Consent:
    what = "all notifications" if workflow == ANY else workflow
    where = "on every channel" if channel == ANY else f"by {channel}"
    reason = f"The user turned {what} {where} {'on' if enabled else 'off'}."
    return Consent(allowed=enabled, rule=Rule.PREFERENCE, reason=reason)
