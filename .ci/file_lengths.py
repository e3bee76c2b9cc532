"""No file of code is longer than 400 lines: a longer one is a reason to stop and split it."""

import sys
from pathlib import Path

LIMIT = 400
FOLDERS = ("src", "tests", "bench", "examples", "scripts", ".ci")
ROOT = Path(__file__).resolve().parent.parent


def too_long() -> list[str]:
    """One line for each Python file over the limit."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LIMIT:
                found.append(f"{path.relative_to(ROOT)}: {lines} lines, {LIMIT} are the limit")
    return found


if __name__ == "__main__":
    offenders = too_long()
    print("\n".join(offenders) or f"No file is longer than {LIMIT} lines.")
    sys.exit(bool(offenders))
