"""`RedisSharedState`: small values all workers change one at a time, by compare-and-set."""

import asyncio
import random
from collections import defaultdict
from typing import Final

from tidings.core.clock import Clock
from tidings.core.errors import Unavailable
from tidings.core.ports import Change, Result
from tidings.event_bus.link import Link, milliseconds

#: the values' names in Redis, where others may keep theirs
PREFIX: Final = "tidings:"
#: seconds one command may take before the workers do without Redis
PATIENCE: Final = 1.0
#: seconds after which a value nobody changes is forgotten: longer than a provider may ask for
#: silence
_IDLE_SECONDS: Final = 25 * 3600.0
#: how often a change is tried that others come before
_TRIES: Final = 64
#: seconds to stand aside at most when others came first, and so many more with each time
_ASIDE: Final = 0.002

_READ = """
-- The value, and the time in seconds and microseconds.
local now = redis.call('TIME')
return {redis.call('GET', KEYS[1]), now[1], now[2]}
"""
_SET = """
-- Sets the value unless it was changed since it was read; else answers as a reading does.
local there, seen, value, idle = redis.call('GET', KEYS[1]), ARGV[1], ARGV[2], ARGV[3]
if (there or '') == seen then
  redis.call('SET', KEYS[1], value, 'PX', idle)
  return 0
end
local now = redis.call('TIME')
return {there, now[1], now[2]}
"""


class RedisSharedState:
    """Reads, lets the change decide here, and sets what came of it if nobody was quicker.

    A process changes each value by one task at a time: only others can be quicker.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._link = Link(url, patience=PATIENCE)
        self._clock = clock
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def change(self, key: str, change: Change[Result]) -> Result:
        """Put `change`'s new value in the old one's place; raises Unavailable."""
        async with self._turns[key]:
            return await self._change(PREFIX + key, change)

    async def read(self, key: str) -> tuple[float, bytes | None]:
        """The time in seconds and the value, which stays as it is; raises Unavailable."""
        return self._seen(await self._link.script(_READ, PREFIX + key))

    async def aclose(self) -> None:
        """Let go of every connection."""
        await self._link.aclose()

    async def _change(self, key: str, change: Change[Result]) -> Result:
        found = await self._link.script(_READ, key)
        for tried in range(1, _TRIES):
            now, old = self._seen(found)
            new, result = change(now, old)
            idle = milliseconds(_IDLE_SECONDS)
            found = await self._link.script(_SET, key, old or b"", new, idle)
            if not found:
                return result
            await asyncio.sleep(_ASIDE * tried * random.random())  # noqa: S311 - no secret
        raise Unavailable(f"others changed {key} in Redis {_TRIES} times while we tried to")

    def _seen(self, found: list[bytes]) -> tuple[float, bytes | None]:
        """What a reading says: the time, by our clock's shift, and the value."""
        now = int(found[1]) + int(found[2]) / 1_000_000
        return now + self._clock.shift.total_seconds(), found[0]
