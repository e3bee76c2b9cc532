"""The page of the faults names every test that tries one, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/faults.md"
MARK = re.compile(r"\bfault\(([^)]*)\)")


def test_the_page_lists_each_fault_with_the_tests_that_try_it() -> None:
    assert listed() == marked()


def listed() -> set[tuple[str, str]]:
    """Fault and file, by the table of the page."""
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| F")]
    return {
        (row[1].strip(), file)
        for row in rows[1:]
        for file in re.findall(r"`(test_\w+\.py)`", row[4])
    }


def marked() -> set[tuple[str, str]]:
    """The same by the marks of the tests."""
    return {
        (number, path.name)
        for path in (ROOT / "tests/faults").glob("test_*.py")
        for mark in MARK.finditer(path.read_text())
        for number in re.findall(r"\"(F\d+)\"", mark[1])
    }
