"""The processes of a small installation on PostgreSQL and Redis, by their usual names."""

from collections.abc import Mapping, Sequence

from tests.faults.extent import FULL
from tests.faults.fleet import Fleet

ANALYTICS = ("tidings.analytics_worker",)
CHANNEL = ("tidings.channel_worker", "email")
NOTIFICATION = ("tidings.notification_worker",)

Crew = Mapping[str, Sequence[str]]

#: a short run waits less for the leases of the dead
PACE: Mapping[str, str] = (
    {} if FULL else {"TIDINGS_LEASE_SECONDS": "2", "TIDINGS_BEAT_SECONDS": "0.5"}
)
#: within so many seconds of a worker's death its work is another's: the lease, a poll, and 4 more
RESUMED = 15.0 if FULL else 7.0


def crew(*, notification: int = 1, channel: int = 1, analytics: int = 0) -> Crew:
    """So many workers of each kind."""
    kinds = {"notification": (NOTIFICATION, notification), "channel": (CHANNEL, channel)}
    kinds["analytics"] = (ANALYTICS, analytics)
    return {
        f"{kind}-{number}": command
        for kind, (command, count) in kinds.items()
        for number in range(1, count + 1)
    }


def start(fleet: Fleet, workers: Crew) -> None:
    """Start them all."""
    for name, command in workers.items():
        fleet.start(name, *command)


def restart(fleet: Fleet, workers: Crew) -> None:
    """Kill them all at once, and start them again."""
    fleet.kill(*workers)
    start(fleet, workers)
