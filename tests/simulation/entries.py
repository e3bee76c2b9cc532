"""What the ledger has lines for: requests, calls, and hands."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simulation.loop import Process
from tests.simulation.settings import LATEST

_LAG = timedelta(seconds=LATEST)


@dataclass(slots=True, kw_only=True)
class Request:
    """What a client asks for, and what came of it; `mark` is in every message it leads to."""

    mark: str
    type: str
    user: str
    key: str | None = None
    #: the ids of the events that answers named
    answers: set[str] = field(default_factory=set)
    #: whether it was sent at all, and whether it was said to be accepted
    sent: bool = False
    accepted: bool = False
    #: it was refused for good: its user was gone
    refused: bool = False


@dataclass(slots=True, kw_only=True)
class Call:
    """One provider call, as the vendor saw it."""

    delivery: str
    mark: str
    template: str
    address: str
    #: the integration that was called
    account: str
    process: Process
    #: on the loop's clock, and as an attempt on record would have it
    began_at: float
    started_at: datetime
    #: under which epoch the caller thought it had it, and when that was claimed
    epoch: int
    claimed_at: float
    #: the vendor has it, and will take it or has taken it
    arrived: bool = False
    taken: bool = False
    #: what the caller was told, and when; None while it was told nothing
    answer: str | None = None
    answered_at: float = 0.0
    receipt: str | None = None
    #: nobody waits for an answer any more
    over: bool = False
    #: seconds it was told to stay away
    retry_after: float = 0.0

    def is_attempt_of(self, started_at: datetime) -> bool:
        """Whether an attempt of that time is this call.

        Its caller knows the database's clock as well as an answer that came late tells it.
        """
        return abs(started_at - self.started_at) <= _LAG


@dataclass(slots=True, kw_only=True)
class Hand:
    """A claim: whose, and whether it is still open."""

    process: Process
    claimed_at: float
    open: bool = True
