"""A mail server that takes everything and keeps a ledger: `python -m tests.faults.smtp_sink`.

A process of its own, outside of the system under test: what stands in its ledger reached it. While
there is a file `silence` beside the ledger it takes mails and answers none of them.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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


class Sink:
    """Speaks just enough SMTP (RFC 5321) for a client that pipelines nothing."""

    def __init__(self, ledger: BinaryIO) -> None:
        self._ledger = ledger
        self._silence = Path(ledger.name).with_name(SILENCE)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's conversation, until it hangs up."""
        writer.write(b"220 sink ESMTP\r\n")
        address = ""
        while line := (await reader.readline()).decode().strip():
            verb = line[:4].upper()
            if verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                self._keep(address, await reader.readuntil(b"\r\n.\r\n"))
                while self._silence.exists():
                    await asyncio.sleep(0.02)
            writer.write(_replies(verb))
            if verb == "QUIT":
                break
        writer.close()

    def _keep(self, address: str, mail: bytes) -> None:
        headers = mail.decode().lower().splitlines()
        message_id = next(one for one in headers if one.startswith("message-id:"))
        line = {"address": address, "message_id": message_id.partition(":")[2].strip()}
        self._ledger.write(json.dumps(line).encode() + b"\n")
        self._ledger.flush()
        os.fsync(self._ledger.fileno())


def _replies(verb: str) -> bytes:
    if verb == "EHLO":
        return b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
    return b"221 bye\r\n" if verb == "QUIT" else b"250 OK\r\n"


async def serve(port: int, ledger: Path) -> None:
    """Listen on the loopback until killed."""
    with ledger.open("ab") as file:
        server = await asyncio.start_server(Sink(file).talk, "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
