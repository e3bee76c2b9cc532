"""What the scripted provider is to do, told by a file beside its ledger."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

SCRIPT = "script.json"


class Answer(StrEnum):
    """What becomes of a message, and of the connection it came on."""

    #: kept, and said so
    TAKE = "take"
    #: kept, and said so after `seconds`
    LATE = "late"
    #: kept, and said so once the script is another
    SILENT = "silent"
    #: kept, and hung up on without a word
    CLOSE = "close"
    #: kept, and said so in an answer without an end, as fast as it can be read
    ENDLESS = "endless"
    #: not kept: `status`, with `retry_after` where one is given
    REFUSE = "refuse"
    #: not kept: RST
    RESET = "reset"
    #: not kept: an answer byte by byte, each after `seconds`, that has no end
    DRIP = "drip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the calls that come now are met."""

    answer: Answer = Answer.TAKE
    #: of each message only so many first calls are met so, those after them are taken; 0: all
    calls: int = 0
    #: the share of the calls that are met so, by chance; the others are taken
    share: float = 1.0
    seconds: float = 0.0
    status: int = 503
    retry_afters: Sequence[str] = ()
    #: answers a second, and no more
    pace: float | None = None
    #: whoever comes, or hands a message over, is reset at once
    down: bool = False


def write_script(folder: Path, script: Script) -> None:
    """Play this from now on."""
    beside = folder / f"{SCRIPT}.new"
    beside.write_text(json.dumps(asdict(script)))
    beside.replace(folder / SCRIPT)


class ScriptReader:
    """The script as the file has it now; without a file everything is taken."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SCRIPT
        self._seen = (0, 0)
        self._script = Script()

    @property
    def script(self) -> Script:
        """Read anew when the file is another."""
        try:
            changed = self._path.stat()
        except FileNotFoundError:
            return self._script
        stamp = changed.st_ino, changed.st_mtime_ns
        if stamp != self._seen:
            self._seen = stamp
            given = json.loads(self._path.read_text())
            self._script = Script(**{**given, "answer": Answer(given["answer"])})
        return self._script
