"""The figures a process shows at `/metrics`, in Prometheus's form."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One process's metrics, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter(
            "tidings_events_accepted", "Events stored durably", ["lane"], registry=self.registry
        )
        self.planned = Counter(
            "tidings_notifications_planned",
            "Notifications planned, by state",
            ["workflow", "state"],
            registry=self.registry,
        )
        self.attempts = Counter(
            "tidings_attempts",
            "Provider calls, by outcome",
            ["channel", "provider", "outcome"],
            registry=self.registry,
        )
        self.attempt_seconds = Histogram(
            "tidings_attempt_seconds",
            "Time of one provider call",
            ["channel", "provider"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "tidings_deliveries_in_flight",
            "Deliveries in this worker's hands",
            ["channel"],
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

    def render(self) -> bytes:
        """The text exposition format, version 0.0.4."""
        return generate_latest(self.registry)
