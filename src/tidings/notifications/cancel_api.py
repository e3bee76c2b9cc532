"""The route that calls off what was asked for."""

from fastapi import APIRouter, Request

from tidings.api.bodies import json_body, read_body
from tidings.api.problems import problem_responses
from tidings.notifications.bodies import CancellationBody, CancelledOut
from tidings.notifications.service import NotificationService


def cancel_router(notifications: NotificationService) -> APIRouter:
    """`POST /v1/cancellations`."""
    router = APIRouter()

    @router.post(
        "/v1/cancellations",
        operation_id="cancel",
        summary="Call off what has not been sent yet",
        tags=["events"],
        responses=problem_responses(404, 413, 422, 503),
        openapi_extra=json_body(CancellationBody),
    )
    async def cancel(request: Request) -> CancelledOut:
        body = await read_body(request, CancellationBody)
        cancelled = await notifications.cancel(**body.model_dump())
        return CancelledOut.model_validate(cancelled, from_attributes=True)

    return router
