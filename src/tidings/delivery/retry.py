"""When to try again: exponential back-off, spread by chance, never before a provider allows it."""

import random
from collections.abc import Callable

from tidings.core.errors import DeliveryError, OutcomeUnknown, PermanentError, TransientError
from tidings.core.ports import RetryPolicy


def exponential(
    *,
    base: float = 2.0,
    cap: float = 600.0,
    attempts: int = 48,
    jitter: float = 0.25,
    chance: Callable[[], float] = random.random,
) -> RetryPolicy:
    """Waits `base`, twice that, four times …, at most `cap` seconds; gives up after `attempts`.

    By default that takes some seven hours. `jitter` is the share by which chance may lengthen a
    wait; it never shortens one.
    """

    def policy(attempt: int, error: DeliveryError) -> float | None:
        if isinstance(error, PermanentError) or attempt >= attempts:
            return None
        wait = min(base * 2.0 ** min(attempt - 1, 64), cap)
        return max(wait, _asked_for(error)) * (1.0 + jitter * chance())

    return policy


def _asked_for(error: DeliveryError) -> float:
    return error.retry_after or 0.0 if isinstance(error, TransientError | OutcomeUnknown) else 0.0
