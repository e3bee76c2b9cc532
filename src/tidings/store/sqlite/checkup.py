"""Checks of a SQLite file: nothing is made, locked for long, or written."""

import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tidings.core.checkup import Finding, failure, ok, warning
from tidings.store.checkup import SUITS, schema_finding
from tidings.store.migrations.migrate import REVISIONS
from tidings.store.sqlite.file_lock import holder_of

FILE = "database"
#: bytes free below which the next mails may not fit, and below which SQLite is about to stop
SCARCE, TOO_FEW = 1024**3, 64 * 1024**2
#: kinds of file systems on which SQLite's write-ahead log can't share its memory
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "afs", "fuse.sshfs"}
)
_MOUNTS = Path("/proc/self/mounts")


def check_up(path: Path | None) -> Sequence[Finding]:
    """Everything worth saying about a database file; one that can't be read is a finding."""
    if path is None:
        return [warning(FILE, "in memory, and gone when the process ends", _NAME_A_FILE)]
    folder = path.absolute().parent
    if not folder.is_dir():
        return [failure(FILE, f"there is no folder {folder}", "make it, for this user to write to")]
    findings = [_file(path, folder), disk_finding(shutil.disk_usage(folder).free)]
    findings.append(mount_finding(folder, _mounts()))
    if path.exists():
        findings += [_user(path), _schema(path)]
    return findings


_NAME_A_FILE = "name a file in TIDINGS_DATABASE_URL to keep what is accepted"


def count_keys(path: Path | None) -> int:
    """How many API keys there are; none where the table or the whole file is missing."""
    if path is None or not path.exists():
        return 0
    try:
        with closing(_read_only(path)) as connection:
            return int(connection.execute("SELECT count(*) FROM api_keys").fetchone()[0])
    except sqlite3.Error:
        return 0


def disk_finding(free: int) -> Finding:
    """What is to be said of so many bytes free."""
    check, found = "free disk", f"{free / 1024**3:.1f} GiB"
    remedy = "free space, or move the database"
    if free < TOO_FEW:
        return failure(check, found, remedy)
    return warning(check, found, remedy) if free < SCARCE else ok(check, found)


def mount_finding(folder: Path, mounts: str) -> Finding:
    """Whether a folder lies on a network; `mounts` as Linux tells them in /proc/self/mounts."""
    check, kind = "file system", _kind_of(folder, mounts)
    if kind in _NETWORK:
        return failure(
            check,
            f"{kind}, over the network: SQLite's write-ahead log breaks there",
            "move the database to a disk of this machine, or use PostgreSQL",
        )
    return ok(check, kind or "of a kind that can't be told here")


def _file(path: Path, folder: Path) -> Finding:
    writable = os.access(path if path.exists() else folder, os.W_OK) and os.access(folder, os.W_OK)
    if not writable:
        return failure(
            FILE, f"{path} can't be written by this user", "give it and its folder to this user"
        )
    return ok(FILE, str(path) if path.exists() else f"{path}; the first start makes it")


def _user(path: Path) -> Finding:
    holder = holder_of(path)
    return ok("in use", "by nobody" if holder is None else f"by process {holder}, as it should be")


def _schema(path: Path) -> Finding:
    try:
        with closing(_read_only(path)) as connection:
            return schema_finding(*_revisions(connection))
    except sqlite3.Error as error:
        return failure(
            "database schema",
            f"{path} can't be read as a SQLite database ({error})",
            "restore a backup, or name another file in TIDINGS_DATABASE_URL",
        )


def _revisions(connection: sqlite3.Connection) -> tuple[str | None, str | None]:
    """The schema's, and the oldest that a newer one serves."""
    tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'alembic_version'"
    if not connection.execute(tables).fetchone()[0]:
        return None, None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None or row[0] in REVISIONS:
        return (row[0] if row else None), None
    return row[0], connection.execute(SUITS).fetchone()[0]


def _read_only(path: Path) -> sqlite3.Connection:
    # Without a log beside it the file is whole, and `immutable` keeps SQLite from making one.
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=1)


def _mounts() -> str:
    return _MOUNTS.read_text(errors="replace") if _MOUNTS.exists() else ""


def _kind_of(folder: Path, mounts: str) -> str:
    """The kind of the file system mounted closest above; the last of two on one point counts."""
    kind, closest = "", -1
    for words in (line.split() for line in mounts.splitlines()):
        point = Path(words[1].replace("\\040", " "))
        if folder.is_relative_to(point) and len(point.parts) >= closest:
            kind, closest = words[2], len(point.parts)
    return kind
