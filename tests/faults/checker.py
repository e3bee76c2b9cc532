"""What must be true after every fault: four accounts of one run, held against each other.

S is what was asked for and how it was answered, D what the provider took, T how it ended by the
database. One address is asked for one message, so an address stands for what was asked.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.provider_ledger import Call

_OPEN = frozenset({"pending", "sending"})
_SENT = frozenset({"sent", "delivered"})


class Asked(StrEnum):
    """How a request was answered."""

    OK = "ok"
    #: refused: nothing may come of it
    FAIL = "fail"
    #: no answer came: it may have been accepted
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A delivery as the database has it."""

    key: str
    address: str
    state: str
    #: its attempts whose outcome is unknown: so often it may have been taken once more
    unanswered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """All of them, and the work that has led to none yet."""

    deliveries: Sequence[End]
    #: ids of events and notifications that are still to be planned
    unplanned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each gate must be empty; what is below them is told."""

    #: accepted, and nothing in the database says what became of it
    lost: frozenset[str]
    #: sent, says the database; the provider has not seen it
    false_success: frozenset[str]
    #: the provider took it, and nobody asked for it
    unexpected: frozenset[str]
    #: taken once more, though every call before had been answered
    unexplained: Counter[str]
    #: neither sent nor given up
    unfinished: frozenset[str]

    #: taken once more after a call whose outcome is unknown
    explained: Counter[str]
    #: taken, though whoever asked was given no answer
    recovered: frozenset[str]
    #: accepted, and by a reason on record not sent: address and state
    unsent: Mapping[str, str]

    @property
    def broken(self) -> Mapping[str, Sequence[str]]:
        """The gates that do not hold, with some of what stands in them."""
        gates = {
            name: sorted(getattr(self, name))
            for name in ("lost", "false_success", "unexpected", "unexplained", "unfinished")
        }
        return {name: found[:5] for name, found in gates.items() if found}

    def __str__(self) -> str:
        found = {
            "lost": len(self.lost),
            "false successes": len(self.false_success),
            "unexpected": len(self.unexpected),
            "unexplained repeats": self.unexplained.total(),
            "unfinished": len(self.unfinished),
            "repeats of calls without an answer": self.explained.total(),
        }
        return ", ".join(f"{count} {name}" for name, count in found.items())


def judge(asked: Mapping[str, Asked], taken: Sequence[Call], ends: Ends) -> Verdict:
    """Hold what was asked, what was taken and what it ended as against each other."""
    accepted = {address for address, how in asked.items() if how is Asked.OK}
    reached = {call.address for call in taken}
    keys = {call.key for call in taken}
    known = {end.address: end.state for end in ends.deliveries}
    explained, unexplained = _repeats(taken, ends)
    return Verdict(
        lost=frozenset(accepted - known.keys()),
        false_success=frozenset(
            end.key for end in ends.deliveries if end.state in _SENT and end.key not in keys
        ),
        unexpected=frozenset(one for one in reached if asked.get(one, Asked.FAIL) is Asked.FAIL),
        unexplained=unexplained,
        unfinished=ends.unplanned | {end.key for end in ends.deliveries if end.state in _OPEN},
        explained=explained,
        recovered=frozenset(one for one in reached if asked.get(one) is Asked.UNKNOWN),
        unsent={
            address: state
            for address, state in known.items()
            if address in accepted and state not in _SENT
        },
    )


def _repeats(taken: Sequence[Call], ends: Ends) -> tuple[Counter[str], Counter[str]]:
    """Surplus takings by key: with a call without an answer to explain them, and without one."""
    surplus = Counter(call.key for call in taken)
    surplus.subtract(dict.fromkeys(surplus, 1))
    unanswered = Counter({end.key: end.unanswered for end in ends.deliveries})
    explained = surplus & unanswered
    return explained, (surplus - explained) + _second_messages(taken)


def _second_messages(taken: Sequence[Call]) -> Counter[str]:
    """Messages to an address that another message had reached already."""
    first: dict[str, str] = {}
    second: Counter[str] = Counter()
    for call in taken:
        if first.setdefault(call.address, call.key) != call.key:
            second[call.key] += 1
    return second
