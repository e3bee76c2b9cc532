"""Puts down for how long integrations asked for silence, so that it outlives the workers."""

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tidings.core.bell import Bell
from tidings.core.clock import Clock
from tidings.core.policy import LONGEST_PAUSE
from tidings.core.ports import Store
from tidings.core.quiet_log import QuietLog
from tidings.store.pauses import pauses_of, prolong

#: seconds of silence that are not worth a row: a process takes about as long to start
_SHORT = 2.0
#: seconds after which what could not be written is tried again
_AGAIN_SECONDS = 1.0
_NEVER = datetime.min.replace(tzinfo=UTC)

_Key = tuple[str, str]


class Pauses:
    """Notes them at once and writes them behind the calls' backs, however the database is.

    The shared state tells the other workers; this is for those that begin when it has forgotten.
    """

    def __init__(self, store: Store, *, clock: Clock, quiet_log: QuietLog) -> None:
        self._store = store
        self._clock = clock
        self._quiet_log = quiet_log
        #: by our clock: until when each is silent, and what of it is not written yet
        self._noted: dict[_Key, datetime] = {}
        self._due: dict[_Key, datetime] = {}
        self._bell = Bell()

    def note(self, channel: str, integration: str, seconds: float) -> None:
        """An integration asked for so many seconds of silence."""
        if not seconds > _SHORT:
            return
        until = _whole(self._clock.now() + timedelta(seconds=min(seconds, LONGEST_PAUSE)))
        if until > self._noted.get((channel, integration), _NEVER):
            self._noted[channel, integration] = self._due[channel, integration] = until
            self._bell.ring()

    async def left(self, channel: str) -> Mapping[str, float]:
        """Integration → for how many seconds it is still to be left alone. Raises Unavailable."""
        pauses = await self._store.run(lambda connection: pauses_of(connection, channel))
        if not pauses:
            return {}
        now = await self._store.now()
        return {
            name: (until - now).total_seconds() for name, until in pauses.items() if until > now
        }

    async def keep(self) -> None:
        """Write whatever is noted, for ever."""
        while True:
            await self._bell.wait(_AGAIN_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Write what is noted; what can't be written is left to the next time."""
        due = dict(self._due)
        if not due:
            return
        try:
            await self._write(due)
        except Exception as error:  # calls don't rest on it
            self._quiet_log.warning(
                "the silence integrations asked for can't be written; trying again",
                reason=str(error),
            )
        else:
            self._due = {key: until for key, until in self._due.items() if until != due.get(key)}

    async def saved(self, seconds: float) -> None:
        """Write it within so many seconds, or never."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.save()

    async def _write(self, due: Mapping[_Key, datetime]) -> None:
        ahead = await self._store.now() - self._clock.now()
        pauses = {key: until + ahead for key, until in due.items()}
        await self._store.run(lambda connection: prolong(connection, pauses))


def _whole(moment: datetime) -> datetime:
    """The full second then or after: of many calls refused within one, the first is written."""
    return datetime.fromtimestamp(math.ceil(moment.timestamp()), UTC)
