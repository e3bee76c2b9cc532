"""A provider that takes messages and does not say so, says no, or says something without an end."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults import crew
from tests.faults.checker import Asked, Verdict, judge
from tests.faults.ends import opened, read_ends, until_settled
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.news import add_people, tell_all
from tests.faults.provider_ledger import Call
from tests.faults.provider_script import Answer, Script
from tidings.store.schema import attempts

NUMBER = extent(30, 300)
#: of each kind where answers trickle, so that the breaker opens and calls are few for minutes
FEWER = extent(30, 100)
#: the share of first calls that are answered badly: less than makes a breaker open for long
SHARE = 0.3
#: seconds a call may take
TIMEOUT = 1.0
#: bytes of memory the worker may grow by
GROWTH = 64 * 1024 * 1024
SOON: Mapping[str, object] = {"retry": {"base": 1, "cap": 1}}
HOLD: Mapping[str, object] = {"on_unknown": "hold"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(extent(120, 1_800))]


@pytest.fixture(params=["smtp", "http"])
def provider(request: pytest.FixtureRequest) -> str:
    """Both languages."""
    return str(request.param)


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str, provider: str) -> Iterator[Fleet]:
    settings = {
        "TIDINGS_DATABASE_URL": postgres_url,
        "TIDINGS_REDIS_URL": redis_url,
        "TIDINGS_EMAIL_PROVIDER": provider,
        f"TIDINGS_{provider.upper()}_TIMEOUT": str(TIMEOUT),
    }
    with Fleet(tmp_path, settings) as fleet:
        crew.start(fleet, crew.crew())
        fleet.start_api()
        yield fleet


@pytest.mark.fault("F24")
async def test_what_was_taken_without_an_answer_is_sent_again_once_or_held(
    fleet: Fleet, provider: str, postgres_url: str, tell: list[str]
) -> None:
    closing = Script(answer=Answer.CLOSE, calls=1, share=SHARE)
    late = replace(closing, answer=Answer.LATE, seconds=TIMEOUT * 2)
    await add_people(postgres_url, NUMBER * 3)
    async with opened(postgres_url) as store:
        asked: dict[str, Asked] = {}
        kinds = [(closing, SOON), (late, SOON), (closing, HOLD)]
        for index, (script, policy) in enumerate(kinds):
            fleet.provider.play(script)
            asked |= await tell_all(fleet.url, NUMBER, first=index * NUMBER, policy=policy)
            await until_settled(store)
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))

    told = f"F24 {provider}: taken and not answered, {NUMBER} of each kind"
    tell.append(f"{told}: {verdict}; ends: {in_words(verdict)}")
    assert not verdict.broken
    assert set(verdict.explained.values()) == {1}
    assert verdict.explained.keys() <= first_of(fleet.provider.taken, NUMBER * 2)
    assert ends(verdict).keys() == {"held"}


@pytest.mark.full
@pytest.mark.fault("F26")
async def test_answers_of_every_bad_kind_cost_neither_a_message_nor_the_worker(
    fleet: Fleet, provider: str, postgres_url: str, tell: list[str]
) -> None:
    kinds = [
        Script(answer=Answer.REFUSE, status=451 if provider == "smtp" else 500),
        Script(answer=Answer.RESET),
        Script(answer=Answer.DRIP, seconds=TIMEOUT / 10),
        Script(answer=Answer.ENDLESS),
        Script(answer=Answer.REFUSE, status=554 if provider == "smtp" else 400),
    ]
    await add_people(postgres_url, FEWER * len(kinds))
    before = memory(fleet.pid("channel-1"))
    async with opened(postgres_url) as store:
        asked: dict[str, Asked] = {}
        for index, script in enumerate(kinds):
            fleet.provider.play(replace(script, calls=1, share=SHARE))
            asked |= await tell_all(fleet.url, FEWER, first=index * FEWER, policy=SOON)
            await until_settled(store, seconds=extent(120, 400))
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
        longest = await store.run(longest_call)
    growth = memory(fleet.pid("channel-1")) - before

    tell.append(
        f"F26 {provider}: {len(kinds)} kinds of bad answers × {FEWER}: {verdict}; "
        f"ends: {in_words(verdict)}; "
        f"the longest call {longest:.1f} s of {TIMEOUT:g} s, memory grew by {growth >> 20} MB"
    )
    assert not verdict.broken
    assert set(verdict.explained.values()) <= {1}, "a yes without an end is one over HTTP alone"
    assert len(verdict.explained) <= FEWER
    assert ends(verdict).keys() == {"failed"}
    assert longest <= TIMEOUT + 1.0
    assert growth <= GROWTH


def ends(verdict: Verdict) -> Counter[str]:
    """How those ended that were not sent."""
    return Counter(verdict.unsent.values())


def in_words(verdict: Verdict) -> str:
    return ", ".join(f"{count} {state}" for state, count in ends(verdict).items()) or "all sent"


def first_of(taken: Sequence[Call], number: int) -> set[str]:
    """The ids of the messages to the first so many people."""
    people = {f"person-{index}@example.com" for index in range(number)}
    return {call.key for call in taken if call.address in people}


def longest_call(connection: sa.Connection) -> float:
    """Seconds of the longest attempt."""
    times = connection.execute(sa.select(attempts.c.started_at, attempts.c.finished_at)).all()
    return max(float((finished - started).total_seconds()) for started, finished in times)


def memory(pid: int) -> int:
    """The most bytes of memory a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
