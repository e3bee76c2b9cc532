"""What all workers know of one integration, and what becomes of it when one asks. Pure."""

from dataclasses import dataclass, field, replace

from tidings.core.policy import LONGEST_PAUSE
from tidings.delivery.gate import breaker as breakers
from tidings.delivery.gate import bucket as buckets
from tidings.delivery.gate import leases as holders
from tidings.delivery.gate.breaker import Breaker, Tally
from tidings.delivery.gate.bucket import Bucket
from tidings.delivery.gate.leases import Leases
from tidings.delivery.gate.reserve import reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """As of a moment on the shared clock, in seconds."""

    bucket: Bucket
    leases: Leases = field(default_factory=dict)
    breaker: Breaker = field(default_factory=Breaker)
    paused_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the integration allows; None: any number."""

    #: calls a second
    rate: float | None = None
    #: calls at once
    concurrency: int | None = None
    #: seconds after which a worker that said nothing is dead
    life: float = 10.0
    #: seconds within which a call is answered that tries an integration out
    patience: float = 15.0

    @property
    def are_limits(self) -> bool:
        """Whether workers must agree before they call."""
        return self.rate is not None or self.concurrency is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one worker has to say, and what it wants."""

    worker: str
    #: calls it has under way, or has leave for
    held: int = 0
    wanted: int = 0
    #: for the critical lane alone: it may have what all others leave
    reserved: bool = False
    tallies: tuple[Tally, ...] = ()
    #: the provider asked for silence until then
    paused_until: float = 0.0
    #: calls it had leave for and did not make, since they were allowed in `unused_term`
    unused: int = 0
    unused_term: int = 0
    #: how many of these go back to the bucket
    returned: int = 0
    #: between 0 and 1, by chance
    chance: float = 0.0


def asked(state: State, ask: Ask, terms: Terms, now: float) -> tuple[State, int]:
    """The state after that, and how many calls may be made of those wanted."""
    state = _told(state, ask, terms, now)
    granted = min(ask.wanted, most(state, ask, terms, now))
    held = ask.held + granted
    state = replace(
        state,
        bucket=buckets.without(state.bucket, granted),
        leases=holders.holding(state.leases, ask.worker, held, now) if terms.are_limits else {},
        breaker=breakers.begun(state.breaker, granted, now, patience=terms.patience),
    )
    return state, granted


def most(state: State, ask: Ask, terms: Terms, now: float) -> int:
    """How many calls a worker may begin now, as its bucket was filled last."""
    trial = breakers.allowed(state.breaker, now)
    if now < state.paused_until or (ask.reserved and trial is not None):
        return 0
    limits = [ask.wanted if trial is None else trial]
    if terms.rate is not None:
        kept = reserve(buckets.burst(terms.rate))
        limits.append(_part(buckets.there(state.bucket), kept, reserved=ask.reserved))
    if terms.concurrency is not None:
        kept = reserve(terms.concurrency)
        free = holders.free(state.leases, terms.concurrency, ask.worker) - ask.held
        limits.append(_part(free, kept, reserved=ask.reserved))
    return max(0, min(limits))


def seconds_until(state: State, terms: Terms, now: float, *, reserved: bool = False) -> float:
    """How long until it is worth asking again; 0 where only another worker's end can help."""
    waits = [state.paused_until - now]
    if state.breaker.phase is breakers.Phase.OPEN:
        waits.append(breakers.opens_in(state.breaker, now))
    if reserved and state.breaker.phase is breakers.Phase.RAMP:
        return float("inf")
    if terms.rate is not None:
        bucket = buckets.filled(state.bucket, terms.rate, now)
        wanted = _worth(buckets.burst(terms.rate), reserved=reserved)
        waits.append(buckets.seconds_until(bucket, terms.rate, wanted))
    return max(0.0, *waits)


def _part(total: int, kept: int, *, reserved: bool) -> int:
    """What is reserved, or what is left besides."""
    return min(total, kept) if reserved else total - kept


def _worth(burst: float, *, reserved: bool) -> float:
    """Tokens for which it is worth asking: a claim for each of them costs more than it brings."""
    kept = reserve(burst)
    if reserved:
        return 1.0 if kept else float("inf")
    return min(max(1.0, burst / 2) + kept, burst)


def _told(state: State, ask: Ask, terms: Terms, now: float) -> State:
    breaker = breakers.not_begun(state.breaker, ask.unused, ask.unused_term)
    for tally in ask.tallies:
        breaker = breakers.judged(breaker, tally, now, chance=ask.chance)
    bucket = state.bucket
    if terms.rate is not None:
        bucket = buckets.with_back(
            buckets.filled(bucket, terms.rate, now), ask.returned, terms.rate
        )
    return replace(
        state,
        bucket=bucket,
        leases=holders.alive(state.leases, now, terms.life),
        breaker=breaker,
        # no clock, and no stranger, makes it longer than anybody may ask for
        paused_until=min(max(state.paused_until, ask.paused_until), now + LONGEST_PAUSE),
    )


def share_of(terms: Terms, workers: int) -> Terms:
    """What one of so many workers may allow itself when it can't ask the others."""
    return replace(
        terms,
        rate=None if terms.rate is None else terms.rate / workers,
        concurrency=None if terms.concurrency is None else max(1, terms.concurrency // workers),
    )


def after_absence(kept: State, found: State | None, now: float) -> State:
    """The shared state as one goes on with it who could not see it, or who finds it forgotten.

    The bucket is empty: what was taken meanwhile is nowhere counted.
    """
    there = found or kept
    return replace(
        there,
        bucket=buckets.empty(now),
        breaker=breakers.worse(kept.breaker, there.breaker),
    )


def still_silent(found: State, kept: State) -> State:
    """As found, but for a wish for silence that only we know of.

    Others write the state anew after it was lost, and may not have heard of one by then.
    """
    return replace(found, paused_until=max(found.paused_until, kept.paused_until))
