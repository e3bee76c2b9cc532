"""Signing in to the pages with a key."""

from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx2
import pytest

from tidings.api.sessions import COOKIE, LASTING
from tidings.core.keys import NewKey, Scope
from tidings.main import create_app
from tidings.notification_system import NotificationSystem
from tidings.testing.clock import MovableClock

PAGE = {"Accept": "text/html"}


@pytest.fixture
async def system(clock: MovableClock) -> AsyncIterator[NotificationSystem]:
    async with NotificationSystem(database_url="sqlite://", clock=clock) as system:
        yield system


@pytest.fixture
async def reader(system: NotificationSystem) -> NewKey:
    keys = system.services.keys
    await keys.create("root", [Scope.ADMIN], by="a test")
    return await keys.create("reader", [Scope.READ], by="a test")


@pytest.fixture
async def http(system: NotificationSystem) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(system.services))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def sign_in(http: httpx2.AsyncClient, key: str, goal: str = "/outbox") -> httpx2.Response:
    return await http.post("/login", data={"key": key, "next": goal})


async def test_a_page_leads_to_the_sign_in_and_back_to_itself(
    http: httpx2.AsyncClient, reader: NewKey
) -> None:
    asked = await http.get("/outbox", headers=PAGE)
    form = await http.get(asked.headers["Location"])
    signed_in = await sign_in(http, reader.token)

    assert (asked.status_code, asked.headers["Location"]) == (303, "/login?next=/outbox")
    assert 'value="/outbox"' in unescape(form.text)
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/outbox")
    assert (await http.get("/outbox", headers=PAGE)).status_code == 200
    assert (await http.post("/outbox", data={"q": "ann"})).status_code == 200


async def test_the_cookie_is_kept_from_scripts_and_from_other_sites_and_holds_no_key(
    http: httpx2.AsyncClient, reader: NewKey
) -> None:
    cookie = (await sign_in(http, reader.token)).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert reader.token.rpartition("_")[2] not in cookie


async def test_over_https_the_cookie_is_never_sent_in_the_clear(
    system: NotificationSystem, reader: NewKey
) -> None:
    transport = httpx2.ASGITransport(app=create_app(system.services))
    async with httpx2.AsyncClient(transport=transport, base_url="https://localhost") as http:
        assert "Secure" in (await sign_in(http, reader.token)).headers["Set-Cookie"]


@pytest.mark.parametrize("kind", ["wrong", "revoked", "without_read"])
async def test_a_key_that_may_not_read_is_refused_with_the_reason(
    http: httpx2.AsyncClient, system: NotificationSystem, reader: NewKey, kind: str
) -> None:
    keys = system.services.keys
    shop = await keys.create("shop", [Scope.TRIGGER], by="a test")
    await keys.revoke(reader.key.id)
    token, reason = {
        "wrong": ("tdg_wrong", "not valid"),
        "revoked": (reader.token, "not valid"),
        "without_read": (shop.token, "scope read"),
    }[kind]

    answer = await sign_in(http, token)

    assert answer.status_code == 401
    assert reason in answer.text
    assert "Set-Cookie" not in answer.headers
    assert token not in answer.text


async def test_a_session_reads_and_can_change_nothing(
    http: httpx2.AsyncClient, system: NotificationSystem
) -> None:
    root = await system.services.keys.create("root", [Scope.ADMIN], by="a test")
    await sign_in(http, root.token)

    assert (await http.get("/v1/analytics/summary")).status_code == 200
    assert (await http.get("/v1/keys")).status_code == 401
    assert (await http.put("/v1/users/ann", json={})).status_code == 401


async def test_a_page_of_somebody_elses_can_not_use_a_session(
    http: httpx2.AsyncClient, reader: NewKey
) -> None:
    await sign_in(http, reader.token)

    answer = await http.get("/outbox", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 401


@pytest.mark.parametrize("end", ["time", "key", "sign_out"])
async def test_a_session_ends(
    http: httpx2.AsyncClient,
    system: NotificationSystem,
    clock: MovableClock,
    reader: NewKey,
    end: str,
) -> None:
    await sign_in(http, reader.token)
    assert (await http.get("/dashboard")).status_code == 200

    ends: dict[str, Any] = {
        "time": lambda: clock.advance(seconds=LASTING.total_seconds()),
        "key": lambda: system.services.keys.revoke(reader.key.id),
        "sign_out": lambda: http.post("/login/end"),
    }
    ending = ends[end]()
    if end != "time":
        await ending

    assert (await http.get("/dashboard")).status_code == 401


@pytest.mark.parametrize(
    "goal",
    ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\r\nSet-Cookie: x"],
)
async def test_signing_in_never_leads_to_another_site(
    http: httpx2.AsyncClient, reader: NewKey, goal: str
) -> None:
    answer = await sign_in(http, reader.token, goal)

    assert answer.headers["Location"] == "/dashboard"


async def test_the_access_page_says_how_things_stand(
    http: httpx2.AsyncClient, system: NotificationSystem
) -> None:
    before = await http.get("/login")
    root = await system.services.keys.create("root", [Scope.ADMIN], by="a test")
    asked = await http.get("/login")
    await sign_in(http, root.token)
    signed_in = await http.get("/login")

    assert "tidings keys create" in before.text
    assert 'name="key"' in asked.text
    assert root.key.id in signed_in.text
    assert "Sign out" in signed_in.text


async def test_the_access_page_does_not_claim_a_closed_door_that_is_open() -> None:
    async with NotificationSystem(database_url="sqlite://", allow_unauthenticated=True) as system:
        transport = httpx2.ASGITransport(app=create_app(system.services))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            page = await http.get("/login")

    assert "whoever reaches this port may do everything" in page.text


@pytest.mark.parametrize("path", ["/login", "/login/end"])
async def test_a_page_of_somebody_elses_signs_nobody_in_or_out(
    http: httpx2.AsyncClient, reader: NewKey, path: str
) -> None:
    answer = await http.post(
        path, data={"key": reader.token}, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


async def test_a_session_holds_beside_cookies_of_any_shape(
    http: httpx2.AsyncClient, reader: NewKey
) -> None:
    session = (await sign_in(http, reader.token)).cookies[COOKIE]
    http.cookies.clear()
    cookies = f'odd={{"a":1}}; b c=d; {COOKIE}={session}'

    assert (await http.get("/dashboard", headers={"Cookie": cookies})).status_code == 200


async def test_a_forged_session_is_none(http: httpx2.AsyncClient, reader: NewKey) -> None:
    http.cookies.set(COOKIE, f"{reader.key.id}.9999999999.{'0' * 64}")

    assert (await http.get("/dashboard")).status_code == 401
