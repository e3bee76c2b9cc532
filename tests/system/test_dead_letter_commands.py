"""The commands about dead letters, on a system that answers in this process."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.system.test_dead_letters import buried, change, fail
from tidings.api.server import listen, serving
from tidings.cli import app
from tidings.main import create_app
from tidings.testing.fake_system import FakeSystem


@dataclass(slots=True)
class Answering:
    """A system with three refused mails and an entry nobody can read, behind an address."""

    url: str = ""
    system: FakeSystem | None = None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def run(self, *words: str) -> Result:
        """A command as somebody types it."""
        return CliRunner().invoke(app, ["dead-letters", *words, "--url", self.url])

    def told(self, *words: str) -> Mapping[str, Any]:
        """What it tells machines."""
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        answer: Mapping[str, Any] = json.loads(result.stdout)
        return answer

    def put_in_doubt(self, delivery_id: str) -> None:
        """As if a call's answer had never come."""
        assert self.system is not None
        changing = change(self.system, delivery_id, doubt=True)
        asyncio.run_coroutine_threadsafe(changing, self.loop).result(30)


async def _answer(running: Answering, ready: threading.Event, stop: asyncio.Event) -> None:
    async with FakeSystem() as system:
        running.system = system
        await fail(system, 3)
        await system.dead_letters.keep(buried("{broken"))
        with listen("127.0.0.1", 0) as listener:
            running.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with serving(create_app(system.services), listener, stop):
                ready.set()
                await stop.wait()


@pytest.fixture
def answering() -> Iterator[Answering]:
    running, ready, stop = Answering(), threading.Event(), []

    async def main() -> None:
        stop.append(asyncio.Event())
        await _answer(running, ready, stop[0])

    thread = threading.Thread(target=running.loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(30)
    yield running
    running.loop.call_soon_threadsafe(stop[0].set)
    thread.join(30)
    running.loop.close()


def test_they_are_listed_shown_counted_and_replayed(answering: Answering) -> None:
    listed = answering.told("list", "--kind", "delivery", "--reason", "SPAM", "--limit", "2")
    letter = listed["dead_letters"][0]
    shown = answering.run("show", letter["kind"], letter["id"])
    counted = answering.told("replay", "--workflow", "welcome", "--dry-run")
    one = answering.run("replay", letter["kind"], letter["id"])
    rest = answering.told("replay", "--all")

    assert (len(listed["dead_letters"]), listed["next"] is None) == (2, False)
    assert "554 no spam please" in shown.output
    assert "user" in shown.output
    assert counted == {"replayed": 3, "left": 0, "in_doubt": 0}
    assert f"delivery {letter['id']} is replayed." in one.output
    assert rest == {"replayed": 2, "left": 1, "in_doubt": 0}


def test_for_people_there_is_a_line_for_each_and_a_sentence_at_the_end(
    answering: Answering,
) -> None:
    listed = answering.run("list", "--limit", "3")
    replayed = answering.run("replay", "--all")

    assert listed.stdout.count("\n") == 4
    assert "There are older ones: --before " in listed.stdout
    assert replayed.stdout == "3 replayed, 1 left as they are.\n"


def test_those_in_doubt_are_counted_and_what_takes_them_is_told(answering: Answering) -> None:
    letter = answering.told("list", "--kind", "delivery")["dead_letters"][0]
    answering.put_in_doubt(letter["id"])

    replayed = answering.run("replay", "--kind", "delivery")
    rest = answering.told("replay", "--kind", "delivery", "--in-doubt")

    assert replayed.stdout.splitlines() == [
        "2 replayed.",
        "1 left out because they may have been delivered: --in-doubt takes them too.",
    ]
    assert rest == {"replayed": 1, "left": 0, "in_doubt": 0}


@pytest.mark.parametrize(
    "words", [["replay"], ["replay", "delivery"], ["replay", "event", "x", "--workflow", "y"]]
)
def test_a_command_that_does_not_say_which_is_refused(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["dead-letters", *words])

    assert result.exit_code == 1
    assert result.exception is not None
