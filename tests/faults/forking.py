"""Starts our programs by forking: `python -m tests.faults.forking <socket>`, asked by `nursery`.

It has loaded all that they load, and runs none of it. So a process costs milliseconds of work, not
the second and a half that loading takes, and is an ordinary process otherwise. Only on Linux.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

PROGRAMS = (
    "tests.faults.fail_point",
    "tests.faults.provider",
    "tidings.analytics_worker",
    "tidings.channel_worker",
    "tidings.main",
    "tidings.notification_system",
    "tidings.notification_worker",
)
#: what they load only once they run
_LATER = (
    "tidings.channels.console",
    "tidings.channels.email.smtp",
    "tidings.channels.http.http",
    "tidings.channels.in_app",
    "tidings.event_bus",
    "tidings.memory_bus",
    "tidings.store.postgres",
    "tidings.store.sqlite",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
)
#: bytes that one request or answer has at most
MOST = 65_536
_PR_SET_PDEATHSIG = 1

Request = Mapping[str, Any]


def main() -> None:
    """Fork as often as the socket asks for it; ends with the one who asks."""
    _load()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(sys.argv[1])
    listener.listen()
    asking, _ = listener.accept()
    listener.close()
    signal.signal(signal.SIGCHLD, lambda _number, _frame: _tell_ends(asking))
    nursery = os.getpid()
    while request := asking.recv(MOST):
        if not _fork(asking):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asking.close()
            _die_with(nursery)
            _become(json.loads(request))
            return


def _load() -> None:
    for name in (*_LATER, *PROGRAMS):
        importlib.import_module(name)
    for name in PROGRAMS:  # each is run as `__main__`, and not loaded before
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def _fork(asking: socket.socket) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # its number comes before its end
    pid = os.fork()
    if pid:
        asking.send(json.dumps({"pid": pid}).encode())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    return pid


def _tell_ends(asking: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        ended = {"pid": pid, "status": os.waitstatus_to_exitcode(status)}
        asking.send(json.dumps(ended).encode())


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _become(request: Request) -> None:
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    program, *arguments = request["command"]
    sys.argv[:] = [program, *arguments]
    sys.path[0] = request["folder"]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
