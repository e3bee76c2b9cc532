"""What the clients send again, when, and what they never do."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from itertools import repeat
from typing import Any

import pytest

from tests.servers.ports import free_port
from tests.system.scripted import SILENCE, Asked, says, scripted
from tidings import AsyncClient
from tidings.core.errors import (
    InvalidInput,
    OutcomeUnknown,
    Overloaded,
    TidingsError,
    Unauthorized,
    Unavailable,
)
from tidings.testing.clock import MovableClock

DONE = says(202, {"event_id": "e1", "results": []})
DOWN = says(503, {"detail": "the database can't be reached"}, "Retry-After: 2")
FULL = says(429, {"detail": "too many"}, "Retry-After: 5")
KEY = "tdg_7_hunter2"

POSTS: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
    "trigger": lambda client: client.trigger("ORDERED", "u1"),
    "trigger_many": lambda client: client.trigger_many([{"type": "ORDERED", "user_id": "u1"}]),
    "register": lambda client: client.register("ann@example.com"),
    "send": lambda client: client.send("ann@example.com", "hi"),
}
CALLS: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
    **POSTS,
    "explain": lambda client: client.explain("e1"),
    "users.put": lambda client: client.users.put("u1"),
    "keys.revoke": lambda client: client.keys.revoke("aaaaaaaa"),
    "feed.mark": lambda client: client.feed.mark("u1", "i1", "read"),
}
ONCE: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
    "keys.create": lambda client: client.keys.create("shop", ["trigger"]),
    "templates.withdraw": lambda client: client.templates.withdraw("tea", "email"),
    "feed.mark_all_seen": lambda client: client.feed.mark_all_seen("u1"),
    "feed.mark_all_read": lambda client: client.feed.mark_all_read("u1"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A client, what its server was asked, and how long the client would have waited."""

    client: AsyncClient
    asked: Sequence[Asked]
    pauses: Sequence[float]


@asynccontextmanager
async def talk(*answers: bytes, **options: Any) -> AsyncIterator[Talk]:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with (
        scripted(answers) as server,
        AsyncClient(server.url, pause=pause, **options) as client,
    ):
        yield Talk(client=client, asked=server.asked, pauses=pauses)


@pytest.mark.parametrize("name", CALLS)
async def test_what_does_no_harm_twice_is_sent_again_unchanged(name: str) -> None:
    async with talk(DOWN, SILENCE, FULL, DONE) as told:
        await CALLS[name](told.client)

    assert len(told.asked) == 4
    assert len({one.body for one in told.asked}) == 1
    assert len({one.headers.get("idempotency-key") for one in told.asked}) == 1
    assert told.pauses[0] >= 2
    assert told.pauses[-1] >= 5


@pytest.mark.parametrize("name", POSTS)
async def test_each_call_has_a_key_of_its_own(name: str) -> None:
    async with talk(DONE, DONE) as told:
        await CALLS[name](told.client)
        await CALLS[name](told.client)

    keys = [one.headers["idempotency-key"] for one in told.asked]
    assert len(set(keys)) == 2
    assert all(len(key) == 36 for key in keys)


async def test_a_key_that_is_given_is_the_one_that_is_sent() -> None:
    async with talk(DONE) as told:
        await told.client.trigger("ORDERED", "u1", idempotency_key="order-7")

    assert told.asked[0].headers["idempotency-key"] == "order-7"


async def test_an_answer_that_was_cut_is_asked_for_again() -> None:
    async with talk(DONE[:-5], DONE) as told:
        assert await told.client.trigger("ORDERED", "u1") == "e1"

    assert len(told.asked) == 2


@pytest.mark.parametrize("name", ONCE)
async def test_what_is_not_the_same_twice_is_sent_once(name: str) -> None:
    async with talk(SILENCE, DONE) as told:
        with pytest.raises(OutcomeUnknown):
            await ONCE[name](told.client)

    assert len(told.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
async def test_what_does_not_pass_by_itself_is_raised_at_once(status: int) -> None:
    async with talk(says(status, {"detail": "no"})) as told:
        with pytest.raises(TidingsError, match="no"):
            await told.client.trigger("ORDERED", "u1")

    assert told.pauses == []


async def test_what_does_not_settle_in_time_is_a_timeout() -> None:
    due = says(200, {"state": "due", "notifications": []})

    async with scripted(repeat(due)) as server, AsyncClient(server.url) as client:
        with pytest.raises(TimeoutError):
            await client.settled("e1", seconds=0.3)

    assert len(server.asked) > 1


async def test_retries_end_with_the_last_error() -> None:
    async with talk(DOWN, DOWN, FULL, retries=2) as told:
        with pytest.raises(Overloaded, match="too many") as last:
            await told.client.explain("e1")

    assert last.value.retry_after == 5
    assert len(told.pauses) == 2


async def test_a_server_that_is_not_there_is_asked_again() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with AsyncClient(f"http://127.0.0.1:{free_port()}", pause=pause) as client:
        with pytest.raises(Unavailable, match="tidings up"):
            await client.trigger("ORDERED", "u1")

    assert len(pauses) == 3


async def test_who_says_to_come_back_in_an_hour_is_not_asked_again() -> None:
    async with talk(says(429, {"detail": "slow down"}, "Retry-After: 3600")) as told:
        with pytest.raises(Overloaded) as refused:
            await told.client.register("ann@example.com")

    assert refused.value.retry_after == 3600
    assert told.pauses == []


async def test_a_date_to_come_back_at_is_told_by_the_clock() -> None:
    clock = MovableClock()
    clock.advance(days=3)
    moment = clock.now() + timedelta(seconds=21)
    refusal = says(503, {}, f"Retry-After: {format_datetime(moment, usegmt=True)}")

    async with talk(refusal, DONE, clock=clock) as told:
        await told.client.trigger("ORDERED", "u1")

    assert 15 < told.pauses[0] < 21 * 1.25


async def test_the_key_goes_into_its_header_and_nowhere_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async with talk(says(401, {"detail": "not valid"}), api_key=KEY) as told:
        with pytest.raises(Unauthorized) as refused:
            await told.client.send("ann@example.com", "hi")

    (asked,) = told.asked
    shown = [repr(told.client), repr(told.client.users), str(refused.value), caplog.text]
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert "hunter2" not in json.dumps([asked.path, asked.body.decode(), *shown])


@pytest.mark.parametrize("key", ["", "tdg hunter2", "tdg_hunter2\r\nX: y", "tdg_hunter²"])
def test_what_can_be_no_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        AsyncClient(api_key=key)

    assert "hunter" not in str(refused.value)
