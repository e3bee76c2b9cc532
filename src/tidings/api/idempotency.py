"""Idempotency keys: how a request says that it is the same as one before."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request

from tidings.core.errors import InvalidInput
from tidings.core.work import IdempotencyRecord

HEADER = "Idempotency-Key"

#: 1 to 255 visible ASCII characters
VISIBLE = "^[!-~]{1,255}$"
_VISIBLE = re.compile(VISIBLE + r"\Z")

PARAMETER: Mapping[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Repeats of a request under one key are accepted once, for 7 days.",
    "schema": {"type": "string", "pattern": VISIBLE},
}
"""The header of a request, as OpenAPI has it."""

REPLAYED: Mapping[str, Any] = {
    "Idempotency-Replayed": {
        "description": "`true` where the same request was accepted before.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
"""The header of an answer, likewise."""


def idempotency_key(request: Request) -> str | None:
    """The key a request came with. Raises InvalidInput."""
    key = request.headers.get(HEADER)
    check_idempotency_key(key)
    return key


def check_idempotency_key(key: str | None) -> None:
    """Raises InvalidInput unless it is none, or 1 to 255 visible ASCII characters."""
    if key is not None and not _VISIBLE.match(key):
        raise InvalidInput(
            f"{HEADER} must be 1 to 255 visible ASCII characters without spaces", field=HEADER
        )


def replayed_header(*, replayed: bool) -> Mapping[str, str]:
    """The headers of an answer that may have been given before."""
    return {"Idempotency-Replayed": "true"} if replayed else {}


def record_of(key: str | None, content: Sequence[object]) -> IdempotencyRecord | None:
    """A record of the key, and of what a repeat under it must have in common."""
    if key is None:
        return None
    body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    fingerprint = hashlib.blake2b(body, digest_size=16).hexdigest()
    return IdempotencyRecord(key=key, fingerprint=fingerprint)


def key_reused() -> InvalidInput:
    """The error of a key that came before with another body."""
    return InvalidInput(f"this {HEADER} came before with another body: use a new key", field=HEADER)
