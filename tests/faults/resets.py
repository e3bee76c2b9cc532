"""Ending a connection by RST, as a crashed machine or a firewall does."""

import asyncio
import socket
import struct

_AT_ONCE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport | asyncio.WriteTransport) -> None:
    """End it at once: over TCP by RST."""
    end = transport.get_extra_info("socket")
    if not transport.is_closing() and end.family == socket.AF_INET:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
