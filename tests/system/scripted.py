"""A server on loopback that answers what a test tells it to, and keeps what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def says(status: int, body: object, *headers: str) -> bytes:
    """An answer with a JSON body."""
    content = orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content


#: the connection is closed without a word
SILENCE = b""


@dataclass(slots=True, kw_only=True)
class Script:
    """What is answered, one after the other, and what was asked."""

    url: str = ""
    answers: Iterator[bytes]
    asked: list[Asked] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, path, _version = first.split(" ")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(method=method, path=path, headers=headers, body=body))
        writer.write(next(self.answers))
        writer.close()


@asynccontextmanager
async def scripted(answers: Iterable[bytes]) -> AsyncIterator[Script]:
    """A server for these answers, at `url`."""
    script = Script(answers=iter(answers))
    server = await asyncio.start_server(script.talk, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield script
    server.close()
