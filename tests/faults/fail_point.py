"""Runs a process of ours until it comes by a named point for the n-th time, and ends it there.

`python -m tests.faults.fail_point after_send 3 tidings.channel_worker email` ends as `kill -9` ends
a process: nothing is finished, nothing is closed. The points lie on the seams, so production code
knows nothing of them.
"""

import functools
import os
import runpy
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tidings.channels.email.smtp import SmtpProvider
from tidings.channels.http.http import HttpProvider
from tidings.core.models import Message
from tidings.event_bus import RedisEventBus
from tidings.event_bus.member import Member
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore

KILLED = 137
_STORES = (PostgresStore, SqliteStore)
_PROVIDERS = (SmtpProvider, HttpProvider)

Verb = Callable[..., Awaitable[Any]]
Passes = Callable[[Any], bool]
Meets = Callable[..., bool]


def _always(*_anything: object) -> bool:
    return True


def _poisonous(_provider: object, message: Message) -> bool:
    return message.address.startswith("poison")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A verb of a seam, and whether the end comes before it or after it."""

    seams: tuple[type, ...]
    verb: str
    after: bool = False
    #: whether a call counts as coming by, by what it is given and by its result
    meets: Meets = _always
    counts: Passes = _always


POINTS = {
    "before_accept": Point(seams=_STORES, verb="accept"),
    "after_accept": Point(seams=_STORES, verb="accept", after=True),
    "before_publish": Point(seams=(RedisEventBus,), verb="publish"),
    "after_publish": Point(seams=(RedisEventBus,), verb="publish", after=True),
    "before_plan": Point(seams=_STORES, verb="plan"),
    "after_plan": Point(
        seams=_STORES, verb="plan", after=True, counts=lambda result: bool(result.plans)
    ),
    "before_ack": Point(seams=(Member,), verb="ack"),
    "before_intent": Point(seams=_STORES, verb="claim"),
    "after_intent": Point(
        seams=_STORES, verb="claim", after=True, counts=lambda result: bool(result.taken)
    ),
    "before_send": Point(seams=_PROVIDERS, verb="send"),
    "poison": Point(seams=_PROVIDERS, verb="send", meets=_poisonous),
    "after_send": Point(seams=_PROVIDERS, verb="send", after=True),
    "before_result": Point(seams=_STORES, verb="settle"),
    "after_result": Point(seams=_STORES, verb="settle", after=True),
}
"""In the order of a notification's way; a poisonous message is one that ends its worker."""


def main(name: str, passage: int, *command: str) -> None:
    """Arm the point, then be the command."""
    point = POINTS[name]
    end = _Countdown(passage)
    for seam in point.seams:
        setattr(seam, point.verb, _armed(getattr(seam, point.verb), point, end))
    sys.argv = list(command)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


class _Countdown:
    def __init__(self, passage: int) -> None:
        self._left = passage

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(KILLED)


def _armed(verb: Verb, point: Point, end: Callable[[], None]) -> Verb:
    @functools.wraps(verb)
    async def armed(*arguments: Any, **named: Any) -> Any:
        if not point.after and point.meets(*arguments):
            end()
        result = await verb(*arguments, **named)
        if point.after and point.counts(result):
            end()
        return result

    return armed


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
