"""How many calls each worker has under way; a dead worker's fade. Pure; times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one worker holds, and when it last said so."""

    held: int
    seen: float


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
