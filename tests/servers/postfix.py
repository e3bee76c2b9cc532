"""A private Postfix that takes any recipient at example.com into one Maildir."""

import os
import pwd
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.servers import lifeline
from tests.servers.missing import unavailable
from tests.servers.ports import free_port
from tests.servers.process import PrivateServer

POSTFIX = Path("/usr/sbin/postfix")
DAEMONS = Path("/usr/lib/postfix/sbin")

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.com
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
smtpd_peername_lookup = no
smtputf8_enable = yes
virtual_mailbox_domains = example.com
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class PrivatePostfix(PrivateServer):
    """Its configuration, queue, log and mail are all in its own folder."""

    name = "postfix"
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._lay_out()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def inbox(self) -> Path:
        """Delivered mails, a file each."""
        return self.folder / "mail/inbox/new"

    def command(self) -> Sequence[str | Path]:
        return [POSTFIX, "-c", self.folder / "conf", "start-fg"]

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def _lay_out(self) -> None:
        self.folder.chmod(0o755)  # its daemons run as another user
        uid, gid = lifeline.nobody()
        for name in ("conf", "queue", "data", "mail"):
            (self.folder / name).mkdir()
        os.chown(self.folder / "mail", uid, gid)
        os.chown(self.folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        values = {"folder": self.folder, "daemons": DAEMONS, "uid": uid, "gid": gid}
        (self.folder / "conf/main.cf").write_text(_MAIN.format(**values))
        (self.folder / "conf/master.cf").write_text(_MASTER.format(port=self.port))


def open_postfix() -> PrivatePostfix:
    """Start one; it needs Debian's package, and root as every Postfix does."""
    if not (POSTFIX.is_file() and DAEMONS.is_dir()):
        unavailable("no Postfix: install postfix")
    if os.geteuid() != 0:
        unavailable("Postfix can be started by root only")
    server = PrivatePostfix()
    server.start()
    return server
