"""A system that answers commands in this process."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner, Result

from tidings.api.server import listen, serving
from tidings.cli import app
from tidings.main import create_app
from tidings.testing.fake_system import FakeSystem

Work = Callable[[FakeSystem], Coroutine[Any, Any, object]]


@dataclass(slots=True)
class Answering:
    """A system behind an address, on a loop of its own."""

    #: the command whose subcommands are run
    command: str
    url: str = ""
    system: FakeSystem | None = None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    ready: threading.Event = field(default_factory=threading.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self, *words: str, typed: str = "") -> Result:
        """A command as somebody types it."""
        return CliRunner().invoke(app, [self.command, *words, "--url", self.url], input=typed)

    def told(self, *words: str, typed: str = "") -> Mapping[str, Any]:
        """What it tells machines."""
        result = self.run(*words, "--json", typed=typed)
        assert result.exit_code == 0, result.output
        answer: Mapping[str, Any] = json.loads(result.stdout)
        return answer

    def do(self, work: Work) -> None:
        """Work on the system itself."""
        assert self.system is not None
        asyncio.run_coroutine_threadsafe(work(self.system), self.loop).result(30)

    async def answer(self, prepare: Work | None) -> None:
        """Answer until `stop` is set."""
        async with FakeSystem() as self.system:
            if prepare is not None:
                await prepare(self.system)
            with listen("127.0.0.1", 0) as listener:
                self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                async with serving(create_app(self.system.services), listener, self.stop):
                    self.ready.set()
                    await self.stop.wait()


@contextmanager
def answering(command: str, prepare: Work | None = None) -> Iterator[Answering]:
    """A system that `prepare` has worked on answers until the block is left."""
    running = Answering(command)
    thread = threading.Thread(
        target=running.loop.run_until_complete, args=(running.answer(prepare),)
    )
    thread.start()
    assert running.ready.wait(30)
    yield running
    running.loop.call_soon_threadsafe(running.stop.set)
    thread.join(30)
    running.loop.close()
