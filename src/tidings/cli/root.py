"""`tidings`: the command all others hang on."""

from typing import Annotated

import typer

from tidings.core.errors import TidingsError

app = typer.Typer(
    help="Tell people what happened, on the channel they chose, and say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The console script: an error of ours is one sentence and exit status 1."""
    try:
        app()
    except TidingsError as error:
        typer.secho(f"tidings: {error}", fg="red", err=True)
        raise SystemExit(1) from None


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=lambda asked: _show_version(asked=asked))
    ] = False,
) -> None:
    """Tell people what happened, on the channel they chose, and say why."""


def _show_version(*, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("tidings"))
        raise typer.Exit
