"""Hot routes answer as the framework would: found by their router, errors as problems, counted."""

import asyncio

import httpx2
from fastapi import APIRouter, FastAPI, Request, Response

from tidings.api.hot import HOT, HotRoutes, hot_routes
from tidings.core.metrics import Metrics
from tidings.main import create_app
from tidings.notifications.api import notifications_router
from tidings.testing.fake_system import FakeSystem


async def asked(app: FastAPI, path: str, content: bytes = b"{}") -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app)
    headers = {"Content-Type": "application/json"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.post(path, content=content, headers=headers)


async def test_every_route_said_to_be_hot_is_found_and_takes_the_request_alone(
    system: FakeSystem,
) -> None:
    router = notifications_router(
        intake=system.services.intake,
        notifications=system.services.notifications,
        workflows=system.services.workflows,
        register_rate="off",
        metrics=system.services.metrics,
    )

    found = hot_routes([router])

    assert found.keys() == HOT
    for route in found.values():
        assert route.dependant.request_param_name == "request"


async def test_an_error_of_a_hot_route_is_a_problem_and_counted_by_its_route(
    system: FakeSystem,
) -> None:
    app = create_app(system.services)

    refused = await asked(app, "/v1/events", b'{"type": "no blanks here"}')

    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    counted = 'tidings_http_requests_total{method="POST",route="/v1/events",status="422"} 1.0'
    assert counted in system.services.metrics.render().decode()


async def test_a_fault_in_a_hot_route_is_told_as_one_of_ours_and_not_how() -> None:
    router, app = APIRouter(), FastAPI()

    @router.post("/register")
    async def register(_request: Request) -> Response:
        raise ValueError("a secret reason")

    app.add_middleware(HotRoutes, routes=hot_routes([router]), metrics=Metrics())

    answer = await asked(app, "/register")

    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:tidings:problem:internal-error"
    assert "secret" not in answer.text


async def test_bodies_above_the_room_there_is_are_refused_unread() -> None:
    router, app, metrics = APIRouter(), FastAPI(), Metrics()
    reading, go_on = asyncio.Event(), asyncio.Event()

    @router.post("/v1/events")
    async def trigger(_request: Request) -> Response:
        reading.set()
        await go_on.wait()
        return Response(status_code=202)

    app.add_middleware(HotRoutes, routes=hot_routes([router]), metrics=metrics, most_bytes=10)
    first = asyncio.create_task(asked(app, "/v1/events", b"12345678"))
    await reading.wait()

    refused = await asked(app, "/v1/events", b"12345678")
    go_on.set()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (await first).status_code == 202
    assert (await asked(app, "/v1/events", b"12345678")).status_code == 202
    assert metrics.registry.get_sample_value("tidings_refused_total", {"reason": "memory"}) == 1
