"""Build the image, look into it, let it send one mail; say what each step took."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from scripts.image import inspection
from scripts.image.builder import Builder, CommandFailed
from scripts.image.story import one_mail
from tests.servers.lifeline import private_folder

NEEDED = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "redis-server": "redis-server",
    "curl": "curl",
}
Result = TypeVar("Result")


def main() -> int:
    """The exit status: 0 if the image is as it should be."""
    missing = sorted(package for command, package in NEEDED.items() if not shutil.which(command))
    if missing or os.geteuid() != 0:
        print(f"This needs root and Debian's packages: {' '.join(missing or NEEDED.values())}")
        return 2
    folder = private_folder()
    folder.chmod(0o755)
    try:
        return check(folder)
    except (CommandFailed, AssertionError, LookupError) as error:
        print(f"The image is not as it should be:\n{error}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check(folder: Path) -> int:
    """All steps, each told with its time; 1 at the first that finds something wrong."""
    builder = Builder(folder)
    timed("base", builder.make_base)
    image = timed("build", builder.build)
    container, root = builder.start_container()
    findings = timed(
        "inspection",
        lambda: [
            *inspection.wrong_config(image),
            *inspection.told_secrets(image),
            *inspection.wrong_files(root),
        ],
    )
    if findings:
        print("\n".join(findings))
        return 1
    mounted = folder / "notifications"
    log = timed("one registration, one mail", lambda: one_mail(builder, container, mounted))
    print("\n".join(line for line in log.splitlines() if "health" not in line))
    print(f"The image has {image.megabytes} MB, {image.base_megabytes} of them its base.")
    return 0


def timed(what: str, step: Callable[[], Result]) -> Result:
    """Take a step and say how long it took."""
    began = time.monotonic()
    result = step()
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
