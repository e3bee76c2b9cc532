"""Where SMTP and HTTP meet the script: one whole message came, and something becomes of it."""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, cycle
from typing import cast

from tests.faults.provider_ledger import Call, LedgerWriter
from tests.faults.provider_script import Answer, Script, ScriptReader
from tests.faults.resets import reset

#: seconds between two looks at whether the script is another
_LOOK = 0.02
_KEPT = frozenset({Answer.TAKE, Answer.LATE, Answer.SILENT, Answer.CLOSE, Answer.ENDLESS})


class Stage:
    """What all conversations of the process share; its chances are the same in every run."""

    def __init__(self, reader: ScriptReader, ledger: LedgerWriter) -> None:
        self._reader = reader
        self.ledger = ledger
        self._chance = random.Random(1)
        self._calls: Counter[str] = Counter()
        self._refusals = 0
        self._free_at = 0.0

    @property
    def script(self) -> Script:
        """What is played now."""
        return self._reader.script

    def meet(self, key: str) -> tuple[Answer, Script]:
        """How one call is met."""
        script = self.script
        self._calls[key] += 1
        spared = script.calls and self._calls[key] > script.calls
        if spared or self._chance.random() >= script.share:
            return Answer.TAKE, script
        return script.answer, script

    def wait(self, script: Script) -> float:
        """Seconds until the next answer may be given."""
        if script.pace is None:
            return 0.0
        now = time.monotonic()
        self._free_at = max(now, self._free_at + 1 / script.pace)
        return self._free_at - now

    def retry_after(self, script: Script) -> str | None:
        """What this refusal asks for: the script's words in turn."""
        if not script.retry_afters:
            return None
        self._refusals += 1
        return script.retry_afters[(self._refusals - 1) % len(script.retry_afters)]


class Conversation(asyncio.Protocol, ABC):
    """One connection; what a language has to say is its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._stage.script.down:
            self._reset()
            return
        self.greet()

    @abstractmethod
    def greet(self) -> None:
        """Say what is said first."""

    @abstractmethod
    def taken(self, key: str) -> bytes:
        """It was taken."""

    @abstractmethod
    def refused(self, status: int, retry_after: str | None) -> bytes:
        """It was not."""

    @abstractmethod
    def endless(self) -> Iterator[bytes]:
        """The parts of an answer that has no end."""

    @abstractmethod
    def dripping(self) -> Iterator[bytes]:
        """Such an answer byte by byte."""

    def say(self, words: bytes) -> None:
        """Unless the other side has gone."""
        if not self._transport.is_closing():
            self._transport.write(words)

    def came(self, *, address: str, key: str) -> None:
        """One whole message is there."""
        if self._stage.script.down:
            self._reset()
            return
        answer, script = self._stage.meet(key)
        call = Call(at=time.time(), address=address, key=key, taken=answer in _KEPT)
        self._stage.ledger.add(call, lambda: self._follow(answer, script, key))

    def _follow(self, answer: Answer, script: Script, key: str) -> None:
        match answer:
            case Answer.TAKE | Answer.LATE | Answer.SILENT:
                self._confirm(answer, script, key)
            case Answer.CLOSE:
                self._transport.close()
            case Answer.REFUSE:
                self.say(self.refused(script.status, self._stage.retry_after(script)))
            case Answer.RESET:
                self._reset()
            case Answer.DRIP:
                self._go_on(self.dripping(), script.seconds)
            case Answer.ENDLESS:
                self._go_on(self.endless(), 0.0)

    def _confirm(self, answer: Answer, script: Script, key: str) -> None:
        if answer is Answer.SILENT and self._stage.script is script:
            self._later(_LOOK, lambda: self._confirm(answer, script, key))
            return
        seconds = script.seconds if answer is Answer.LATE else self._stage.wait(script)
        if seconds:
            self._later(seconds, lambda: self.say(self.taken(key)))
        else:
            self.say(self.taken(key))

    def _go_on(self, parts: Iterator[bytes], seconds: float) -> None:
        """Part after part for as long as the other side is there and reads."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() == 0:
            self.say(next(parts))
        self._later(seconds, lambda: self._go_on(parts, seconds))

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, what)

    def _reset(self) -> None:
        reset(self._transport)


def bytewise(rest: bytes, *, head: bytes = b"") -> Iterator[bytes]:
    """Byte by byte, the rest again and again."""
    return (bytes([byte]) for byte in chain(head, cycle(rest)))
