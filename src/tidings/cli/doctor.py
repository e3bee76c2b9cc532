"""`tidings doctor`: what is wrong with this installation, for people and for machines."""

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from tidings.cli.calls import AsJson
from tidings.cli.root import app

if TYPE_CHECKING:
    from tidings.core.checkup import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}


@app.command(epilog="Example: tidings doctor")
def doctor(as_json: AsJson = False) -> None:
    """Say what is wrong with this installation, and how to mend it."""
    from tidings.core.checkup import Level
    from tidings.doctor import examine

    findings = asyncio.run(examine())
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(one) for one in findings], indent=2))
    else:
        _show(findings)
    if any(one.level is Level.FAILURE for one in findings):
        raise typer.Exit(1)


def _show(findings: "Sequence[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("Check", "", "Found", "What to do"):
        table.add_column(title, overflow="fold")
    for one in findings:
        level = Text(one.level, style=_COLOURS[one.level])
        table.add_row(Text(one.check), level, Text(one.found), Text(one.remedy))
    Console().print(table)
