"""What the server answered: the JSON object it sent, or the error of our tree it stands for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from tidings.core.errors import (
    Conflict,
    Forbidden,
    InProgress,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    PayloadTooLarge,
    TidingsError,
    Unauthorized,
    Unavailable,
)
from tidings.egress.http import Answer
from tidings.egress.retry_after import retry_after

#: errors made of their sentence alone
_PLAIN: Mapping[int, type[TidingsError]] = {
    401: Unauthorized,
    403: Forbidden,
    409: Conflict,
    # a proxy passed the request on, perhaps
    502: OutcomeUnknown,
    504: OutcomeUnknown,
}
_WITH_FIELD: Mapping[int, type[InvalidInput | NotFound]] = {
    404: NotFound,
    413: PayloadTooLarge,
    422: InvalidInput,
}
_PASSING: Mapping[int, type[Unavailable]] = {429: Overloaded, 503: Unavailable}

#: the one conflict that passes by itself
_IN_PROGRESS = "urn:tidings:problem:in-progress"

#: seconds to wait where a refusal does not say
_UNSAID = 1.0


def content_of(answer: Answer, *, now: datetime) -> Mapping[str, Any]:
    """The object that was asked for. Raises TidingsError."""
    content = _object(answer.body)
    if not 200 <= answer.status < 300:
        raise _error(answer, content or {}, now)
    if content is None:
        raise TidingsError(f"the answer {answer.status} is no JSON object: is this Tidings?")
    return content


def part_of(content: Mapping[str, Any], name: str) -> Any:
    """A field every such answer has. Raises TidingsError for the answer of something else."""
    if name not in content:
        raise TidingsError(f"the answer has no {name}: is this Tidings?")
    return content[name]


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _error(answer: Answer, problem: Mapping[str, Any], now: datetime) -> TidingsError:
    status = answer.status
    detail = str(problem.get("detail") or f"the server answered {status} without saying why")
    if status in _WITH_FIELD:
        return _WITH_FIELD[status](detail, field=str(problem.get("field", "")))
    passing = InProgress if problem.get("type") == _IN_PROGRESS else _PASSING.get(status)
    if passing is not None:
        wait = retry_after(answer.headers, now=now)
        return passing(detail, retry_after=_UNSAID if wait is None else wait)
    return _PLAIN.get(status, TidingsError)(detail)
