"""When to try again: exponential back-off, spread by chance, never before a provider allows it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tidings.core.errors import (
    AddressRejected,
    DeliveryError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from tidings.core.policy import LONGEST_PAUSE, NoMore, RetryRule
from tidings.core.ports import RetryPolicy
from tidings.core.work import Claimed

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long to try; times in seconds."""

    attempts: int
    max_age: float
    #: the first wait, which doubles with each call, and the longest
    base: float
    cap: float


#: by channel, where the workflow says nothing: e-mail takes some seven hours, all else an hour and
#: a half, unless a provider asks for longer waits
PATIENCE = {"email": Patience(attempts=48, max_age=3 * _DAY, base=2, cap=600)}
_OTHERS = Patience(attempts=24, max_age=3 * _DAY, base=2, cap=300)

#: what a workflow gets that says how long, and not how often
_MOST_ATTEMPTS = 1000


def exponential(
    *,
    patience: Mapping[str, Patience] = PATIENCE,
    jitter: float = 0.25,
    chance: Callable[[], float] = random.random,
) -> RetryPolicy:
    """Waits `base`, twice that, four times …, at most `cap` seconds, and then gives up.

    `jitter` is the share by which chance may lengthen a wait, up to a day; it never shortens one.
    """

    def policy(claimed: Claimed, error: DeliveryError, now: datetime) -> float | NoMore:
        if isinstance(error, PermanentError):
            return NoMore.REJECTED if isinstance(error, AddressRejected) else NoMore.PERMANENT
        allowed = patience_with(claimed, patience)
        if claimed.tries + 1 >= allowed.attempts:
            return NoMore.GAVE_UP
        least = max(_back_off(allowed, claimed.tries), _asked_for(error))
        wait = _lengthened(least, jitter * chance())
        age = (now - (claimed.policy.replayed_at or claimed.created_at)).total_seconds()
        return NoMore.TOO_OLD if age + wait > allowed.max_age else wait

    return policy


def patience_with(claimed: Claimed, patience: Mapping[str, Patience] = PATIENCE) -> Patience:
    """What the workflow wants, and what the channel has where it says nothing.

    A workflow that says how often or how long sets aside both of the channel's bounds.
    """
    usual, wanted = patience.get(claimed.channel, _OTHERS), claimed.policy.retry or RetryRule()
    bounded = wanted.attempts is not None or wanted.max_age is not None
    base = usual.base if wanted.base is None else wanted.base
    return Patience(
        attempts=wanted.attempts or (_MOST_ATTEMPTS if bounded else usual.attempts),
        max_age=wanted.max_age or (float("inf") if bounded else usual.max_age),
        base=base,
        cap=max(usual.cap, base) if wanted.cap is None else wanted.cap,
    )


def _lengthened(wait: float, share: float) -> float:
    return min(wait * (1.0 + share), max(wait, LONGEST_PAUSE))


def _back_off(allowed: Patience, tries: int) -> float:
    return min(allowed.base * 2.0 ** min(tries, 64), allowed.cap)


def _asked_for(error: DeliveryError) -> float:
    asked = error.retry_after if isinstance(error, TransientError | OutcomeUnknown) else None
    return min(asked or 0.0, LONGEST_PAUSE)
