"""The routes of the dead letters: to list, inspect and replay what came to nothing."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from tidings.api.access import ACTOR
from tidings.api.bodies import json_body, read_body
from tidings.api.paging import DEFAULT_LIMIT, Limit
from tidings.api.problems import problem_responses
from tidings.notifications.dead_letter_bodies import (
    Before,
    DeadLetterListOut,
    DeadLetterOut,
    DueId,
    InspectedDeadLetterOut,
    LetterId,
    LetterKind,
    ReplayAllBody,
    ReplayBody,
    ReplayedOneOut,
    ReplayedOut,
    asked_for,
)
from tidings.notifications.dead_letters import DeadLetterService
from tidings.store.dead_letters import Inspected


def dead_letters_router(letters: DeadLetterService) -> APIRouter:
    """`/v1/dead-letters`."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])
    _add_list(router, letters)
    _add_get(router, letters)
    _add_replay(router, letters)
    _add_replay_all(router, letters)
    return router


def _add_list(router: APIRouter, letters: DeadLetterService) -> None:
    @router.get(
        "",
        operation_id="list_dead_letters",
        summary="What came to nothing, newest first",
        responses=problem_responses(422, 503),
    )
    async def list_dead_letters(
        wanted: Annotated[dict[str, Any], Depends(asked_for)],
        limit: Limit = DEFAULT_LIMIT,
        before: Before = None,
    ) -> DeadLetterListOut:
        page = await letters.list(**wanted, limit=limit, before=before)
        shown = [DeadLetterOut.of(letter) for letter in page.dead_letters]
        return DeadLetterListOut(dead_letters=shown, next=page.next)


def _add_get(router: APIRouter, letters: DeadLetterService) -> None:
    @router.get(
        "/{kind}/{id}",
        operation_id="get_dead_letter",
        summary="One of them, with all that is known of it",
        response_model=InspectedDeadLetterOut,
        responses=problem_responses(404, 422, 503),
    )
    async def get_dead_letter(kind: LetterKind, letter_id: LetterId) -> Response:
        shown = _shown(await letters.get(kind, letter_id))
        return Response(orjson.dumps(shown, option=orjson.OPT_UTC_Z), media_type="application/json")


def _shown(found: Inspected) -> dict[str, Any]:
    return {
        **DeadLetterOut.of(found.letter).model_dump(),
        "details": found.details,
        "attempts": found.attempts,
    }


def _add_replay(router: APIRouter, letters: DeadLetterService) -> None:
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


def _add_replay_all(router: APIRouter, letters: DeadLetterService) -> None:
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
