"""The engine's common tables: what was accepted, what it led to, and how each message went."""

import sqlalchemy as sa

from tidings.store.schema.types import Id, Json, UtcDateTime, metadata

#: version: hash of content · status: published · archived · origin: builtin · http · module
workflows = sa.Table(
    "workflows",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("content", Json, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
sa.Index(
    "workflows_published",
    workflows.c.key,
    unique=True,
    sqlite_where=workflows.c.status == "published",
    postgresql_where=workflows.c.status == "published",
)

#: id: the event's key, see core.ids.event_key · state: see core.models.EventState
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("bus_channel", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("tenant", sa.Text),
    sa.Column("data", Json, nullable=False),
    sa.Column("time", UtcDateTime, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    #: None when nothing is left to plan
    sa.Column("due_at", UtcDateTime),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.Column("accepted_at", UtcDateTime, nullable=False),
    #: what its sender calls it off by
    sa.Column("cancel_key", sa.Text),
)
sa.Index(
    "events_due",
    events.c.lane,
    events.c.due_at,
    sqlite_where=events.c.state == "due",
    postgresql_where=events.c.state == "due",
)
#: the last events, as the dashboard lists them
sa.Index("events_accepted", events.c.accepted_at)
sa.Index(
    "events_cancel_key",
    events.c.cancel_key,
    events.c.accepted_at,
    events.c.id,
    sqlite_where=events.c.cancel_key.is_not(None),
    postgresql_where=events.c.cancel_key.is_not(None),
)
sa.Index(
    "events_failed",
    events.c.accepted_at,
    events.c.id,
    sqlite_where=events.c.state == "failed",
    postgresql_where=events.c.state == "failed",
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
#: finds what is old enough to go
sa.Index("idempotency_created", idempotency.c.created_at)

#: state: see core.models.NotificationState
notifications = sa.Table(
    "notifications",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("event_id", Id, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("workflow_version", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("once", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    #: index of the next step
    sa.Column("step", sa.SmallInteger, nullable=False),
    sa.Column("due_at", UtcDateTime),
    #: how often its planning failed in a row, and why it did the last time
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    #: list of {at, verdict, rule, reason, step, channel}
    sa.Column("decisions", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
sa.Index(
    "notifications_once",
    notifications.c.workflow,
    notifications.c.user_id,
    unique=True,
    sqlite_where=notifications.c.once & (notifications.c.state != "skipped"),
    postgresql_where=notifications.c.once & (notifications.c.state != "skipped"),
)
sa.Index(
    "notifications_due",
    notifications.c.lane,
    notifications.c.due_at,
    sqlite_where=notifications.c.state == "waiting",
    postgresql_where=notifications.c.state == "waiting",
)
sa.Index("notifications_event", notifications.c.event_id)
sa.Index(
    "notifications_failed",
    notifications.c.created_at,
    notifications.c.id,
    sqlite_where=notifications.c.state == "failed",
    postgresql_where=notifications.c.state == "failed",
)

#: state: see core.models.DeliveryState · due_at serves start, retry and lease only
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("notification_id", Id, nullable=False),
    sa.Column("event_id", Id, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("step", sa.SmallInteger, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("template_version", sa.Text, nullable=False),
    sa.Column("locale", sa.Text),
    sa.Column("consent_version", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    #: calls that ended in a retryable failure
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    #: claims in a row whose lease ran out in a dead worker's hands
    sa.Column("lapses", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("due_at", UtcDateTime),
    sa.Column("claimed_at", UtcDateTime),
    #: the claim that took it last, see core.work.ClaimRequest
    sa.Column("claim_id", Id),
    #: the one called last, or about to be called
    sa.Column("provider", sa.Text),
    sa.Column("provider_id", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    #: core.policy.SendPolicy; None for the usual one
    sa.Column("policy", Json),
    #: not called any more from then on
    sa.Column("expires_at", UtcDateTime),
    #: when it was called off, whatever it came to: it is not called again
    sa.Column("cancelled_at", UtcDateTime),
    #: a call's answer never came: it may have been taken
    sa.Column("doubt", sa.Boolean, nullable=False, server_default=sa.false()),
    #: by which rule it came to its end; `taken` while another has it in hand: to which it will come
    sa.Column("rule", sa.Text),
)
sa.Index(
    "deliveries_due",
    deliveries.c.channel,
    deliveries.c.lane,
    deliveries.c.due_at,
    sqlite_where=deliveries.c.state == "pending",
    postgresql_where=deliveries.c.state == "pending",
)
#: apart, so that what dead workers leave is found before any backlog
sa.Index(
    "deliveries_sending",
    deliveries.c.channel,
    deliveries.c.lane,
    deliveries.c.due_at,
    sqlite_where=deliveries.c.state == "sending",
    postgresql_where=deliveries.c.state == "sending",
)
#: finds what is of no use any more, whoever may be called
sa.Index(
    "deliveries_expiry",
    deliveries.c.channel,
    deliveries.c.expires_at,
    sqlite_where=(deliveries.c.state == "pending") & deliveries.c.expires_at.is_not(None),
    postgresql_where=(deliveries.c.state == "pending") & deliveries.c.expires_at.is_not(None),
)
sa.Index("deliveries_notification", deliveries.c.notification_id)
#: finds the one that a receipt names
sa.Index(
    "deliveries_provider_id",
    deliveries.c.provider_id,
    deliveries.c.provider,
    sqlite_where=deliveries.c.provider_id.is_not(None),
    postgresql_where=deliveries.c.provider_id.is_not(None),
)
#: the dead letters, the last first
sa.Index(
    "deliveries_failed",
    deliveries.c.updated_at,
    deliveries.c.id,
    sqlite_where=deliveries.c.state.in_(["failed", "held"]),
    postgresql_where=deliveries.c.state.in_(["failed", "held"]),
)

#: outcome: see core.work.Attempt
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("delivery_id", Id, primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    #: the outcome came after a later claim, or after the end, and changed no state
    sa.Column("fenced", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("error", sa.Text),
    sa.Column("provider_id", sa.Text),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    #: why it went this way, where another integration would have come first
    sa.Column("route", sa.Text),
)
