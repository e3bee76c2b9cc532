"""Lines that may repeat without end must not fill the log."""

import time
from dataclasses import dataclass
from traceback import format_tb

from tidings.core.logs import get_logger


def in_words(error: Exception, seconds: float) -> str:
    """What went wrong; a timeout of so many seconds has no words of its own."""
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:g} s"
    return str(error)


@dataclass(slots=True)
class _Line:
    """One message: when it may be logged again, and how often it was left out until then."""

    next: float = 0.0
    left_out: int = 0


class QuietLog:
    """Each message at most once a second; the next line of it tells how many were left out."""

    def __init__(self, name: str, *, seconds: float = 1.0) -> None:
        self._log = get_logger(name)
        self._seconds = seconds
        self._lines: dict[str, _Line] = {}

    def warning(self, message: str, **fields: object) -> None:
        """Log it, unless the same message was logged within the last second."""
        told = self._told(message)
        if told is not None:
            self._log.warning(message, **fields, **told)

    def error(self, message: str, error: BaseException, **fields: object) -> None:
        """Log a fault likewise: its type and stack, not its words, which may hold an address."""
        told = self._told(message)
        if told is not None:
            stack = "".join(format_tb(error.__traceback__))
            self._log.error(message, error=type(error).__name__, stack=stack, **fields, **told)

    def _told(self, message: str) -> dict[str, object] | None:
        """What a line says of those before it; None where it is to be left out."""
        now, line = time.monotonic(), self._lines.setdefault(message, _Line())
        if now < line.next:
            line.left_out += 1
            return None
        told: dict[str, object] = {"left_out": line.left_out} if line.left_out else {}
        line.next, line.left_out = now + self._seconds, 0
        return told
