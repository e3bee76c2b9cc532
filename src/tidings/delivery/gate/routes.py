"""A channel's integrations: which of them is called next."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from tidings.delivery.gate.balance import Balance
from tidings.delivery.gate.gate import Gate

#: seconds until it is worth asking again, where nobody can tell
_SOON = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """So many calls may be made now."""

    gate: Gate
    count: int
    #: in which they were allowed, see `Gate.term`
    term: int
    #: the other integrations that are well
    others: tuple[str, ...]
    #: it may well fail, and others are well
    is_trial: bool
    #: why it is not the one whose turn it was
    route: str | None


class Routes:
    """In their order, or by their weights where there is a balance.

    In order, one that is only busy in this process is waited for: the next is there for when it
    must not be called.
    """

    def __init__(self, gates: Sequence[Gate], balance: Balance | None = None) -> None:
        self._gates = {gate.name: gate for gate in gates}
        self._balance = balance

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._gates)

    @property
    def names(self) -> tuple[str, ...]:
        """All that are set up."""
        return tuple(self._gates)

    def gate(self, name: str) -> Gate | None:
        """The one of that name, if it is still set up."""
        return self._gates.get(name)

    def room(self, *, reserved: bool) -> int | None:
        """How many calls this process can begin; None where all depends on leave."""
        callable_now = self._callable(reserved=reserved)
        if not callable_now:
            return None
        if self._balance is None:
            return callable_now[0].room(reserved=reserved)
        return sum(gate.room(reserved=reserved) for gate in callable_now)

    def wait(self, *, reserved: bool) -> float:
        """Seconds until the first of them may have leave."""
        waits = [gate.wait(reserved=reserved) for gate in self._gates.values()]
        return min(wait or _SOON for wait in waits)

    @property
    def is_alone(self) -> bool:
        """Whether the other workers can't be asked about one of them."""
        return any(gate.is_alone for gate in self._gates.values())

    def silence(self, name: str) -> float:
        """Seconds for which one of them, if it is still set up, asked to be left alone."""
        return self._gates[name].silence if name in self._gates else 0.0

    def elsewhere_in(self, name: str) -> float:
        """Seconds until another one than this may be called that is well; inf: there is none."""
        return min((gate.wait() for gate in self._well_besides(name)), default=inf)

    async def leave(self, room: int, *, reserved: bool) -> Leave | None:
        """Leave to call one of them, for at most so many calls."""
        skipped: list[Gate] = []
        for gate in self._order():
            if not gate.wait(reserved=reserved) and not gate.room(reserved=reserved):
                if self._balance is None:
                    return None
                continue
            count = await gate.take(self._portion(gate, room), reserved=reserved)
            if count:
                return self._leave(gate, count, skipped)
            skipped.append(gate)
        return None

    def went(self, name: str, count: int) -> None:
        """So many calls go to one of them."""
        if self._balance is not None:
            among = {gate.name for gate in self._callable(reserved=False)} | {name}
            self._balance.went(name, count, sorted(among))

    def ended(self, name: str, *, slow: bool, failed: bool) -> None:
        """A call of one of them is over."""
        if self._balance is not None:
            self._balance.ended(name, slow=slow, failed=failed)

    async def recall(self, name: str, seconds: float) -> None:
        """One of them, if it is still set up, asked for so much more silence before we began."""
        if name in self._gates:
            await self._gates[name].recall(seconds)

    async def tell(self) -> None:
        """Tell the other workers what they don't know, and learn what they know."""
        for gate in self._gates.values():
            await gate.tell()
        if self._balance is not None:
            await self._balance.tell()

    def _ranked(self) -> Sequence[Gate]:
        names = self._gates if self._balance is None else self._balance.order()
        return [self._gates[name] for name in names]

    def _order(self) -> Sequence[Gate]:
        """Those whose turn may be next: one that stands by only where no other is well."""
        ranked, balance = self._ranked(), self._balance
        first = [gate for gate in ranked if balance is None or not balance.is_standby(gate.name)]
        return first if any(gate.is_well for gate in first) else ranked

    def _callable(self, *, reserved: bool) -> Sequence[Gate]:
        return [gate for gate in self._order() if not gate.wait(reserved=reserved)]

    def _portion(self, gate: Gate, room: int) -> int:
        if self._balance is None:
            return room
        among = {each.name for each in self._callable(reserved=False)} | {gate.name}
        return self._balance.portion(gate.name, sorted(among), room)

    def _leave(self, gate: Gate, count: int, skipped: Sequence[Gate]) -> Leave:
        besides = self._well_besides(gate.name)
        return Leave(
            gate=gate,
            count=count,
            term=gate.term,
            others=tuple(other.name for other in besides),
            is_trial=bool(besides) and not gate.is_well,
            route=skipped[0].why_not() if skipped else None,
        )

    def _well_besides(self, name: str) -> Sequence[Gate]:
        """Limits aside, the first first."""
        return [gate for gate in self._ranked() if gate.is_well and gate.name != name]
