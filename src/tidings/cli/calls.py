"""What commands that call a running system share."""

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tidings.core.errors import Unauthorized

if TYPE_CHECKING:
    from tidings.client import AsyncClient

Url = Annotated[
    str | None,
    typer.Option(
        help="Where the system answers; else TIDINGS_URL, else this machine's TIDINGS_PORT."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Result = TypeVar("Result")

_PROGRAM = "tidings"
_NO_KEY = "this needs a key: set TIDINGS_API_KEY to one that `tidings keys create` made"


def ask(url: str | None, question: Callable[["AsyncClient"], Awaitable[Result]]) -> Result:
    """What a running system answers; raises the errors it answers with."""
    from tidings.client import AsyncClient
    from tidings.settings import load_settings

    settings = load_settings()
    found = url or settings.url or f"http://localhost:{settings.port}"

    async def answer() -> Result:
        async with AsyncClient(found, api_key=settings.api_key, retries=1) as client:
            return await question(client)

    try:
        return asyncio.run(answer())
    except Unauthorized:
        if settings.api_key:
            raise
        raise Unauthorized(_NO_KEY) from None


def program() -> str:
    """The word that runs this again: as it was called, where a shell finds no `tidings`."""
    called = sys.argv[0]
    if Path(called).name == _PROGRAM and shutil.which(_PROGRAM) is None:
        return called
    return _PROGRAM


def show(machine: Mapping[str, Any], person: str, *, as_json: bool) -> None:
    """Print what a command found, for a machine or for a person."""
    typer.echo(json.dumps(machine, indent=2, ensure_ascii=False) if as_json else person)
