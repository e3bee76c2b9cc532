"""When too much waits or the database is slow, a POST is refused in time, and never in silence."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from tests.system.house import House, open_house
from tests.system.notifications_http import client, make_app
from tidings.core.clock import SystemClock
from tidings.core.errors import Unavailable
from tidings.core.ports import Store
from tidings.core.work import Acceptance, Accepted
from tidings.notifications.workflow import Email, Workflow
from tidings.store.schema import events, idempotency
from tidings.store.sqlite import SqliteStore

ALARM = Workflow(key="alarm", on="ALARM", critical=True, steps=(Email(template="welcome"),))
LIMIT = 10
#: seconds that a machine under load may add to a bound
SLACK = 1.0


class SlowStore(SqliteStore):
    """Accepts only while it may, and may lose its answers."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.free = asyncio.Event()
        self.free.set()
        self.accepting = asyncio.Event()
        self.losing = False

    async def accept(self, acceptances: Sequence[Acceptance]) -> Sequence[Accepted]:
        self.accepting.set()
        await self.free.wait()
        accepted = await super().accept(acceptances)
        if self.losing:
            raise Unavailable("the answer was lost")
        return accepted


@asynccontextmanager
async def open_api(
    store: Store, *, limit: int = LIMIT
) -> AsyncIterator[tuple[House, httpx2.AsyncClient]]:
    async with open_house(store, workflows=[ALARM], limit=limit) as house:
        await house.users.put("ann", email="ann@example.com", name="Ann", locale=None)
        async with client(make_app(house)) as http:
            yield house, http


@pytest.fixture
async def slow() -> AsyncIterator[SlowStore]:
    store = await SlowStore.open(None, clock=SystemClock())
    assert isinstance(store, SlowStore)
    yield store
    await store.aclose()


def body(event_type: str = "ORDERED") -> dict[str, Any]:
    return {"type": event_type, "user_id": "ann"}


def under(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def fill(house: House, count: int) -> None:
    """So many events wait already, as another process let them in."""

    def add(connection: sa.Connection) -> None:
        row = {
            "source": "test", "bus_channel": "USER_CHANNEL", "type": "ORDERED", "data": {},
            "time": now, "lane": "bulk", "state": "due", "due_at": now, "accepted_at": now,
        }  # fmt: skip
        keys = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]
        connection.execute(sa.insert(events), [row | {"id": key, "source_id": key} for key in keys])

    now = await house.store.now()
    await house.store.run(add)


async def test_above_the_limit_new_work_is_refused_before_anything_is_stored(
    store: Store,
) -> None:
    async with open_api(store) as (house, http):
        await fill(house, LIMIT)

        refused = [
            await http.post("/v1/events", json=body(), headers=under("k1")),
            await http.post("/v1/messages", json={"to": "bob@example.com", "text": "hi"}),
            await http.post("/register?email=bob@example.com"),
            await http.post("/v1/events/bulk", json={"events": [body(), body()]}),
        ]

        assert [each.status_code for each in refused] == [429] * 4
        assert {each.json()["type"] for each in refused} == {"urn:tidings:problem:overloaded"}
        assert all(1 <= int(each.headers["retry-after"]) <= 60 for each in refused)
        assert await house.count(events) == LIMIT
        assert await house.count(idempotency) == 0
        counted = house.metrics.registry.get_sample_value(
            "tidings_refused_total", {"reason": "backlog"}
        )
        assert counted == 4


async def test_what_is_critical_gets_in_until_twice_the_limit(store: Store) -> None:
    async with open_api(store) as (house, http):
        await fill(house, LIMIT)

        answers = [await http.post("/v1/events", json=body("ALARM")) for _ in range(LIMIT + 1)]
        bulk = await http.post("/v1/events/bulk", json={"events": [body(), body("ALARM")]})

        assert [each.status_code for each in answers] == [202] * LIMIT + [429]
        assert bulk.status_code == 429
        assert await house.count(events) == 2 * LIMIT


async def test_room_that_was_made_lets_new_work_in_again(store: Store) -> None:
    async with open_api(store) as (house, http):
        await fill(house, LIMIT)
        assert (await http.post("/v1/events", json=body())).status_code == 429

        await house.plan()

        async with asyncio.timeout(20):
            while (await http.post("/v1/events", json=body())).status_code != 202:
                await asyncio.sleep(0.05)


async def test_under_the_key_of_a_request_that_is_being_stored_the_answer_is_in_progress(
    slow: SlowStore,
) -> None:
    async with open_api(slow) as (house, http):
        slow.free.clear()
        slow.accepting.clear()
        first = asyncio.create_task(http.post("/v1/events", json=body(), headers=under("k1")))
        await slow.accepting.wait()

        began = time.monotonic()
        again = await http.post("/v1/events", json=body(), headers=under("k1"))
        took = time.monotonic() - began
        slow.free.set()
        stored = await first
        later = await http.post("/v1/events", json=body(), headers=under("k1"))

        assert (again.status_code, again.headers["retry-after"]) == (409, "1")
        assert again.json()["type"] == "urn:tidings:problem:in-progress"
        assert took < 1 + SLACK
        assert (stored.status_code, later.status_code) == (202, 202)
        assert later.headers["idempotency-replayed"] == "true"
        assert later.json() == stored.json()
        assert await house.count(events) == 1


async def test_a_slow_database_is_a_refusal_in_time_and_what_is_refused_is_never_stored(
    slow: SlowStore,
) -> None:
    async with open_api(slow) as (house, http):
        slow.free.clear()
        slow.accepting.clear()
        first = asyncio.create_task(http.post("/v1/events", json=body(), headers=under("k0")))
        await slow.accepting.wait()

        began = time.monotonic()
        refused = await asyncio.gather(
            *[http.post("/v1/events", json=body(), headers=under(f"k{n}")) for n in range(1, 6)]
        )
        took = time.monotonic() - began
        slow.free.set()
        assert (await first).status_code == 202

        assert [each.status_code for each in refused] == [503] * 5
        assert {each.headers["retry-after"] for each in refused} == {"1"}
        assert took < 1 + SLACK
        assert await house.count(events) == 1


async def test_a_bulk_is_refused_at_once_while_many_others_wait_to_be_stored(
    slow: SlowStore,
) -> None:
    async with open_api(slow, limit=1_000) as (house, http):
        slow.free.clear()
        slow.accepting.clear()
        first = asyncio.create_task(house.intake.trigger("ORDERED", "ann"))
        await slow.accepting.wait()
        others = [asyncio.create_task(house.intake.trigger("ORDERED", "ann")) for _ in range(100)]
        await until_bulks_are_refused(house)

        await house.intake.check_bulk(["ORDERED", "ALARM"])
        refused = await http.post("/v1/events/bulk", json={"events": [body(), body()]})
        assert not any(other.done() for other in others), "it came after those that waited longer"
        slow.free.set()
        await asyncio.gather(first, *others)

        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "nothing was stored" in refused.json()["detail"]
        assert await house.count(events) == 101
        assert house.metrics.registry.get_sample_value("tidings_refused_total", {"reason": "queue"})


async def test_a_bulk_is_taken_though_the_database_is_slow_where_few_wait(slow: SlowStore) -> None:
    async with open_api(slow) as (house, _http):
        slow.free.clear()
        slow.accepting.clear()
        first = asyncio.create_task(house.intake.trigger("ORDERED", "ann"))
        await slow.accepting.wait()
        second = asyncio.create_task(house.intake.trigger("ORDERED", "ann"))

        began = time.monotonic()
        while time.monotonic() < began + 0.5:
            await house.intake.check_bulk(["ORDERED"])
            await asyncio.sleep(0.01)

        slow.free.set()
        await asyncio.gather(first, second)


async def until_bulks_are_refused(house: House) -> None:
    async with asyncio.timeout(1):
        while True:
            try:
                await house.intake.check_bulk(["ORDERED"])
            except Unavailable:
                return
            await asyncio.sleep(0.01)


async def test_a_lost_answer_is_no_success_and_the_repeat_gets_the_first_one(
    slow: SlowStore,
) -> None:
    async with open_api(slow) as (house, http):
        slow.losing = True
        lost = await http.post("/v1/events", json=body(), headers=under("k1"))
        slow.losing = False

        again = await http.post("/v1/events", json=body(), headers=under("k1"))

        assert (lost.status_code, again.status_code) == (503, 202)
        assert again.headers["idempotency-replayed"] == "true"
        assert await house.count(events) == 1


async def test_parallel_requests_over_two_processes_are_one_event_for_each_key(
    store: Store,
) -> None:
    async with (
        open_api(store, limit=200) as (house, http),
        open_api(store, limit=200) as (_, other),
    ):
        async with asyncio.timeout(60):
            answers = await asyncio.gather(
                *[
                    until_accepted(each, f"k{number % 4}")
                    for number in range(100)
                    for each in (http, other)
                ]
            )

        fresh = [each for each in answers if "idempotency-replayed" not in each.headers]
        assert len(fresh) == 4
        assert {each.json()["event_id"] for each in answers} == {
            each.json()["event_id"] for each in fresh
        }
        assert await house.count(events) == 4


async def until_accepted(http: httpx2.AsyncClient, key: str) -> httpx2.Response:
    """Ask again while it is refused or being stored, as on a busy machine it may be."""
    while True:
        answer = await http.post("/v1/events", json=body(), headers=under(key))
        if answer.status_code == 202:
            return answer
        assert answer.status_code in {409, 503}, answer.text


async def test_a_bulk_repeated_whole_is_marked_as_one(store: Store) -> None:
    async with open_api(store) as (house, http):
        bulk = {"events": [body(), body()]}

        first = await http.post("/v1/events/bulk", json=bulk, headers=under("k1"))
        again = await http.post("/v1/events/bulk", json=bulk, headers=under("k1"))
        other = await http.post(
            "/v1/events/bulk", json={"events": [body(), body("ALARM")]}, headers=under("k1")
        )

        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert [each["status"] for each in other.json()["results"]] == [202, 422]
        assert "idempotency-replayed" not in other.headers
        assert await house.count(events) == 2
