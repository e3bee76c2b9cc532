"""A scripted provider in a process of its own: `python -m tests.faults.provider <folder>`.

It speaks SMTP and HTTP, plays what the script in its folder says, and keeps a ledger there. It is
outside of the system under test: what stands in its ledger reached it.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from tests.faults.provider_http import HttpConversation
from tests.faults.provider_ledger import Call, Ledger, LedgerWriter
from tests.faults.provider_script import Script, ScriptReader, write_script
from tests.faults.provider_smtp import SmtpConversation
from tests.faults.provider_stage import Stage
from tests.servers.ports import free_port

_LEDGER = "ledger.jsonl"


class ScriptedProvider:
    """One such process, as those who started it see it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.smtp_port, self.http_port = free_port(), free_port()
        self._ledger = Ledger(folder / _LEDGER)

    @property
    def command(self) -> tuple[str, ...]:
        """How to start it."""
        return (
            "tests.faults.provider",
            str(self.folder),
            str(self.smtp_port),
            str(self.http_port),
        )

    @property
    def calls(self) -> list[Call]:
        """Every call there was, in order."""
        return self._ledger.calls

    @property
    def taken(self) -> list[Call]:
        """Every message it took, as often as it did."""
        return self._ledger.taken

    def play(self, script: Script) -> None:
        """From the next call on."""
        write_script(self.folder, script)


async def serve(folder: Path, smtp_port: int, http_port: int) -> None:
    """Listen on the loopback until killed."""
    loop = asyncio.get_running_loop()
    with (folder / _LEDGER).open("ab") as file:
        stage = Stage(ScriptReader(folder), LedgerWriter(file))
        await loop.create_server(lambda: SmtpConversation(stage), "127.0.0.1", smtp_port)
        await loop.create_server(lambda: HttpConversation(stage), "127.0.0.1", http_port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
