"""What a worker has noted of an integration and not told the others yet."""

from dataclasses import dataclass, replace

from tidings.delivery.gate.breaker import Tally
from tidings.delivery.gate.state import Ask


@dataclass(slots=True)
class _Count:
    """A tally that grows: there is one for each call, so it must cost next to nothing."""

    good: int = 0
    failed: int = 0
    row: int = 0


class Report:
    """Gathers notes until they are told."""

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}
        #: the provider asked for silence until then
        self.paused_until = 0.0
        self._unused = 0
        self._unused_term = 0
        self._returned = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self._counts and not self._unused and not self.paused_until

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """How calls ended, by the breaker's term they began in."""
        return tuple(
            Tally(term=term, good=count.good, failed=count.failed, row=count.row)
            for term, count in self._counts.items()
        )

    def ended(self, term: int, *, failed: bool) -> None:
        """A call that began in a term is over."""
        count = self._counts.get(term)
        if count is None:
            count = self._counts[term] = _Count()
        if failed:
            count.failed += 1
            count.row += 1
        else:
            count.good += 1
            count.row = 0

    def paused(self, until: float) -> None:
        """The provider asked for silence until then."""
        self.paused_until = max(self.paused_until, until)

    def unused(self, count: int, term: int, *, returned: bool) -> None:
        """So many calls that were allowed in a term are not made; others may make them or not."""
        self._unused, self._unused_term = self._unused + count, term
        self._returned += count if returned else 0

    def along_with(self, ask: Ask) -> Ask:
        """An ask that tells all of it as well."""
        return replace(
            ask,
            tallies=self.tallies,
            paused_until=self.paused_until,
            unused=self._unused,
            unused_term=self._unused_term,
            returned=self._returned,
        )
