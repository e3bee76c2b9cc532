"""The figures a process shows at `/metrics`, in Prometheus's form."""

from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

_LONG_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86400)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One process's metrics, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("tidings_build", "The program", registry=self.registry).info(
            {"version": version("tidings")}
        )
        self._add_work()
        self._add_calls()
        self._add_deliveries()
        self._add_integrations()
        self._add_state()
        self._add_http()

    def _add_work(self) -> None:
        self.accepted = Counter(
            "tidings_events_accepted", "Events stored durably", ["lane"], registry=self.registry
        )
        self.refused = Counter(
            "tidings_refused",
            "Requests for new work refused, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.planned = Counter(
            "tidings_notifications_planned",
            "Notifications planned, by state",
            ["workflow", "state"],
            registry=self.registry,
        )
        self.dead_letters = Counter(
            "tidings_dead_letters",
            "Bus entries buried",
            ["bus_channel"],
            registry=self.registry,
        )
        self.bus_entries_lost = Counter(
            "tidings_bus_entries_lost",
            "Bus entries freed before every group had acknowledged them",
            ["bus_channel"],
            registry=self.registry,
        )
        self.unpublished = Counter(
            "tidings_events_unpublished",
            "Accepted events the bus could not take; they are delivered all the same",
            registry=self.registry,
        )

    def _add_calls(self) -> None:
        self.attempts = Counter(
            "tidings_attempts",
            "Provider calls, by outcome",
            ["channel", "lane", "provider", "outcome"],
            registry=self.registry,
        )
        self.attempt_seconds = Histogram(
            "tidings_attempt_seconds",
            "Time of one provider call",
            ["channel", "lane", "provider"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "tidings_deliveries_in_flight",
            "Deliveries in this worker's hands",
            ["channel"],
            registry=self.registry,
        )

    def _add_integrations(self) -> None:
        labels = ["channel", "provider"]
        self.integration_state = Gauge(
            "tidings_integration_state",
            "Whether it is called: 0 freely, 1 on trial, 2 not at all",
            labels,
            registry=self.registry,
        )
        self.integration_share = Gauge(
            "tidings_integration_share",
            "Its part of the channel's calls, in points of a hundred",
            labels,
            registry=self.registry,
        )
        self.leave_wait_seconds = Counter(
            "tidings_leave_wait_seconds",
            "Time in which there was room to send and no integration might be called",
            ["channel"],
            registry=self.registry,
        )

    def _add_deliveries(self) -> None:
        self.deliveries = Counter(
            "tidings_deliveries",
            "Deliveries that ended in a worker's hands, by state",
            ["channel", "lane", "provider", "state"],
            registry=self.registry,
        )
        self.delivery_seconds = Histogram(
            "tidings_delivery_seconds",
            "Time from planning to the provider's yes",
            ["channel", "lane", "provider"],
            buckets=_LONG_SECONDS,
            registry=self.registry,
        )

    def _add_state(self) -> None:
        labels = ["kind", "channel", "lane"]
        self.due = Gauge(
            "tidings_due", "Rows that are due, up to 100,000", labels, registry=self.registry
        )
        self.oldest_due = Gauge(
            "tidings_oldest_due_seconds",
            "How long the first of them has been due",
            labels,
            registry=self.registry,
        )
        self.database_up = Gauge(
            "tidings_database_up",
            "Whether the database answered when this was asked",
            registry=self.registry,
        )
        self.bus_up = Gauge(
            "tidings_bus_up", "Whether the bus took the last command", registry=self.registry
        )
        self.bus_up.set(1)

    def _add_http(self) -> None:
        self.http_requests = Counter(
            "tidings_http_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.http_request_seconds = Histogram(
            "tidings_http_request_seconds",
            "Time from a request to the end of its answer",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )

    def forget_backlog(self) -> None:
        """Nobody knows what is due: say that the database is away, and nothing that is old."""
        self.database_up.set(0)
        self.due.clear()
        self.oldest_due.clear()

    def render(self) -> bytes:
        """The text exposition format, version 0.0.4."""
        return generate_latest(self.registry)
