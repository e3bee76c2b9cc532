from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from tidings.api.problems import install_problems
from tidings.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    TemplateError,
    Unauthorized,
    Unavailable,
)

ERRORS: dict[str, tuple[Exception, int]] = {
    "large": (PayloadTooLarge("too much"), 413),
    "invalid": (InvalidInput("no", field="a.b"), 422),
    "keyless": (Unauthorized("no key"), 401),
    "scopeless": (Forbidden("no scope"), 403),
    "missing": (NotFound("none", field="user_id"), 404),
    "conflict": (Conflict("both"), 409),
    "overloaded": (Overloaded("full", retry_after=2.2), 429),
    "unavailable": (Unavailable("down"), 503),
    "template": (TemplateError("secret detail"), 500),
    "foreign": (ZeroDivisionError("secret detail"), 500),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    install_problems(app)

    @app.get("/errors/{name}")
    async def fail(name: str, page: int = 1) -> None:
        raise ERRORS[name][0]

    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("name", ERRORS)
async def test_each_error_is_the_problem_of_its_class(
    client: httpx2.AsyncClient, name: str
) -> None:
    answer = await client.get(f"/errors/{name}")

    assert answer.status_code == ERRORS[name][1]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["type"].startswith("urn:tidings:problem:")


async def test_a_refusal_for_load_says_when_to_ask_again_in_whole_seconds(
    client: httpx2.AsyncClient,
) -> None:
    assert (await client.get("/errors/overloaded")).headers["retry-after"] == "3"
    assert (await client.get("/errors/unavailable")).headers["retry-after"] == "1"


async def test_an_error_of_ours_inside_tells_nothing_of_its_inside(
    client: httpx2.AsyncClient,
) -> None:
    for name in ("template", "foreign"):
        assert "secret" not in (await client.get(f"/errors/{name}")).text


async def test_the_frameworks_own_refusals_are_problems_too(client: httpx2.AsyncClient) -> None:
    unknown = await client.get("/nowhere")
    method = await client.post("/errors/missing")
    query = await client.get("/errors/missing?page=x")

    assert [one.status_code for one in (unknown, method, query)] == [404, 405, 422]
    assert query.json()["field"] == "query.page"
    kinds = {one.headers["content-type"] for one in (unknown, method, query)}
    assert kinds == {"application/problem+json"}


async def test_a_wrong_method_is_told_all_that_the_path_takes() -> None:
    app = FastAPI()
    install_problems(app)

    @app.get("/things")
    async def show() -> None: ...

    @app.put("/things")
    async def put() -> None: ...

    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.delete("/things")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, PUT"
