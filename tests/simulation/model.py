"""What must become of what was asked for: the whole engine, as one would explain it to a child.

Time is in whole minutes, so that a slow machine makes no difference.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

#: calls in all, minutes of the first wait, and minutes until a dead worker's hand falls due
ATTEMPTS, BASE, LEASE = 3, 1, 2
#: dead workers after whom nobody takes it any more
MOST_LAPSES = 3


@dataclass(kw_only=True)
class Letter:
    """One message that was asked for."""

    user: str
    #: how its next calls end: sent · transient · permanent · unknown; then they go well
    script: deque[str] = field(default_factory=deque)
    critical: bool = False
    at_most_once: bool = False
    #: asked · skipped, or the state of its delivery
    state: str = "asked"
    due: int = 0
    tries: int = 0
    lapses: int = 0
    doubt: bool = False
    called_off: bool = False
    #: the claim in whose hands it is, by its epoch
    holder: int = 0
    #: while another has it: it was taken; and when it has failed: nobody was ever refused
    known: bool = False
    given_up: bool = False
    #: how often the vendor took it
    taken: int = 0


class Model:
    """Every letter by its mark."""

    def __init__(self) -> None:
        self.now = 0
        self.letters: dict[str, Letter] = {}
        self.opted_out: set[str] = set()

    def plan(self) -> None:
        """Everything that was asked for is decided."""
        for letter in self._in("asked"):
            letter.state, letter.due = "pending", self.now
            if self._unwanted(letter):
                letter.state = "skipped"

    def due(self) -> list[Letter]:
        """What a worker may take: what waits, and what was in dead hands for too long."""
        return [each for each in self._in("pending", "sending") if each.due <= self.now]

    def take_and_go(self, epochs: Mapping[str, int]) -> None:
        """A worker claims these, by their marks, and is gone."""
        for mark, epoch in epochs.items():
            letter = self.letters[mark]
            self._take(letter)
            if letter.state == "pending":
                letter.state, letter.due, letter.holder = "sending", self.now + LEASE, epoch

    def sweep(self) -> None:
        """What was in dead hands for so long that no claim came for it waits again."""
        for letter in self._in("sending"):
            if letter.due < self.now:
                self._take(letter)
                letter.due = self.now

    def come_back(self, mark: str, epoch: int) -> None:
        """One that was gone was told yes: it counts, unless it had another end by then."""
        letter = self.letters[mark]
        letter.taken += 1
        if letter.state == "sending" and letter.holder != epoch:
            letter.known = True
        elif letter.state in ("pending", "sending", "held") or letter.given_up:
            letter.state, letter.given_up = "sent", False

    def work(self) -> None:
        """Workers do all that is due."""
        while due := self.due():
            for letter in due:
                self._take(letter)
                if letter.state == "pending":
                    self._deliver(letter)

    def call_off(self, mark: str) -> None:
        """What was not called yet is not called; the rest is neither tried again nor replayed."""
        letter = self.letters[mark]
        if letter.state in ("asked", "pending"):
            letter.state = "cancelled"
        letter.called_off |= letter.state in ("sending", "failed", "held")

    def replay(self, *, in_doubt: bool) -> None:
        """What came to nothing is due again; what may have arrived, only if that was said.

        Doubt stays: that somebody wants it again does not tell what became of the first call.
        """
        for letter in self._in("failed", "held"):
            if (in_doubt or not (letter.doubt or letter.state == "held")) and not letter.called_off:
                letter.state, letter.due = "pending", self.now
                letter.tries = letter.lapses = 0
                letter.given_up = False

    def _take(self, letter: Letter) -> None:
        """As it is in the hands of who claimed it; from dead hands it comes with doubt."""
        if letter.state == "sending":
            letter.lapses, letter.doubt, letter.state = letter.lapses + 1, True, "pending"
            if letter.known:
                letter.state = "sent"
            elif letter.lapses >= MOST_LAPSES:
                letter.state, letter.given_up = "failed", True
            elif letter.called_off:
                letter.state = "cancelled"
            elif letter.at_most_once:
                letter.state = "held"

    def _deliver(self, letter: Letter) -> None:
        if letter.called_off:
            letter.state = "cancelled"
        elif self._unwanted(letter):
            letter.state = "suppressed"
        else:
            self._call(letter, letter.script.popleft() if letter.script else "sent")

    def _call(self, letter: Letter, end: str) -> None:
        letter.taken += end in ("sent", "unknown")
        letter.doubt |= end == "unknown"
        letter.lapses = letter.lapses if end == "unknown" else 0
        letter.tries += end in ("transient", "unknown")
        letter.due = self.now + BASE * 2 ** (letter.tries - 1)
        if end == "sent":
            letter.state = "sent"
        elif end == "unknown" and letter.at_most_once:
            letter.state = "held"
        elif end == "permanent" or letter.tries >= ATTEMPTS:
            letter.state = "failed"

    def _unwanted(self, letter: Letter) -> bool:
        return letter.user in self.opted_out and not letter.critical

    def _in(self, *states: str) -> Iterator[Letter]:
        return iter([each for each in self.letters.values() if each.state in states])
