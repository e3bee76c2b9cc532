"""An API that dies between commit and answer: who asks again under its key gets the first result.

It dies before it has told the bus, too: what is on no bus is found in the rows.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa

from tests.faults import crew
from tests.faults.checker import Asked, judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fail_point import KILLED
from tests.faults.fleet import Fleet, is_ready, until
from tests.faults.provider_ledger import Call
from tidings.store.schema import events, idempotency

#: lives of the API, and keys asked for in each
LIVES, KEYS = extent(2, 20), 50
#: seconds from the commit to the mail, though nobody told
TOLD_LATE = 5.0
PATIENCE = 30.0
#: seconds between two first requests, so that not all share one commit
STAGGER = 0.004

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault("F3", "F4"),
    pytest.mark.timeout(extent(120, 600)),
]

Answers = dict[str, tuple[str, bool]]
"""By key: the event's id, and whether it was a replay."""


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Fleet]:
    settings = {"TIDINGS_DATABASE_URL": postgres_url, "TIDINGS_REDIS_URL": redis_url}
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew())
        yield fleet


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path, {"TIDINGS_DATABASE_URL": "sqlite:///tidings.db", **crew.PACE}) as fleet:
        yield fleet


async def test_what_an_api_stored_and_could_not_answer_is_there_once_and_is_sent(
    on_postgres: Fleet, postgres_url: str, tell: list[str]
) -> None:
    answers = await die_and_ask_again(on_postgres, "tidings.main")

    async with opened(postgres_url) as store:
        await until_settled(store)
        verdict = judge(asked(answers), on_postgres.provider.taken, await read_ends(store))
        stored, accepted_at = await store.run(read_events)
    late = lateness(on_postgres.provider.taken, accepted_at)
    replays = sum(replayed for _, replayed in answers.values())
    tell.append(
        f"F3 F4 an API killed {LIVES} times after commit: {len(answers)} keys, "
        f"{replays} answered by their first result, {stored} events; {verdict}; "
        f"the latest mail {late:.1f} s after its commit"
    )
    assert replays >= LIVES
    assert stored == len(answers) == LIVES * KEYS
    assert not verdict.broken
    assert not verdict.explained
    assert late <= TOLD_LATE


async def test_what_the_one_process_stored_and_could_not_answer_is_there_once_and_is_sent(
    on_sqlite: Fleet, tell: list[str]
) -> None:
    answers = await die_and_ask_again(on_sqlite, "tidings.notification_system")
    await on_sqlite.until_ended(len(answers))
    await asyncio.to_thread(on_sqlite.terminate, "api")

    async with opened(on_sqlite.folder / "tidings.db") as store:
        verdict = judge(asked(answers), on_sqlite.provider.taken, await read_ends(store))
        stored, _ = await store.run(read_events)
    replays = sum(replayed for _, replayed in answers.values())
    tell.append(
        f"F3 F4 the one process on SQLite killed {LIVES} times after commit: {len(answers)} keys, "
        f"{replays} answered by their first result, {stored} events; {verdict}"
    )
    assert replays >= LIVES
    assert stored == len(answers) == LIVES * KEYS
    assert not verdict.broken
    assert set(verdict.unsent.values()) <= {"failed"}, "three lives ended with it in hand"


async def die_and_ask_again(fleet: Fleet, module: str) -> Answers:
    """Each life ends after a commit whose callers wait; they ask the next life for the same."""
    answers = Answers()
    for life in range(LIVES):
        fleet.start("api", "tests.faults.fail_point", "after_accept", "1", module)
        await until(lambda: is_ready(fleet.url), "the API is ready", fleet.log)
        asking = asyncio.create_task(ask_all(fleet.url, range(life * KEYS, (life + 1) * KEYS)))
        assert await fleet.ended("api") == KILLED
        await asyncio.to_thread(fleet.start_api, module)
        answers |= await asking
        if life < LIVES - 1:
            await asyncio.to_thread(fleet.kill, "api")
    return answers


async def ask_all(url: str, numbers: Sequence[int]) -> Answers:
    async with aiohttp.ClientSession(url) as http:
        found = await asyncio.gather(*(ask(http, each, each % KEYS) for each in numbers))
    return {f"key-{number}": answer for number, answer in zip(numbers, found, strict=True)}


async def ask(http: aiohttp.ClientSession, number: int, turn: int) -> tuple[str, bool]:
    """When it is its turn ask, under the same key, until there is an answer."""
    await asyncio.sleep(turn * STAGGER)
    body = {"email": f"person-{number}@example.com"}
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with http.post(
                    "/register", json=body, headers={"Idempotency-Key": f"key-{number}"}
                ) as answer:
                    if answer.status == 202:
                        replayed = answer.headers.get("Idempotency-Replayed") == "true"
                        return (await answer.json())["event_id"], replayed
                    assert answer.status in {409, 503}, await answer.text()
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def asked(answers: Answers) -> dict[str, Asked]:
    return {f"person-{number}@example.com": Asked.OK for number in range(len(answers))}


def read_events(connection: sa.Connection) -> tuple[int, dict[str, float]]:
    """How many there are, one for each key; by address, the seconds since 1970 of its commit."""
    rows = connection.execute(sa.select(events.c.data, events.c.accepted_at)).all()
    keys = connection.scalar(sa.select(sa.func.count()).select_from(idempotency))
    assert keys == len(rows)
    return len(rows), {data["email"]: at.timestamp() for data, at in rows}


def lateness(taken: Sequence[Call], accepted_at: dict[str, float]) -> float:
    return max(call.at - accepted_at[call.address] for call in taken)
