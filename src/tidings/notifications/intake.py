"""Intake: everything that asks for something comes in here, and is durable before the answer."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from tidings.api.idempotency import check_idempotency_key, key_reused
from tidings.core.clock import Clock
from tidings.core.errors import (
    InProgress,
    InvalidInput,
    NotFound,
    Overloaded,
    TidingsError,
    Unavailable,
)
from tidings.core.group_commit import GroupCommit
from tidings.core.ids import Ids
from tidings.core.logs import get_logger
from tidings.core.metrics import Metrics
from tidings.core.models import USER_CHANNEL, Event, Lane
from tidings.core.ports import EventBus, Store
from tidings.core.work import Acceptance, Accepted, AcceptStatus, IdempotencyRecord
from tidings.notifications.admission import Admission
from tidings.notifications.publisher import Publisher
from tidings.notifications.requests import Composer, EventRequest
from tidings.notifications.workflows import WorkflowService

#: seconds between two commits, so that a rush shares them
_BREATH = 0.002
#: seconds a request waits for its commit to begin, and for one under way to end
_PATIENCE, _LONGEST = 1.0, 5.0
#: no bulk is taken while so many wait for their commit, the first of them for so many seconds
_BULK_QUEUE, _BULK_LAG = 100, 0.25

_log = get_logger("intake")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedEvent:
    """An event that is stored durably; `replayed` if it was before this request."""

    event_id: str
    replayed: bool


class Intake:
    """Stores what happened, many at a time, then lets the bus know in the background.

    Everything raises Overloaded where too much waits already, and Unavailable where the database
    can't be reached: nothing is stored then, unless the error says that nobody knows. Under the key
    of a request that is being stored at this moment it raises InProgress.
    """

    def __init__(
        self,
        *,
        store: Store,
        bus: EventBus,
        workflows: WorkflowService,
        admission: Admission,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        bus_channels: Sequence[str] = (USER_CHANNEL,),
    ) -> None:
        self._composer = Composer(installation=store.installation)
        self._workflows = workflows
        self._admission = admission
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._bus_channels = frozenset(bus_channels)
        self._store = store
        self._group = GroupCommit[Acceptance, Accepted](
            self._commit, breath=_BREATH, patience=_PATIENCE, longest=_LONGEST
        )
        self._publisher = Publisher(bus, metrics)

    async def register(
        self,
        email: str,
        *,
        name: str | None = None,
        locale: str | None = None,
        idempotency_key: str | None = None,
    ) -> AcceptedEvent:
        """Register an address. The same work whether its user is known or not.

        Raises InvalidInput.
        """
        check_idempotency_key(idempotency_key)
        acceptance = self._composer.registration(
            email,
            name,
            locale,
            idempotency_key=idempotency_key,
            event_id=self._ids.new(),
            now=self._clock.now(),
        )
        return await self._accept(acceptance)

    async def trigger(
        self,
        event_type: str,
        user_id: str,
        data: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        bus_channel: str = USER_CHANNEL,
        cancel_key: str | None = None,
    ) -> AcceptedEvent:
        """Store an event of a known user. Raises InvalidInput, or NotFound for an unknown user."""
        check_idempotency_key(idempotency_key)
        request = EventRequest(
            type=event_type,
            user_id=user_id,
            data=data or {},
            id=event_id,
            bus_channel=bus_channel,
            idempotency_key=idempotency_key,
            cancel_key=cancel_key,
        )
        return await self.take(request)

    async def take(self, request: EventRequest) -> AcceptedEvent:
        """Store one event of a known user; raises like `trigger`."""
        if request.bus_channel not in self._bus_channels:
            raise InvalidInput(
                f"channel {request.bus_channel} is none of TIDINGS_BUS_CHANNELS", field="channel"
            )
        acceptance = self._composer.event(request, event_id=self._ids.new(), now=self._clock.now())
        return await self._accept(acceptance)

    async def check_bulk(self, types: Iterable[str]) -> None:
        """Raise what a bulk of events of these types would meet as a whole, before any work on it.

        Else the work on what is refused takes the time of what is accepted.
        """
        critical = not (await self._workflows.recent()).critical_types.isdisjoint(types)
        await self._admission.check(critical=critical)
        crowded = self._group.waiting >= _BULK_QUEUE and self._group.lag > _BULK_LAG
        if crowded and not critical:
            self._metrics.refused.labels(reason="queue").inc()
            raise Unavailable(
                "more is asked for than can be stored: nothing was stored, ask again later"
            )

    async def trigger_many(
        self, requests: Sequence[EventRequest]
    ) -> list[AcceptedEvent | TidingsError]:
        """Store many events on the bulk lane: for each, in order, what became of it or the error.

        Raises nothing for a single request; each stands alone.
        """
        bulk = [replace(request, lane=Lane.BULK) for request in requests]
        results = await asyncio.gather(*map(self.take, bulk), return_exceptions=True)
        return [_ours(result) for result in results]

    async def send(
        self,
        to: str,
        text: str,
        *,
        subject: str | None = None,
        idempotency_key: str | None = None,
    ) -> AcceptedEvent:
        """Send a text to an e-mail address. Raises InvalidInput."""
        check_idempotency_key(idempotency_key)
        acceptance = self._composer.direct(
            to,
            text,
            subject,
            idempotency_key=idempotency_key,
            event_id=self._ids.new(),
            now=self._clock.now(),
        )
        return await self._accept(acceptance)

    async def accept_heard(self, event: Event, bus_channel: str) -> AcceptedEvent:
        """Store an event read from the bus, once for its source and id.

        It waits on the bus until there is room, where what is asked for over HTTP is refused.
        Raises InvalidInput for what can't be kept, NotFound for an unknown user.
        """
        return await self._accept(self.heard(event, bus_channel))

    def heard(self, event: Event, bus_channel: str) -> Acceptance:
        """An event read from the bus as it would be stored. Raises InvalidInput."""
        return self._composer.heard(event, bus_channel)

    async def aclose(self) -> None:
        """Finish what is being stored, and publish what waits, within a bound."""
        await self._group.aclose()
        await self._admission.aclose()
        await self._publisher.aclose()

    async def _accept(self, acceptance: Acceptance) -> AcceptedEvent:
        lane = await self._lane(acceptance)
        if lane is not acceptance.lane:
            acceptance = replace(acceptance, lane=lane)
        await self._admission.admit(critical=lane is Lane.CRITICAL)
        stored = False
        try:
            result = await self._store_soon(acceptance)
            stored = result.status is AcceptStatus.STORED
        finally:
            self._admission.end(stored=stored)
        return _accepted(result, acceptance)

    async def _store_soon(self, acceptance: Acceptance) -> Accepted:
        try:
            return await self._group.submit(acceptance)
        except Overloaded:
            self._metrics.refused.labels(reason="queue").inc()
            raise
        except Unavailable:
            if acceptance.idempotency and self._is_being_stored(acceptance.idempotency):
                raise InProgress(
                    "a request with this Idempotency-Key is being stored at this moment: ask "
                    "again for its answer"
                ) from None
            self._metrics.refused.labels(reason="database").inc()
            raise

    def _is_being_stored(self, record: IdempotencyRecord) -> bool:
        """Whether a request under the same key is part of the commit under way."""
        others = [each.idempotency for each in self._group.under_way]
        return any(other and other is not record and other.key == record.key for other in others)

    async def _commit(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        """Store, count and publish together: whoever asked may be gone by now."""
        results = await self._store.accept(acceptances)
        for acceptance, result in zip(acceptances, results, strict=True):
            if result.status is AcceptStatus.STORED:
                self._spread(acceptance)
            _tell(acceptance, result)
        return results

    def _spread(self, acceptance: Acceptance) -> None:
        self._metrics.accepted.labels(lane=acceptance.lane.value).inc()
        if acceptance.event.source == self._store.installation.source:
            self._publisher.publish(acceptance.bus_channel, acceptance.event)

    async def _lane(self, acceptance: Acceptance) -> Lane:
        critical = (await self._workflows.recent()).critical_types
        return Lane.CRITICAL if acceptance.event.type in critical else acceptance.lane


def _accepted(result: Accepted, acceptance: Acceptance) -> AcceptedEvent:
    """The store's answer as ours. Raises InvalidInput or NotFound."""
    event = acceptance.event
    match result.status:
        case AcceptStatus.STORED:
            return AcceptedEvent(event_id=result.event_id, replayed=False)
        case AcceptStatus.REPLAYED:
            return AcceptedEvent(event_id=result.event_id, replayed=True)
        case AcceptStatus.KEY_REUSED:
            raise key_reused()
        case AcceptStatus.ID_REUSED:
            raise InvalidInput(
                f"id {event.id} came before with another content: use a new id", field="id"
            )
        case AcceptStatus.UNKNOWN_USER:
            raise NotFound(
                f"there is no user {event.user_id}: create it with PUT /v1/users/{{id}} first",
                field="user_id",
            )
    assert_never(result.status)


_IN_WORDS = {
    AcceptStatus.STORED: "event accepted",
    AcceptStatus.REPLAYED: "event known already",
}


def _tell(acceptance: Acceptance, result: Accepted) -> None:
    event = acceptance.event
    _log.info(
        _IN_WORDS.get(result.status, "event refused"),
        type=event.type,
        event_id=result.event_id,
        user_id=event.user_id,
        lane=acceptance.lane.value,
    )


def _ours(result: AcceptedEvent | BaseException) -> AcceptedEvent | TidingsError:
    """An error of our tree becomes a result; any other is raised."""
    if isinstance(result, AcceptedEvent | TidingsError):
        return result
    raise result
