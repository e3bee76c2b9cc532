"""Events, users and catalogs for the planner's tests."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tidings.core.models import Event, Lane, Recipient
from tidings.core.work import DueEvent, DueNotification, PlannedNotification
from tidings.notifications.catalog import Catalog, WorkflowSet
from tidings.notifications.planner import plan_event
from tidings.notifications.workflow import Workflow
from tidings.templates.catalog import TemplateCatalog, TemplateVersion

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVENT_ID = "019aaf3e-6a00-7000-8000-000000000001"

ANN = Recipient(
    id="ann",
    name="Ann",
    locale="pl",
    consent_version=3,
    addresses={"email": ("ann@example.com", "ann@example.org"), "sms": ("+48600700800",)},
)


def template(key: str, channel: str, locale: str = "") -> TemplateVersion:
    return TemplateVersion(
        version=f"{key}/{channel}/{locale}", key=key, channel=channel, locale=locale
    )


def catalog(*workflows: Workflow, templates: Sequence[TemplateVersion] | None = None) -> Catalog:
    if templates is None:
        templates = [template("hello", "email"), template("hello", "sms")]
    return Catalog.of(
        WorkflowSet(definitions=1, published=tuple(workflows)), TemplateCatalog(tuple(templates))
    )


def due(
    event_type: str = "GREETED", *, recipient: Recipient | None = ANN, lane: Lane = Lane.NORMAL
) -> DueEvent:
    return DueEvent(
        event=Event(id=EVENT_ID, type=event_type, source="tidings:test", time=NOW, user_id="ann"),
        lane=lane,
        tries=0,
        recipient=recipient,
        now=NOW,
    )


def due_again(
    workflow: Workflow, step: int, *, recipient: Recipient | None = ANN
) -> DueNotification:
    event = due()
    return DueNotification(
        id="019aaf3e-6a00-8000-8000-000000000002",
        event=event.event,
        lane=Lane.NORMAL,
        workflow=workflow.key,
        workflow_version=workflow.version,
        step=step,
        recipient=recipient,
        now=NOW,
    )


def planned(workflow: Workflow, recipient: Recipient = ANN) -> PlannedNotification:
    """The one notification of an event that this workflow makes."""
    (notification,) = plan_event(due(recipient=recipient), catalog(workflow)).notifications
    return notification
