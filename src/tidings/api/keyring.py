"""Who may ask: the keys as of at most a second ago, so that a request costs no query."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from tidings.api import key_rows as rows
from tidings.core import keys
from tidings.core.clock import Clock
from tidings.core.errors import Unauthorized, Unavailable
from tidings.core.keys import ApiKey
from tidings.core.ports import Store
from tidings.core.quiet_log import QuietLog, in_words
from tidings.core.single_flight import SingleFlight

#: seconds after which the keys are read again: a revoked one ends within them
_FRESH = 1.0
#: seconds that a request waits for that, where the keys were read before
_PATIENCE = 0.5
#: and where they were not
_FIRST_PATIENCE = 3.0
#: how exactly a key's last use is kept
_USE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ring:
    #: whether there ever was a key
    configured: bool = False
    #: id → the live key with its digest
    keys: Mapping[str, tuple[ApiKey, str]] = field(default_factory=dict)


class Keyring:
    """Tells keys that may be used from all else, and notes their use.

    Everything raises Unavailable where the keys were never read and the database is down.
    """

    def __init__(self, store: Store, *, clock: Clock, fresh: float = _FRESH) -> None:
        self._store = store
        self._clock = clock
        self._fresh = fresh
        #: how often keys changed here, so that what was read before a change is not kept after it
        self._changes = 0
        self._ring: _Ring | None = None
        self._read_at = 0.0
        #: used since that was last written down
        self._used: set[str] = set()
        self._first = SingleFlight(self._read, seconds=_FIRST_PATIENCE, what="the keys")
        self._quiet_log = QuietLog("keys")

    async def is_configured(self) -> bool:
        """Whether there ever was a key: then each request needs one."""
        return (await self._recent()).configured

    async def by_token(self, token: str) -> ApiKey:
        """The live key of a token. Raises Unauthorized."""
        key_id = keys.key_id_of(token)
        ring = await self._recent()
        key, stored = ring.keys.get(key_id or "", (None, keys.digest("")))
        if not keys.fits(token, stored) or key is None:
            raise Unauthorized("this key is not valid: it is unknown, revoked or expired")
        return self._in_use(key)

    async def by_id(self, key_id: str) -> ApiKey:
        """The live key of an id, for a session that began with it. Raises Unauthorized."""
        key, _ = (await self._recent()).keys.get(key_id, (None, ""))
        if key is None:
            raise Unauthorized("the key of this session is revoked or expired: sign in again")
        return self._in_use(key)

    def forget(self) -> None:
        """Keys changed: read them again before the next answer."""
        self._ring = None
        self._changes += 1

    def _in_use(self, key: ApiKey) -> ApiKey:
        now = self._clock.now()
        if not key.is_live(now):
            raise Unauthorized("this key has expired: make another one")
        if key.last_used_at is None or now - key.last_used_at >= _USE:
            self._used.add(key.id)
        return key

    async def _recent(self) -> _Ring:
        ring = self._ring
        if ring is not None and time.monotonic() - self._read_at < self._fresh:
            return ring
        self._read_at = time.monotonic()
        if ring is None:
            return await self._first.result()
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._read()
        except (Unavailable, TimeoutError) as error:
            ring = self._ring
            if ring is None:  # a key changed meanwhile: the old ones prove nothing
                return await self._first.result()
            self._quiet_log.warning(
                "keys can't be read again; those known go on", reason=in_words(error, _PATIENCE)
            )
        return ring

    async def _read(self) -> _Ring:
        now, used, changes = self._clock.now(), frozenset(self._used), self._changes
        ring = await self._store.run(lambda connection: _read(connection, used, now))
        self._used -= used
        if changes != self._changes:
            return await self._read()
        self._ring = ring
        return ring


def _read(connection: sa.Connection, used: frozenset[str], now: datetime) -> _Ring:
    if used:
        rows.note_use(connection, used, now)
    usable = rows.find_usable(connection, now)
    return _Ring(
        configured=bool(usable) or rows.is_configured(connection),
        keys={key.id: (key, stored) for key, stored in usable},
    )
