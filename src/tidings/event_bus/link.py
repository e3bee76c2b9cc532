"""The two connections to Redis: one client for commands, another for blocking reads."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tidings.core.errors import ConfigurationError, Unavailable

Word = str | bytes | int | float
Up = Callable[[bool], object]
"""Told after each command whether Redis is up to it."""

_Ask = Callable[..., Awaitable[Any]]


def _tell_nobody(_up: bool) -> None:
    return


class GroupMissing(Unavailable):
    """Redis does not know the group or the channel: it was flushed, restarted or evicted."""


class Link:
    """Speaks to Redis within bounded time and tells failures in our own words.

    Every method raises Unavailable when Redis can't be reached or refuses.
    """

    def __init__(self, url: str, *, patience: float, up: Up = _tell_nobody) -> None:
        self._patience = patience
        self._up = up
        self._commands = _client(url, socket_timeout=patience, retry=Retry(NoBackoff(), 1))
        # A blocking read must not end by the client's own time-out: `read` bounds it.
        self._reads = _client(
            url, socket_timeout=None, health_check_interval=15, retry=Retry(NoBackoff(), 0)
        )
        self._ask = _asker(self._commands)
        self._ask_reading = _asker(self._reads)
        self.closed = False

    async def command(self, *words: Word) -> Any:
        """One command's answer."""
        return await self._within(self._patience, str(words[0]), lambda: self._ask(*words))

    async def script(self, script: str, bus_channel: str, *arguments: Word) -> Any:
        """What a script on one channel answers."""
        return await self.command("EVAL", script, 1, bus_channel, *arguments)

    async def pipeline(
        self, commands: Sequence[tuple[Word, ...]], *, atomic: bool = False
    ) -> list[Any]:
        """The answers to commands sent at once; one that was refused is answered by its error."""
        pipeline = self._commands.pipeline(transaction=atomic)
        answers: list[Any] = await self._within(
            self._patience, str(commands[-1][0]), lambda: _execute(pipeline, commands)
        )
        return answers

    async def read(self, *words: Word, block: float) -> Any:
        """The answer to a blocking read, which may lie on the server for `block` seconds."""
        seconds = block + self._patience
        return await self._within(seconds, str(words[0]), lambda: self._ask_reading(*words))

    async def aclose(self) -> None:
        """Close every connection; what is asked afterwards is refused."""
        self.closed = True
        await self._commands.aclose()
        await self._reads.aclose()

    async def _within(self, seconds: float, what: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        if self.closed:
            raise Unavailable("the event bus is closed")
        try:
            async with asyncio.timeout(seconds):
                with _heeding_cancellation():
                    answer = await ask()
        except (RedisError, OSError, TimeoutError) as error:
            failure = translated(error, what)
            self._up(isinstance(failure, GroupMissing))
            raise failure from error
        self._up(True)
        return answer


@contextmanager
def _heeding_cancellation() -> Iterator[None]:
    """redis-py 8.1 swallows a cancellation that meets it while it connects: raise it again."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def translated(error: BaseException, what: str) -> Unavailable | ConfigurationError:
    """A failure of Redis in our own words."""
    text = str(error) or type(error).__name__
    if "WRONGTYPE" in text:
        return ConfigurationError(
            f"a bus channel's key in Redis holds something else than a stream ({what}): "
            "rename that key, or give Tidings a Redis database of its own"
        )
    if "NOGROUP" in text:
        return GroupMissing(f"Redis has lost a group ({what}): {text}")
    return Unavailable(
        f"Redis could not do {what}: {text}; check that it runs at TIDINGS_REDIS_URL"
    )


def milliseconds(seconds: float) -> int:
    """Seconds as Redis counts them; never 0, which would mean for ever."""
    return max(1, round(seconds * 1000))


def _client(url: str, **options: Any) -> Redis:
    return Redis.from_url(
        url, protocol=2, socket_connect_timeout=5, max_connections=10_000, **options
    )


def _asker(client: Redis) -> _Ask:
    ask: _Ask = client.execute_command
    return ask


async def _execute(pipeline: Pipeline, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
    async with pipeline:
        for words in commands:
            pipeline.execute_command(*words)
        return await pipeline.execute(raise_on_error=False)
