"""A mail server that takes everything and keeps a ledger: `python -m tests.faults.smtp_sink`.

A process of its own, outside of the system under test: what stands in its ledger reached it. While
there is a file `silence` beside the ledger it takes mails and answers none of them.
"""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import uvloop

SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One line of the ledger."""

    address: str
    message_id: str


def read_ledger(path: Path) -> list[Mail]:
    """Every mail that was taken, in order."""
    if not path.exists():
        return []
    whole_lines = path.read_text().rpartition("\n")[0].splitlines()
    return [Mail(**json.loads(line)) for line in whole_lines]


class Sink(asyncio.Protocol):
    """Speaks just enough SMTP (RFC 5321) for a client that pipelines nothing; one connection.

    It is lean, so that on a small machine the system under test is what is measured.
    """

    def __init__(self, ledger: BinaryIO) -> None:
        self._ledger = ledger
        self._silence = Path(ledger.name).with_name(SILENCE)
        self._heard = b""
        self._address = ""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._heard += data
        end = b"\r\n.\r\n" if self._in_data else b"\r\n"
        if not self._heard.endswith(end):
            return
        heard, self._heard = self._heard, b""
        if self._in_data:
            self._keep(heard)
            self._confirm()
            return
        self._transport.write(self._reply(heard))
        if heard[:4].upper() == b"QUIT":
            self._transport.close()

    def _reply(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._address = line.decode().partition("<")[2].partition(">")[0]
        self._in_data = verb == b"DATA"
        return _REPLIES.get(verb, b"250 OK\r\n")

    def _keep(self, mail: bytes) -> None:
        self._in_data = False
        found = _MESSAGE_ID.search(mail)
        assert found is not None, "a mail without a Message-ID"
        line = {"address": self._address, "message_id": found[1].decode().lower()}
        self._ledger.write(json.dumps(line).encode() + b"\n")
        self._ledger.flush()
        os.fsync(self._ledger.fileno())

    def _confirm(self) -> None:
        """What is on the disk, as soon as there is no silence."""
        if self._silence.exists():
            asyncio.get_running_loop().call_later(0.02, self._confirm)
        elif not self._transport.is_closing():
            self._transport.write(b"250 OK\r\n")


_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_REPLIES = {
    b"EHLO": b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}


async def serve(port: int, ledger: Path) -> None:
    """Listen on the loopback until killed."""
    with ledger.open("ab") as file:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Sink(file), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
