"""A private nginx on the gateway's own configuration, with names and ports of the loopback."""

import os
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.missing import unavailable
from tests.servers.ports import free_port
from tests.servers.process import PrivateServer

GATEWAY = Path(__file__).resolve().parents[2] / "deploy/gateway.conf"


class PrivateNginx(PrivateServer):
    """The file as it is, save for the folder, the ports and the name server it names."""

    name = "nginx"
    stop_signal = signal.SIGTERM

    def __init__(self, binary: str, *, name_server: int, upstream: int) -> None:
        super().__init__()
        self._binary = binary
        self.port = free_port()
        self.folder.chmod(0o755)  # its workers run as another user
        self._write(
            {
                "/tmp/": f"{self.folder}/",
                "listen 8080": f"listen 127.0.0.1:{self.port}",
                "resolver 127.0.0.11": f"resolver 127.0.0.1:{name_server}",
                ":8000;": f":{upstream};",
            }
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str | Path]:
        config = self.folder / "nginx.conf"
        return [self._binary, "-e", "stderr", "-c", config, "-g", "daemon off;"]

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _write(self, changes: Mapping[str, str]) -> None:
        text = GATEWAY.read_text(encoding="utf-8")
        for written, here in changes.items():
            if written not in text:
                raise LookupError(f"{GATEWAY.name} does not say {written}")
            text = text.replace(written, here)
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")


def open_nginx(*, name_server: int, upstream: int) -> PrivateNginx:
    """Start one that asks this name server, and this port of whatever it names."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where Debian puts it, off a user's PATH
    binary = shutil.which("nginx", path=path)
    if binary is None:
        unavailable("no nginx: install nginx")
    server = PrivateNginx(binary, name_server=name_server, upstream=upstream)
    server.start()
    return server
