"""Who may ask what: every route of the API's own document, with every kind of key and with none."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tidings.api.scopes import needed_scope
from tidings.core.keys import Scope
from tidings.main import create_app
from tidings.notification_system import NotificationSystem
from tidings.testing.clock import MovableClock

#: anything that fits a path's parameter
VALUE = "k3v7qz2a"


@pytest.fixture
async def system(clock: MovableClock) -> AsyncIterator[NotificationSystem]:
    async with NotificationSystem(database_url="sqlite://", clock=clock) as system:
        yield system


@pytest.fixture
def app(system: NotificationSystem) -> FastAPI:
    return create_app(system.services)


@asynccontextmanager
async def asking(
    app: FastAPI, key: str = "", *, client: str = "127.0.0.1", host: str = "localhost"
) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, client=(client, 5000))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(
        transport=transport, base_url=f"http://{host}", headers=headers
    ) as http:
        yield http


def routes(app: FastAPI) -> Iterator[tuple[str, str, list[str]]]:
    """Method, path and needed scopes of each operation that is not public, as the document says."""
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            for need in operation["security"]:
                yield method.upper(), _filled(path), need["key"]


def _filled(path: str) -> str:
    return "/".join(VALUE if part.startswith("{") else part for part in path.split("/"))


async def refusals(app: FastAPI, key: str) -> list[tuple[str, str, int]]:
    """Every route a key does not open, with the status."""
    found = []
    async with asking(app, key) as http:
        for method, path, _ in routes(app):
            status = (await http.request(method, path)).status_code
            if status in (401, 403):
                found.append((method, path, status))
    return found


async def make(
    system: NotificationSystem, *scopes: Scope, name: str = "a key", **fields: Any
) -> Any:
    return await system.services.keys.create(name, scopes, by="a test", **fields)


async def test_the_document_says_of_each_operation_who_may_ask(app: FastAPI) -> None:
    operations = [
        (method.upper(), path, operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]

    public = {path for _, path, operation in operations if operation["security"] == []}
    assert public == {"/register", "/healthz", "/readyz"}
    assert len(list(routes(app))) > 10
    assert all("401" in one["responses"] for _, path, one in operations if path not in public)


async def test_without_a_key_every_route_is_refused_once_there_is_one(
    system: NotificationSystem, app: FastAPI
) -> None:
    await make(system, Scope.ADMIN)

    refused = await refusals(app, "")

    assert refused == [(method, path, 401) for method, path, _ in routes(app)]


async def test_an_admins_key_opens_every_route(system: NotificationSystem, app: FastAPI) -> None:
    made = await make(system, Scope.ADMIN, name="root")

    async with asking(app, made.token) as http:
        for method, path, _ in routes(app):
            assert (await http.request(method, path)).status_code not in (401, 403), path


async def test_a_revoked_key_is_refused_on_every_route(
    system: NotificationSystem, app: FastAPI
) -> None:
    made = await make(system, Scope.ADMIN)
    await system.services.keys.revoke(made.key.id)

    refused = await refusals(app, made.token)

    assert refused == [(method, path, 401) for method, path, _ in routes(app)]


async def test_an_expired_key_is_refused_on_every_route(
    system: NotificationSystem, app: FastAPI, clock: MovableClock
) -> None:
    made = await make(system, Scope.ADMIN, expires_at=clock.now() + timedelta(hours=1))
    clock.advance(hours=1)

    refused = await refusals(app, made.token)

    assert refused == [(method, path, 401) for method, path, _ in routes(app)]


@pytest.mark.parametrize("scope", [Scope.READ, Scope.TRIGGER])
async def test_a_key_is_refused_on_every_route_that_needs_another_scope(
    system: NotificationSystem, app: FastAPI, scope: Scope
) -> None:
    await make(system, Scope.ADMIN, name="root")
    made = await make(system, scope)

    refused = await refusals(app, made.token)

    expected = [(method, path, 403) for method, path, needs in routes(app) if scope not in needs]
    assert refused == expected
    assert expected


async def test_the_walk_over_the_routes_sees_one_that_is_open(
    system: NotificationSystem, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(system, Scope.ADMIN)
    _ = app.openapi()
    monkeypatch.setattr(
        "tidings.api.access.needed_scope",
        lambda method, path: None if path == "/metrics" else needed_scope(method, path),
    )

    refused = await refusals(app, "")

    assert ("GET", "/metrics", 401) not in refused


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer x", "Basic dGRnXzo=", "bearer tdg_aaaaaaaa_" + "a" * 52, "é"]
)
async def test_a_header_without_a_valid_key_is_refused_and_told_how_to_ask(
    system: NotificationSystem, app: FastAPI, header: str
) -> None:
    await make(system, Scope.ADMIN)

    async with asking(app) as http:
        answer = await http.get("/v1/keys", headers=[(b"Authorization", header.encode())])

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:tidings:problem:unauthorized"


async def test_a_refused_request_stores_nothing(system: NotificationSystem, app: FastAPI) -> None:
    await make(system, Scope.ADMIN, name="root")
    reader = await make(system, Scope.READ)

    async with asking(app, reader.token) as http:
        answer = await http.put("/v1/users/ann", json={"email": "ann@example.com"})
        found = await http.get("/v1/users/ann")

    assert (answer.status_code, found.status_code) == (403, 404)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1"])
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
async def test_without_keys_this_machine_is_answered(app: FastAPI, client: str, host: str) -> None:
    async with asking(app, client=client, host=host) as http:
        assert (await http.get("/v1/keys")).status_code == 200


@pytest.mark.parametrize("client", ["10.0.0.5", "203.0.113.9", "fe80::1"])
async def test_without_keys_other_machines_are_refused(app: FastAPI, client: str) -> None:
    async with asking(app, client=client) as http:
        answer = await http.get("/v1/keys")

    assert answer.status_code == 403
    assert "tidings keys create" in answer.json()["detail"]


async def test_a_key_opens_the_api_to_other_machines(
    system: NotificationSystem, app: FastAPI
) -> None:
    made = await make(system, Scope.ADMIN)

    async with asking(app, made.token, client="203.0.113.9", host="api.example") as http:
        assert (await http.get("/v1/keys")).status_code == 200


async def test_a_page_that_gives_its_own_name_this_machines_address_is_refused(
    app: FastAPI,
) -> None:
    async with asking(app, host="evil.example:8000") as http:
        assert (await http.get("/v1/keys")).status_code == 403


async def test_a_page_of_somebody_elses_can_not_use_this_machine_before_there_are_keys(
    app: FastAPI,
) -> None:
    async with asking(app) as http:
        answer = await http.get("/v1/keys", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403


async def test_a_mounted_app_asks_for_the_same_scopes(
    system: NotificationSystem, app: FastAPI
) -> None:
    await make(system, Scope.ADMIN, name="root")
    reader = await make(system, Scope.READ)
    host = FastAPI()
    host.mount("/tidings", app)

    async with asking(host, reader.token) as http:
        statuses = {path: await status(http, path) for path in ("/v1/keys", "/metrics", "/healthz")}
        registered = await http.post("/tidings/register", params={"email": "ann@example.com"})

    assert statuses == {"/v1/keys": 403, "/metrics": 200, "/healthz": 200}
    assert registered.status_code == 202


async def status(http: httpx2.AsyncClient, path: str) -> int:
    return (await http.get(f"/tidings{path}")).status_code


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_without_keys_who_asks_through_a_proxy_is_not_of_this_machine(
    app: FastAPI, header: str
) -> None:
    async with asking(app) as http:
        assert (await http.get("/v1/keys", headers={header: "for=203.0.113.9"})).status_code == 403


async def test_a_websocket_without_a_key_is_closed_before_it_is_opened(
    system: NotificationSystem, app: FastAPI
) -> None:
    await make(system, Scope.ADMIN)
    scope = {"type": "websocket", "path": "/v1/events/live", "headers": [], "query_string": b""}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)

    assert [(one["type"], one["code"]) for one in sent] == [("websocket.close", 1008)]


async def test_every_page_asks_for_a_key_too(system: NotificationSystem, app: FastAPI) -> None:
    await make(system, Scope.ADMIN)
    pages = (
        "/",
        "/dashboard",
        "/outbox",
        "/outbox/stream",
        "/docs",
        "/openapi.json",
        "/dashboard/x",
    )

    async with asking(app) as http:
        assert [(await http.get(page)).status_code for page in pages] == [401] * len(pages)


async def test_registering_is_public(system: NotificationSystem, app: FastAPI) -> None:
    await make(system, Scope.ADMIN)

    async with asking(app, client="203.0.113.9", host="shop.example") as http:
        answer = await http.post("/register", params={"email": "ann@example.com"})

    assert answer.status_code == 202


async def test_what_admins_do_is_audited_and_what_was_called_off_but_nothing_else(
    system: NotificationSystem, app: FastAPI
) -> None:
    root = await make(system, Scope.ADMIN, name="root")
    reader = await make(system, Scope.READ, name="reader")

    async with asking(app, root.token) as http:
        await http.post("/v1/keys", json={"name": "shop", "scopes": ["trigger"]})
        await http.put("/v1/workflows/welcome", json={"nonsense": 1})
        await http.put("/v1/users/ann", json={})
        await http.post("/v1/cancellations", json={"cancel_key": "order-7"})
        await http.get("/v1/keys")
        entries = (await http.get("/v1/audit")).json()["entries"]
    async with asking(app, reader.token) as http:
        assert (await http.post("/v1/keys", json={})).status_code == 403

    assert [(one["action"], one["status"], one["actor"]) for one in entries] == [
        ("POST /v1/cancellations", 200, f"key {root.key.id} (root)"),
        ("PUT /v1/workflows/welcome", 422, f"key {root.key.id} (root)"),
        ("POST /v1/keys", 201, f"key {root.key.id} (root)"),
    ]


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_an_end_outside_of_all_years_is_refused_by_its_field(app: FastAPI, end: str) -> None:
    wanted = {"name": "root", "scopes": ["admin"], "expires_at": end}

    async with asking(app) as http:
        answer = await http.post("/v1/keys", json=wanted)

    assert (answer.status_code, answer.json()["field"]) == (422, "expires_at")


async def test_the_audit_is_read_page_by_page(system: NotificationSystem, app: FastAPI) -> None:
    async with asking(app) as http:
        for _ in range(5):
            await http.delete(f"/v1/keys/{VALUE}")

        first = (await http.get("/v1/audit", params={"limit": 3})).json()
        rest = (await http.get("/v1/audit", params={"limit": 3, "before": first["next"]})).json()

    assert (len(first["entries"]), len(rest["entries"]), rest["next"]) == (3, 2, None)
    ids = [one["id"] for one in (*first["entries"], *rest["entries"])]
    assert ids == sorted(ids, reverse=True)
