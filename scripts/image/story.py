"""The image at work: services as the compose file starts them, one curl, one mail."""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from scripts.image.builder import Builder
from tests.compose import read_our_file
from tests.compose_fleet import ComposeFleet, Program
from tests.faults.fleet import wait_until
from tests.servers.binaries import find_postgres, find_redis
from tests.servers.postgres import PrivatePostgres
from tests.servers.redis import PrivateRedis
from tests.servers.smtp import SmtpSink

SERVICES = ("api", "notification-worker", "email-worker", "analytics-worker")
#: what each log must tell
TOLD = {
    "api": ("event accepted",),
    "notification-worker": ("heard REGISTERED_USER", "welcome e-mail sent"),
    "email-worker": ("claimed",),
    "analytics-worker": ("heard REGISTERED_USER", "the dashboard now shows"),
}
MOUNT = "/notifications"


class ComposedRedis(PrivateRedis):
    """Redis with the options of the compose file, on a socket."""

    def command(self) -> Sequence[str | Path]:
        """Ours, and then what the file says."""
        return [*super().command(), *read_our_file()["redis"].command[1:]]


def one_mail(builder: Builder, container: str, folder: Path) -> str:
    """Register one address and see its mail; the log. Raises AssertionError with the log."""
    with ExitStack() as stack:
        redis, postgres = _servers(stack)
        mail = stack.enter_context(SmtpSink())
        shared = (redis.folder, postgres.folder)
        fleet = stack.enter_context(
            ComposeFleet(
                folder,
                {
                    "TIDINGS_DATABASE_URL": postgres.url,
                    "TIDINGS_REDIS_URL": redis.url,
                    "TIDINGS_SMTP_HOST": "127.0.0.1",
                    "TIDINGS_SMTP_PORT": str(mail.port),
                },
                program=_in_image(builder, container, folder, shared),
            )
        )
        fleet.start(*SERVICES)
        fleet.wait_until_healthy()
        _curl(f"{fleet.url}/register?email=test@example.com")
        for name, sentences in TOLD.items():
            wait_until(_tells(fleet, name, sentences), f"{name} tells {sentences}", fleet.log)
        assert [each["To"] for each in mail.mails] == ["test@example.com"], fleet.log()
        return _plain(fleet.log())


def _servers(stack: ExitStack) -> tuple[PrivateRedis, PrivatePostgres]:
    redis_binary, postgres_binaries = find_redis(), find_postgres()
    if redis_binary is None or postgres_binaries is None:
        raise LookupError("install redis-server and postgresql")
    redis, postgres = ComposedRedis(redis_binary), PrivatePostgres(postgres_binaries)
    for server in (redis, postgres):
        stack.callback(server.close)
        server.start()
        server.folder.chmod(0o755)  # the user of the image is not ours
    (redis.folder / "redis.sock").chmod(0o777)
    return redis, postgres


def _in_image(builder: Builder, container: str, folder: Path, shared: Sequence[Path]) -> Program:
    mounts = [f"{folder}:{MOUNT}:ro", *(f"{each}:{each}" for each in shared)]

    def program(words: Sequence[str], environment: Mapping[str, str]) -> Sequence[str]:
        ours = [f"{k}={v}" for k, v in environment.items() if k.startswith("TIDINGS_")]
        return builder.command(
            "run",
            "--isolation=chroot",
            f"--workingdir={MOUNT}",
            *(f"--volume={mount}" for mount in mounts),
            *(f"--env={each}" for each in ours),
            container,
            "--",
            "tidings",
            *words,
        )

    return program


def _curl(url: str) -> None:
    words = ["curl", "--silent", "--show-error", "--fail", "--max-time", "20", "-X", "POST", url]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _tells(fleet: ComposeFleet, name: str, sentences: Sequence[str]) -> Callable[[], bool]:
    return lambda: all(sentence in _plain(fleet.log(name)) for sentence in sentences)


def _plain(log: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", log)
