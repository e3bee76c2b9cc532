"""A breaker: calls no integration that fails, tries it, and lets it have more by and by.

closed → open (1 s, doubling to 60 s) → a round of one call, of two, of four … → closed. Where few
call, time closes it instead. Pure; times in seconds.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

#: it opens when so many calls failed in a row, or this share of at least so many lately
IN_ROW = 5
FEWEST, SHARE = 10, 0.5
#: how long "lately" is: between one and two of these
SPAN = 10.0
#: how long it stays open the first time and at most; chance may add up to a quarter
SHORTEST, LONGEST, JITTER = 1.0, 60.0, 0.25
#: the last round; whoever answers it well may be called at will
LAST_ROUND = 64
#: and so may, whatever the round, whoever has answered well for so long
PROBATION = 60.0


class Phase(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    RAMP = "ramp"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How calls ended that began within one term of a breaker."""

    term: int = 0
    good: int = 0
    failed: int = 0
    #: failures since the last that went well
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Calls of a span of time, and how many of them failed."""

    calls: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What all workers know of an integration's health."""

    phase: Phase = Phase.CLOSED
    #: rises each time it opens, so that calls from before are told from those after
    term: int = 0
    #: of the current span, which began at `since`, and of the one before; in a ramp it is since
    #: then that calls are answered well
    current: Counts = Counts()
    before: Counts = Counts()
    since: float = 0.0
    row: int = 0
    #: times it opened since it was last closed
    openings: int = 0
    #: it is open until then; in a ramp, answers to what began are waited for until then
    until: float = 0.0
    #: calls of this round: allowed, begun, and how those ended that did
    allowed: int = 0
    begun: int = 0
    good: int = 0
    bad: int = 0


def lately(breaker: Breaker) -> Counts:
    """What the judgement of a closed one rests on."""
    return Counts(
        calls=breaker.current.calls + breaker.before.calls,
        failed=breaker.current.failed + breaker.before.failed,
    )


def judged(breaker: Breaker, tally: Tally, now: float, *, chance: float) -> Breaker:
    """After such calls; those that began before it last opened tell nothing new."""
    if not tally.good + tally.failed or tally.term < breaker.term:
        return breaker
    if breaker.phase is Phase.CLOSED:
        return _weighed(_counted(breaker, tally, now), now, chance)
    if breaker.phase is Phase.RAMP and tally.term == breaker.term:
        return _after_round(breaker, tally, now, chance)
    return breaker


def allowed(breaker: Breaker, now: float) -> int | None:
    """How many calls may begin; None: any number."""
    if breaker.phase is Phase.CLOSED:
        return None
    if breaker.phase is Phase.OPEN:
        return 1 if opens_in(breaker, now) <= 0 else 0
    return max(0, breaker.allowed - _under_way(breaker, now))


def opens_in(breaker: Breaker, now: float) -> float:
    """Seconds until an open one lets a call through; no clock that is set back makes it longer."""
    left = breaker.until - now
    return left if left <= LONGEST * (1 + JITTER) else 0.0


def begun(breaker: Breaker, count: int, now: float, *, patience: float) -> Breaker:
    """So many of those that may begin do; they are answered within `patience`, or lost."""
    if breaker.phase is Phase.CLOSED or not count:
        return breaker
    if breaker.phase is Phase.OPEN:
        breaker = _round(breaker, 1)
    return replace(breaker, begun=_under_way(breaker, now) + count, until=now + patience)


def not_begun(breaker: Breaker, count: int, term: int) -> Breaker:
    """So many that might have begun in a term were not needed."""
    if breaker.phase is not Phase.RAMP or breaker.term != term:
        return breaker
    return replace(breaker, begun=max(breaker.good + breaker.bad, breaker.begun - count))


def worse(one: Breaker, other: Breaker) -> Breaker:
    """Of what two sides know, the one that lets less through."""
    return max(one, other, key=lambda each: (each.phase is Phase.OPEN, each.term, each.until))


def _counted(breaker: Breaker, tally: Tally, now: float) -> Breaker:
    breaker = _in_span(breaker, now)
    current = Counts(
        calls=breaker.current.calls + tally.good + tally.failed,
        failed=breaker.current.failed + tally.failed,
    )
    row = tally.row if tally.good else breaker.row + tally.failed
    return replace(breaker, current=current, row=row)


def _in_span(breaker: Breaker, now: float) -> Breaker:
    if 0 <= now - breaker.since < SPAN:
        return breaker
    is_next = 0 <= now - breaker.since < 2 * SPAN
    before = breaker.current if is_next else Counts()
    return replace(breaker, current=Counts(), before=before, since=now)


def _weighed(breaker: Breaker, now: float, chance: float) -> Breaker:
    counts = lately(breaker)
    fails_often = counts.calls >= FEWEST and counts.failed >= SHARE * counts.calls
    return _opened(breaker, now, chance) if breaker.row >= IN_ROW or fails_often else breaker


def _opened(breaker: Breaker, now: float, chance: float) -> Breaker:
    seconds = min(SHORTEST * 2.0 ** min(breaker.openings, 16), LONGEST)
    return replace(
        breaker,
        phase=Phase.OPEN,
        term=breaker.term + 1,
        openings=breaker.openings + 1,
        until=now + seconds * (1 + JITTER * chance),
    )


def _round(breaker: Breaker, calls: int) -> Breaker:
    return replace(breaker, phase=Phase.RAMP, allowed=calls, begun=0, good=0, bad=0)


def _under_way(breaker: Breaker, now: float) -> int:
    """Calls of this round, without those that a worker seems to have died with."""
    answered = breaker.good + breaker.bad
    return breaker.begun if now < breaker.until else min(answered, breaker.begun)


def _after_round(breaker: Breaker, tally: Tally, now: float, chance: float) -> Breaker:
    good, bad = breaker.good + tally.good, breaker.bad + tally.failed
    if bad >= SHARE * breaker.allowed:
        counts = Counts(calls=good + bad, failed=bad)
        return _opened(replace(breaker, current=counts, before=Counts()), now, chance)
    breaker = replace(breaker, good=good, bad=bad)
    is_over = good + bad >= breaker.allowed
    if _is_proven(breaker, now) or (is_over and breaker.allowed >= LAST_ROUND):
        return Breaker(term=breaker.term, since=now)
    if is_over:
        since = now if breaker.allowed == 1 else breaker.since
        return _round(replace(breaker, since=since), breaker.allowed * 2)
    return breaker


def _is_proven(breaker: Breaker, now: float) -> bool:
    """Whether it has answered well for long, though there were too few calls for the last round."""
    has_lasted = breaker.allowed > 1 and now - breaker.since >= PROBATION
    return has_lasted and breaker.bad < SHARE * (breaker.good + breaker.bad)
