"""The routes of the dead letters: to list, inspect and replay what came to nothing."""

import re
from datetime import datetime
from typing import Annotated, Any

import orjson
import pydantic
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic.json_schema import SkipJsonSchema

from tidings.api.access import ACTOR
from tidings.api.bodies import Body, json_body, read_body
from tidings.api.paging import DEFAULT_LIMIT, Limit
from tidings.api.problems import problem_responses
from tidings.core.errors import InvalidInput
from tidings.core.names import NAME_LIMIT
from tidings.notifications.dead_letters import LIMITS, DeadLetterService
from tidings.store.dead_letter_rows import DeadLetter, Kind

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WRITTEN_OUT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _written_out(moment: object) -> object:
    """Nothing but RFC 3339: no numbers of seconds, no dates alone."""
    if isinstance(moment, str) and not _WRITTEN_OUT.match(moment):
        raise ValueError("must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
    return moment


def _id(example: str) -> Any:
    return Path(alias="id", pattern=f"^{UUID}$", description="Its id.", examples=[example])


LetterId = Annotated[str, _id("1c01ee09-26de-5c2c-a101-829a0391b95f")]
DueId = Annotated[str, _id("e4cb9e02-0ef3-55f0-bdab-8c197a69ee2b")]
LetterKind = Annotated[Kind, Path(alias="kind", examples=["bus_entry"])]
Name = Annotated[str, pydantic.Field(min_length=1, max_length=NAME_LIMIT)]
NameAsked = Annotated[str | SkipJsonSchema[None], Query(min_length=1, max_length=NAME_LIMIT)]
Words = Annotated[str, pydantic.Field(min_length=1, max_length=LIMITS["reason"])]
Moment = Annotated[pydantic.AwareDatetime, pydantic.BeforeValidator(_written_out)]
Cursor = Annotated[str, pydantic.Field(pattern=f"^[0-9]{{1,16}}-{UUID}$")]


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
    in_doubt: bool = pydantic.Field(description="A call's answer never came: it may have arrived.")

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
    """Which to replay: at least one field of the first seven, or `all`."""

    kind: Kind | None = pydantic.Field(default=None, strict=False)
    channel: Name | None = None
    workflow: Name | None = None
    provider: Name | None = None
    reason: Words | None = None
    since: pydantic.AwareDatetime | None = None
    until: pydantic.AwareDatetime | None = None
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
        description="Called off, not readable, or replayed by somebody else meanwhile."
    )
    in_doubt: int = pydantic.Field(
        description="Left out because they may have been delivered: `in_doubt` takes them too."
    )
    next: str | None = pydantic.Field(description="Give it as `before` to go on; null at the end.")


def dead_letters_router(letters: DeadLetterService) -> APIRouter:
    """`/v1/dead-letters`."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])
    _add_list(router, letters)
    _add_replays(router, letters)
    return router


def _add_list(router: APIRouter, letters: DeadLetterService) -> None:
    @router.get(
        "",
        operation_id="list_dead_letters",
        summary="What came to nothing, newest first",
        responses=problem_responses(422, 503),
    )
    async def list_dead_letters(
        kind: Annotated[Kind | SkipJsonSchema[None], Query()] = None,
        channel: NameAsked = None,
        workflow: NameAsked = None,
        provider: NameAsked = None,
        reason: Annotated[
            str | SkipJsonSchema[None],
            Query(min_length=1, max_length=LIMITS["reason"], description="Words in the reason."),
        ] = None,
        since: Annotated[Moment | SkipJsonSchema[None], Query()] = None,
        until: Annotated[Moment | SkipJsonSchema[None], Query()] = None,
        in_doubt: Annotated[bool | SkipJsonSchema[None], Query()] = None,
        limit: Limit = DEFAULT_LIMIT,
        before: Annotated[
            Cursor | SkipJsonSchema[None], Query(description="The `next` of a page.")
        ] = None,
    ) -> DeadLetterListOut:
        page = await letters.list(
            kind=kind,
            channel=channel,
            workflow=workflow,
            provider=provider,
            reason=reason,
            since=since,
            until=until,
            in_doubt=in_doubt,
            limit=limit,
            before=before,
        )
        shown = [DeadLetterOut.of(letter) for letter in page.dead_letters]
        return DeadLetterListOut(dead_letters=shown, next=page.next)

    @router.get(
        "/{kind}/{id}",
        operation_id="get_dead_letter",
        summary="One of them, with all that is known of it",
        response_model=InspectedDeadLetterOut,
        responses=problem_responses(404, 422, 503),
    )
    async def get_dead_letter(kind: LetterKind, letter_id: LetterId) -> Response:
        found = await letters.get(kind, letter_id)
        shown = {
            **DeadLetterOut.of(found.letter).model_dump(),
            "details": found.details,
            "attempts": found.attempts,
        }
        return Response(orjson.dumps(shown, option=orjson.OPT_UTC_Z), media_type="application/json")


def _add_replays(router: APIRouter, letters: DeadLetterService) -> None:
    @router.post(
        "/{kind}/{id}/replay",
        operation_id="replay_dead_letter",
        summary="Make one due again, or accept an entry of the bus",
        responses=problem_responses(404, 409, 413, 422, 429, 503),
        openapi_extra=_optional(json_body(ReplayBody)),
    )
    async def replay_dead_letter(
        kind: LetterKind, letter_id: DueId, request: Request
    ) -> ReplayedOneOut:
        body = await _read_optional(request)
        by = request.scope[ACTOR]
        await letters.replay(kind, letter_id, in_doubt=body.in_doubt, by=by)
        return ReplayedOneOut(kind=kind, id=letter_id)

    @router.post(
        "/replay",
        operation_id="replay_dead_letters",
        summary="Replay those that are wanted, up to 1,000 at a time",
        responses=problem_responses(413, 422, 429, 503),
        openapi_extra=json_body(ReplayAllBody),
    )
    async def replay_dead_letters(request: Request) -> ReplayedOut:
        body = await read_body(request, ReplayAllBody)
        done = await letters.replay_all(**body.filters(), by=request.scope[ACTOR])
        return ReplayedOut.model_validate(done, from_attributes=True)


async def _read_optional(request: Request) -> ReplayBody:
    sent = request.headers.get("content-length", "0")
    if sent == "0" and "transfer-encoding" not in request.headers:
        return ReplayBody()
    return await read_body(request, ReplayBody)


def _optional(extra: dict[str, Any]) -> dict[str, Any]:
    extra["requestBody"]["required"] = False
    return extra
