"""How many calls each worker has under way; a dead worker's fade. Pure; times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one worker holds, and when it last said so."""

    held: int
    seen: float


class HeadCount:
    """How many workers there are; fewer only once that has held for a whole life.

    A Redis that comes back empty knows but those that spoke since, and whoever took it at its word
    would take the parts of the others for its own.
    """

    def __init__(self, unknown: int, *, life: float) -> None:
        self.workers = unknown
        self._life = life
        self._fewer_since: float | None = None

    def seen(self, count: int, at: float) -> None:
        """So many spoke within a life."""
        count = max(1, count)
        if count < self.workers:
            self._fewer_since = at if self._fewer_since is None else self._fewer_since
            if at - self._fewer_since < self._life:
                return
        self.workers, self._fewer_since = count, None

    def disturbed(self) -> None:
        """They could not be seen: what seemed fewer proves nothing."""
        self._fewer_since = None


Leases = Mapping[str, Lease]
"""Worker → its lease."""


def alive(leases: Leases, now: float, life: float) -> Leases:
    """Those of workers that were seen within `life`."""
    return {worker: lease for worker, lease in leases.items() if now - lease.seen <= life}


def free(leases: Leases, limit: int, worker: str) -> int:
    """How many a worker may hold in all, for what the others hold."""
    others = sum(lease.held for name, lease in leases.items() if name != worker)
    return max(0, limit - others)


def holding(leases: Leases, worker: str, held: int, now: float) -> Leases:
    """A worker said that it holds so many."""
    return {**leases, worker: Lease(held=held, seen=now)}
