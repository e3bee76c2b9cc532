"""How fast and how patient a channel worker is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """All times in seconds."""

    #: deliveries under way at once on each channel, beside those reserved for the critical lane
    slots: int = 100
    #: how long a claimed delivery is a worker's own, and how often it says that it lives
    lease_seconds: float = 10.0
    beat_seconds: float = 3.0
    #: how long a worker sleeps when no bell rings
    poll_seconds: float = 1.0
    #: how long what is in hand may take once the worker is to stop
    drain_seconds: float = 6.0
    #: how long one call may take
    call_seconds: float = 330.0

    @property
    def reserved_slots(self) -> int:
        """Those for the critical lane alone."""
        return max(1, self.slots // 10)


USUAL_PACE = Pace()
