"""The route by which vendors' confirmations come in, whoever carries them here."""

from typing import Annotated

import pydantic
from fastapi import APIRouter, Request

from tidings.api.bodies import Body, Line, json_body, one_line, read_body
from tidings.api.problems import problem_responses
from tidings.core.text import LINE
from tidings.delivery.confirming import LONGEST_ID, MOST_IDS
from tidings.delivery.service import DeliveryService

#: bytes the body may have
BODY_BYTES = 1024 * 1024

ProviderId = Annotated[
    str,
    pydantic.Field(
        min_length=1,
        max_length=LONGEST_ID,
        examples=["4Xk2vZ1Y"],
        json_schema_extra={"pattern": LINE},
    ),
    pydantic.AfterValidator(one_line),
]


class ReceiptsBody(Body):
    """What one integration's vendor delivered."""

    provider: Line = pydantic.Field(
        examples=["smtp"], description="The integration's name, as it stands on the attempt."
    )
    provider_ids: list[ProviderId] = pydantic.Field(
        min_length=1,
        max_length=MOST_IDS,
        description="The ids that the vendor gave the messages when it took them.",
    )


class ConfirmedOut(pydantic.BaseModel):
    """What became of the ids: each is in one of the two, once, in the order they came."""

    delivered: list[str] = pydantic.Field(
        description="What was sent under these is delivered from now on, or was already."
    )
    unknown: list[str] = pydantic.Field(
        description="Nothing is on record as sent under these, or not yet: ask again for them."
    )


def receipts_router(delivery: DeliveryService) -> APIRouter:
    """`POST /v1/receipts`."""
    router = APIRouter()

    @router.post(
        "/v1/receipts",
        operation_id="confirm",
        summary="Say what a vendor delivered",
        tags=["events"],
        responses=problem_responses(413, 422, 503),
        openapi_extra=json_body(ReceiptsBody),
    )
    async def confirm(request: Request) -> ConfirmedOut:
        body = await read_body(request, ReceiptsBody, limit=BODY_BYTES)
        confirmed = await delivery.confirm(body.provider, body.provider_ids)
        return ConfirmedOut.model_validate(confirmed, from_attributes=True)

    return router
