"""A name server for tests: names of containers, addresses of the loopback."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

_ANSWER, _NO_SUCH_NAME = 0x8180, 0x8183
_HEADER = 12


class Names(asyncio.DatagramProtocol):
    """Answers each question (RFC 1035) with all addresses its name has at the moment."""

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._addresses = addresses
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # asyncio's own documented narrowing
        """Keep the socket to answer on."""
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str | object, int]) -> None:
        """Answer one question."""
        end = data.index(b"\0", _HEADER) + 1
        found = self._addresses.get(_name(data[_HEADER:end]), ())
        flags = _ANSWER if found else _NO_SUCH_NAME
        header = data[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, 1, 1, 5, 4) + socket.inet_aton(each) for each in found
        )
        self._transport.sendto(header + data[_HEADER : end + 4] + records, address)


@asynccontextmanager
async def serving_names(addresses: Mapping[str, Sequence[str]]) -> AsyncIterator[int]:
    """Serve them on a port of the loopback, which it yields."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Names(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def _name(labels: bytes) -> str:
    words = []
    while labels[0]:
        words.append(labels[1 : labels[0] + 1].decode())
        labels = labels[labels[0] + 1 :]
    return ".".join(words)
