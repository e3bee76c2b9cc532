"""The scripted provider plays what its script says, in both languages, and writes it down."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.faults.fleet import until
from tests.faults.nursery import IMPORTS
from tests.faults.provider import ScriptedProvider
from tests.faults.provider_script import Answer, Script
from tests.servers import lifeline

SOON, LATE = 0.1, 0.3

Line = asyncio.StreamReader
Hand = Callable[[ScriptedProvider, str], AbstractAsyncContextManager[Line]]
"""Hands over one message of that key; what is read then is the answer."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedProvider]:
    provider = ScriptedProvider(tmp_path_factory.mktemp("provider"))
    process = lifeline.spawn(
        [sys.executable, "-m", *provider.command],
        folder=provider.folder,
        stop=signal.SIGKILL,
        environment={**lifeline.ENVIRONMENT, "PYTHONPATH": IMPORTS},
    )
    yield provider
    process.kill()
    process.wait()


@pytest.fixture
async def provider(started: ScriptedProvider) -> ScriptedProvider:
    """It takes everything."""
    started.play(Script())
    await until(lambda: listens(started.smtp_port), "SMTP is spoken", str)
    await until(lambda: listens(started.http_port), "HTTP is spoken", str)
    return started


@asynccontextmanager
async def by_smtp(provider: ScriptedProvider, key: str) -> AsyncIterator[Line]:
    async with connected(provider.smtp_port) as (reader, writer):
        for words in (b"EHLO me", b"MAIL FROM:<a@x>", b"RCPT TO:<b@x>", b"DATA"):
            await reply(reader)
            writer.write(words + b"\r\n")
        await reply(reader)
        writer.write(b"Message-ID: <%s@localhost>\r\n\r\nhello\r\n.\r\n" % key.encode())
        yield reader


async def reply(reader: Line) -> None:
    while (await reader.readline())[3:4] != b" ":
        pass


@asynccontextmanager
async def by_http(provider: ScriptedProvider, key: str) -> AsyncIterator[Line]:
    body = json.dumps({"id": key, "to": "b@x"})
    head = f"POST /messages HTTP/1.1\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}"
    async with connected(provider.http_port) as (reader, writer):
        writer.write(f"{head}\r\n\r\n{body}".encode())
        yield reader


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[Line, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


both = pytest.mark.parametrize("hand", [by_smtp, by_http])


@both
async def test_what_it_takes_is_in_the_ledger_before_it_says_so(
    provider: ScriptedProvider, hand: Hand
) -> None:
    key = hand.__name__ + "-take"

    async with hand(provider, key) as line:
        assert (await line.readline()).split()[0] in {b"250", b"HTTP/1.1"}

    assert [(call.address, call.taken) for call in provider.calls if call.key == key] == [
        ("b@x", True)
    ]


@both
async def test_late_is_kept_at_once_and_answered_then(
    provider: ScriptedProvider, hand: Hand
) -> None:
    provider.play(Script(answer=Answer.LATE, seconds=LATE))
    began = time.monotonic()

    async with hand(provider, "late") as line:
        assert await line.readline()

    assert time.monotonic() - began >= LATE


@both
async def test_silent_is_kept_and_answered_when_the_script_is_another(
    provider: ScriptedProvider, hand: Hand
) -> None:
    provider.play(Script(answer=Answer.SILENT))

    async with hand(provider, hand.__name__ + "-silent") as line:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.read(1), SOON)
        assert taken(provider, hand.__name__ + "-silent") == 1
        provider.play(Script())
        assert await line.readline()


@both
async def test_closing_is_kept_and_never_answered(provider: ScriptedProvider, hand: Hand) -> None:
    provider.play(Script(answer=Answer.CLOSE))

    async with hand(provider, hand.__name__ + "-close") as line:
        assert await line.read() == b""

    assert taken(provider, hand.__name__ + "-close") == 1


@both
async def test_a_refusal_is_not_kept(provider: ScriptedProvider, hand: Hand) -> None:
    provider.play(Script(answer=Answer.REFUSE, status=421))

    async with hand(provider, "refused") as line:
        assert b"421" in await line.readline()

    assert taken(provider, "refused") == 0


async def test_refusals_ask_for_patience_in_each_of_its_words(provider: ScriptedProvider) -> None:
    provider.play(Script(answer=Answer.REFUSE, status=429, retry_afters=["1", "junk"]))

    asked = []
    for _ in range(3):
        async with by_http(provider, "patience") as line:
            head = await line.readuntil(b"\r\n\r\n")
            asked.append(head.partition(b"retry-after: ")[2].partition(b"\r\n")[0])

    assert asked == [b"1", b"junk", b"1"]


@both
async def test_a_reset_is_a_reset(provider: ScriptedProvider, hand: Hand) -> None:
    provider.play(Script(answer=Answer.RESET))

    async with hand(provider, "reset") as line:
        with pytest.raises(ConnectionResetError):
            await line.read()

    assert taken(provider, "reset") == 0


@both
@pytest.mark.parametrize("answer", [Answer.DRIP, Answer.ENDLESS])
async def test_some_answers_have_no_end(
    provider: ScriptedProvider, hand: Hand, answer: Answer
) -> None:
    provider.play(Script(answer=answer, seconds=0.001))
    size, key = (50 if answer is Answer.DRIP else 1_000_000), f"{hand.__name__}-{answer}"

    async with hand(provider, key) as line:
        assert len(await line.readexactly(size)) == size

    assert taken(provider, key) == (answer is Answer.ENDLESS)


@both
async def test_down_is_down_for_who_comes(provider: ScriptedProvider, hand: Hand) -> None:
    provider.play(Script(down=True))

    with pytest.raises(ConnectionError):
        async with hand(provider, "down") as line:
            assert await line.readline(), "closed without a reset"


@both
async def test_only_the_first_calls_of_a_message_are_met_so(
    provider: ScriptedProvider, hand: Hand
) -> None:
    provider.play(Script(answer=Answer.CLOSE, calls=1))
    key = hand.__name__ + "-first"

    async with hand(provider, key) as line:
        assert await line.read() == b""
    async with hand(provider, key) as line:
        assert await line.readline()

    assert taken(provider, key) == 2


async def test_some_share_of_the_calls_is_met_so(provider: ScriptedProvider) -> None:
    provider.play(Script(answer=Answer.REFUSE, share=0.5))

    statuses = set()
    for number in range(20):
        async with by_http(provider, f"share-{number}") as line:
            statuses.add((await line.readline()).split()[1])

    assert statuses == {b"200", b"503"}


async def test_its_pace_holds_answers_back(provider: ScriptedProvider) -> None:
    provider.play(Script(pace=20))
    began = time.monotonic()

    async def one(number: int) -> None:
        async with by_http(provider, f"pace-{number}") as line:
            assert await line.readline()

    await asyncio.gather(*(one(number) for number in range(7)))

    assert time.monotonic() - began >= 6 / 20


def taken(provider: ScriptedProvider, key: str) -> int:
    return sum(call.key == key for call in provider.taken)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
