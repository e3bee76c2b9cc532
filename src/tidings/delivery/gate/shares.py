"""Shares of a channel's calls: they leave an integration that is slow or fails, and drift back.

The rule is GOV.UK Notify's, with its hysteresis: moves are small and far between. Pure; times in
seconds, shares in points of a hundred.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

#: how far one move goes
STEP = 10.0
#: how long after a move there is no other: because of slowness, because of failures, back again
AFTER_SLOW, AFTER_FAILING, BACK = 300.0, 60.0, 900.0
#: a share of slow calls in the last fifteen minutes, or of failed ones in the last two
SLOW, FAILING = 0.15, 0.3
SLOW_MINUTES, FAILING_MINUTES = 15, 2
#: fewer calls than that say nothing
FEWEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """The calls of one integration in one minute."""

    calls: int = 0
    slow: int = 0
    failed: int = 0


Minutes = Mapping[int, Minute]
"""Minute since the epoch → its calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Who gets how much, and what it rests on."""

    points: Mapping[str, float]
    #: as the setting has it
    home: Mapping[str, float]
    minutes: Mapping[str, Minutes] = field(default_factory=dict)
    moved_at: float = 0.0


def configured(weights: Mapping[str, int]) -> Shares:
    """As the setting says."""
    total = sum(weights.values())
    home = {name: 100.0 * weight / total for name, weight in weights.items()}
    return Shares(points=home, home=home)


def counted(shares: Shares, calls: Mapping[str, Minute], now: float) -> Shares:
    """With the calls that ended just now; minutes that are too old to count are dropped."""
    minute = int(now // 60)
    return replace(
        shares,
        minutes={
            name: _with(shares.minutes.get(name, {}), calls.get(name, Minute()), minute)
            for name in shares.points
        },
    )


def moved(shares: Shares, now: float) -> Shares:
    """After at most one move: away from what does badly, or back home."""
    minute = int(now // 60)
    failing = [name for name in shares.points if _fails(shares.minutes.get(name, {}), minute)]
    slow = [name for name in shares.points if _is_slow(shares.minutes.get(name, {}), minute)]
    bad = sorted({*failing, *slow})
    if not bad:
        return _back(shares, now)
    pause = AFTER_FAILING if failing else AFTER_SLOW
    if len(bad) == len(shares.points) or now - shares.moved_at < pause:
        return shares
    return _away(shares, bad, now)


def _with(minutes: Minutes, calls: Minute, minute: int) -> Minutes:
    kept = {key: each for key, each in minutes.items() if minute - SLOW_MINUTES < key <= minute}
    if calls.calls:
        kept[minute] = _sum([kept.get(minute, Minute()), calls])
    return kept


def _sum(minutes: Sequence[Minute]) -> Minute:
    return Minute(
        calls=sum(each.calls for each in minutes),
        slow=sum(each.slow for each in minutes),
        failed=sum(each.failed for each in minutes),
    )


def _fails(minutes: Minutes, minute: int) -> bool:
    last = _sum([each for key, each in minutes.items() if minute - key < FAILING_MINUTES])
    return last.calls >= FEWEST and last.failed >= FAILING * last.calls


def _is_slow(minutes: Minutes, minute: int) -> bool:
    last = _sum([each for key, each in minutes.items() if minute - key < SLOW_MINUTES])
    return last.calls >= FEWEST and last.slow >= SLOW * last.calls


def _away(shares: Shares, bad: Sequence[str], now: float) -> Shares:
    points = dict(shares.points)
    freed = 0.0
    for name in bad:
        step = min(STEP, points[name])
        points[name] -= step
        freed += step
    good = [name for name in points if name not in bad]
    for name in good:
        points[name] += freed / len(good)
    return replace(shares, points=points, moved_at=now) if freed else shares


def _back(shares: Shares, now: float) -> Shares:
    away = {name: shares.home[name] - shares.points[name] for name in shares.points}
    furthest = max(map(abs, away.values()), default=0.0)
    if furthest < 1e-6 or now - shares.moved_at < BACK:
        return shares
    part = min(1.0, STEP / furthest)
    points = {name: shares.points[name] + part * away[name] for name in shares.points}
    return replace(shares, points=points, moved_at=now)
