"""What an image must be, by its config and its files; each check answers with what is wrong."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.image.builder import Image

USER = 10001
CODE = "opt/tidings"
#: what a container may write to, were its root not read-only besides
OWN = {"data"}
_LABELS = ("title", "description", "licenses", "version", "revision")
_SECRETS = re.compile(r"://|password|secret|token|PIP_INDEX|pip\.conf", re.IGNORECASE)


def wrong_config(image: Image) -> list[str]:
    """What the image says of itself and should not, or does not say."""
    wanted = {
        "User": f"{USER}:{USER}",
        "Entrypoint": ["tidings"],
        "StopSignal": "SIGTERM",
        "WorkingDir": "/data",
    }
    wrong = [
        f"{name} is {image.config.get(name)}, not {value}"
        for name, value in wanted.items()
        if image.config.get(name) != value
    ]
    probe = (image.config.get("Healthcheck") or {}).get("Test")
    if probe != ["CMD", "tidings", "health"]:
        wrong.append(f"the health check is {probe}")
    labels = image.config.get("Labels") or {}
    missing = [name for name in _LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    return wrong + [f"there is no label {name}" for name in missing]


def told_secrets(image: Image) -> list[str]:
    """Steps and variables that show an address or a secret of the machine that built it."""
    told: Sequence[str] = [*image.history, *(image.config.get("Env") or ())]
    return [f"{step[:120]} tells too much" for step in told if _SECRETS.search(step)]


def wrong_files(root: Path) -> list[str]:
    """Files the user of the image could change, and files that should not be there."""
    wrong = [f"{path} can be written" for path in _writable(root)]
    code = root / CODE
    if not list(code.glob("lib/*/site-packages/tidings/__pycache__/*.pyc")):
        wrong.append("there is no bytecode")
    unwanted = [*code.glob("lib/*/site-packages/pip"), root / "etc/pip.conf"]
    return wrong + [f"{path.relative_to(root)} is there" for path in unwanted if path.exists()]


def _writable(root: Path) -> Iterator[Path]:
    """What belongs to the user, or may be written by everybody."""
    for folder, names, files in os.walk(root):
        here = Path(folder)
        names[:] = [name for name in names if str((here / name).relative_to(root)) not in OWN]
        for path in (here / name for name in (*names, *files)):
            about = path.lstat()
            if _is_open(about) and not _is_special(about):
                yield path.relative_to(root)


def _is_open(about: os.stat_result) -> bool:
    return about.st_uid == USER or bool(about.st_mode & stat.S_IWOTH)


def _is_special(about: os.stat_result) -> bool:
    """Links and devices, and folders like /tmp, which compose covers by others."""
    kind = about.st_mode
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)) or bool(kind & stat.S_ISVTX)
