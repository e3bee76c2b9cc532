"""The ledger of the scripted provider: what stands in it reached the provider."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line: a message handed to the provider, taken or not."""

    #: seconds since 1970
    at: float
    address: str
    #: the delivery's id, by which the provider could tell a repeat
    key: str
    taken: bool = True


class LedgerWriter:
    """Lines are on the disk before anybody hears of them; those of one turn go together."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: list[tuple[Call, Callable[[], None]]] = []

    def add(self, call: Call, then: Callable[[], None]) -> None:
        """Write a line, and once it is on the disk call `then`."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((call, then))

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._file.writelines(json.dumps(asdict(call)).encode() + b"\n" for call, _ in waiting)
        self._file.flush()
        os.fsync(self._file.fileno())
        for _, then in waiting:
            then()


class Ledger:
    """The ledger as another process reads it, as far as it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._calls: list[Call] = []

    @property
    def calls(self) -> list[Call]:
        """Every call, in order."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                whole_lines = file.read().rpartition(b"\n")[0]
            if whole_lines:
                self._read += len(whole_lines) + 1
                self._calls += [Call(**json.loads(line)) for line in whole_lines.splitlines()]
        return self._calls

    @property
    def taken(self) -> list[Call]:
        """Every message that was taken, as often as it was."""
        return [call for call in self.calls if call.taken]
