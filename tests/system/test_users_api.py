"""The User Service's routes: what they answer, and what they refuse."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from tidings.api.problems import install_problems
from tidings.core.clock import SystemClock
from tidings.core.ports import Store
from tidings.store.schema import users
from tidings.store.sqlite import SqliteStore
from tidings.users.api import users_router
from tidings.users.people import Preference
from tidings.users.service import UserService

ADDRESS = "ann@example.com"
NO_WELCOME = Preference(workflow="welcome", channel="email", enabled=False)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """One kind is enough: the routes only translate."""
    opened = await SqliteStore.open(None, clock=SystemClock())
    yield opened
    await opened.aclose()


@pytest.fixture
def service(store: Store) -> UserService:
    return UserService(store, SystemClock())


@pytest.fixture
async def api(service: UserService) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    install_problems(app)
    app.include_router(users_router(service))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def count(store: Store, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return await store.run(lambda connection: connection.execute(query).scalar_one())


async def test_the_api_makes_shows_and_replaces_a_user(api: httpx2.AsyncClient) -> None:
    made = await api.put("/v1/users/ann", json={"email": "Ann@example.com", "locale": "de"})
    again = await api.put("/v1/users/ann", json={"email": ADDRESS, "name": "Ann"})
    shown = await api.get("/v1/users/ann")

    assert [made.status_code, again.status_code, shown.status_code] == [201, 200, 200]
    assert (made.json()["email"], made.json()["locale"]) == (ADDRESS, "de")
    assert shown.json() == again.json()
    assert shown.json() == {
        "id": "ann",
        "email": ADDRESS,
        "email_status": "active",
        "name": "Ann",
        "locale": None,
        "consent_version": 0,
    }


async def test_the_api_replaces_and_shows_preferences(api: httpx2.AsyncClient) -> None:
    body = {"preferences": [{"workflow": "welcome", "channel": "email", "enabled": False}]}
    await api.put("/v1/users/ann", json={"email": ADDRESS})

    put = await api.put("/v1/users/ann/preferences", json=body)
    shown = await api.get("/v1/users/ann/preferences")
    user = await api.get("/v1/users/ann")

    assert (put.status_code, put.json()) == (200, body)
    assert (shown.status_code, shown.json()) == (200, body)
    assert user.json()["consent_version"] == 1


@pytest.mark.parametrize("path", ["/v1/users/nobody", "/v1/users/nobody/preferences"])
async def test_the_api_says_that_there_is_no_such_user(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("there is no such user")


@pytest.mark.parametrize("user_id", ["", "a%2Fb", "..%2F..", "%2E%2E%2Fx"])
async def test_an_id_with_a_slash_has_no_address(api: httpx2.AsyncClient, user_id: str) -> None:
    answer = await api.put(f"/v1/users/{user_id}", json={})

    assert answer.status_code in {404, 405}


@pytest.mark.parametrize("user_id", ["a%00b", "a%0D%0Ab", "a%C2%85", "a" * 256, "%FF"])
async def test_an_id_that_can_not_be_one_is_named(
    api: httpx2.AsyncClient, store: Store, user_id: str
) -> None:
    answer = await api.put(f"/v1/users/{user_id}", json={})

    assert (answer.status_code, answer.json()["field"]) == (422, "id")
    assert await count(store, users) == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mail": ADDRESS}, "mail"),
        ({"email": 7}, "email"),
        ({"email": f"{ADDRESS}\r\nBcc: x@example.com"}, "email"),
        ({"email": "ann\u0000@example.com"}, "email"),
        ({"name": "Ann\nBcc: x@example.com"}, "name"),
        ({"name": "Ann\u0000"}, "name"),
        ({"name": ["Ann"]}, "name"),
        ({"name": ""}, "name"),
        ({"locale": "german"}, "locale"),
        ({"locale": True}, "locale"),
    ],
)
async def test_the_field_at_fault_is_named(
    api: httpx2.AsyncClient, store: Store, body: dict[str, Any], field: str
) -> None:
    answer = await api.put("/v1/users/ann", json=body)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert await count(store, users) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b"[" * 10_000,
    ],
)
async def test_what_is_no_json_object_is_refused(
    api: httpx2.AsyncClient, store: Store, raw: bytes
) -> None:
    headers = {"content-type": "application/json"}

    answer = await api.put("/v1/users/ann", content=raw, headers=headers)

    assert answer.status_code == 422
    assert await count(store, users) == 0


async def test_a_body_above_the_limit_is_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.put("/v1/users/ann", json={"name": "a" * 300_000})

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "preferences"),
        ({"preferences": {}}, "preferences"),
        ({"preferences": [{"workflow": "welcome", "channel": "email"}]}, "preferences.0.enabled"),
        (
            {"preferences": [{"workflow": "welcome", "channel": "email", "enabled": "no"}]},
            "preferences.0.enabled",
        ),
        (
            {"preferences": [{"workflow": "Welcome!", "channel": "email", "enabled": True}]},
            "preferences.0.workflow",
        ),
        (
            {"preferences": [{"workflow": "*", "channel": "*", "enabled": True}] * 2},
            "preferences.1",
        ),
    ],
)
async def test_a_preference_at_fault_is_named_and_nothing_changes(
    api: httpx2.AsyncClient, service: UserService, body: dict[str, Any], field: str
) -> None:
    await service.put("ann", email=ADDRESS)
    await service.set_preferences("ann", [NO_WELCOME])

    answer = await api.put("/v1/users/ann/preferences", json=body)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert await service.preferences("ann") == [NO_WELCOME]


async def test_what_the_api_promises_names_every_body_and_problem(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()

    operations = {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert set(operations) == {"put_user", "get_user", "put_preferences", "get_preferences"}
    assert {"200", "201", "413", "422", "503"} <= operations["put_user"]["responses"].keys()
    assert "requestBody" in operations["put_preferences"]
    assert "$defs" not in json.dumps(document)
