"""Commands about addresses that nothing is sent to."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidings.cli.calls import AsJson, Url, ask, show
from tidings.cli.root import app
from tidings.core.errors import InvalidInput

if TYPE_CHECKING:
    from tidings.client import AsyncClient

suppressions = typer.Typer(help="Addresses that nothing is sent to.", no_args_is_help=True)
app.add_typer(suppressions, name="suppressions")

#: in place of an address: it is read from standard input, and stays out of the process list
STDIN = "-"

Channel = Annotated[str, typer.Argument(help="The address's channel, such as email.")]
Address = Annotated[
    str,
    typer.Argument(help="The address; - asks for it, or reads it from standard input."),
]


@suppressions.command("list", epilog="Example: tidings suppressions list --limit 100")
def list_suppressions(
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=100)] = 20,
    after: Annotated[str | None, typer.Option(help="The `next` of the last answer.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List them in the order of their ids; which address one is for only its id tells."""
    found = ask(url, lambda client: client.suppressions.list(limit=limit, after=after))
    following = found[-1]["id"] if len(found) == limit else None
    lines = [_line(one) for one in found]
    if following:
        lines.append(f"There may be more: --after {following}")
    machine = {"suppressions": found, "next": following}
    show(machine, "\n".join(lines) or "There are none.", as_json=as_json)


@suppressions.command(
    epilog="Example: tidings suppressions add email --reason complaint · "
    "tidings suppressions add email - < addresses.txt"
)
def add(
    channel: Channel,
    address: Address = STDIN,
    reason: Annotated[str, typer.Option(help="Why, in a line.")] = "asked for",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing to an address any more, whoever has it; standard input has one on each line."""
    if address == STDIN and not sys.stdin.isatty():
        _add_each(_lines(), channel, reason, url, as_json=as_json)
        return
    given = _read(address)
    kept = ask(url, lambda client: client.suppressions.put(channel, given, reason=reason))
    show(kept, _told(kept), as_json=as_json)


@suppressions.command(
    epilog="Example: tidings suppressions find email · "
    "tidings suppressions find email - < address.txt"
)
def find(
    channel: Channel, address: Address = STDIN, url: Url = None, as_json: AsJson = False
) -> None:
    """Say whether an address is on the list, and why; exit status 1 where it is not."""
    given = _read(address)
    found = ask(url, lambda client: client.suppressions.find(channel, given))
    show(found, _line(found), as_json=as_json)


@suppressions.command(epilog="Example: tidings suppressions lift 1f6f1c1b0f9d1c5a9a3c5b7e2d4f6a80")
def lift(
    suppression_id: Annotated[str, typer.Argument(help="Its id, as `find` shows it.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Use an address again."""
    lifted = ask(url, lambda client: client.suppressions.lift(suppression_id))
    show(lifted, f"{lifted['id']} is lifted: its address is used again.", as_json=as_json)


def _read(address: str) -> str:
    if address != STDIN:
        return address
    if sys.stdin.isatty():
        return str(typer.prompt("Address", err=True))
    lines = _lines()
    if len(lines) > 1:
        raise InvalidInput(f"one address is asked for, and standard input has {len(lines)}")
    return next(iter(lines.values()))


def _lines() -> Mapping[int, str]:
    """Number of a line → the address on it."""
    stripped = enumerate(map(str.strip, sys.stdin), start=1)
    lines = {number: line for number, line in stripped if line}
    if not lines:
        raise InvalidInput("standard input has no address")
    return lines


def _add_each(
    lines: Mapping[int, str], channel: str, reason: str, url: str | None, *, as_json: bool
) -> None:
    """Add every one that can be, and tell what became of them though it breaks off."""
    kept: list[Mapping[str, Any]] = []
    refused: list[Mapping[str, Any]] = []

    async def put_each(client: "AsyncClient") -> None:
        for number, given in lines.items():
            try:
                kept.append(await client.suppressions.put(channel, given, reason=reason))
            except InvalidInput as error:
                if error.field != "address":
                    raise
                refused.append({"line": number, "reason": str(error)})

    try:
        ask(url, put_each)
    finally:
        _tell_each(kept, refused, of=len(lines), as_json=as_json)
    if refused:
        raise typer.Exit(1)


def _tell_each(
    kept: Sequence[Mapping[str, Any]],
    refused: Sequence[Mapping[str, Any]],
    *,
    of: int,
    as_json: bool,
) -> None:
    told = [_told(one) for one in kept]
    if of > 1:
        told.append(f"On the list: {len(kept)} of {of}; refused: {len(refused)}.")
    show({"suppressions": kept, "refused": refused}, "\n".join(told), as_json=as_json)
    for one in refused:
        typer.secho(f"line {one['line']} is refused: {one['reason']}", fg="red", err=True)


def _told(kept: Mapping[str, Any]) -> str:
    return f"{kept['id']} is on the list: nothing is sent to it."


def _line(one: Mapping[str, Any]) -> str:
    moment = one["created_at"][:16].replace("T", " ")
    return f"{moment}  {one['channel']} {one['id']}: {one['reason']}"
