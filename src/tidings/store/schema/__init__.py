"""One schema for both databases: a file for each owning service."""

from tidings.store.schema.analytics import figure_deltas, figures
from tidings.store.schema.inbox import feed
from tidings.store.schema.installation import installation
from tidings.store.schema.keys import api_keys, audit
from tidings.store.schema.notifications import (
    attempts,
    deliveries,
    events,
    idempotency,
    notifications,
    workflows,
)
from tidings.store.schema.outbox import dead_letters, outbox
from tidings.store.schema.pauses import integration_pauses
from tidings.store.schema.templates import templates
from tidings.store.schema.types import metadata
from tidings.store.schema.users import addresses, preferences, suppressions, users

__all__ = [
    "addresses",
    "api_keys",
    "attempts",
    "audit",
    "dead_letters",
    "deliveries",
    "events",
    "feed",
    "figure_deltas",
    "figures",
    "idempotency",
    "installation",
    "integration_pauses",
    "metadata",
    "notifications",
    "outbox",
    "preferences",
    "suppressions",
    "templates",
    "users",
    "workflows",
]
