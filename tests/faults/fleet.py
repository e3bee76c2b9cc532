"""The program's own processes, to be started, killed and started again."""

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.faults.forking import PROGRAMS
from tests.faults.nursery import IMPORTS, Child, nursery
from tests.faults.provider import ScriptedProvider
from tests.servers import lifeline
from tests.servers.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds for a process to come up on a busy machine."""


class Fleet:
    """Processes on one database and one bus; leaving it kills them all."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.provider = ScriptedProvider(folder / "provider")
        self.port = free_port()
        self._settings = dict(settings)
        #: by the name of their integration
        self.providers = {"http": self.provider}
        #: sent SIGTERM, and not ended yet
        self._asked: set[str] = set()
        self._processes: dict[str, subprocess.Popen[bytes] | Child] = {}

    def __enter__(self) -> Self:
        self._spawn("provider", *self.provider.command)
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill(*self._processes)

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.port}"

    def add_provider(self, name: str) -> ScriptedProvider:
        """Start one more, which the integration `<name>=http` calls."""
        provider = self.providers[name] = ScriptedProvider(self.folder / name)
        self._spawn(f"provider-{name}", *provider.command)
        return provider

    def start(self, name: str, *command: str, **settings: str) -> None:
        """Start `python -m tidings.…` under a name, with settings of its own.

        It is forked, which is quicker, unless it is of another release.
        """
        self._spawn(name, *command, **settings)

    def start_with_health(self, name: str, *command: str, **settings: str) -> str:
        """Start a process whose health is told at a known address; the address."""
        port = free_port()
        self._spawn(name, *command, TIDINGS_HEALTH_PORT=str(port), **settings)
        return f"http://127.0.0.1:{port}"

    def start_api(self, module: str = "tidings.main", **settings: str) -> None:
        """Start what serves the API and wait until it is ready."""
        self._spawn("api", module, **settings)
        wait_until(self._is_ready, f"{module} is ready", self.log)

    def start_program(self, name: str, command: Sequence[str]) -> None:
        """Start another program under a name, with our settings."""
        self._run(name, command)

    def kill(self, *names: str) -> None:
        """End processes by SIGKILL, all at once."""
        for name in names:
            self._processes[name].send_signal(signal.SIGKILL)
        for name in names:
            self._processes.pop(name).wait()

    def pid(self, name: str) -> int:
        """The number of a process."""
        return self._processes[name].pid

    def freeze(self, name: str) -> None:
        """Stop a process by SIGSTOP: it lives, and does nothing."""
        self._processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self._processes[name].send_signal(signal.SIGCONT)

    async def ended(self, name: str, *, seconds: float = PATIENCE) -> int:
        """Wait until a process ended by itself; its exit status."""
        process = self._processes[name]
        await until(lambda: process.poll() is not None, f"{name} ended", self.log, seconds=seconds)
        return self._processes.pop(name).wait()

    def terminate(self, name: str) -> float:
        """End a process by SIGTERM; the seconds it took."""
        began = time.monotonic()
        self.ask_to_end(name)
        self.wait(name)
        return time.monotonic() - began

    def ask_to_end(self, name: str) -> None:
        """Send a process SIGTERM, unless it has had one."""
        if name not in self._asked:
            self._asked.add(name)
            self._processes[name].send_signal(signal.SIGTERM)

    def wait(self, name: str) -> int:
        """Wait until a process has ended; its exit status."""
        status = self._processes.pop(name).wait(PATIENCE)
        self._asked.discard(name)
        return status

    async def until_taken(self, number: int, *, seconds: float = 120) -> None:
        """Wait until the provider took so many."""
        await until(
            lambda: len(self.provider.taken) >= number, f"{number} taken", self.log, seconds=seconds
        )

    async def until_sent(self, number: int) -> None:
        """Wait until so many deliveries ended as sent, by the dashboard's figures."""
        await self._until_told(number, "sent")

    async def until_ended(self, number: int) -> None:
        """Wait until so many were sent or failed."""
        await self._until_told(number, "sent", "failed")

    async def _until_told(self, number: int, *ends: str) -> None:
        def told() -> bool:
            totals = _totals(self.url)
            return sum(totals[end] for end in ends) >= number

        await until(told, f"{number} {' or '.join(ends)}", self.log, seconds=120)

    def log(self, name: str | None = None) -> str:
        """What the processes wrote."""
        paths = sorted(self.folder.glob(f"{name or '*'}.log"))
        return "\n".join(path.read_text(errors="replace")[-20_000:] for path in paths)

    def _spawn(self, name: str, *command: str, **settings: str) -> None:
        is_ours = command[0] in PROGRAMS and "PYTHONPATH" not in settings
        if not is_ours or sys.platform != "linux":
            self._run(name, [sys.executable, "-m", *command], **settings)
            return
        self._processes[name] = nursery().start(
            command,
            folder=self.folder,
            environment=self._environment() | settings,
            log=f"{name}.log",
        )

    def _run(self, name: str, command: Sequence[str], **settings: str) -> None:
        self._processes[name] = lifeline.spawn(
            command,
            folder=self.folder,
            stop=signal.SIGKILL,
            environment=self._environment() | settings,
            log=f"{name}.log",
        )

    def _environment(self) -> dict[str, str]:
        return {
            **lifeline.ENVIRONMENT,
            "PYTHONPATH": IMPORTS,
            "TIDINGS_PORT": str(self.port),
            "TIDINGS_REGISTER_RATE": "off",
            "TIDINGS_EMAIL_PROVIDER": "smtp",
            "TIDINGS_SMTP_HOST": "127.0.0.1",
            "TIDINGS_SMTP_PORT": str(self.provider.smtp_port),
            "TIDINGS_SMTP_TLS": "off",
            "TIDINGS_LOG_LEVEL": "warning",
            **self._urls(),
            **self._settings,
        }

    def _urls(self) -> Mapping[str, str]:
        return {
            f"TIDINGS_{name.upper()}_URL": f"http://127.0.0.1:{provider.http_port}/messages"
            for name, provider in self.providers.items()
        }

    def _is_ready(self) -> bool:
        return is_ready(self.url)


def _totals(url: str) -> Mapping[str, int]:
    with urllib.request.urlopen(f"{url}/v1/analytics/summary", timeout=10) as answer:
        totals: Mapping[str, int] = json.load(answer)["totals"]
    return totals


def is_ready(url: str) -> bool:
    """Whether a process says that it can work."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def until(
    condition: Callable[[], bool],
    what: str,
    story: Callable[[], str],
    *,
    seconds: float = PATIENCE,
) -> None:
    """The same without blocking: a failure beside it ends the waiting."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{story()[-8000:]}"
        await asyncio.sleep(0.02)


def wait_until(
    condition: Callable[[], bool],
    what: str,
    story: Callable[[], str],
    *,
    seconds: float = PATIENCE,
) -> None:
    """Ask again and again until it holds; fails with the story after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}\n{story()[-8000:]}")
        time.sleep(0.02)
