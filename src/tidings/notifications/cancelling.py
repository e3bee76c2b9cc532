"""Calling off what was asked for: whatever has not been called yet is not called any more."""

from collections.abc import Callable

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.delivery_news import Tell
from tidings.core.errors import InvalidInput, NotFound
from tidings.core.ids import event_key, is_uuid
from tidings.core.logs import get_logger
from tidings.core.ports import Store
from tidings.notifications import cancel_rows
from tidings.notifications.cancel_rows import CalledOff, Cancelled, Place
from tidings.notifications.fields import check_visible

#: events called off in one transaction
_BATCH = 200

#: what is left of a key: the events after the first place, up to the second
_Rest = tuple[Place | None, Place]

_log = get_logger("notifications")


class Cancelling:
    """Calls off by cancel key, by event or by notification; once more changes nothing."""

    def __init__(self, store: Store, *, clock: Clock, tell: Tell) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell

    async def by(
        self,
        *,
        cancel_key: str | None = None,
        event_id: str | None = None,
        source: str | None = None,
        notification_id: str | None = None,
    ) -> Cancelled:
        """Call off what one of these names; raises InvalidInput and NotFound.

        Once it is answered, nothing of it is called any more, save the calls under way.
        """
        _require_one(cancel_key=cancel_key, event_id=event_id, notification_id=notification_id)
        if cancel_key is not None:
            cancelled = await self._key(cancel_key)
        elif event_id is not None:
            cancelled = await self._event(event_id, source)
        else:
            cancelled = await self._notification(notification_id or "")
        _log.info(
            "called off",
            event_id=event_id,
            notification_id=notification_id,
            count=cancelled.events + cancelled.notifications + cancelled.deliveries,
            under_way=cancelled.under_way,
        )
        return cancelled

    async def _key(self, cancel_key: str) -> Cancelled:
        """Batch after batch, so that a key for a million never locks them all."""
        check_visible(cancel_key, "cancel_key")
        total, rest = await self._batch(cancel_key, None)
        while rest is not None:
            cancelled, rest = await self._batch(cancel_key, rest)
            total += cancelled
        return total

    async def _batch(self, cancel_key: str, rest: _Rest | None) -> tuple[Cancelled, _Rest | None]:
        called_off, rest = await self._store.run(self._next(cancel_key, rest))
        return self._told(called_off), rest

    def _next(
        self, cancel_key: str, rest: _Rest | None
    ) -> Callable[[sa.Connection], tuple[CalledOff, _Rest | None]]:
        def work(connection: sa.Connection) -> tuple[CalledOff, _Rest | None]:
            # What comes from now on is no part of it: it might never end.
            after, last = rest or (None, cancel_rows.last_under(connection, cancel_key))
            if last is None:
                return CalledOff(), None
            places = cancel_rows.next_under(
                connection, cancel_key, after=after, last=last, limit=_BATCH
            )
            keys = [place.id for place in places]
            called_off = cancel_rows.call_off_events(connection, keys, self._clock.now())
            return called_off, (places[-1], last) if len(places) == _BATCH else None

        return work

    async def _event(self, event_id: str, source: str | None) -> Cancelled:
        check_visible(event_id, "event_id")
        key = event_key(source or self._store.installation.source, event_id)

        def work(connection: sa.Connection) -> CalledOff:
            if not cancel_rows.is_event(connection, key):
                raise NotFound(f"there is no event {event_id}", field="event_id")
            return cancel_rows.call_off_events(connection, [key], self._clock.now())

        return self._told(await self._store.run(work))

    async def _notification(self, notification_id: str) -> Cancelled:
        def work(connection: sa.Connection) -> CalledOff:
            known = is_uuid(notification_id)
            if not known or not cancel_rows.is_notification(connection, notification_id):
                raise NotFound("there is no such notification", field="notification_id")
            now = self._clock.now()
            return cancel_rows.call_off_notification(connection, notification_id, now)

        return self._told(await self._store.run(work))

    def _told(self, called_off: CalledOff) -> Cancelled:
        self._tell(called_off.told)
        return called_off.cancelled


def _require_one(**names: str | None) -> None:
    given = [name for name, value in names.items() if value is not None]
    if len(given) != 1:
        raise InvalidInput(f"name what to call off by one of {', '.join(names)}")
