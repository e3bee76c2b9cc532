"""The same request again and again: at once, after a lost answer, and with another body.

Two APIs share a database that is reached by way of a fault proxy; nobody plans or sends.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import pytest
import sqlalchemy as sa

from tests.faults.ends import opened
from tests.faults.extent import extent
from tests.faults.fleet import Fleet, is_ready, wait_until
from tests.faults.proxy import FaultProxy, target_of, through
from tests.faults.proxy_ways import Cut, Way
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tidings.store.schema import events, idempotency

#: cuts after the commit, keys asked for by many, keys given another body
CUTS, KEYS, OTHERS = extent(5, 100), extent(10, 1_000), extent(50, 2_000)
AT_ONCE, SEED = 100, 22
PATIENCE = 60.0
#: in the statement that writes events, and in none that only reads
WRITING = b"USER_CHANNEL"
BOTH = (idempotency, events)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(extent(120, 900))]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Where the APIs answer, and what stands before their database."""

    urls: Sequence[str]
    proxy: FaultProxy
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request got."""

    status: int
    event_id: str | None
    replayed: bool


@pytest.fixture(scope="module")
def house(
    postgres_server: PostgresServer,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    postgres_server.start()
    redis_server.flush()
    database = postgres_server.create_database()
    with FaultProxy(target_of(database)) as proxy:
        settings = {
            "TIDINGS_DATABASE_URL": through(proxy, database),
            "TIDINGS_REDIS_URL": redis_server.url,
        }
        with Fleet(tmp_path_factory.mktemp("apis"), settings) as fleet:
            ports = {name: free_port() for name in ("api-1", "api-2")}
            urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
            for name, port in ports.items():
                fleet.start(name, "tidings.main", TIDINGS_PORT=str(port))
            wait_until(lambda: all(map(is_ready, urls)), "both answer", fleet.log)
            yield House(urls=urls, proxy=proxy, database=database)
    postgres_server.drop_database(database)


@pytest.fixture(autouse=True)
def healed(house: House) -> Iterator[None]:
    yield
    house.proxy.heal()


@pytest.mark.fault("F21")
async def test_a_commit_whose_answer_was_lost_is_found_again_under_its_key(
    house: House, tell: list[str]
) -> None:
    answers, before = [], await stored(house.database)
    async with aiohttp.ClientSession() as http:
        for number in range(CUTS):
            house.proxy.harm(up=Way(cut=Cut(at=WRITING, answered=True)))
            cuts = house.proxy.cuts
            request = mail(f"cut-{number}", "hello")
            first = await ask(http, house.urls[0], request)
            assert house.proxy.cuts == cuts + 1
            again = await ask_until_stored(http, house.urls[1], request)
            answers.append((first.status, again.replayed))

    rows = await stored(house.database) - before
    seen = ", ".join(f"{count} × {status}" for status, count in statuses(answers).items())
    tell.append(f"F21 {CUTS} answers of a commit cut off, the first answers {seen}: {rows} events")
    assert answers == [(503, True)] * CUTS
    assert rows == CUTS


@pytest.mark.fault("F5")
async def test_what_was_cut_off_before_its_commit_is_not_there(
    house: House, tell: list[str]
) -> None:
    answers, before = [], await stored(house.database)
    async with aiohttp.ClientSession() as http:
        for number in range(CUTS):
            house.proxy.harm(up=Way(cut=Cut(at=WRITING, passing=False)))
            first = await ask(http, house.urls[0], mail(f"broken-{number}", "hello"))
            answers.append(first.status)
        without = await stored(house.database) - before
        again = [
            await ask_until_stored(http, house.urls[0], mail(f"broken-{number}", "hello"))
            for number in range(CUTS)
        ]

    rows = await stored(house.database) - before
    tell.append(f"F5 {CUTS} commits broken off: {without} events, asked again {rows}")
    assert answers == [503] * CUTS
    assert without == 0
    assert rows == CUTS
    assert not any(answer.replayed for answer in again)


@pytest.mark.fault("F22")
async def test_one_key_asked_for_by_many_at_once_is_one_event(
    house: House, tell: list[str]
) -> None:
    got: list[Counter[int]] = []
    before = await stored(house.database)
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as http:
        for number in range(KEYS):
            request = mail(f"many-{number}", "hello")
            urls = [house.urls[turn % 2] for turn in range(AT_ONCE)]
            answers = await asyncio.gather(*(ask(http, url, request) for url in urls))
            ids = {answer.event_id for answer in answers if answer.status == 202}
            firsts = [each for each in answers if each.status == 202 and not each.replayed]
            assert len(ids) == len(firsts) == 1
            got.append(Counter(answer.status for answer in answers))

    rows = await stored(house.database) - before
    all_got = sum(got, Counter[int]())
    tell.append(
        f"F22 {AT_ONCE} at once × {KEYS} keys over two APIs: {dict(all_got)}, {rows} events"
    )
    assert set(all_got) <= {202, 409}
    assert rows == KEYS


@pytest.mark.fault("F23")
async def test_another_body_under_a_key_is_refused_and_nothing_comes_of_it(
    house: House, tell: list[str]
) -> None:
    chance, before = random.Random(SEED), await stored(house.database)
    async with aiohttp.ClientSession() as http:
        first = await ask(http, house.urls[0], mail("other-1", "hello"))
        answers = await asyncio.gather(
            *(ask(http, chance.choice(house.urls), another(chance)) for _ in range(OTHERS))
        )
        again = await ask(http, house.urls[1], mail("other-1", "hello"))

    rows = await stored(house.database) - before
    got = Counter(answer.status for answer in answers)
    tell.append(f"F23 {OTHERS} other bodies under one key, seed {SEED}: {dict(got)}, {rows} event")
    assert first.status == again.status == 202
    assert again.replayed
    assert got == Counter({422: OTHERS})
    assert rows == 1


def mail(key: str, text: str, *, to: str | None = None, **more: str) -> Mapping[str, object]:
    """A request under its key."""
    return {
        "headers": {"Idempotency-Key": key},
        "json": {"to": to or f"{key}@example.com", "text": text, **more},
    }


def another(chance: random.Random) -> Mapping[str, object]:
    """Another body under the same key: one thing about it differs."""
    word = "".join(chance.choices("abc é\U0001f600\t", k=chance.randint(1, 40))) + "."
    other = chance.choice(["text", "to", "subject"])
    if other == "text":
        return mail("other-1", word)
    if other == "to":
        return mail("other-1", "hello", to=f"{chance.getrandbits(64):x}@example.com")
    return mail("other-1", "hello", subject=word.replace("\t", " "))


async def ask(http: aiohttp.ClientSession, url: str, request: Mapping[str, object]) -> Answer:
    async with http.post(f"{url}/v1/messages", **request) as answer:  # type: ignore[arg-type]
        return Answer(
            status=answer.status,
            event_id=(await answer.json()).get("event_id"),
            replayed=answer.headers.get("Idempotency-Replayed") == "true",
        )


async def ask_until_stored(
    http: aiohttp.ClientSession, url: str, request: Mapping[str, object]
) -> Answer:
    async with asyncio.timeout(PATIENCE):
        while (answer := await ask(http, url, request)).status != 202:
            assert answer.status in {409, 503}
            await asyncio.sleep(0.02)
    return answer


def statuses(answers: Sequence[tuple[int, bool]]) -> Counter[int]:
    return Counter(status for status, _ in answers)


async def stored(database: str) -> int:
    """How many events there are; one for each key."""
    async with opened(database) as store:
        keys, rows = await store.run(
            lambda to: [to.scalar(sa.select(sa.func.count()).select_from(table)) for table in BOTH]
        )
    assert keys == rows
    return int(rows or 0)
