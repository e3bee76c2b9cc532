"""A Redis that writes to its disk, and a power cut: what was not flushed there is gone."""

import re
import shutil
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.faults.fleet import wait_until
from tests.servers import lifeline
from tests.servers.binaries import find_redis
from tests.servers.missing import unavailable
from tests.servers.redis import PrivateRedis

_TRACE = "trace"
#: a call as strace writes it: whole, or in two halves where another thread came between
_WHOLE = re.compile(r"^(\d+) +(write|fdatasync)\(.* = (-?\d+)")
_BEGUN = re.compile(r"^(\d+) +(write|fdatasync)\(.*<unfinished \.\.\.>")
_ENDED = re.compile(r"^(\d+) +<\.\.\. (write|fdatasync) resumed>.* = (-?\d+)")


class DurableRedis(PrivateRedis):
    """It logs every command, and flushes that log to the disk each second, as is usual."""

    def command(self) -> Sequence[str | Path]:
        options = ["--appendonly", "yes", "--appendfsync", "everysec", "--dir", str(self.folder)]
        return [*super().command(), *options, "--auto-aof-rewrite-percentage", "0"]

    def watch(self) -> None:
        """Note from now on what it writes, and what it flushes."""
        assert self._process is not None
        (self.folder / _TRACE).unlink(missing_ok=True)
        self._written_before = self._log_file.stat().st_size
        command = ["strace", "-f", "-y", "-s", "0", "-e", "trace=write,fdatasync"]
        command += ["-p", str(self._process.pid), "-o", str(self.folder / _TRACE)]
        self._strace = lifeline.spawn(
            command, folder=self.folder, stop=signal.SIGKILL, log="strace.log"
        )
        attached = self.folder / "strace.log"
        wait_until(lambda: "attached" in attached.read_text(), "strace watches", self.log)

    def cut_power(self) -> int:
        """Kill it, and take from its log what had not been flushed; how many bytes that were."""
        self.kill()
        self._strace.wait(10)
        trace = (self.folder / _TRACE).read_text().splitlines()
        durable = self._written_before + flushed(line for line in trace if self._is_log(line))
        lost = self._log_file.stat().st_size - durable
        with self._log_file.open("rb+") as file:
            file.truncate(durable)
        return lost

    @property
    def _log_file(self) -> Path:
        """The one file of Redis 6, or the one of Redis 7 that grows."""
        (path,) = (one for one in self.folder.rglob("*.aof") if ".base." not in one.name)
        return path

    def _is_log(self, line: str) -> bool:
        return f"{self._log_file.name}>" in line or "resumed>" in line


def open_durable_redis() -> DurableRedis:
    """Skips where there is no Redis or no strace."""
    binary = find_redis()
    if binary is None or shutil.which("strace") is None:
        unavailable("needs redis-server and strace")
    server = DurableRedis(binary)
    server.start()
    return server


def flushed(trace: Iterable[str]) -> int:
    """Bytes written before the last flush that came to its end had begun."""
    written = durable = 0
    begun: dict[str, tuple[str, int]] = {}
    for line in trace:
        if found := _BEGUN.match(line):
            begun[found[1]] = (found[2], written)
            continue
        at = written
        found = _WHOLE.match(line)
        if found is None and (found := _ENDED.match(line)):
            verb, at = begun.pop(found[1], ("", 0))
            if verb != found[2]:
                continue
        if found is None or int(found[3]) < 0:
            continue
        if found[2] == "write":
            written += int(found[3])
        else:
            durable = at
    return durable
