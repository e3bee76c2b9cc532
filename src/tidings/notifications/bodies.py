"""What the routes take and give, as models: they check bodies and draw the OpenAPI."""

from typing import Annotated, Any

import pydantic

from tidings.api.bodies import Body, Line
from tidings.core.locales import LOCALE
from tidings.core.models import USER_CHANNEL
from tidings.core.text import NO_NULL
from tidings.notifications.fields import BUS_CHANNEL, EVENT_TYPE, VISIBLE
from tidings.notifications.requests import TEXT_LIMIT, EventRequest
from tidings.notifications.workflow import Definition, Key, Workflow
from tidings.users.addresses import EMAIL_LIMIT
from tidings.users.people import NAME

#: events one bulk request may hold
BULK_LIMIT = 1_000

Email = Annotated[
    str,
    pydantic.Field(
        min_length=3,
        max_length=EMAIL_LIMIT,
        examples=["ann@example.com"],
        json_schema_extra={"format": "email"},
    ),
]
Name = Annotated[
    str, pydantic.Field(min_length=1, max_length=255, json_schema_extra={"pattern": NAME})
]
Locale = Annotated[
    str,
    pydantic.Field(max_length=35, examples=["pt-BR"], json_schema_extra={"pattern": LOCALE}),
]


class RegisterBody(Body):
    """Who registers."""

    email: Email
    name: Name | None = None
    locale: Locale | None = None


class EventBody(Body):
    """Something that happened to a user."""

    type: str = pydantic.Field(pattern=EVENT_TYPE, examples=["ORDER_SHIPPED"])
    user_id: Line = pydantic.Field(examples=["u1"])
    data: dict[str, Any] = pydantic.Field(
        default_factory=dict, description="What templates may show; at most 256 KiB."
    )
    id: str | None = pydantic.Field(
        default=None,
        pattern=VISIBLE,
        description="Your own id for it: one id is taken once, for as long as its event is kept.",
    )
    channel: str = pydantic.Field(
        default=USER_CHANNEL,
        pattern=BUS_CHANNEL,
        description="The bus channel to publish it on: one of TIDINGS_BUS_CHANNELS.",
    )

    cancel_key: str | None = pydantic.Field(
        default=None,
        pattern=VISIBLE,
        description="A key of your own to call it off by, with all others under that key.",
    )

    def request(self, idempotency_key: str | None) -> EventRequest:
        """What intake is asked for."""
        return EventRequest(
            type=self.type,
            user_id=self.user_id,
            data=self.data,
            id=self.id,
            bus_channel=self.channel,
            idempotency_key=idempotency_key,
            cancel_key=self.cancel_key,
        )


class BulkBody(Body):
    """Many events, each judged alone."""

    events: list[dict[str, Any]] = pydantic.Field(min_length=1, max_length=BULK_LIMIT)


class CancellationBody(Body):
    """What to call off: by exactly one of `cancel_key`, `event_id` and `notification_id`."""

    cancel_key: str | None = pydantic.Field(
        default=None, pattern=VISIBLE, description="All events that came under this key so far."
    )
    event_id: str | None = pydantic.Field(
        default=None,
        pattern=VISIBLE,
        description="One event: the id you gave it, or the one you were given.",
    )
    source: Line | None = pydantic.Field(
        default=None, description="Whose id it is, where the event came over the bus."
    )
    notification_id: Line | None = pydantic.Field(
        default=None, description="One notification of an event."
    )


class CancelledOut(pydantic.BaseModel):
    """How much was called off, and how much can't be any more."""

    events: int = pydantic.Field(description="Events that nothing was planned for yet.")
    notifications: int = pydantic.Field(description="Notifications that waited for a later step.")
    deliveries: int = pydantic.Field(description="Deliveries that were still to be sent.")
    under_way: int = pydantic.Field(
        description="Deliveries being sent at this moment: they may arrive, without another try."
    )
    dead: int = pydantic.Field(
        description="Deliveries that had come to nothing, and can't be replayed any more."
    )


class MessageBody(Body):
    """A text for an e-mail address."""

    to: Email
    text: str = pydantic.Field(min_length=1, max_length=TEXT_LIMIT, json_schema_extra=NO_NULL)
    subject: Line | None = None


class WorkflowBody(Definition):
    """A workflow; its key may be left to the address."""

    model_config = pydantic.ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "on": "ORDER_SHIPPED",
                    "steps": [{"kind": "channel", "channel": "email", "template": "welcome"}],
                }
            ]
        }
    )

    key: Key | None = None

    def workflow(self, key: str) -> Workflow:
        """The workflow under the key of the address. Raises pydantic.ValidationError."""
        return Workflow(
            key=key,
            on=self.on,
            steps=self.steps,
            once=self.once,
            critical=self.critical,
            on_unknown=self.on_unknown,
            retry=self.retry,
        )


class AcceptedOut(pydantic.BaseModel):
    """An event that is stored durably."""

    event_id: str


class BulkItemOut(pydantic.BaseModel):
    """What became of one event of a bulk: its id, or a problem."""

    status: int = pydantic.Field(description="202, or the status of the problem.")
    event_id: str | None = None
    replayed: bool = pydantic.Field(
        default=False, description="True where the same event was accepted before."
    )
    type: str | None = pydantic.Field(
        default=None, description="The type of the problem, where it is one."
    )
    title: str | None = None
    detail: str | None = None
    field: str | None = None


class BulkOut(pydantic.BaseModel):
    """A result for each event, in the order they came."""

    results: list[BulkItemOut]


class WorkflowOut(Definition):
    """A published workflow with the version its content gives it."""

    key: str
    version: str

    @classmethod
    def of(cls, workflow: Workflow) -> "WorkflowOut":
        """The workflow as it is shown."""
        return cls(
            key=workflow.key,
            version=workflow.version,
            on=workflow.on,
            steps=workflow.steps,
            once=workflow.once,
            critical=workflow.critical,
            on_unknown=workflow.on_unknown,
            retry=workflow.retry,
        )


class WorkflowListOut(pydantic.BaseModel):
    """All published workflows, in the order of their keys."""

    workflows: list[WorkflowOut]
