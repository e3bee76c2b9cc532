"""What is asked of the dead letters over HTTP, and what is answered."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

import pydantic
from fastapi import Path, Query
from pydantic.json_schema import SkipJsonSchema

from tidings.api.bodies import Body, Line, one_line
from tidings.core.errors import InvalidInput
from tidings.core.names import NAME_LIMIT
from tidings.core.text import LINE
from tidings.store.dead_letter_rows import DeadLetter, Kind

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WRITTEN_OUT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _written_out(moment: object) -> object:
    """Nothing but RFC 3339: no numbers of seconds, no dates alone."""
    if not (isinstance(moment, str) and _WRITTEN_OUT.match(moment)):
        raise ValueError("must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
    return moment


def _in_utc(moment: datetime) -> datetime:
    """The same moment, which may lie before the first year or after the last."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999 in UTC") from None


def _id(example: str) -> Any:
    return Path(alias="id", pattern=f"^{UUID}$", description="Its id.", examples=[example])


LetterId = Annotated[str, _id("1c01ee09-26de-5c2c-a101-829a0391b95f")]
DueId = Annotated[str, _id("e4cb9e02-0ef3-55f0-bdab-8c197a69ee2b")]
LetterKind = Annotated[Kind, Path(alias="kind", examples=["bus_entry"])]
Name = Annotated[
    str,
    pydantic.Field(min_length=1, max_length=NAME_LIMIT, json_schema_extra={"pattern": LINE}),
    pydantic.AfterValidator(one_line),
]
NameAsked = Annotated[Name | SkipJsonSchema[None], Query()]
UserAsked = Annotated[Line | SkipJsonSchema[None], Query(description="Of this user.")]
ReasonAsked = Annotated[Line | SkipJsonSchema[None], Query(description="Words in the reason.")]
Moment = Annotated[
    pydantic.AwareDatetime,
    pydantic.Strict(False),  # a text is a time here, as `_written_out` sees to
    pydantic.BeforeValidator(_written_out),
    pydantic.AfterValidator(_in_utc),
]
Cursor = Annotated[str, pydantic.Field(pattern=f"^[0-9]{{1,16}}-{UUID}$")]
Before = Annotated[Cursor | SkipJsonSchema[None], Query(description="The `next` of a page.")]


def asked_for(
    kind: Annotated[Kind | SkipJsonSchema[None], Query()] = None,
    channel: NameAsked = None,
    workflow: NameAsked = None,
    provider: NameAsked = None,
    user_id: UserAsked = None,
    reason: ReasonAsked = None,
    since: Annotated[Moment | SkipJsonSchema[None], Query()] = None,
    until: Annotated[Moment | SkipJsonSchema[None], Query()] = None,
    in_doubt: Annotated[bool | SkipJsonSchema[None], Query()] = None,
) -> dict[str, Any]:
    """What the query of a list asks for."""
    return {
        "kind": kind,
        "channel": channel,
        "workflow": workflow,
        "provider": provider,
        "user_id": user_id,
        "reason": reason,
        "since": since,
        "until": until,
        "in_doubt": in_doubt,
    }


class AttemptOut(pydantic.BaseModel):
    """One provider call of a delivery."""

    epoch: int
    provider: str
    outcome: str
    fenced: bool
    error: str | None
    provider_id: str | None
    started_at: datetime
    finished_at: datetime | None
    route: str | None


class DeadLetterOut(pydantic.BaseModel):
    """One thing that came to nothing, and why; what does not apply to its kind is null."""

    kind: Kind
    id: str
    at: datetime = pydantic.Field(
        description="When it came to nothing; of events and notifications, when they came."
    )
    reason: str | None
    rule: str | None
    event_id: str | None
    type: str | None
    user_id: str | None
    workflow: str | None
    channel: str | None
    provider: str | None
    bus_channel: str | None
    in_doubt: bool = pydantic.Field(
        description="Nobody can tell whether a call of it was taken: it may have arrived."
    )
    called_off: bool = pydantic.Field(description="It was called off, and is never replayed.")
    taken: bool = pydantic.Field(
        description="A provider said yes too late to be heeded: it is never replayed."
    )

    @classmethod
    def of(cls, letter: DeadLetter) -> "DeadLetterOut":
        """The letter as it is shown."""
        return cls.model_validate(letter, from_attributes=True)


class InspectedDeadLetterOut(DeadLetterOut):
    """A dead letter with all that is known of it."""

    details: dict[str, Any] = pydantic.Field(description="What its row holds besides.")
    attempts: list[AttemptOut] = pydantic.Field(description="The calls, of a delivery.")


class DeadLetterListOut(pydantic.BaseModel):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetterOut]
    next: str | None = pydantic.Field(description="Give it as `before` for those that follow.")


class ReplayBody(Body):
    """How to replay one."""

    in_doubt: bool = pydantic.Field(
        default=False, description="Send it though it may have been delivered."
    )


class ReplayedOneOut(pydantic.BaseModel):
    """What was replayed."""

    kind: Kind
    id: str


class ReplayAllBody(Body):
    """Which to replay: at least one field of the first eight, or `all`."""

    kind: Kind | None = pydantic.Field(default=None, strict=False)
    channel: Name | None = None
    workflow: Name | None = None
    provider: Name | None = None
    user_id: Line | None = None
    reason: Line | None = None
    since: Moment | None = None
    until: Moment | None = None
    in_doubt: bool = pydantic.Field(
        default=False, description="Those too that may have been delivered."
    )
    all: bool = pydantic.Field(default=False, description="Whatever the other fields leave open.")
    before: Cursor | None = pydantic.Field(
        default=None, description="The `next` of the last answer."
    )
    dry_run: bool = pydantic.Field(default=False, description="Count, and replay nothing.")

    def filters(self) -> dict[str, Any]:
        """What to ask the service for. Raises InvalidInput where nothing says which."""
        given = self.model_dump(exclude={"all"}, exclude_none=True)
        if not self.all and not given.keys() - {"in_doubt", "before", "dry_run"}:
            raise InvalidInput('all: say which by a field, or "all": true', field="all")
        return given


class ReplayedOut(pydantic.BaseModel):
    """What one call replayed."""

    replayed: int
    left: int = pydantic.Field(
        description="Called off, taken, not readable, or replayed by somebody else meanwhile."
    )
    in_doubt: int = pydantic.Field(
        description="Left out because they may have been delivered: `in_doubt` takes them too."
    )
    next: str | None = pydantic.Field(description="Give it as `before` to go on; null at the end.")
