"""Warnings that may repeat without end must not fill the log."""

import time

from tidings.core.logs import get_logger


class QuietLog:
    """Warnings, at most one a second; the next one tells how many were left out."""

    def __init__(self, name: str, *, seconds: float = 1.0) -> None:
        self._log = get_logger(name)
        self._seconds = seconds
        self._next = 0.0
        self._left_out = 0

    def warning(self, message: str, **fields: object) -> None:
        """Log it, unless a line was logged within the last second."""
        now = time.monotonic()
        if now < self._next:
            self._left_out += 1
            return
        if self._left_out:
            fields["left_out"] = self._left_out
        self._log.warning(message, **fields)
        self._next, self._left_out = now + self._seconds, 0
