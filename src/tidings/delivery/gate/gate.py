"""One integration's gate: how many calls may be made of it now."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from math import inf

from prometheus_client import Gauge

from tidings.core.clock import Clock
from tidings.core.errors import TidingsError
from tidings.core.integrations import Integration
from tidings.core.policy import LONGEST_PAUSE
from tidings.core.ports import Change, SharedState
from tidings.core.quiet_log import QuietLog
from tidings.delivery.gate.breaker import Phase, judged
from tidings.delivery.gate.bucket import empty, fresh
from tidings.delivery.gate.leases import HeadCount, alive
from tidings.delivery.gate.packing import packed, unpacked_state
from tidings.delivery.gate.report import Report
from tidings.delivery.gate.reserve import reserve
from tidings.delivery.gate.state import (
    Ask,
    State,
    Terms,
    after_absence,
    asked,
    seconds_until,
    share_of,
    still_silent,
)
from tidings.delivery.gate.words import why_not

#: seconds after which a shared state that did not answer is asked again
_ABSENT_SECONDS = 1.0
#: seconds for which what the others know is taken as heard
_HEARD_SECONDS = 0.5
#: seconds for which leave at a rate is good: later it would come on top of others' calls
_FRESH_SECONDS = 0.2
#: whose part a worker takes that never saw how many there are
_UNKNOWN_WORKERS = 10
_NUMBERS = {Phase.CLOSED: 0, Phase.RAMP: 1, Phase.OPEN: 2}

_Answer = tuple[State, int, float]


class Gate:
    """What this worker knows of an integration, agreed with the others by the shared state.

    One that is healthy and has no limits costs a question in half a second at most. While the
    shared state can't be reached, each worker keeps to its part of the limits and to what it sees.
    """

    def __init__(
        self,
        integration: Integration,
        *,
        key: str,
        worker: str,
        shared: SharedState,
        terms: Terms,
        clock: Clock,
        gauge: Gauge,
        quiet_log: QuietLog,
        urgent: Callable[[], None],
        chance: Callable[[], float],
    ) -> None:
        self.name = integration.name
        self._at_once = integration.provider.concurrency
        self._key = key
        self._worker = worker
        self._shared = shared
        self._terms = terms
        self._clock = clock
        self._gauge = gauge
        self._quiet_log = quiet_log
        self._urgent = urgent
        self._chance = chance
        self._turn = asyncio.Lock()
        #: what we saw and told nobody yet, and what of it we are telling at this moment
        self._report, self._telling = Report(), Report()
        self._held = 0
        #: what the others know too, and what we know
        self._agreed = self._view = State(bucket=empty(clock.now().timestamp()))
        #: how far the shared clock is ahead of ours, in seconds
        self._ahead = 0.0
        self._crew = HeadCount(_UNKNOWN_WORKERS, life=terms.life)
        self._is_known = False
        self._is_alone = False
        #: on the loop's clock: when the others were asked last, and are to be asked again
        self._asked_at = self._ask_at = -inf
        self._gauge.set(0)

    @property
    def term(self) -> int:
        """Rises when the breaker opens: a call is judged in the term it began in."""
        return self._view.breaker.term

    @property
    def is_well(self) -> bool:
        """Whether it may be called, limits aside."""
        return self._view.breaker.phase is Phase.CLOSED and not self.silence

    @property
    def silence(self) -> float:
        """Seconds for which it asked to be left alone still."""
        return max(0.0, self._view.paused_until - self._now())

    @property
    def is_alone(self) -> bool:
        """Whether the others can't be asked."""
        return self._is_alone

    def room(self, *, reserved: bool = False) -> int:
        """How many more calls this process can make of it; a part only for what is `reserved`."""
        kept = 0 if reserved else reserve(self._at_once)
        return max(0, self._at_once - kept - self._held)

    def wait(self, *, reserved: bool = False) -> float:
        """Seconds until it may be called, as far as is known; 0 where it is worth asking."""
        if self._is_free:
            return 0.0
        terms = share_of(self._terms, self._crew.workers) if self._is_alone else self._terms
        return seconds_until(self._view, terms, self._now(), reserved=reserved)

    async def take(self, wanted: int, *, reserved: bool = False) -> int:
        """Leave for at most so many calls; each is to end in `done`, or in `unused`."""
        async with self._turn:  # what another takes meanwhile is no room any more
            wanted = min(wanted, self.room(reserved=reserved))
            if wanted <= 0 or self.wait(reserved=reserved) > 0:
                return 0
            granted = wanted if self._is_free else await self._ask(wanted, reserved=reserved)
            self._held += granted
            return granted

    def done(self) -> None:
        """A call it had leave for is over."""
        self._held -= 1

    def has_lapsed(self, term: int, seconds: float) -> bool:
        """Whether leave that was given in a term, so long ago, is good no more."""
        is_late = self._terms.rate is not None and seconds > _FRESH_SECONDS
        return is_late or term != self.term or self.silence > 0

    def spoilt(self, count: int, term: int) -> None:
        """Leave for so many calls lapsed; what it took of a rate is nobody's any more."""
        self._not_made(count, term, returned=False)

    def unused(self, count: int, term: int) -> None:
        """So many calls it had leave for in a term are not made."""
        self._not_made(count, term, returned=True)

    def ended(self, term: int, *, failed: bool) -> None:
        """A call that began in a term went well, or did not, as far as the integration goes."""
        self._report.ended(term, failed=failed)
        if failed or self._view.breaker.phase is not Phase.CLOSED:
            self._see(self._agreed)
            if self._view.breaker.phase is not Phase.CLOSED:
                self._urgent()

    def pause(self, seconds: float) -> None:
        """The provider asked for silence."""
        self._quiet_log.warning(
            "an integration asked for silence", integration=self.name, seconds=seconds
        )
        self._be_silent(seconds)

    async def recall(self, seconds: float) -> None:
        """The provider asked for so much more silence before this worker began."""
        async with self._turn:
            await self._ask(0)  # by whose clock it ends
        self._be_silent(seconds)

    async def tell(self) -> None:
        """Tell the others what they don't know, and learn what they know."""
        silent = _loop_time() - self._asked_at
        is_due = self._terms.are_limits and silent > self._terms.life / 3
        # what was seen alone was told to nobody yet, and what was told may be lost
        if is_due or self._is_alone or self.silence or not self._report.is_empty:
            async with self._turn:
                await self._ask(0)

    def why_not(self) -> str:
        """A sentence for the timeline of what went another way."""
        return why_not(self.name, self._view, self._now())

    @property
    def _is_free(self) -> bool:
        """Whether no other worker need be asked: one of them may have heard a wish for silence."""
        has_heard = _loop_time() - self._asked_at < _HEARD_SECONDS
        return not self._terms.are_limits and self.is_well and has_heard

    def _not_made(self, count: int, term: int, *, returned: bool) -> None:
        self._held -= count
        if count and not self._is_free:
            self._report.unused(count, term, returned=returned)
            self._urgent()

    def _be_silent(self, seconds: float) -> None:
        self._report.paused(self._now() + min(seconds, LONGEST_PAUSE))
        self._see(self._agreed)
        self._urgent()

    async def _ask(self, wanted: int, *, reserved: bool = False) -> int:
        ask = Ask(
            worker=self._worker,
            held=self._held,
            wanted=wanted,
            reserved=reserved,
            chance=self._chance(),
        )
        self._telling, self._report = self._report, Report()
        ask = self._telling.along_with(ask)
        if _loop_time() < self._ask_at:
            return self._granted_alone(ask)
        try:
            state, granted, now = await self._shared.change(self._key, self._change(ask))
        except TidingsError as error:
            self._be_alone(error)
            return self._granted_alone(ask)
        self._is_known, self._is_alone, self._asked_at = True, False, _loop_time()
        self._ahead = now - self._clock.now().timestamp()
        self._crew.seen(len(alive(state.leases, now, self._terms.life)), _loop_time())
        self._telling = Report()
        self._see(state)
        return granted

    def _change(self, ask: Ask) -> Change[_Answer]:
        kept, is_known, was_alone = self._agreed, self._is_known, self._is_alone

        def change(now: float, old: bytes | None) -> tuple[bytes, _Answer]:
            found = unpacked_state(old)
            if was_alone or (found is None and is_known):
                found = after_absence(kept, found, now)
            before = still_silent(found or State(bucket=fresh(now)), kept)
            state, granted = asked(before, ask, self._terms, now)
            return packed(state), (state, granted, now)

        return change

    def _be_alone(self, error: TidingsError) -> None:
        self._ask_at = _loop_time() + _ABSENT_SECONDS
        self._crew.disturbed()
        if not self._is_alone:
            self._is_alone = True
            self._see(replace(self._agreed, bucket=empty(self._now()), leases={}))
        if self._terms.are_limits:
            self._quiet_log.warning(
                "workers can't agree on an integration's limits: each keeps to its part",
                integration=self.name,
                workers=self._crew.workers,
                reason=str(error),
            )

    def _granted_alone(self, ask: Ask) -> int:
        terms = share_of(self._terms, self._crew.workers)
        state, granted = asked(self._agreed, ask, terms, self._now())
        self._telling = Report()
        self._see(state)
        return granted

    def _see(self, agreed: State) -> None:
        """What all know, or would if they could be asked, and what we add to it."""
        breaker, now, before = agreed.breaker, self._now(), self._view.breaker.phase
        for tally in (*self._telling.tallies, *self._report.tallies):
            breaker = judged(breaker, tally, now, chance=self._chance())
        paused_until = max(
            agreed.paused_until, self._telling.paused_until, self._report.paused_until
        )
        self._agreed = agreed
        self._view = replace(agreed, breaker=breaker, paused_until=paused_until)
        if breaker.phase is not before:
            self._gauge.set(_NUMBERS[breaker.phase])

    def _now(self) -> float:
        """The shared clock, as far as we know it."""
        return self._clock.now().timestamp() + self._ahead


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
