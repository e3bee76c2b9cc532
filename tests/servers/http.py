"""An endpoint for the `http` provider: it obliges, save where its script has something else."""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What is done in place of an answer; the connection is closed afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The message it carries."""
        content: dict[str, Any] = orjson.loads(self.body)
        return content


def answer(status: int, body: object = None, **headers: str) -> bytes:
    """An answer with a JSON body; the connection stays."""
    content = b"" if body is None else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class HttpEndpoint:
    """Takes messages by POST and tells of them by GET ?id=; its script is used up call by call."""

    def __init__(
        self,
        script: Iterable[bytes | Act] = (),
        *,
        tls: ssl.SSLContext | None = None,
        unread: Act | None = None,
    ) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        #: the messages that were taken, by id, with the id each was given
        self.taken: dict[str, str] = {}
        self.connections = 0
        self.origin = ""
        self._tls = tls
        #: done when a request's head has come, while its body is left unread
        self._unread = unread
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where messages go."""
        return f"{self.origin}/messages"

    @property
    def check_url(self) -> str:
        """Where it tells of them."""
        return f"{self.origin}/taken"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0, ssl=self._tls)
        port = server.sockets[0].getsockname()[1]
        self.origin = f"{'https' if self._tls else 'http'}://localhost:{port}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._unread is not None:
                await reader.readuntil(b"\r\n\r\n")
                await self._unread(writer)
            while request := await _read(reader):
                self.requests.append(request)
                if not await self._said(request, writer):
                    return
        except OSError:
            return
        finally:
            writer.close()

    async def _said(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer it; whether the connection goes on."""
        act = self.script.pop(0) if self.script else self._obliging(request)
        if not isinstance(act, bytes):
            await act(writer)
            return False
        writer.write(act)
        await writer.drain()
        return True

    def _obliging(self, request: Request) -> bytes:
        if request.method == "POST":
            given = self.taken.setdefault(request.message["id"], f"E{len(self.taken) + 1}")
            return answer(200, {"id": given})
        (wanted,) = parse_qs(urlsplit(request.target).query).get("id", [""])
        given = self.taken.get(wanted, "")
        return answer(200, {"id": given}) if given else answer(404, {"reason": "not taken"})


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _version = first.split(" ")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except asyncio.IncompleteReadError:
        return None
    return Request(method=method, target=target, headers=headers, body=body)


# Ways to misbehave.

HEAD = b"HTTP/1.1 %d Said\r\n"


async def hang_up(_writer: asyncio.StreamWriter) -> None:
    """Closed without a word."""


async def reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def say_nothing(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def then(start: bytes, act: Act) -> Act:
    """First these bytes."""

    async def act_after(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await writer.drain()
        await act(writer)

    return act_after


def repeating(piece: bytes, *, pause: float = 0.0) -> Act:
    """The same bytes without end."""

    async def act(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return act


def bomb(size: int) -> bytes:
    """A small body that would become a large one."""
    packed = gzip.compress(b'{"id": "' + b"x" * size + b'"}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    return head.encode() + packed
