"""The word for itself that a command prints: one that can be typed again."""

import sys
from pathlib import Path

import pytest

from tidings.cli.calls import program


@pytest.mark.parametrize(
    ("called", "is_found", "word"),
    [
        (".venv/bin/tidings", False, ".venv/bin/tidings"),
        (".venv/bin/tidings", True, "tidings"),
        ("/site-packages/tidings/__main__.py", False, "tidings"),
    ],
)
def test_it_is_the_short_one_where_a_shell_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str, is_found: bool, word: str
) -> None:
    if is_found:
        (tmp_path / "tidings").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [called, "send"])

    assert program() == word
