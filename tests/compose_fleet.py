"""The compose file's services as plain processes: its commands and environment, on test servers."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.compose import ROOT, Service, read_our_file
from tests.faults.fleet import wait_until
from tests.servers import lifeline
from tests.servers.ports import free_port

#: from what follows `tidings`, and its environment, to the command that runs it
Program = Callable[[Sequence[str], Mapping[str, str]], Sequence[str | Path]]


def this_program(words: Sequence[str], _environment: Mapping[str, str]) -> Sequence[str | Path]:
    """Run it as it stands here."""
    return [sys.executable, "-m", "tidings", *words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One started process of a service."""

    service: Service
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]


class ComposeFleet:
    """Any number of each service of ours; leaving it kills them all.

    `servers` replace what the file says of hosts that are not here. Its folder stands for the one
    that is mounted into the notification worker.
    """

    def __init__(
        self, folder: Path, servers: Mapping[str, str], *, program: Program = this_program
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._servers = servers
        self._program = program
        self._services = read_our_file()
        self._containers: dict[str, Container] = {}
        shutil.copytree(ROOT / "notifications", folder, dirs_exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for container in self._containers.values():
            with suppress(ProcessLookupError):
                os.killpg(container.process.pid, signal.SIGKILL)  # what started it, and the program
            container.process.wait()

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str, **settings: str) -> None:
        """Start one more container of each of these services, with settings as from `.env`."""
        for name in names:
            service = self._services[name]
            label = f"{name}-{1 + sum(each.startswith(name) for each in self._containers)}"
            environment = {**self._environment(service), **settings}
            process = lifeline.spawn(
                self._program(service.command, environment),
                folder=self.folder,
                stop=signal.SIGTERM,
                environment=environment,
                log=f"{label}.log",
            )
            self._containers[label] = Container(
                service=service, environment=environment, process=process
            )

    def wait_until_healthy(self) -> None:
        """Ask each by its own health check until it is well."""
        for label in self._containers:
            wait_until(lambda: self.health(label) == 0, f"{label} is healthy", self.log)  # noqa: B023, it is called at once

    def health(self, label: str) -> int:
        """The exit status of a container's health check."""
        container = self._containers[label]
        words = container.service.healthcheck[1:]
        asked = subprocess.run(
            self._program(words, container.environment),
            env=container.environment,
            cwd=self.folder,
            capture_output=True,
            timeout=30,
        )
        return asked.returncode

    def stop(self) -> Mapping[str, int]:
        """Tell all to end as `docker compose stop` does; each one's exit status."""
        for container in self._containers.values():
            container.process.terminate()
        return {
            label: container.process.wait(int(container.service.raw["stop_grace_period"][:-1]))
            for label, container in self._containers.items()
        }

    def log(self, name: str = "") -> str:
        """What the containers of a service wrote, or all of them."""
        paths = sorted(self.folder.glob(f"{name}*.log"))
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)

    def _environment(self, service: Service) -> Mapping[str, str]:
        port = {"TIDINGS_PORT": str(self.port)}
        health = {"TIDINGS_HEALTH_PORT": str(free_port())}
        own = port if "TIDINGS_PORT" in service.environment else health
        return {
            **lifeline.ENVIRONMENT,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.folder)]),
            **service.environment,
            "TIDINGS_HOST": "127.0.0.1",
            **self._servers,
            **own,
        }
