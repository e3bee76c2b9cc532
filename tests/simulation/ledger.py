"""The run's own books, kept apart from the system's: accepted, claimed, called, settled.

What can be judged at once is: it stands among the `violations`, for an error raised here would be
caught by the very code it accuses.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tests.simulation.entries import Call, Hand, Request
from tests.simulation.loop import Process
from tests.simulation.settings import BEAT, LEASE, MOST_CALLS
from tests.simulation.workflows import PROMISES
from tidings.core.integrations import Limits
from tidings.core.models import DeliveryState
from tidings.core.rules import Rule
from tidings.core.work import (
    AttemptOutcome,
    Claimed,
    ClaimResult,
    Outcome,
    PlanResult,
    Settled,
    SettleStatus,
    Swept,
)
from tidings.store.lapses import LEFT_SECONDS
from tidings.store.schema.types import to_microseconds


class Ledger:
    """What really happened, noted where it happened."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}
        self.calls: list[Call] = []
        #: promises broken so far
        self.violations: list[str] = []
        #: users that changed something → when the first change was confirmed, if it was
        self.touched: dict[str, float | None] = {}
        #: user → when their opt-out of everything was confirmed
        self.opted_out: dict[str, float] = {}
        #: marks that were called off → when that was confirmed, if it was
        self.called_off: dict[str, float | None] = {}
        #: integrations whose limits can be held against the calls
        self.limits: Mapping[str, Limits] = {}
        #: process and account → when it asked for silence, and until when
        self._silent: dict[tuple[Process, str], tuple[float, float]] = {}
        self._hands: dict[tuple[str, int], Hand] = {}
        self._epochs: dict[str, int] = {}
        self._ended: dict[str, DeliveryState] = {}
        #: what was given up, until a yes comes after all; how many of those came
        self._given_up: dict[str, DeliveryState] = {}
        self.late_yeses: Counter[DeliveryState] = Counter()
        #: delivery and start of a call → when its answer was first on record
        self._recorded: dict[tuple[str, int], float] = {}
        #: delivery → when a yes was first on record
        self._taken: dict[str, float] = {}
        self._troubled: dict[Process, float] = {}
        self._in_flight: Counter[Process] = Counter()
        #: delivery and account → the last call for it whose answer is on record
        self._asked_to_wait: dict[tuple[str, str], Call] = {}
        self._calls: defaultdict[str, list[Call]] = defaultdict(list)

    def unwanted_since(self, request: Request) -> float | None:
        """Since when it was confirmed that a request must not lead to any call; None if never."""
        moments = [self.called_off.get(request.mark)]
        if not PROMISES[request.type].critical:
            moments.append(self.opted_out.get(request.user))
        return min((moment for moment in moments if moment is not None), default=None)

    def trouble(self, process: Process, *, until: float) -> None:
        """Something keeps a process from doing its duty; it may be late until then."""
        self._troubled[process] = max(until, self._troubled.get(process, 0.0))

    def is_troubled(self, process: Process, now: float) -> bool:
        """Whether it had trouble so lately that a lease may have run out of it."""
        return self._troubled.get(process, 0.0) > now - LEASE - 2 * BEAT

    def hear(self, process: Process, result: object, now: float) -> str:
        """Note what the database committed for a process; what it was, in words."""
        if isinstance(result, ClaimResult):
            for claimed in result.taken:
                self._claimed(process, claimed, now)
            for outcome in result.ended:
                self._gives_up(outcome, now)
            return f": {_names(result.taken)}" if result.taken else ""
        if isinstance(result, Swept):
            return self._hear_swept(result, now)
        if isinstance(result, PlanResult):
            return f": {len(result.plans)}" if result.plans or result.resumed else ""
        return self._hear_each(result, now) if isinstance(result, list) else ""

    def _hear_each(self, results: list[object], now: float) -> str:
        """What was settled."""
        settled = [each for each in results if isinstance(each, Settled)]
        for each in settled:
            self._settled(each, now)
        return ": " + ", ".join(map(_in_words, settled)) if settled else ""

    def _hear_swept(self, swept: Swept, now: float) -> str:
        """What was taken back, and what came to its end."""
        for claimed in swept.taken_back:
            self._judge_lapse(claimed.id, now - LEFT_SECONDS)
        for outcome in swept.ended:
            self._gives_up(outcome, now - LEFT_SECONDS)
        touched = [*swept.taken_back, *(each.claimed for each in swept.ended)]
        return f": {_names(touched)}" if touched else ""

    def begin(self, call: Call) -> None:
        """A provider was called."""
        self.calls.append(call)
        self._calls[call.delivery].append(call)
        self._in_flight[call.process] += 1
        self.require(
            self._in_flight[call.process] <= MOST_CALLS, "more calls at once than slots", call
        )
        self.require(call.delivery not in self._ended, "called after its end", call)
        newest = self._epochs.get(call.delivery)
        self.require(call.epoch == newest, f"called, though epoch {newest} has it", call)
        is_open = self._hands[call.delivery, call.epoch].open
        self.require(is_open, "called, though it was taken back", call)
        self._judge_yes(call)
        self._judge_patience(call)
        self._judge_limits(call)

    def _judge_yes(self, call: Call) -> None:
        """What was taken, says the record, is not claimed for another call, nor called for long."""
        taken = self._taken.get(call.delivery, math.inf)
        kept = taken > call.claimed_at and call.began_at <= taken + LEASE
        self.require(kept, "called though a yes was on record", call)

    def _judge_patience(self, call: Call) -> None:
        """A vendor's wish to be left alone is known to whoever it told.

        It goes with the message too, where that can't have been called elsewhere meanwhile.
        """
        asked = self._asked_to_wait.get((call.delivery, call.account))
        if asked is None:
            return
        alone = {each.account for each in self.calls} == {call.account}
        wait = asked.answered_at + asked.retry_after - call.began_at
        kept = wait < 1e-6 or not (alone or asked.process is call.process)
        self.require(kept, f"called {wait:.3f} s before the vendor allowed it", call)

    def _judge_limits(self, call: Call) -> None:
        """Workers that are well keep to what is allowed at once, within a second, or not at all."""
        since, silent_until = self._silent.get((call.process, call.account), (0.0, 0.0))
        hushed = call.claimed_at > since and call.began_at < silent_until - 1e-6
        self.require(not hushed, "called though it had asked for silence", call)
        limits, now = self.limits.get(call.account), call.began_at
        if limits is None:
            return
        well = [
            each
            for each in self.calls
            if each.account == call.account and not self.is_troubled(each.process, now)
        ]
        if limits.concurrency is not None:
            under_way = sum(not each.over and not each.process.dead for each in well)
            self.require(under_way <= limits.concurrency, "more calls at once than allowed", call)
        if limits.rate is not None:
            lately = sum(each.began_at > now - 1.0 for each in well)
            self.require(lately <= 1.0 + limits.rate, "more calls a second than allowed", call)

    def end(self, call: Call) -> None:
        """Its caller has its answer, or waits for it no more."""
        call.over = True
        self._in_flight[call.process] -= 1
        if call.retry_after:
            until = call.answered_at + call.retry_after
            self._silent[call.process, call.account] = call.answered_at, until

    def calls_of(self, delivery: str) -> list[Call]:
        """The calls made for a delivery, in order."""
        return self._calls[delivery]

    def was_late(self, delivery: str, started_at: int) -> bool:
        """Whether that call's answer was on record only when another had been claimed."""
        recorded = self._recorded.get((delivery, started_at), 0.0)
        return any(
            to_microseconds(each.started_at) > started_at and each.claimed_at < recorded
            for each in self.calls_of(delivery)
        )

    def hand(self, process: Process, delivery: str) -> tuple[int, float]:
        """The newest claim of a delivery by a process: its epoch and its time."""
        hands = [
            (epoch, hand.claimed_at)
            for (one, epoch), hand in self._hands.items()
            if one == delivery and hand.process is process
        ]
        return max(hands, default=(0, 0.0))

    def _claimed(self, process: Process, claimed: Claimed, now: float) -> None:
        before = self._epochs.get(claimed.id, 0)
        self.require(claimed.id not in self._ended, "claimed after its end", claimed.id)
        self._judge_lapse(claimed.id, now)
        self.require(claimed.epoch > before, "its epoch did not rise", claimed.id)
        self._epochs[claimed.id] = claimed.epoch
        self._hands[claimed.id, claimed.epoch] = Hand(process=process, claimed_at=now)

    def _gives_up(self, outcome: Outcome, now: float) -> None:
        self.require(outcome.claimed.id not in self._ended, "ended twice", outcome.claimed.id)
        self._judge_lapse(outcome.claimed.id, now)
        self._ended[outcome.claimed.id] = self._given_up[outcome.claimed.id] = outcome.state

    def _judge_lapse(self, delivery: str, now: float) -> None:
        """A hand that is still open may be taken over only if its holder failed to hold it."""
        hand = self._hands.get((delivery, self._epochs.get(delivery, 0)))
        if hand is None or not hand.open:
            return
        hand.open = False
        since = self._troubled.get(hand.process, 0.0) > hand.claimed_at
        excused = hand.process.lost or (since and self.is_troubled(hand.process, now))
        self.require(excused, f"taken from {hand.process}, who was well", delivery)

    def _settled(self, settled: Settled, now: float) -> None:
        outcome = settled.outcome
        self._note_record(outcome, now)
        if settled.status is not SettleStatus.SETTLED:
            return
        if _is_yes(outcome) and outcome.rule == Rule.TAKEN:
            self._overturn(outcome.claimed.id, now)
        else:
            self._close(outcome.claimed)
        if outcome.state is not DeliveryState.PENDING:
            self._ended[outcome.claimed.id] = outcome.state
        if outcome.state is DeliveryState.HELD:
            self._given_up[outcome.claimed.id] = outcome.state
        self._obey(outcome)

    def _note_record(self, outcome: Outcome, now: float) -> None:
        if outcome.attempt is None:
            return
        started_at = to_microseconds(outcome.attempt.started_at)
        self._recorded.setdefault((outcome.claimed.id, started_at), now)
        if _is_yes(outcome):
            self._taken.setdefault(outcome.claimed.id, now)

    def _close(self, claimed: Claimed) -> None:
        """It is settled by the hand that has it."""
        current = self._epochs.get(claimed.id)
        self.require(
            claimed.epoch == current,
            f"settled under epoch {claimed.epoch} of {current}",
            claimed.id,
        )
        hand = self._hands[claimed.id, claimed.epoch]
        self.require(hand.open, f"epoch {claimed.epoch} was settled twice", claimed.id)
        hand.open = False

    def _overturn(self, delivery: str, now: float) -> None:
        """A late yes changes what waits, or was given up, and takes nothing from anybody."""
        self._judge_lapse(delivery, now)
        given_up = self._given_up.pop(delivery, None)
        if given_up is not None:
            self.late_yeses[given_up] += 1
        self.require(given_up is not None or delivery not in self._ended, "ended twice", delivery)

    def _obey(self, outcome: Outcome) -> None:
        """From now on the vendor's wish to be left alone is known to everybody."""
        for call in self._calls[outcome.claimed.id]:
            if outcome.attempt and call.is_attempt_of(outcome.attempt.started_at):
                self._asked_to_wait[call.delivery, call.account] = call

    def require(self, kept: bool, what: str, of: object) -> None:
        """A promise, and whether it was kept."""
        if not kept:
            self.violations.append(f"{what}: {of}")


def _is_yes(outcome: Outcome) -> bool:
    attempt = outcome.attempt
    return attempt is not None and attempt.outcome in (AttemptOutcome.SENT, AttemptOutcome.FOUND)


def _names(claimed: Sequence[Claimed]) -> str:
    return ", ".join(f"{each.id[-6:]}/{each.epoch}" for each in claimed)


def _in_words(settled: Settled) -> str:
    claimed, outcome = settled.outcome.claimed, settled.outcome
    attempt = outcome.attempt.outcome if outcome.attempt else "no call"
    return f"{claimed.id[-6:]}/{claimed.epoch} {attempt} → {outcome.state} ({settled.status})"
