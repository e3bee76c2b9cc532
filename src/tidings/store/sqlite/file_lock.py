"""One process for one file: a lock the operating system frees when its holder dies."""

import fcntl
import os
from pathlib import Path

from tidings.core.errors import ConfigurationError


class FileLock:
    """Holds `<database>.lock`, with this process's id inside, until it is let go."""

    def __init__(self, database: Path) -> None:
        """Take the lock; raises ConfigurationError when another process has it."""
        self._descriptor = _open(_lock_of(database))
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _written_in(self._descriptor)
            os.close(self._descriptor)
            raise ConfigurationError(_taken(database, holder)) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; the lock file stays, for removing it could free another's lock."""
        os.close(self._descriptor)


def holder_of(database: Path) -> str | None:
    """The id of the process that has a database, if any; looks without taking it from anybody."""
    try:
        descriptor = os.open(_lock_of(database), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _written_in(descriptor) or "unknown"
    finally:
        os.close(descriptor)
    return None


def _lock_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


def _written_in(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode(errors="replace").strip()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the lock file {path} can't be opened ({error.strerror}): let this user write there, "
            "make its folder, or name another file in TIDINGS_DATABASE_URL"
        ) from error


def _taken(database: Path, holder: str) -> str:
    process = f"process {holder}" if holder else "another process"
    return (
        f"{database} is in use by {process}, and SQLite serves one process at a time: stop that "
        "one, or set TIDINGS_DATABASE_URL to PostgreSQL and TIDINGS_REDIS_URL to run several"
    )
