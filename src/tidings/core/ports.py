"""Every seam: what a service needs of the world, and what a plug-in must offer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from tidings.core.errors import DeliveryError
from tidings.core.models import Event, Message, Receipt
from tidings.core.policy import NoMore
from tidings.core.work import (
    Acceptance,
    Accepted,
    Claimed,
    ClaimRequest,
    ClaimResult,
    DecideEvent,
    DecideNotification,
    Installation,
    Outcome,
    PlanResult,
    Settled,
    Swept,
)

if TYPE_CHECKING:  # who asks a running system has no use for it, and it takes long to load
    import sqlalchemy as sa

Result = TypeVar("Result")

Change = Callable[[float, bytes | None], tuple[bytes, Result]]
"""Makes a value anew, of the time in seconds and the old value, with an answer; pure, for it may
be asked more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An event in one member's hands, to be settled by `ack` or `bury`."""

    bus_channel: str
    #: the entry's id on the bus
    entry_id: str
    event: Event
    #: how often it was handed out, this time included
    delivery_count: int = 1


class Subscription(Protocol):
    """Batches of events in this member's hands; what is not settled comes back when it dies."""

    def __aiter__(self) -> AsyncIterator[Sequence[Received]]:
        """Batches, none empty, until the subscription is left."""
        ...

    async def ack(self, received: Sequence[Received]) -> None:
        """These are done with."""
        ...

    async def bury(self, received: Received, reason: str) -> None:
        """This can't be handled: to the dead-letter channel, visible and replayable."""
        ...


class EventBus(Protocol):
    """News between services: every group hears every event at least once; members share it."""

    async def publish(self, bus_channel: str, *events: Event) -> None:
        """Put events on a channel, in order. Raises Unavailable when the bus can't be reached."""
        ...

    def subscribe(
        self, *bus_channels: str, group: str
    ) -> AbstractAsyncContextManager[Subscription]:
        """Join a group as one more member; the group hears what came before its first member."""
        ...

    def watch(self, bus_channel: str) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Hear what is published from now on, in every process; lossy, so nothing rests on it."""
        ...

    async def ping(self) -> None:
        """Raises Unavailable when the bus does not answer."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...


class SharedState(Protocol):
    """Small values that all workers see and change one at a time; lossy: what is idle is forgotten.

    Its clock is one for all workers, shifted by ours.
    """

    async def change(self, key: str, change: Change[Result]) -> Result:
        """Put `change`'s new value in the old one's place; raises Unavailable."""
        ...

    async def read(self, key: str) -> tuple[float, bytes | None]:
        """The time in seconds and the value, which stays as it is; raises Unavailable."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...


class Provider(Protocol):
    """Carries one message to one address, or raises a DeliveryError that decides what is next."""

    @property
    def concurrency(self) -> int:
        """How many sends it carries at once; a worker has no more than that in hand."""
        ...

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection."""
        ...


@runtime_checkable
class CheckingProvider(Provider, Protocol):
    """One whose vendor can be asked what became of a message; no provider need be that."""

    async def find(self, message: Message) -> Receipt | None:
        """The receipt of a message that was taken.

        None when it surely was not, or when to send it again does no harm. Raises DeliveryError
        when that can't be told.
        """
        ...


class OutboxWriter(Protocol):
    """Keeps what the console provider took, for the dev outbox to show."""

    async def __call__(self, message: Message) -> None:
        """Keep one message."""
        ...


class FeedWriter(Protocol):
    """Puts what the in_app provider took into the person's feed."""

    async def __call__(self, message: Message) -> None:
        """Put one message there, once for each id. Raises Unavailable."""
        ...


Send = Callable[[Message], Awaitable[Receipt]]
"""One call to a provider."""

Find = Callable[[Message], Awaitable[Receipt | None]]
"""One question to a provider whether it has a message: see `CheckingProvider`."""

Middleware = Callable[[Send], Send]
"""Wraps a call: timeout, metrics, tracing, one wrapper each."""


class RetryPolicy(Protocol):
    """Seconds until the next attempt, or by which rule there is none."""

    def __call__(self, claimed: Claimed, error: DeliveryError, now: datetime) -> float | NoMore:
        """After a call that ended in `error` at `now`."""
        ...


class Store(Protocol):
    """The rows that are the queue: each verb is one batch and one transaction.

    Raises Unavailable when the database can't be reached, InvalidInput for a value no row can hold;
    what failed is never quoted.
    """

    @property
    def installation(self) -> Installation:
        """Who this installation is."""
        ...

    async def accept(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        """Store events durably with their users and idempotency records; an answer for each.

        Raises InProgress where another process is storing the same, and takes its time.
        """
        ...

    async def plan(self, *, limit: int, definitions: int, decide: DecideEvent) -> PlanResult:
        """Plan due events, critical lane first.

        Raises StaleDefinitions when workflows or templates changed since stamp `definitions`.
        """
        ...

    async def resume(
        self, *, limit: int, definitions: int, decide: DecideNotification
    ) -> PlanResult:
        """Plan on what waited and is due; raises StaleDefinitions like `plan`."""
        ...

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Take due deliveries, lane after lane; epochs rise by one.

        Which provider is about to be called goes on record: see `provider_for` and `is_released`
        of `store.settling`.
        What two workers died with is taken alone; what three died with is given up; what one died
        with is held where its policy says so, and cancelled where it was called off.
        """
        ...

    async def give_back(self, claims: Collection[str], *, spared: Sequence[str] = ()) -> int:
        """Make due again what the claims of these ids took; how many it was.

        For answers that were lost: nobody was called, so it is no death and leaves no doubt. The
        deliveries `spared` are in hand all the same.
        """
        ...

    async def sweep(self, channel: str, *, limit: int, spared: Sequence[str] = ()) -> Swept:
        """Up to `limit` of each: end what is of no use any more, take back what dead workers left.

        It does so whoever may be called. What was left for `store.lapses.LEFT_SECONDS` fares as
        with `claim`, but is pending again, with its doubt; the deliveries `spared` are in hand.
        """
        ...

    async def reread(self, claimed: Sequence[Claimed]) -> Sequence[Claimed | None]:
        """What is in hand as it stands now, with its user; None for what is not any more."""
        ...

    async def beat(self, claimed: Sequence[Claimed], *, lease: float) -> Collection[str]:
        """Hold what is still in hand for `lease` more seconds; the ids of what is held.

        It waits for nobody: a row that somebody has locked is left as it is.
        """
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        """Write outcomes, attempts and figures, fenced by epoch; an answer for each.

        It waits for nobody either: see `SettleStatus.BUSY`.
        """
        ...

    async def fold(self) -> int:
        """Fold figure deltas into figures; how many there were."""
        ...

    async def now(self) -> datetime:
        """The database's clock, shifted by ours; also shows that the database answers."""
        ...

    async def run(self, work: Callable[["sa.Connection"], Result]) -> Result:
        """Run ordinary SQLAlchemy Core in one transaction; its waits do not block the loop."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way and let go of the database."""
        ...


class Worker(Protocol):
    """A loop over what is due; any number of each may run."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then drain."""
        ...

    async def work(self) -> int:
        """One pass over what is due now; how much there was."""
        ...
