"""Our own programs as processes that start at once, for they are forked: see `forking`."""

import functools
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import tidings
from tests.faults.forking import MOST
from tests.servers import lifeline

#: where a process finds the tests, and the very package that these test: more than one may be there
IMPORTS = os.pathsep.join(map(str, [Path(__file__).parents[2], Path(tidings.__file__).parents[1]]))
#: seconds in which it loads everything, and forks, on a busy machine
_PATIENCE = 60.0
_LOOK = 0.05


class Nursery:
    """One process that others are forked from; they die with it, and it dies with us."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._ends: dict[int, int] = {}
        self._log = folder / lifeline.LOG
        path = folder / "nursery.socket"
        self._process = lifeline.spawn(
            [sys.executable, "-m", "tests.faults.forking", str(path)],
            folder=folder,
            stop=signal.SIGKILL,
            environment={**lifeline.ENVIRONMENT, "PYTHONPATH": IMPORTS},
        )
        self._socket = self._connect(path)

    def start(
        self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: str
    ) -> "Child":
        """Start one of PROGRAMS, with its arguments, as `lifeline.spawn` starts a process."""
        request = {
            "command": command,
            "folder": str(folder),
            "environment": dict(environment),
            "log": str(folder / log),
        }
        with self._lock:
            self._socket.sendall(json.dumps(request).encode())
            while (pid := self._hear(_PATIENCE)) is None:
                pass
            self._ends.pop(pid, None)  # the end of an earlier one that had this number
        return Child(self, pid)

    def end(self, pid: int, *, seconds: float) -> int | None:
        """How a process ended; None where it has not within so many seconds."""
        with self._lock:
            while pid not in self._ends and select.select([self._socket], [], [], seconds)[0]:
                self._hear(0.0)
            return self._ends.get(pid)

    def _hear(self, seconds: float) -> int | None:
        """The number of a process that was started; None after news of an end."""
        self._socket.settimeout(seconds)
        raw = self._socket.recv(MOST)
        assert raw, f"the nursery is dead: {self._log.read_text()}"
        news = json.loads(raw)
        if "status" not in news:
            return int(news["pid"])
        self._ends[news["pid"]] = news["status"]
        return None

    def kill(self) -> None:
        """End it by SIGKILL, and so all that were forked from it."""
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _connect(self, path: Path) -> socket.socket:
        deadline = time.monotonic() + _PATIENCE
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                connection.connect(str(path))
                return connection
            except OSError:
                connection.close()
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, "the nursery does not listen"
                time.sleep(_LOOK)


class Child:
    """A forked process, with what we use of `subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        #: minus the signal's number for one that a signal ended
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended. Raises TimeoutError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self._look(_LOOK)) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended since then
                os.kill(self.pid, number)

    def _look(self, seconds: float) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.end(self.pid, seconds=seconds)
        return self.returncode


@functools.cache
def nursery() -> Nursery:
    """The one of this session, made when it is first asked for."""
    return Nursery(lifeline.private_folder())
