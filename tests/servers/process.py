"""A server of our own that tests may stop, kill and start again."""

import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tests.servers import lifeline

PATIENCE = 20.0
"""Seconds to wait for a server to come up or go away on a busy machine."""


class PrivateServer(ABC):
    """One server process in one private folder; its address survives every restart."""

    name: str
    stop_signal: signal.Signals
    as_nobody = False

    def __init__(self) -> None:
        self.folder = lifeline.private_folder(nobodys=self.as_nobody)
        self._process: subprocess.Popen[bytes] | None = None
        #: it has answered since it was started last
        self._has_answered = False

    @property
    @abstractmethod
    def url(self) -> str:
        """The address clients connect to."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """How to start it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers; nothing if it runs already."""
        deadline = time.monotonic() + PATIENCE
        while not (self.running and (self._has_answered or self.is_ready())):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not come up:\n{self.log()[-2000:]}")
            if not self.running:
                self._spawn()
            time.sleep(0.005)
        self._has_answered = True

    def stop(self) -> None:
        """End it in an orderly way: clients are cut off, what is committed is kept."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it for good and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / lifeline.LOG).read_text(encoding="utf-8", errors="replace")

    def _spawn(self) -> None:
        self._has_answered = False
        self._process = lifeline.spawn(
            self.command(), folder=self.folder, stop=self.stop_signal, as_nobody=self.as_nobody
        )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
