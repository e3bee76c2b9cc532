"""Waits for vendors to confirm what they took: one that confirms nothing is not well."""

from collections import deque
from typing import Protocol

from tidings.core.clock import Clock
from tidings.core.models import DeliveryState
from tidings.core.ports import Store
from tidings.store.receipts import states_of

#: how many are looked up at once, and waited for at most; it is only health
_BATCH, _MOST = 1_000, 100_000


class Ended(Protocol):
    """Told how it ended, as far as the integration goes."""

    def __call__(self, *, failed: bool) -> None:
        """Once."""
        ...


class Receipts:
    """The messages of one integration that were taken and not confirmed yet; lost on a restart."""

    def __init__(self, store: Store, *, clock: Clock, seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._expected: deque[tuple[float, str, Ended]] = deque(maxlen=_MOST)

    def expect(self, delivery_id: str, ended: Ended) -> None:
        """It was taken just now: `ended` is told in time whether it was confirmed."""
        due_at = self._clock.now().timestamp() + self._seconds
        self._expected.append((due_at, delivery_id, ended))

    async def look(self) -> None:
        """Judge those whose time is over. Raises Unavailable."""
        due = self._due()
        if not due:
            return
        states = await self._store.run(lambda connection: states_of(connection, list(due)))
        for delivery_id, ended in due.items():
            state = states.get(delivery_id)
            if state in (DeliveryState.SENT, DeliveryState.DELIVERED):
                ended(failed=state == DeliveryState.SENT)

    def _due(self) -> dict[str, Ended]:
        now, due = self._clock.now().timestamp(), dict[str, Ended]()
        while self._expected and self._expected[0][0] <= now and len(due) < _BATCH:
            _due_at, delivery_id, ended = self._expected.popleft()
            due[delivery_id] = ended
        return due
