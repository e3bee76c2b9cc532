"""The route that tells one notification's story."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Response

from tidings.api.problems import problem_responses
from tidings.notifications.service import NotificationService
from tidings.notifications.timeline import NotificationTimeline

NotificationId = Annotated[
    UUID,
    Path(
        description="The notification's id, as its event tells it.",
        examples=["019aaf3e-6a00-8439-ad96-0761504168a3"],
    ),
]


def timeline_router(notifications: NotificationService) -> APIRouter:
    """`GET /v1/notifications/{id}`."""
    router = APIRouter()

    @router.get(
        "/v1/notifications/{notification_id}",
        operation_id="timeline",
        summary="One notification: what happened to it, when, and by which rule",
        tags=["events"],
        response_model=NotificationTimeline,
        responses=problem_responses(404, 422, 503),
    )
    async def timeline(notification_id: NotificationId) -> Response:
        found = await notifications.timeline(str(notification_id))
        return Response(orjson.dumps(found, option=orjson.OPT_UTC_Z), media_type="application/json")

    return router
