"""The gateway of the compose file's `services` profile, on a real nginx and upstreams that tell."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx2
import pytest
from fastapi import APIRouter
from starlette.routing import Route

from tests.servers.names import serving_names
from tests.servers.nginx import PrivateNginx, open_nginx
from tests.servers.ports import free_port
from tests.unit.documents import routes
from tidings.main import SERVICES, create_app
from tidings.notification_system import NotificationSystem

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/http-api.md"
#: each container has an address of its own, as under Docker
ADDRESSES = {f"api-{name}": (f"127.0.1.{place}",) for place, name in enumerate(SERVICES, 1)}
TWIN = "127.0.1.100"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"


@dataclass(kw_only=True)
class Upstream:
    """Stands in for one service: says its name, and remembers what it was asked."""

    name: str
    #: takes a request and ends the conversation without an answer
    hangs_up: bool = False
    asked: list[str] = field(default_factory=list)
    _conversations: list[asyncio.Task[None]] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self, address: str, port: int) -> AsyncIterator[Self]:
        server = await asyncio.start_server(self._converse, address, port)
        async with server:
            yield self
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.append(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer; a stream stays open after its first event."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"^Content-Length: (\d+)", head, re.MULTILINE | re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            self.asked.append(head)
            if "/live " in head:
                writer.write(_STREAM)
                await reader.read()
            elif not self.hangs_up:
                writer.write(_ANSWER % (len(self.name), self.name.encode()))
        finally:
            writer.close()
            await writer.wait_closed()


@dataclass(kw_only=True)
class Gateway:
    """A running gateway, and what is behind it."""

    nginx: PrivateNginx
    http: httpx2.AsyncClient
    upstreams: dict[str, Upstream]
    port: int

    @asynccontextmanager
    async def twin(self, name: str) -> AsyncIterator[Upstream]:
        """A second container of a service, at the address the name server gives beside."""
        async with Upstream(name=f"{name} again").serving(TWIN, self.port) as upstream:
            yield upstream


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as stack:
        port = free_port()
        names = {**ADDRESSES, "api-users": (*ADDRESSES["api-users"], TWIN)}
        upstreams = {name: Upstream(name=name) for name in names}
        for name, (address, *_) in names.items():
            await stack.enter_async_context(upstreams[name].serving(address, port))
        name_server = await stack.enter_async_context(serving_names(names))
        nginx = await asyncio.to_thread(open_nginx, name_server=name_server, upstream=port)
        stack.callback(nginx.close)
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=nginx.url, timeout=20))
        yield Gateway(nginx=nginx, http=http, upstreams=upstreams, port=port)


async def served_by(service: str) -> set[tuple[str, str]]:
    """The routes a service of the program has, the pages included."""
    async with NotificationSystem(database_url="sqlite://") as system:
        app = create_app(system.services, [service])
        return {
            (method, re.sub(r":\w+}", "}", route.path))
            for route in flat(app.router)
            for method in set(route.methods or ()) - {"HEAD"}
        }


def flat(router: APIRouter) -> Iterator[Route]:
    """All routes of a router and of those in it."""
    for route in router.routes:
        if isinstance(route, Route):
            yield route
        elif isinstance(inner := getattr(route, "original_router", None), APIRouter):
            yield from flat(inner)


async def test_every_route_of_the_program_goes_to_a_service_that_has_it(gateway: Gateway) -> None:
    owned = {name: await served_by(name) for name in SERVICES}
    asked = set.union(*owned.values())
    assert routes(PAGE.read_text(encoding="utf-8")) <= asked

    astray = []
    for method, path in sorted(asked):
        answer = await gateway.http.request(method, re.sub(r"\{[^}]+\}", "x-1", path))
        service = answer.text.removeprefix("api-").removesuffix(" again")
        if (method, path) not in owned.get(service, ()):
            astray.append(f"{method} {path} went to {answer.text}")

    assert astray == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/usersx", "api-notifications"),
        ("/v1/events/users", "api-notifications"),
        ("/v1/users?x=/dashboard", "api-users"),
        ("/v1/users/u1/preferences", "api-users"),
        ("/v1/users/feed", "api-users"),
        ("/v1/users/u1/feed?limit=1", "api-inbox"),
        ("/v1/users/u1/feeds", "api-users"),
        ("/dashboard/live-figures", "api-analytics"),
        ("/register?email=test@example.com", "api-notifications"),
        ("/nowhere", "api-notifications"),
    ],
)
async def test_a_path_goes_by_whole_segments(gateway: Gateway, path: str, name: str) -> None:
    async with gateway.twin("api-users"):
        answer = await gateway.http.get(path)

    assert answer.text.removesuffix(" again") == name


async def test_a_live_stream_is_not_held_back(gateway: Gateway) -> None:
    async with gateway.http.stream("GET", "/dashboard/live") as stream:
        first = await asyncio.wait_for(anext(stream.aiter_bytes()), 10)

    assert first == b"data: 1\n\n"


async def test_who_asked_is_passed_on_and_what_they_claim_is_not(gateway: Gateway) -> None:
    await gateway.http.get(
        "/healthz", headers={"X-Forwarded-For": "192.0.2.1", "Host": "tidings.example"}
    )

    (head,) = gateway.upstreams["api-notifications"].asked
    assert re.findall(r"^X-Forwarded-For: (.*)\r$", head, re.MULTILINE) == ["127.0.0.1"]
    assert "\r\nHost: tidings.example\r\n" in head


@pytest.mark.parametrize(("method", "asked"), [("GET", 2), ("PUT", 2), ("POST", 1)])
async def test_only_what_is_safe_to_repeat_is_asked_of_a_second_container(
    gateway: Gateway, method: str, asked: int
) -> None:
    first = gateway.upstreams["api-users"]
    first.hangs_up = True
    async with gateway.twin("api-users") as second:
        second.hangs_up = True

        answer = await gateway.http.request(method, "/v1/users/u1")

    assert len(first.asked) + len(second.asked) == asked
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.text)["type"] == "urn:tidings:problem:unavailable"


async def test_a_container_that_is_gone_is_passed_over(gateway: Gateway) -> None:
    answers = [await gateway.http.post("/v1/users/u1") for _ in range(4)]

    assert {answer.text for answer in answers} == {"api-users"}  # its twin does not run


async def test_the_api_refuses_large_bodies_itself(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/events/bulk", content=b"x" * (4 * 1024 * 1024 + 1))

    assert answer.status_code == 200


async def test_the_log_of_the_gateway_names_nobody(gateway: Gateway) -> None:
    gateway.upstreams["api-notifications"].hangs_up = True

    await gateway.http.post("/register?email=test@example.com")

    assert "example.com" not in gateway.nginx.log()
