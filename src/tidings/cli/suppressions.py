"""Commands about addresses that nothing is sent to."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tidings.cli.calls import AsJson, Url, ask, show
from tidings.cli.root import app

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
    "tidings suppressions add email - < address.txt"
)
def add(
    channel: Channel,
    address: Address = STDIN,
    reason: Annotated[str, typer.Option(help="Why, in a line.")] = "asked for",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing to an address any more, whoever has it."""
    given = _read(address)
    kept = ask(url, lambda client: client.suppressions.put(channel, given, reason=reason))
    show(kept, f"{kept['id']} is on the list: nothing is sent to it.", as_json=as_json)


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
    return sys.stdin.readline().strip()


def _line(one: Mapping[str, Any]) -> str:
    moment = one["created_at"][:16].replace("T", " ")
    return f"{moment}  {one['channel']} {one['id']}: {one['reason']}"
