"""Once there is a status it is told: heads that come with bodies which are none, over sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import uvloop

from tests.servers.smtp import CERTIFICATE, server_context
from tidings.channels.tls import context
from tidings.core.errors import OutcomeUnknown
from tidings.egress.http import Answer, HttpClient

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
#: what comes in one piece → status and Retry-After that are told
BAD_BODIES = {
    "204 with chunks": (b"HTTP/1.1 204 No Content\r\n" + CHUNKED + b"0\r\n\r\n", 204, None),
    "204 with a body": (b"HTTP/1.1 204 No Content\r\n\r\nOK", 204, None),
    "200, length 0, a body": (OK + b"Content-Length: 0\r\n\r\nOK", 200, None),
    "200, a body too long": (OK + b"Content-Length: 2\r\n\r\n{} and more", 200, None),
    "200, one line end more": (OK + b"Content-Length: 2\r\n\r\n{}\n", 200, None),
    "200, chunks that are none": (OK + CHUNKED + b"OK", 200, None),
    "200, a second answer": (OK + b"Content-Length: 0\r\n\r\nHTTP/1.1 500 No\r\n\r\n", 200, None),
    "422, chunks that are none": (b"HTTP/1.1 422 No\r\n" + CHUNKED + b"no", 422, None),
    "429, chunks that are none": (
        b"HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\n" + CHUNKED + b"slow down",
        429,
        "3600",
    ),
    "after news of it": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n" + CHUNKED + b"busy",
        503,
        "7",
    ),
}
#: a body that is none must not hold a call until its time is over
AT_ONCE = 10.0


class Speaker:
    """Says the given pieces to each request, and keeps the connection."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for piece in self._pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005 * (len(self._pieces) > 1))
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def speaking(*pieces: bytes, tls: bool = False) -> AsyncIterator[tuple[Speaker, str]]:
    speaker = Speaker(pieces)
    secured = server_context() if tls else None
    server = await asyncio.start_server(speaker.begin, "127.0.0.1", 0, ssl=secured)
    port = server.sockets[0].getsockname()[1]
    try:
        yield speaker, f"{'https' if tls else 'http'}://localhost:{port}/"
    finally:
        server.close()
        await speaker.end()


async def called(*pieces: bytes, tls: bool = False) -> Answer:
    trusted = context(CERTIFICATE, setting="-") if tls else None
    async with speaking(*pieces, tls=tls) as (_, url), HttpClient(timeout=30, tls=trusted) as http:
        async with asyncio.timeout(AT_ONCE):
            return await http.request("GET", url)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("way", BAD_BODIES)
async def test_a_body_that_is_none_takes_no_status_with_it(way: str, tls: bool) -> None:
    piece, status, wait = BAD_BODIES[way]

    answer = await called(piece, tls=tls)

    assert (answer.status, answer.headers.get("retry-after")) == (status, wait)


@pytest.mark.parametrize("way", ["after news of it", "200, length 0, a body"])
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_answer_in_any_pieces_is_the_same(
    way: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    piece, status, _ = BAD_BODIES[way]
    with asyncio.Runner(loop_factory=new_loop) as runner:
        for at in range(1, len(piece)):
            answer = runner.run(called(piece[:at], piece[at:]))
            assert answer.status == status


async def test_a_body_is_whole_though_it_looks_like_a_head() -> None:
    body = b"\r\n\r\nHTTP/1.1 100 Go on\r\n\r\n" * 1000

    answer = await called(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert answer.body == body


async def test_a_good_answer_keeps_its_connection_and_a_bad_one_is_not_asked_again() -> None:
    good = OK + b"Content-Length: 2\r\n\r\n{}"
    for piece, connections in ((good, 1), (good + b"{}", 3)):
        async with speaking(piece) as (speaker, url), HttpClient() as http:
            answers = [await http.request("GET", url) for _ in range(3)]

        assert [(one.status, one.body) for one in answers] == [(200, b"{}")] * 3
        assert speaker.connections == connections


@pytest.mark.parametrize("head", [b"220 mail.example ESMTP\r\n\r\n", b"HTTP/1.1 20x\r\n\r\n"])
async def test_a_head_that_is_none_is_no_answer_whatever_follows(head: bytes) -> None:
    with pytest.raises(OutcomeUnknown, match="not in HTTP"):
        await called(head + OK + b"Content-Length: 0\r\n\r\n")
