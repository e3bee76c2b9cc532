"""The routes of keys and of the audit: for admins alone."""

from datetime import UTC, datetime
from typing import Annotated

import pydantic
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic.json_schema import SkipJsonSchema

from tidings.api.access import ACTOR
from tidings.api.audit import AuditEntry, AuditLog
from tidings.api.bodies import Body, json_body, read_body
from tidings.api.idempotency import PARAMETER, idempotency_key
from tidings.api.keys import KeyService
from tidings.api.problems import problem_responses
from tidings.core.errors import InvalidInput
from tidings.core.keys import ApiKey, Scope
from tidings.core.text import LINE

KeyId = Annotated[
    str,
    Path(alias="id", pattern="^[a-z2-7]{8}$", description="The key's id.", examples=["k7pmv2xq"]),
]
EntryId = Annotated[
    str,
    pydantic.Field(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"),
]


class KeyIn(Body):
    """A key as you want one."""

    name: str = pydantic.Field(
        min_length=1,
        max_length=100,
        description="Who uses it; two keys of one name may be live at once, to change them over.",
        examples=["shop"],
        json_schema_extra={"pattern": LINE},
    )
    scopes: list[Scope] = pydantic.Field(
        min_length=1, max_length=3, strict=False, examples=[["trigger"]]
    )
    expires_at: pydantic.AwareDatetime | None = pydantic.Field(
        default=None, description="When it ends by itself; never, if left out."
    )


class KeyOut(pydantic.BaseModel):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = pydantic.Field(description="To the minute.")

    @classmethod
    def of(cls, key: ApiKey) -> "KeyOut":
        """The key as it is shown."""
        return cls.model_validate(key, from_attributes=True)


class NewKeyOut(KeyOut):
    """A key just made."""

    key: str = pydantic.Field(description="What to send as a bearer token; shown only now.")


class KeyListOut(pydantic.BaseModel):
    """Every key there ever was, in the order they were made."""

    keys: list[KeyOut]


class AuditEntryOut(pydantic.BaseModel):
    """One admin action."""

    id: str
    at: datetime
    actor: str
    action: str
    status: int | None = pydantic.Field(description="Of the answer; null where none was given.")


class AuditOut(pydantic.BaseModel):
    """Admin actions, newest first."""

    entries: list[AuditEntryOut]
    next: str | None = pydantic.Field(description="Give it as `before` for those before these.")


def keys_router(keys: KeyService, audit: AuditLog) -> APIRouter:
    """`/v1/keys` and `/v1/audit`."""
    router = APIRouter(prefix="/v1", tags=["keys"])
    _add_keys(router, keys)
    _add_audit(router, audit)
    return router


def _add_keys(router: APIRouter, keys: KeyService) -> None:
    @router.post(
        "/keys",
        operation_id="create_key",
        summary="Make a key; the answer alone holds its secret",
        status_code=201,
        responses=problem_responses(409, 413, 422, 503),
        openapi_extra={**json_body(KeyIn), "parameters": [PARAMETER]},
    )
    async def create_key(request: Request, response: Response) -> NewKeyOut:
        key = idempotency_key(request)
        body = await read_body(request, KeyIn)
        made = await keys.create(
            body.name,
            body.scopes,
            by=request.scope[ACTOR],
            expires_at=_utc(body.expires_at),
            idempotency_key=key,
        )
        response.headers["Cache-Control"] = "no-store"
        return NewKeyOut(key=made.token, **KeyOut.of(made.key).model_dump())

    @router.get(
        "/keys",
        operation_id="list_keys",
        summary="All keys, without their secrets",
        responses=problem_responses(503),
    )
    async def list_keys() -> KeyListOut:
        return KeyListOut(keys=[KeyOut.of(key) for key in await keys.list()])

    @router.delete(
        "/keys/{id}",
        operation_id="revoke_key",
        summary="End a key, within a second everywhere",
        responses=problem_responses(404, 422, 503),
    )
    async def revoke_key(key_id: KeyId) -> KeyOut:
        return KeyOut.of(await keys.revoke(key_id))


def _add_audit(router: APIRouter, audit: AuditLog) -> None:
    @router.get(
        "/audit",
        operation_id="list_audit",
        summary="What was done that only admins may do, newest first",
        responses=problem_responses(422, 503),
    )
    async def list_audit(
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        before: Annotated[
            EntryId | SkipJsonSchema[None], Query(description="Those before this one.")
        ] = None,
    ) -> AuditOut:
        found = await audit.list(limit=limit + 1, before=before)
        more = len(found) > limit
        return AuditOut(
            entries=[_entry(one) for one in found[:limit]],
            next=found[limit - 1].id if more else None,
        )


def _entry(entry: AuditEntry) -> AuditEntryOut:
    return AuditEntryOut.model_validate(entry, from_attributes=True)


def _utc(moment: datetime | None) -> datetime | None:
    """Raises InvalidInput for a moment that has no name in UTC, before year 1 or after 9999."""
    try:
        return moment and moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(
            "expires_at: must lie within years 1 to 9999", field="expires_at"
        ) from None
