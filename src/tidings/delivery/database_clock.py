"""The database's clock, by which all is judged that rests on times it wrote down."""

import asyncio
from datetime import datetime, timedelta

from tidings.core.clock import Clock


class DatabaseClock:
    """As its last answers tell; it runs on by the loop's clock, which nobody sets.

    An answer is as old as it took at most, so that each tells the earliest and the latest that it
    can be. Before the first one it is the worker's own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: what it showed when the loop's clock began, without the shift of ours
        self._began: datetime | None = None

    @property
    def shift(self) -> timedelta:
        """How far ours is moved; the database's is moved with it."""
        return self._clock.shift

    def now(self) -> datetime:
        """This moment, in UTC."""
        if self._began is None:
            return self._clock.now()
        return self._began + _since(_loop_time()) + self.shift

    def heard(self, told: datetime, *, asked: float) -> None:
        """An answer says what time it was, to a question put then on the loop's clock."""
        unmoved = told - self.shift
        least, most = unmoved - _since(_loop_time()), unmoved - _since(asked)
        self._began = min(max(self._began or least, least), most)


def _since(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
