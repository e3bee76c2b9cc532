"""What a worker has noted of an integration and not told the others yet."""

from dataclasses import replace

from tidings.delivery.gate.breaker import Tally
from tidings.delivery.gate.state import Ask


class Report:
    """Gathers notes until they are told."""

    def __init__(self) -> None:
        self._tallies: dict[int, Tally] = {}
        self._paused_until = 0.0
        self._unused = 0
        self._unused_term = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self._tallies and not self._unused and not self._paused_until

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """How calls ended, by the breaker's term they began in."""
        return tuple(self._tallies.values())

    def ended(self, call: Tally) -> None:
        """One call ended."""
        tally = self._tallies.get(call.term, Tally(term=call.term))
        self._tallies[call.term] = replace(
            tally,
            good=tally.good + call.good,
            failed=tally.failed + call.failed,
            row=0 if call.good else tally.row + call.failed,
        )

    def paused(self, until: float) -> None:
        """The provider asked for silence until then."""
        self._paused_until = max(self._paused_until, until)

    def unused(self, count: int, term: int) -> None:
        """So many calls that were allowed in a term are not made."""
        self._unused, self._unused_term = self._unused + count, term

    def along_with(self, ask: Ask) -> Ask:
        """An ask that tells all of it as well."""
        return replace(
            ask,
            tallies=self.tallies,
            paused_until=self._paused_until,
            unused=self._unused,
            unused_term=self._unused_term,
        )
