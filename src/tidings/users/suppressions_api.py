"""The routes of suppressions: they translate, the service decides."""

from datetime import datetime
from typing import Annotated

import pydantic
from fastapi import APIRouter, Path, Query, Request
from pydantic.json_schema import SkipJsonSchema

from tidings.api.bodies import Body, Line, json_body, read_body
from tidings.api.paging import DEFAULT_LIMIT, Limit, cut
from tidings.api.problems import problem_responses
from tidings.core.names import CHANNEL
from tidings.users.suppression import Suppression
from tidings.users.suppressions import SuppressionService

SuppressionId = Annotated[
    str, Path(alias="id", min_length=1, max_length=64, description="The suppression's id.")
]
After = Annotated[
    str | SkipJsonSchema[None],
    Query(min_length=1, max_length=64, description="The `next` of the page before."),
]
Channel = Annotated[
    str,
    pydantic.Field(
        description="A channel with addresses.",
        examples=["email"],
        json_schema_extra={"pattern": f"^{CHANNEL}$"},
    ),
]
Address = Annotated[Line, pydantic.Field(examples=["ann@example.com"])]


class AddressIn(Body):
    """An address of a channel."""

    channel: Channel
    address: Address


class SuppressionIn(AddressIn):
    """An address that nothing is to be sent to."""

    reason: Line = pydantic.Field(default="asked for", description="Why, in a line.")


class SuppressionOut(pydantic.BaseModel):
    """A suppression; which address it is for only its id, a keyed hash, tells."""

    id: str
    channel: str
    reason: str
    created_at: datetime


class SuppressionListOut(pydantic.BaseModel):
    """Some suppressions, in the order of their ids."""

    suppressions: list[SuppressionOut]
    next: str | None = pydantic.Field(description="What `after` must be for the page that follows.")


def suppressions_router(service: SuppressionService) -> APIRouter:
    """`/v1/suppressions`."""
    router = APIRouter(prefix="/v1/suppressions", tags=["users"])
    _add_writing(router, service)
    _add_reading(router, service)
    return router


def _add_writing(router: APIRouter, service: SuppressionService) -> None:
    @router.put(
        "",
        operation_id="put_suppression",
        summary="Send nothing to an address any more",
        responses=problem_responses(413, 422, 503),
        openapi_extra=json_body(SuppressionIn),
    )
    async def put_suppression(request: Request) -> SuppressionOut:
        body = await read_body(request, SuppressionIn)
        return _out(await service.put(body.channel, body.address, reason=body.reason))

    @router.delete(
        "/{id}",
        operation_id="lift_suppression",
        summary="Use an address again",
        responses=problem_responses(404, 422, 503),
    )
    async def lift_suppression(suppression_id: SuppressionId) -> SuppressionOut:
        return _out(await service.lift(suppression_id))


def _add_reading(router: APIRouter, service: SuppressionService) -> None:
    @router.get(
        "",
        operation_id="list_suppressions",
        summary="All suppressions",
        responses=problem_responses(422, 503),
    )
    async def list_suppressions(
        limit: Limit = DEFAULT_LIMIT, after: After = None
    ) -> SuppressionListOut:
        found = await service.list(limit=limit + 1, after=after)
        shown, following = cut(found, limit, lambda one: one.id)
        return SuppressionListOut(suppressions=[_out(one) for one in shown], next=following)

    @router.get(
        "/{id}",
        operation_id="get_suppression",
        summary="A suppression",
        responses=problem_responses(404, 422, 503),
    )
    async def get_suppression(suppression_id: SuppressionId) -> SuppressionOut:
        return _out(await service.get(suppression_id))

    @router.post(
        "/find",
        operation_id="find_suppression",
        summary="The suppression of an address",
        description="Asked by POST, so that no address stands in a URL.",
        responses=problem_responses(404, 413, 422, 503),
        openapi_extra=json_body(AddressIn),
    )
    async def find_suppression(request: Request) -> SuppressionOut:
        body = await read_body(request, AddressIn)
        return _out(await service.find(body.channel, body.address))


def _out(suppression: Suppression) -> SuppressionOut:
    return SuppressionOut.model_validate(suppression, from_attributes=True)
