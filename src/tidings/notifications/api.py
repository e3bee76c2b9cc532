"""The Notification Service's routes: they translate, the services decide."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
import pydantic
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic.json_schema import SkipJsonSchema

from tidings.api.bodies import invalid_input, json_body, read_body
from tidings.api.idempotency import PARAMETER, REPLAYED, idempotency_key, replayed_header
from tidings.api.problems import problem, problem_responses
from tidings.core.errors import InvalidInput, TidingsError, Unavailable
from tidings.core.metrics import Metrics
from tidings.core.names import KEY
from tidings.notifications.bodies import (
    BULK_LIMIT,
    AcceptedOut,
    BulkBody,
    BulkOut,
    EventBody,
    MessageBody,
    RegisterBody,
    WorkflowBody,
    WorkflowListOut,
    WorkflowOut,
)
from tidings.notifications.explanation import Explanation
from tidings.notifications.fields import VISIBLE, check_visible
from tidings.notifications.intake import AcceptedEvent, Intake
from tidings.notifications.rate import RateLimit
from tidings.notifications.registration import QUERY, read_registration
from tidings.notifications.requests import EventRequest
from tidings.notifications.service import NotificationService
from tidings.notifications.workflows import WorkflowService

#: bytes a bulk request may have
BULK_BYTES = 4 * 1024 * 1024

WorkflowKey = Annotated[str, Path(pattern=f"^{KEY}$", description="The workflow's key.")]
EventId = Annotated[
    str,
    Path(
        description="The id you gave the event, or the one you were given.",
        examples=["019aaf3e-6a00-7000-8000-000000000001"],
        json_schema_extra={"pattern": VISIBLE},
    ),
]

Source = Annotated[
    str | SkipJsonSchema[None],
    Query(
        min_length=1,
        max_length=255,
        description="Whose id it is, as the CloudEvents `source` on the bus; by default ours.",
    ),
]


def notifications_router(
    *,
    intake: Intake,
    notifications: NotificationService,
    workflows: WorkflowService,
    register_rate: str,
    metrics: Metrics,
) -> APIRouter:
    """`/register`, `/v1/events`, `/v1/messages` and `/v1/workflows`.

    Raises ConfigurationError for a `register_rate` that is none.
    """
    router = APIRouter()
    _add_register(router, intake, RateLimit(register_rate, metrics))
    _add_events(router, intake)
    _add_messages(router, intake)
    _add_explanation(router, notifications)
    _add_workflows(router, workflows)
    return router


def _add_register(router: APIRouter, intake: Intake, rate: RateLimit) -> None:
    extra = {**json_body(RegisterBody), "parameters": [*QUERY, PARAMETER]}
    extra["requestBody"]["required"] = False

    @router.post(
        "/register",
        operation_id="register",
        summary="Register an address and welcome it",
        description="Answers alike whether the address is known or not.",
        tags=["events"],
        status_code=202,
        response_model=AcceptedOut,
        responses={202: {"headers": REPLAYED}, **problem_responses(409, 413, 422, 429, 503)},
        openapi_extra=extra,
    )
    async def register(request: Request) -> Response:
        await rate.take(request.client.host if request.client else "")
        key = idempotency_key(request)
        body = await read_registration(request)
        return _accepted(
            await intake.register(
                body.email, name=body.name, locale=body.locale, idempotency_key=key
            )
        )


def _add_events(router: APIRouter, intake: Intake) -> None:
    @router.post(
        "/v1/events",
        operation_id="trigger",
        summary="Say that something happened to a user",
        tags=["events"],
        status_code=202,
        response_model=AcceptedOut,
        responses={
            202: {"headers": REPLAYED},
            **problem_responses(404, 409, 413, 422, 429, 503),
        },
        openapi_extra={**json_body(EventBody), "parameters": [PARAMETER]},
    )
    async def trigger(request: Request) -> Response:
        key = idempotency_key(request)
        body = await read_body(request, EventBody)
        return _accepted(await intake.take(body.request(key)))

    @router.post(
        "/v1/events/bulk",
        operation_id="trigger_many",
        summary="Say that many things happened, with a result for each",
        tags=["events"],
        status_code=202,
        response_model=BulkOut,
        responses={202: {"headers": REPLAYED}, **problem_responses(413, 422, 429, 503)},
        openapi_extra={
            **json_body(BulkBody, events=_bulk_schema()),
            "parameters": [PARAMETER],
        },
    )
    async def trigger_many(request: Request) -> Response:
        key = idempotency_key(request)
        body = await read_body(request, BulkBody, limit=BULK_BYTES)
        await intake.check_bulk(str(raw.get("type")) for raw in body.events)
        items = [_item(raw, index, key) for index, raw in enumerate(body.events)]
        results = await _trigger_all(intake, items)
        replayed = all(isinstance(each, AcceptedEvent) and each.replayed for each in results)
        return _json(
            {"results": [_result(each) for each in results]},
            202,
            replayed_header(replayed=replayed),
        )


def _add_messages(router: APIRouter, intake: Intake) -> None:
    @router.post(
        "/v1/messages",
        operation_id="send",
        summary="Send a text to an e-mail address, without any workflow",
        tags=["events"],
        status_code=202,
        response_model=AcceptedOut,
        responses={202: {"headers": REPLAYED}, **problem_responses(409, 413, 422, 429, 503)},
        openapi_extra={**json_body(MessageBody), "parameters": [PARAMETER]},
    )
    async def send(request: Request) -> Response:
        key = idempotency_key(request)
        body = await read_body(request, MessageBody)
        return _accepted(
            await intake.send(body.to, body.text, subject=body.subject, idempotency_key=key)
        )


def _add_explanation(router: APIRouter, notifications: NotificationService) -> None:
    @router.get(
        "/v1/events/{event_id:path}",
        operation_id="explain",
        summary="An event with all it led to, and why",
        tags=["events"],
        response_model=Explanation,
        responses=problem_responses(404, 422, 503),
    )
    async def explain(event_id: EventId, source: Source = None) -> Response:
        check_visible(event_id, "event_id")
        return _json(await notifications.explain(event_id, source=source))


def _add_workflows(router: APIRouter, workflows: WorkflowService) -> None:
    @router.get(
        "/v1/workflows",
        operation_id="list_workflows",
        summary="All published workflows",
        tags=["workflows"],
        responses=problem_responses(503),
    )
    async def list_workflows() -> WorkflowListOut:
        return WorkflowListOut(workflows=[WorkflowOut.of(each) for each in await workflows.list()])

    @router.get(
        "/v1/workflows/{key}",
        operation_id="get_workflow",
        summary="A published workflow",
        tags=["workflows"],
        responses=problem_responses(404, 422, 503),
    )
    async def get_workflow(key: WorkflowKey) -> WorkflowOut:
        return WorkflowOut.of(await workflows.get(key))

    @router.put(
        "/v1/workflows/{key}",
        operation_id="put_workflow",
        summary="Publish a workflow in place of what its key had",
        tags=["workflows"],
        responses=problem_responses(413, 422, 503),
        openapi_extra=json_body(WorkflowBody),
    )
    async def put_workflow(key: WorkflowKey, request: Request) -> WorkflowOut:
        body = await read_body(request, WorkflowBody)
        if body.key not in (None, key):
            raise InvalidInput(f"key: must be {key}, as in the address, or left out", field="key")
        workflow = body.workflow(key)
        await workflows.put(workflow)
        return WorkflowOut.of(workflow)


def _item(raw: dict[str, Any], index: int, key: str | None) -> EventRequest | TidingsError:
    try:
        body = EventBody.model_validate(raw)
    except pydantic.ValidationError as error:
        return invalid_input(error.errors(include_url=False, include_context=False))
    return body.request(None if key is None else f"{key}\x1f{index}")


async def _trigger_all(
    intake: Intake, items: Sequence[EventRequest | TidingsError]
) -> Sequence[AcceptedEvent | TidingsError]:
    """A result for each item. Raises Unavailable where that is all that came of them."""
    requests = [item for item in items if isinstance(item, EventRequest)]
    answers = await intake.trigger_many(requests)
    down = [answer for answer in answers if isinstance(answer, Unavailable)]
    if down and len(down) == len(answers):
        raise down[0]
    waiting = iter(answers)
    return [next(waiting) if isinstance(item, EventRequest) else item for item in items]


def _result(result: AcceptedEvent | TidingsError) -> dict[str, Any]:
    if isinstance(result, AcceptedEvent):
        replayed = {"replayed": True} if result.replayed else {}
        return {"status": 202, "event_id": result.event_id, **replayed}
    return problem(result)


def _accepted(accepted: AcceptedEvent) -> Response:
    return _json({"event_id": accepted.event_id}, 202, replayed_header(replayed=accepted.replayed))


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps(content, option=orjson.OPT_UTC_Z),
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/json",
    )


def _bulk_schema() -> dict[str, Any]:
    """Any object is taken, and answered by a result of its own; these are the good ones."""
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": BULK_LIMIT,
        "items": {"type": "object", "additionalProperties": True},
        "description": "Each as in `POST /v1/events`, at most 256 KiB; 4 MiB in all.",
    }
