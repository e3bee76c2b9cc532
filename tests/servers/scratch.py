"""Where the tests' files are: in memory, where there is room.

A process that is killed loses nothing there either, and nobody waits for a disk. The faults in full
stay on the disk, as in production.
"""

import os
import shutil
from pathlib import Path

from tests.faults.extent import FULL

_MEMORY, _DISK = Path("/dev/shm"), Path("/tmp")

#: bytes that the files of two sessions side by side stay below
_ROOM = 4 * 2**30


def scratch() -> Path:
    """The folder that folders of ours are made in; both are short, and anybody may enter them."""
    return _MEMORY if not FULL and _suits(_MEMORY) else _DISK


def all_scratch() -> tuple[Path, ...]:
    """Every folder that ours may have been made in."""
    return tuple(folder for folder in (_MEMORY, _DISK) if folder.is_dir())


def _suits(folder: Path) -> bool:
    """Programs are copied there as well."""
    if not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(folder).free >= _ROOM
