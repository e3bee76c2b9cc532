"""The page about the HTTP API against the API: its routes, its requests and its answers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.unit.documents import Call, calls, curls, routes
from tidings.main import create_app
from tidings.notification_system import NotificationSystem

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/http-api.md"
TELLING = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if curls(path.read_text(encoding="utf-8"))
]
#: the users that pages speak of
USERS = ("ann", "u1")


#: the templates that pages speak of, beside the built-in ones
TEMPLATES = ("order-shipped", "order-review")


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[NotificationSystem]:
    for key in TEMPLATES:
        (tmp_path / key).mkdir()
        (tmp_path / key / "email.txt").write_text("Hello")
        (tmp_path / key / "email.subject.txt").write_text("Hello")
    async with NotificationSystem(database_url="sqlite://", templates=tmp_path) as system:
        yield system


@pytest.fixture
async def http(system: NotificationSystem) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(system.services))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def shape(value: Any) -> Any:
    """A JSON value with its kinds in place of its values; of a list, what its items have in all."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


def fits(shown: Any, given: Any) -> bool:
    """Whether an answer is as shown: the same keys and kinds; a list may show fewer items."""
    if isinstance(shown, dict):
        return (
            isinstance(given, dict)
            and shown.keys() == given.keys()
            and all(fits(shown[key], given[key]) for key in shown)
        )
    if isinstance(shown, list):
        return isinstance(given, list) and all(map(fits, shown, given)) and len(shown) <= len(given)
    return bool(shape(shown) == shape(given))


async def test_the_documented_routes_are_those_of_the_api(system: NotificationSystem) -> None:
    paths = create_app(system.services).openapi()["paths"]

    served = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert routes(PAGE.read_text(encoding="utf-8")) == served


async def test_every_documented_request_gets_the_documented_answer(
    http: httpx2.AsyncClient,
) -> None:
    ids: dict[str, str] = {}

    for shown in calls(PAGE.read_text(encoding="utf-8")):
        call = with_real_ids(shown, ids)
        answer = await answered(http, call)

        assert answer.status_code == call.status, (call.method, call.path, answer.text)
        if call.answer.startswith("tidings_"):
            assert metric_names(call.answer) <= metric_names(answer.text)
        else:
            assert fits(json.loads(call.answer), answer.json()), (call.path, answer.text)
            ids |= real_ids(json.loads(call.answer), answer.json())
        if "key" in (made := answer.json() if call.path == "/v1/keys" else {}):
            http.headers["Authorization"] = f"Bearer {made['key']}"


async def test_every_documented_route_has_a_request_that_was_run() -> None:
    text = PAGE.read_text(encoding="utf-8")
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]

    for section in sections:
        [(method, path)] = routes("### " + section)
        assert [call.method for call in calls(section)][:1] == [method], path


@pytest.mark.parametrize("path", TELLING, ids=lambda path: path.name)
async def test_every_curl_of_a_page_is_answered_well(http: httpx2.AsyncClient, path: Path) -> None:
    for user in USERS:
        await http.put(f"/v1/users/{user}", json={"email": f"{user}@example.com"})

    for call in curls(path.read_text(encoding="utf-8")):
        answer = await asked(http, call)

        assert answer.status_code in {200, 201, 202}, (call.path, answer.text)


def real_ids(shown: Any, given: Any) -> dict[str, str]:
    """The ids an answer of the page shows → those that were given in their places."""
    found: dict[str, str] = {}
    if isinstance(shown, dict):
        found |= {shown["id"]: given["id"]} if isinstance(shown.get("id"), str) else {}
        for key in shown:
            found |= real_ids(shown[key], given[key])
    if isinstance(shown, list):
        for one, other in zip(shown, given, strict=False):
            found |= real_ids(one, other)
    return found


def with_real_ids(call: Call, ids: Mapping[str, str]) -> Call:
    """The request with ids that were given in place of those the page shows in its path."""
    steps = [ids.get(step, step) for step in call.path.split("/")]
    return replace(call, path="/".join(steps))


def test_a_shown_id_in_a_path_stands_for_the_one_that_was_given() -> None:
    ids = real_ids({"items": [{"id": "a1", "n": 1}]}, {"items": [{"id": "b2", "n": 2}]})
    call = Call(method="POST", path="/v1/a1/read", headers={}, body="", status=200, answer="")

    assert with_real_ids(call, ids).path == "/v1/b2/read"
    assert with_real_ids(call, {}) == call


def test_an_answer_of_another_shape_does_not_fit() -> None:
    assert fits({"a": [{"b": 1}]}, {"a": [{"b": 2.5}, {"b": 3}]})
    assert not fits({"a": 1}, {"a": 1, "b": 2})
    assert not fits({"a": 1}, {"a": "1"})
    assert not fits({"a": None}, {"a": "1"})
    assert not fits([1, 2], [1])


async def answered(http: httpx2.AsyncClient, call: Call) -> httpx2.Response:
    """The answer; that of an event or a list once there is something to see."""
    async with asyncio.timeout(10):
        while True:
            answer = await asked(http, call)
            if call.method != "GET" or not is_early(call, answer.text):
                return answer
            await asyncio.sleep(0.05)


def is_early(call: Call, answer: str) -> bool:
    """Whether what the page shows has not happened yet."""
    if call.path.startswith("/v1/events/"):
        return '"sent"' not in answer
    return '"items":[]' in answer or '"dead_letters":[]' in answer


async def asked(http: httpx2.AsyncClient, call: Call) -> httpx2.Response:
    headers = {"Content-Type": "application/json", **call.headers}
    return await http.request(
        call.method, call.path, headers=headers, content=call.body.encode() or None
    )


def metric_names(text: str) -> set[str]:
    return set(re.findall(r"^(tidings_\w+)", text, re.MULTILINE))
