"""The checked-in OpenAPI document is that of the API."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_document_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / ".ci/openapi.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    kept = (ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8")
    assert kept == printed, "docs/reference/openapi.json is out of date: `make openapi` renews it"
