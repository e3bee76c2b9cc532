"""What an endpoint's answers mean to us: the status codes of RFC 9110."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from tidings.channels.http.options import PREFIX
from tidings.channels.words import without_addresses
from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.egress.http import Answer
from tidings.egress.retry_after import retry_after

#: where an answer may say why, in the order they are looked for
_REASONS = ("reason", "detail", "message", "error")
#: the one that only an endpoint made for us gives; any framework's page of errors has the others
_DOCUMENTED = "reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What an answer said that is no success."""

    words: str
    #: whether it gave a reason in the documented form, and so knows what it was asked
    has_reason: bool
    retry_after: float | None


def _later(refusal: Refusal) -> DeliveryError:
    return TransientError(refusal.words, retry_after=refusal.retry_after)


def _mend(option: str, refusal: Refusal) -> DeliveryError:
    words = f"{refusal.words}: check {PREFIX}{option}"
    return TransientError(words, retry_after=refusal.retry_after)


def _gone(refusal: Refusal) -> DeliveryError:
    """The address, if the endpoint says so; without a word it is the endpoint that is gone."""
    return AddressRejected(refusal.words) if refusal.has_reason else _mend("URL", refusal)


def _never(refusal: Refusal) -> DeliveryError:
    return PermanentError(refusal.words)


def _unknown(refusal: Refusal, *, own: bool = False) -> DeliveryError:
    return OutcomeUnknown(refusal.words, retry_after=refusal.retry_after, own=own)


#: status → what to raise; the first row that fits counts
ANSWERS: tuple[tuple[str, Callable[[Refusal], DeliveryError]], ...] = (
    (r"3\d\d", partial(_mend, "URL")),  # not followed: nobody chose to send anything there
    (r"401|403|407", partial(_mend, "TOKEN")),  # ours to mend, then it works
    (r"404|405|421", partial(_mend, "URL")),
    (r"402|408|425|429", _later),
    (r"409", partial(_unknown, own=True)),  # an earlier call of it is at work, and may be taken
    (r"410", _gone),
    (r"4\d\d", _never),
    (r"502|504", _unknown),  # a gateway passed it on, perhaps, and heard nothing
    (r"5\d\d", _later),
    (r".*", _unknown),  # no code of the standard: not trusted with an end
)


def error_for(answer: Answer, *, now: datetime, hidden: tuple[str | None, ...]) -> DeliveryError:
    """The error a refusal means; what is `hidden` is left out of its words."""
    code, content = str(answer.status), object_in(answer)
    reason = _reason(content)
    why = without_addresses(reason or "without a reason", *hidden)
    refusal = Refusal(
        words=f"the endpoint answered {code}: {why}",
        has_reason=_text(content, _DOCUMENTED) is not None,
        retry_after=retry_after(answer.headers, now=now),
    )
    return next(error for codes, error in ANSWERS if re.fullmatch(codes, code))(refusal)


def object_in(answer: Answer) -> Mapping[str, Any] | None:
    """The JSON object that was answered; None where it is none."""
    try:
        content = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def id_in(content: Mapping[str, Any] | None) -> str | None:
    """The endpoint's own id of a message, if it told one."""
    told = content.get("id") if content else None
    return str(told) if isinstance(told, str | int) and not isinstance(told, bool) else None


def _reason(content: Mapping[str, Any] | None) -> str | None:
    told = (_text(content, name) for name in _REASONS)
    return next((one for one in told if one is not None), None)


def _text(content: Mapping[str, Any] | None, name: str) -> str | None:
    told = content.get(name) if content else None
    return told if isinstance(told, str) and told.strip() else None
