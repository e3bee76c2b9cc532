"""Many events in bulk: people are put into the database, then each has an event of its own."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import aiohttp
import asyncpg

from tests.faults.checker import Asked

#: events one request holds, and requests under way at once
BULK, CONNECTIONS = 500, 4
PATIENCE = 60.0
"""Seconds a client asks again while the API is away or refuses."""

_NO_POLICY: Mapping[str, object] = {}
_WORKFLOW = {
    "on": "NEWS",
    "steps": [{"kind": "channel", "channel": "email", "template": "welcome"}],
}


async def add_people(database: str, number: int) -> None:
    """So many users with an address each; the workflows' tables must be there."""
    now = datetime.now(UTC)
    users = [(f"person-{index}", now, now) for index in range(number)]
    addresses = [
        (f"person-{index}", "email", f"person-{index}@example.com", "active", now)
        for index in range(number)
    ]
    connection = await asyncpg.connect(database)
    try:
        await connection.copy_records_to_table(
            "users", records=users, columns=["id", "created_at", "updated_at"]
        )
        await connection.copy_records_to_table(
            "addresses",
            records=addresses,
            columns=["user_id", "channel", "address", "status", "created_at"],
        )
    finally:
        await connection.close()


async def tell_all(
    url: str, number: int, *, first: int = 0, policy: Mapping[str, object] = _NO_POLICY
) -> dict[str, Asked]:
    """An event for each of so many, repeated under its own id until it is accepted.

    `policy` is what their workflow says beside its one step.
    """
    asked: dict[str, Asked] = {}
    waiting = _bulks(first, number)
    async with aiohttp.ClientSession(url) as http:
        await _publish(http, policy)
        await asyncio.gather(*(_tell_some(http, waiting, asked) for _ in range(CONNECTIONS)))
    return asked


async def _publish(http: aiohttp.ClientSession, policy: Mapping[str, object]) -> None:
    """As soon as a notification worker has published the template it names."""
    deadline = time.monotonic() + PATIENCE
    while True:
        async with http.put("/v1/workflows/news", json={**_WORKFLOW, **policy}) as answer:
            if answer.status == 200:
                return
            assert answer.status == 422, await answer.text()
            assert time.monotonic() < deadline, await answer.text()
        await asyncio.sleep(0.05)


def _bulks(first: int, number: int) -> Iterator[Sequence[int]]:
    last = first + number
    return (range(start, min(start + BULK, last)) for start in range(first, last, BULK))


async def _tell_some(
    http: aiohttp.ClientSession, waiting: Iterator[Sequence[int]], asked: dict[str, Asked]
) -> None:
    for bulk in waiting:
        deadline = time.monotonic() + PATIENCE
        while not await _is_accepted(http, bulk):
            assert time.monotonic() < deadline, "the API stayed away"
            await asyncio.sleep(0.05)
        asked.update((f"person-{index}@example.com", Asked.OK) for index in bulk)


async def _is_accepted(http: aiohttp.ClientSession, bulk: Sequence[int]) -> bool:
    events = [
        {"type": "NEWS", "id": f"event-{index}", "user_id": f"person-{index}"} for index in bulk
    ]
    try:
        async with http.post("/v1/events/bulk", json={"events": events}) as answer:
            if answer.status != 202:
                assert answer.status in {429, 503}, await answer.text()
                return False
            results = (await answer.json())["results"]
    except aiohttp.ClientError:
        return False
    assert {each["status"] for each in results} <= {202, 429, 503}, results[:3]
    return all(each["status"] == 202 for each in results)
