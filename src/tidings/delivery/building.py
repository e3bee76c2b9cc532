"""Puts a channel together: gates, couriers, windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tidings.core.clock import Clock
from tidings.core.ids import Ids
from tidings.core.integrations import Integration
from tidings.core.metrics import Metrics
from tidings.core.models import Lane
from tidings.core.ports import Find, RetryPolicy, Send, SharedState, Store
from tidings.core.quiet_log import QuietLog
from tidings.delivery.channel import Channel
from tidings.delivery.claims import Claims
from tidings.delivery.courier import Courier, Templates
from tidings.delivery.gate.balance import Balance
from tidings.delivery.gate.elsewhere import elsewhere, silence
from tidings.delivery.gate.gate import Gate
from tidings.delivery.gate.packing import state_key
from tidings.delivery.gate.routes import Routes
from tidings.delivery.gate.state import Terms
from tidings.delivery.hold import Hold
from tidings.delivery.middleware import Meter, contained_find, containment, timeout, wrapped
from tidings.delivery.news import News
from tidings.delivery.pace import Pace
from tidings.delivery.pauses import Pauses
from tidings.delivery.receipts import Receipts
from tidings.delivery.settler import Settler
from tidings.delivery.sweeper import Sweeper
from tidings.delivery.trips import Crew
from tidings.delivery.under_way import UnderWay
from tidings.delivery.watch import Watch
from tidings.delivery.window import Slots, Window

#: seconds within which a call is answered that tries an integration out, or another is made
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every channel of a worker is made with."""

    store: Store
    shared: SharedState
    templates: Templates
    retry: RetryPolicy
    hold: Hold
    settler: Settler
    news: News
    metrics: Metrics
    #: the worker's own, and the one by which deliveries are judged
    clock: Clock
    database_clock: Clock
    ids: Ids
    quiet_log: QuietLog
    pace: Pace
    pauses: Pauses
    #: something is to be told to the other workers at once
    urgent: Callable[[], None]
    #: the name among them
    worker: str
    chance: Callable[[], float]

    def channel(self, name: str, integrations: Sequence[Integration]) -> Channel:
        """A channel with its integrations."""
        gates = {each.name: self._gate(name, each) for each in integrations}
        routes = Routes(tuple(gates.values()), self._balance(name, integrations))
        receipts = {each.name: self._receipts(each) for each in integrations}
        couriers = {
            each.name: self._courier(
                each,
                Watch(
                    gates[each.name],
                    routes,
                    slow_seconds=each.limits.slow_seconds,
                    receipts=receipts[each.name],
                    note_pause=partial(self.pauses.note, name, each.name),
                ),
                Meter(self.metrics, channel=name, provider=each.name),
                routes,
            )
            for each in integrations
        }
        under_way = UnderWay(
            channel=name,
            carry=Crew(couriers).carry,
            settle=self.settler.settle,
            hold=self.hold,
            quiet_log=self.quiet_log,
            gauge=self.metrics.in_flight.labels(name),
        )
        return Channel(
            windows=self._windows(name, routes, under_way),
            under_way=under_way,
            routes=routes,
            paused=partial(self.pauses.left, name),
            receipts=[each for each in receipts.values() if each is not None],
            sweeper=Sweeper(channel=name, hold=self.hold, news=self.news),
            quiet_log=self.quiet_log,
        )

    def _balance(self, channel: str, integrations: Sequence[Integration]) -> Balance | None:
        weights = {each.name: each.weight for each in integrations if each.weight is not None}
        if not weights:
            return None
        return Balance(
            weights,
            key=f"shares:{channel}",
            shared=self.shared,
            clock=self.clock,
            gauge=lambda name: self.metrics.integration_share.labels(channel, name),
        )

    def _receipts(self, integration: Integration) -> Receipts | None:
        seconds = integration.limits.receipt_seconds
        return None if seconds is None else Receipts(self.store, clock=self.clock, seconds=seconds)

    def _gate(self, channel: str, integration: Integration) -> Gate:
        limits = integration.limits
        return Gate(
            integration,
            key=state_key(channel, integration.name),
            worker=self.worker,
            shared=self.shared,
            terms=Terms(
                rate=limits.rate,
                concurrency=limits.concurrency,
                life=self.pace.lease_seconds,
                patience=_PATIENCE + (limits.receipt_seconds or 0.0),
            ),
            clock=self.clock,
            gauge=self.metrics.integration_state.labels(channel, integration.name),
            quiet_log=self.quiet_log,
            urgent=self.urgent,
            chance=self.chance,
        )

    def _courier(
        self, integration: Integration, watch: Watch, meter: Meter, routes: Routes
    ) -> Courier:
        return Courier(
            templates=self.templates,
            provider=integration.name,
            send=self._send(integration, watch, meter),
            find=self._find(integration, watch, meter),
            retry=elsewhere(self.retry, routes),
            current=self.hold.current,
            silence=partial(silence, routes, integration.name),
            clock=self.database_clock,
            quiet_log=self.quiet_log,
        )

    def _send(self, integration: Integration, watch: Watch, meter: Meter) -> Send:
        return wrapped(
            integration.provider.send,
            watch,
            meter,
            containment(self.quiet_log),
            timeout(self.pace.call_seconds),
        )

    def _find(self, integration: Integration, watch: Watch, meter: Meter) -> Find | None:
        find = contained_find(
            integration.provider, seconds=self.pace.call_seconds, quiet_log=self.quiet_log
        )
        return None if find is None else watch.asking(meter.asking(find))

    def _windows(self, channel: str, routes: Routes, under_way: UnderWay) -> tuple[Window, Window]:
        claims = Claims(
            channel=channel,
            routes=routes,
            hold=self.hold,
            news=self.news,
            ids=self.ids,
            lease_seconds=self.pace.lease_seconds,
        )

        def window(slots: Slots, general: Window | None = None) -> Window:
            return Window(
                slots=slots,
                claims=claims,
                routes=routes,
                under_way=under_way,
                poll_seconds=self.pace.poll_seconds,
                waited=self.metrics.leave_wait_seconds.labels(channel),
                quiet_log=self.quiet_log,
                general=general,
            )

        general = window(Slots(count=self.pace.slots))
        reserved = Slots(count=self.pace.reserved_slots, lanes=(Lane.CRITICAL,), reserved=True)
        return general, window(reserved, general)
