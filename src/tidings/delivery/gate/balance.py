"""Whose turn it is among weighted integrations, by shares that all workers agree on."""

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import Gauge

from tidings.core.clock import Clock
from tidings.core.errors import TidingsError
from tidings.core.ports import SharedState
from tidings.delivery.gate.packing import packed, unpacked_shares
from tidings.delivery.gate.shares import Minute, Shares, configured, counted, moved

#: seconds between two looks at the shares; they move once a minute at most
_LOOK_SECONDS = 5.0


class Balance:
    """Gives each its share in the long run, and moves shares by how calls went."""

    def __init__(
        self,
        weights: Mapping[str, int],
        *,
        key: str,
        shared: SharedState,
        clock: Clock,
        gauge: Callable[[str], Gauge],
    ) -> None:
        self._shares = configured(weights)
        self._key = key
        self._shared = shared
        self._clock = clock
        self._gauge = gauge
        #: how many calls each is behind its share
        self._owed = dict.fromkeys(weights, 0.0)
        self._calls: dict[str, Minute] = {}
        self._looked_at = float("-inf")
        self._show()

    def order(self) -> Sequence[str]:
        """Whose turn it is first, and whose then."""
        points = self._shares.points
        return sorted(points, key=lambda name: (-self._owed[name], -points[name]))

    def is_standby(self, name: str) -> bool:
        """Whether it has no part of the calls as long as another may be called."""
        return not self._shares.points[name]

    def portion(self, name: str, among: Sequence[str], room: int) -> int:
        """How much of the room is one's share, where these may be called."""
        points = self._shares.points
        total = sum(points[each] for each in among)
        return max(1, round(room * points[name] / total)) if total else room

    def went(self, name: str, count: int, among: Sequence[str]) -> None:
        """So many calls go to one, where these might have been called."""
        total = sum(self._shares.points[each] for each in among)
        if not total:
            return
        for each in among:
            self._owed[each] += count * self._shares.points[each] / total
        self._owed[name] -= count

    def ended(self, name: str, *, slow: bool, failed: bool) -> None:
        """A call is over."""
        before = self._calls.get(name, Minute())
        self._calls[name] = Minute(
            calls=before.calls + 1, slow=before.slow + slow, failed=before.failed + failed
        )

    async def tell(self) -> None:
        """Tell the others how calls went, and see where the shares are by now."""
        now = self._clock.now().timestamp()
        if 0 <= now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        calls, self._calls = self._calls, {}
        try:
            self._shares = await self._shared.change(self._key, self._change(calls))
        except TidingsError:  # then by what this worker sees alone
            self._shares = _following(self._shares, calls, now)
        self._show()

    def _change(
        self, calls: Mapping[str, Minute]
    ) -> Callable[[float, bytes | None], tuple[bytes, Shares]]:
        ours = self._shares

        def change(now: float, old: bytes | None) -> tuple[bytes, Shares]:
            found = unpacked_shares(old)
            shares = found if found is not None and found.home == ours.home else ours
            shares = _following(shares, calls, now)
            return packed(shares), shares

        return change

    def _show(self) -> None:
        for name, points in self._shares.points.items():
            self._gauge(name).set(points)


def _following(shares: Shares, calls: Mapping[str, Minute], now: float) -> Shares:
    return moved(counted(shares, calls, now), now)
