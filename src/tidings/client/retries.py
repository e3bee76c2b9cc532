"""How long to wait before a request is sent again: pure."""

import random
from collections.abc import Callable

from tidings.core.errors import InProgress, OutcomeUnknown, TidingsError, Unavailable

#: what passes by itself: it is down or full, it is at it already, or no answer came
PASSING = (Unavailable, InProgress, OutcomeUnknown)

#: seconds all pauses of one call may take together
LONGEST = 60.0
#: seconds before the first repeat, and what each next one is multiplied by
FIRST, FACTOR = 0.2, 3.0
#: by how much of itself a pause is made longer at most, so that many clients do not come at once
JITTER = 0.25


def pause_before(
    repeat: int, error: TidingsError, *, waited: float, chance: Callable[[], float] = random.random
) -> float | None:
    """Seconds before the repeat of that number (from 0), or None where it would take too long.

    Never shorter than what the server asked for, only longer; `waited` is what earlier pauses took.
    """
    asked = error.retry_after if isinstance(error, Unavailable | InProgress) else 0.0
    pause = max(FIRST * FACTOR**repeat, asked) * (1 + JITTER * chance())
    return pause if waited + pause <= LONGEST else None
