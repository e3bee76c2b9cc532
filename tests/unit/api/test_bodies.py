import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from tidings.api.bodies import Body, Line, read_body
from tidings.api.problems import install_problems
from tidings.core.text import LINE, is_one_line


class Greeting(Body):
    name: Line
    times: int = 1


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    install_problems(app)

    @app.post("/greetings")
    async def greet(request: Request) -> dict[str, str]:
        greeting = await read_body(request, Greeting, limit=200)
        return {"name": greeting.name}

    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def post(client: httpx2.AsyncClient, content: bytes) -> httpx2.Response:
    return await client.post(
        "/greetings", content=content, headers={"Content-Type": "application/json"}
    )


async def test_a_good_body_is_read(client: httpx2.AsyncClient) -> None:
    answer = await post(client, b'{"name": "Ann", "times": 3}')

    assert answer.status_code == 200
    assert answer.json() == {"name": "Ann"}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"name": "a", "nmae": "b"}', "nmae"),
        (b"{}", "name"),
        (b'{"name": 7}', "name"),
        (b'{"name": "a", "times": "3"}', "times"),
        (b'{"name": ""}', "name"),
        (b'{"name": "a\\r\\nBcc: b"}', "name"),
        (b'{"name": "a\\u0000"}', "name"),
        (b'{"name": "a\\u2028b"}', "name"),
        (b'{"name": "a\\u001b[31m"}', "name"),
    ],
)
async def test_a_bad_field_is_named(client: httpx2.AsyncClient, content: bytes, field: str) -> None:
    answer = await post(client, content)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:tidings:problem:invalid-input"
    assert answer.json()["field"] == field


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"name": "\xff\xfe"}', b'{"name": "\\ud800"}', b"null"]
)
async def test_what_is_not_a_json_object_is_refused(
    client: httpx2.AsyncClient, content: bytes
) -> None:
    answer = await post(client, content)

    assert answer.status_code == 422


async def test_a_body_above_the_limit_is_refused_with_and_without_its_length(
    client: httpx2.AsyncClient,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 50

    whole = await post(client, b'{"name": "' + b"x" * 250 + b'"}')
    chunked = await client.post(
        "/greetings", content=chunks(), headers={"Content-Type": "application/json"}
    )

    assert [whole.status_code, chunked.status_code] == [413, 413]


async def test_a_form_is_refused_so_that_no_foreign_page_can_post(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/greetings", data={"name": "a"})

    assert answer.status_code == 422
    assert answer.json()["field"] == "Content-Type"


@given(text=st.text(min_size=1) | st.text("a \0\n\x1f\x7f\x85\x9f\xa0\u2028\u2029", min_size=1))
def test_the_document_says_of_a_line_what_the_code_takes(text: str) -> None:
    pattern = LINE.removesuffix("$") + r"\Z"

    assert bool(re.match(pattern, text)) is is_one_line(text)
