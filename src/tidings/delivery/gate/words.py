"""Why an integration is not called, in a sentence for the timeline. Pure."""

from datetime import UTC, datetime

from tidings.core.clock import moment
from tidings.delivery.gate.breaker import Breaker, Phase, lately, opens_in
from tidings.delivery.gate.state import State


def why_not(name: str, state: State, now: float) -> str:
    """The weightiest reason there is."""
    breaker = state.breaker
    if now < state.paused_until:
        until = _moment(state.paused_until, now)
        return f"{name} was skipped: it asked for silence until {until}."
    if breaker.phase is Phase.OPEN:
        until = _moment(breaker.until, now)
        return f"{name} was skipped: {_failures(breaker)} (open until {until})."
    if breaker.phase is Phase.RAMP:
        return f"{name} was skipped: it failed lately and is being tried out."
    return f"{name} was skipped: its limit was reached."


def closed(name: str, state: State, now: float) -> tuple[str, float] | None:
    """Why nobody calls it now, to go on from "waits: ", and until when; None where it may be."""
    breaker, until = state.breaker, state.paused_until
    if now < until:
        return f"{name} asked for silence until {_moment(until, now)}", until
    if breaker.phase is Phase.OPEN and opens_in(breaker, now) > 0:
        until = breaker.until
        return f"{name} is not called until {_moment(until, now)}: {_failures(breaker)}", until
    return None


def _failures(breaker: Breaker) -> str:
    counts = lately(breaker)
    if counts.calls == 1:
        return "the call that tried it failed"
    return f"{counts.failed} of its last {counts.calls} calls failed"


def _moment(at: float, now: float) -> str:
    return moment(datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC))
