"""Bad input over HTTP: a clear problem that names the field; nothing stored, nothing sent."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from tidings.main import create_app
from tidings.store.schema import audit, metadata
from tidings.testing.fake_system import FakeSystem

JSON = {"Content-Type": "application/json"}
ORDER = {"type": "ORDER_SHIPPED", "user_id": "u1", "data": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    system: FakeSystem
    http: httpx2.AsyncClient

    async def rows(self) -> dict[str, int]:
        """How many rows each table has; the audit tells of what was refused, too."""

        def count(connection: sa.Connection) -> dict[str, int]:
            return {
                table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                for table in metadata.sorted_tables
                if table is not audit
            }

        return await self.system.services.store.run(count)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with FakeSystem(register_rate="off") as system:
        transport = httpx2.ASGITransport(
            app=create_app(system.services), raise_app_exceptions=False
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            await http.put("/v1/users/u1", json={"email": "u1@example.com"})
            yield Api(system=system, http=http)


def event(**change: Any) -> bytes:
    return json.dumps(ORDER | change).encode()


def deep(levels: int) -> bytes:
    return event().replace(b"{}", b'{"a":' * levels + b"1" + b"}" * levels)


BAD_REQUESTS: dict[str, tuple[str, str, bytes, int, str]] = {
    "an unknown field": ("POST", "/v1/events", event(usr="u1"), 422, "usr"),
    "a wrong type": ("POST", "/v1/events", event(user_id=7), 422, "user_id"),
    "data that is no object": ("POST", "/v1/events", event(data=[1]), 422, "data"),
    "a null character in data": ("POST", "/v1/events", event(data={"a": ["\0"]}), 422, "data"),
    "a null character in a key": ("POST", "/v1/events", event(data={"\0": 1}), 422, "data"),
    "a number beyond 64 bits": ("POST", "/v1/events", event(data={"a": 2**70}), 422, "data"),
    "not a number": ("POST", "/v1/events", event(data={"a": float("nan")}), 422, ""),
    "a body without end": ("POST", "/v1/events", event()[:-1], 422, ""),
    "an empty body": ("POST", "/v1/events", b"", 422, ""),
    "broken UTF-8": ("POST", "/v1/events", event().replace(b"SHIPPED", b"\xff\xfe"), 422, ""),
    "a lone surrogate": ("POST", "/v1/events", event().replace(b"SHI", b"\\ud800"), 422, ""),
    "nesting without end": ("POST", "/v1/events", deep(10_000), 422, ""),
    "too many bytes": ("POST", "/v1/events", event(data={"a": "x" * 300_000}), 413, ""),
    "a bus channel nobody reads": (
        "POST",
        "/v1/events",
        event(channel="ELSEWHERE"),
        422,
        "channel",
    ),
    "an unknown user": ("POST", "/v1/events", event(user_id="nobody"), 404, "user_id"),
    "an address with CR LF": (
        "POST",
        "/register",
        b'{"email": "a@example.com\\r\\nBcc: b@example.com"}',
        422,
        "email",
    ),
    "no address at all": ("POST", "/register", b'{"email": "nobody"}', 422, "email"),
    "a name with CR LF": (
        "POST",
        "/register",
        b'{"email": "a@example.com", "name": "A\\r\\nBcc: b@example.com"}',
        422,
        "name",
    ),
    "a user's name with a null": (
        "PUT",
        "/v1/users/u2",
        b'{"email": "a@example.com", "name": "A\\u0000"}',
        422,
        "name",
    ),
    "a user's bad address": ("PUT", "/v1/users/u2", b'{"email": "a@b@c"}', 422, "email"),
    "a text to nowhere": ("POST", "/v1/messages", b'{"to": "x", "text": "hi"}', 422, "to"),
    "a workflow without steps": (
        "PUT",
        "/v1/workflows/empty",
        b'{"on": "X", "steps": []}',
        422,
        "steps",
    ),
}


@pytest.mark.parametrize("what", BAD_REQUESTS)
async def test_bad_input_is_refused_by_its_field_and_leaves_nothing(api: Api, what: str) -> None:
    method, path, body, status, field = BAD_REQUESTS[what]
    before = await api.rows()

    answer = await api.http.request(method, path, content=body, headers=JSON)
    await api.system.settle()

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("field", "").startswith(field)
    assert await api.rows() == before
    api.system.assert_nothing_sent()


async def test_a_key_used_for_another_body_is_refused_and_the_first_stands(api: Api) -> None:
    headers = JSON | {"Idempotency-Key": "k1"}
    first = await api.http.post("/v1/events", content=event(), headers=headers)
    before = await api.rows()

    other = await api.http.post("/v1/events", content=event(type="OTHER"), headers=headers)
    again = await api.http.post("/v1/events", content=event(), headers=headers)

    assert other.status_code == 422
    assert other.json()["field"] == "Idempotency-Key"
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await api.rows() == before


async def test_registering_twice_is_answered_alike_and_welcomed_once(api: Api) -> None:
    first = await api.http.post("/register?email=ana@example.com")
    await api.system.settle()

    second = await api.http.post("/register", json={"email": "ANA@Example.com"})
    await api.system.settle()

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json().keys() == second.json().keys()
    shown = ("content-type", "content-length")
    assert [first.headers[one] for one in shown] == [second.headers[one] for one in shown]
    api.system.assert_sent(to="ana@example.com")
    await api.system.assert_skipped(second.json()["event_id"], "welcome", rule="once")
