"""Why an integration is not called, in a sentence for the timeline. Pure."""

from datetime import UTC, datetime

from tidings.delivery.gate.breaker import Phase, lately
from tidings.delivery.gate.state import State


def why_not(name: str, state: State, now: float) -> str:
    """The weightiest reason there is."""
    breaker = state.breaker
    if now < state.paused_until:
        until = _clock_time(state.paused_until)
        return f"{name} was skipped: it asked for silence until {until}."
    if breaker.phase is Phase.OPEN:
        counts = lately(breaker)
        failures = f"{counts.failed} of its last {counts.calls} calls failed"
        return f"{name} was skipped: {failures} (open until {_clock_time(breaker.until)})."
    if breaker.phase is Phase.RAMP:
        return f"{name} was skipped: it failed lately and is being tried out."
    return f"{name} was skipped: its limit was reached."


def _clock_time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
