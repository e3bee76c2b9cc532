"""Processes that never outlive the tests, and folders that don't either."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers.scratch import all_scratch, scratch

PREFIX = "tidings-test-"
LOG = "server.log"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_PR_SET_PDEATHSIG = 1

_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""A child's parent is a thread, not a process: this one lives as long as we do."""


def private_folder(*, nobodys: bool = False) -> Path:
    """A fresh folder: a socket's path is short there, `nobody` can reach it."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=scratch()))
    if nobodys and os.geteuid() == 0:
        os.chown(folder, *nobody())
    return folder


def sweep() -> None:
    """Remove the folders of sessions that were killed before they could."""
    for place in all_scratch():
        for folder in place.glob(f"{PREFIX}*-*"):
            owner = folder.name.removeprefix(PREFIX).partition("-")[0]
            if owner.isdigit() and not _alive(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def nobody() -> tuple[int, int]:
    account = pwd.getpwnam("nobody")
    return account.pw_uid, account.pw_gid


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    stop: signal.Signals,
    as_nobody: bool = False,
    environment: Mapping[str, str] = ENVIRONMENT,
    log: str = LOG,
) -> subprocess.Popen[bytes]:
    """Start a process: bare environment, output into a file, `stop` sent when we die."""
    drop = as_nobody and os.geteuid() == 0  # PostgreSQL refuses root
    user, group = nobody() if drop else (None, None)
    with (folder / log).open("ab") as output:
        return _spawner.submit(
            subprocess.Popen[bytes],
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # an interrupt from the keyboard is ours to pass on
            preexec_fn=_die_with_parent(stop),  # after the change of user, which would undo it
            user=user,
            group=group,
            extra_groups=[] if drop else None,
        ).result()


def run(command: Sequence[str | Path], *, folder: Path, as_nobody: bool = False) -> int:
    """Run a short command to its end the same way; its exit status."""
    process = spawn(command, folder=folder, stop=signal.SIGKILL, as_nobody=as_nobody)
    return process.wait(timeout=60)


def _die_with_parent(stop: signal.Signals) -> Callable[[], None] | None:
    """On Linux a child is told of its parent's death; elsewhere the fixtures must do."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def die_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return die_with_parent


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
