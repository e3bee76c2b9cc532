"""What the dashboard shows, as values; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

#: outcome as counted → the figure it belongs to; planning and settling write the outcomes
FIGURE_OF: Mapping[str, str] = {
    "registered": "registrations",
    "sent": "sent",
    "delivered": "delivered",
    "failed": "failed",
    "retried": "retried",
    "suppressed": "suppressed",
    "skipped": "skipped",
    "expired": "expired",
    "cancelled": "cancelled",
    "held": "held",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How often each thing happened."""

    #: users registered for the first time
    registrations: int = 0
    #: deliveries a provider took
    sent: int = 0
    #: of those, whenever they were sent, the ones that the recipient's side confirmed
    delivered: int = 0
    #: deliveries given up
    failed: int = 0
    #: provider calls that failed and are tried again
    retried: int = 0
    #: deliveries stopped because the address must not be used
    suppressed: int = 0
    #: notifications the planner decided against
    skipped: int = 0
    #: deliveries too old to be sent
    expired: int = 0
    #: deliveries called off
    cancelled: int = 0
    #: deliveries whose outcome is unknown and which wait for a person
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The figures of one stretch of time, beginning `at` (UTC)."""

    at: datetime
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures from `since` to `until` (UTC), in all and by stretches of `step`."""

    since: datetime
    until: datetime
    step: timedelta
    totals: Figures
    #: oldest first, without gaps
    series: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often one outcome was counted in the stretch that begins `at`."""

    at: datetime
    outcome: str
    count: int


def step_for(hours: int) -> timedelta:
    """A minute for up to two hours, an hour beyond."""
    return timedelta(minutes=1) if hours <= 2 else timedelta(hours=1)


def first_step(now: datetime, hours: int) -> datetime:
    """Where the last `hours` hours begin, the running stretch included as the last."""
    step = step_for(hours)
    return floor(now, step) - timedelta(hours=hours) + step


def floor(moment: datetime, step: timedelta) -> datetime:
    """The beginning of the stretch a moment lies in."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return moment - (moment - midnight) % step


def summarise(counts: Iterable[Count], *, now: datetime, hours: int) -> Summary:
    """Add counts up to a summary of the last `hours` hours."""
    kept = [count for count in counts if count.outcome in FIGURE_OF]
    since, step = first_step(now, hours), step_for(hours)
    stretches = range((floor(now, step) - since) // step + 1)
    by_stretch = _grouped(kept)
    return Summary(
        since=since,
        until=now,
        step=step,
        totals=_figures(kept),
        series=tuple(
            Point(at=at, figures=_figures(by_stretch.get(at, ())))
            for at in (since + number * step for number in stretches)
        ),
    )


def in_words(figures: Figures) -> str:
    """The figures as a person would say them: `1 registration, 1 sent, 0 failed`."""
    registrations = "registration" if figures.registrations == 1 else "registrations"
    words = [
        f"{figures.registrations} {registrations}",
        f"{figures.sent} sent",
        f"{figures.failed} failed",
    ]
    rest = ("delivered", "retried", "suppressed", "skipped", "expired", "cancelled", "held")
    words += [f"{count} {name}" for name in rest if (count := getattr(figures, name))]
    return ", ".join(words)


def _grouped(counts: Iterable[Count]) -> Mapping[datetime, list[Count]]:
    groups: dict[datetime, list[Count]] = {}
    for count in counts:
        groups.setdefault(count.at, []).append(count)
    return groups


def _figures(counts: Iterable[Count]) -> Figures:
    sums: dict[str, int] = {}
    for count in counts:
        name = FIGURE_OF[count.outcome]
        sums[name] = sums.get(name, 0) + count.count
    return Figures(**sums)
