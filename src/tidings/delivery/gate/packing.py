"""States as the shared state keeps them: JSON, of which a release reads what it knows."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import orjson

from tidings.delivery.gate.breaker import Breaker, Counts, Phase
from tidings.delivery.gate.bucket import Bucket
from tidings.delivery.gate.leases import Lease
from tidings.delivery.gate.shares import Minute, Shares
from tidings.delivery.gate.state import State

Made = TypeVar("Made")
#: what reading another's bytes may end in
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


def state_key(channel: str, integration: str) -> str:
    """Under which key an integration's state is kept."""
    return f"integration:{channel}:{integration}"


def packed(value: State | Shares) -> bytes:
    """As bytes."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def unpacked_state(raw: bytes | None) -> State | None:
    """What bytes say of an integration; None where they say nothing that can be read."""
    try:
        return _state(orjson.loads(raw or b""))
    except _UNREADABLE:
        return None


def unpacked_shares(raw: bytes | None) -> Shares | None:
    """What bytes say of a channel's shares; None likewise."""
    try:
        return _shares(orjson.loads(raw or b""))
    except _UNREADABLE:
        return None


def _state(given: Mapping[str, Any]) -> State:
    leases = {worker: _made(Lease, _numbers(each)) for worker, each in given["leases"].items()}
    return State(
        bucket=_made(Bucket, _numbers(given["bucket"])),
        leases=leases,
        breaker=_breaker(given["breaker"]),
        paused_until=_number(given["paused_until"]),
    )


def _breaker(given: Mapping[str, Any]) -> Breaker:
    parts = {
        "phase": Phase(given["phase"]),
        "current": _made(Counts, _numbers(given["current"])),
        "before": _made(Counts, _numbers(given["before"])),
    }
    rest = {name: value for name, value in given.items() if name not in parts}
    return _made(Breaker, {**_numbers(rest), **parts})


def _shares(given: Mapping[str, Any]) -> Shares:
    minutes = {
        name: {int(minute): _made(Minute, each) for minute, each in of_name.items()}
        for name, of_name in given["minutes"].items()
    }
    return _made(Shares, {**given, "minutes": minutes})


def _numbers(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: _number(value) for name, value in given.items()}


def _number(value: object) -> float:
    """Raises TypeError where it is none: a stranger wrote it, and it would stop a channel."""
    if not isinstance(value, int | float):
        raise TypeError(value)
    return value


def _made(kind: type[Made], given: Mapping[str, Any]) -> Made:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type] # each is a dataclass
    return kind(**{name: value for name, value in given.items() if name in known})
