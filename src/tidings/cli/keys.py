"""Commands that make, list and revoke keys."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from tidings.cli.calls import AsJson, Url, ask, show
from tidings.cli.root import app
from tidings.core.errors import InvalidInput
from tidings.core.keys import NewKey, Scope

keys = typer.Typer(help="Make, list and revoke the keys of the API.", no_args_is_help=True)
app.add_typer(keys, name="keys")

#: who made a key that was written into the database itself
COMMAND_LINE = "command line"

_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


@keys.command(epilog="Example: tidings keys create shop --scope trigger --expires 90d")
def create(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[
        list[Scope], typer.Option(help="What it may do; admin may do all. Give it once for each.")
    ],
    expires: Annotated[
        str | None, typer.Option(help="After how long it ends: 12h, 90d, 4w. Never, if left out.")
    ] = None,
    direct: Annotated[
        bool,
        typer.Option(
            "--direct",
            help="Write it into the database of TIDINGS_DATABASE_URL: for the first key, or where "
            "none is left.",
        ),
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed once and kept nowhere."""
    end = _end(expires) if expires else None
    if direct:
        made = asyncio.run(_create_directly(name, scope, end))
    else:
        made = ask(url, lambda client: client.keys.create(name, scope, expires_at=end))
    show(made, f"{made['key']}\n\nKeep it now: it is shown only once.", as_json=as_json)


@keys.command("list", epilog="Example: tidings keys list")
def list_keys(url: Url = None, as_json: AsJson = False) -> None:
    """List every key there ever was, without its secret."""
    found = ask(url, lambda client: client.keys.list())
    show({"keys": found}, _table(found), as_json=as_json)


@keys.command(epilog="Example: tidings keys revoke k3v7qz2a")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `tidings keys list` shows it.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """End a key, within a second everywhere."""
    key = ask(url, lambda client: client.keys.revoke(key_id))
    show(key, f"{key['id']} ({key['name']}) is revoked.", as_json=as_json)


async def _create_directly(
    name: str, scopes: Sequence[Scope], expires_at: datetime | None
) -> Mapping[str, Any]:
    from tidings.settings import load_settings
    from tidings.wiring import open_keys

    async with open_keys(load_settings()) as (service, audit):
        entry = await audit.begin(COMMAND_LINE, "tidings keys create --direct")
        made = await service.create(name, scopes, by=COMMAND_LINE, expires_at=expires_at)
        await audit.end(entry, 201)
    return _as_answered(made)


def _as_answered(made: NewKey) -> Mapping[str, Any]:
    """A key as the API would answer it."""
    return {
        "id": made.key.id,
        "name": made.key.name,
        "scopes": list(made.key.scopes),
        "expires_at": made.key.expires_at and made.key.expires_at.isoformat(),
        "key": made.token,
    }


def _end(text: str) -> datetime:
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", text)
    if found is None:
        raise InvalidInput("--expires must look like 12h, 90d or 4w", field="expires")
    return datetime.now(UTC) + timedelta(hours=int(found[1]) * _HOURS[found[2]])


def _table(found: Sequence[Mapping[str, Any]]) -> str:
    lines = [_line(key) for key in found]
    return "\n".join(lines) or "There are no keys yet: tidings keys create admin --scope admin"


def _line(key: Mapping[str, Any]) -> str:
    made, ends, used = map(_minute, (key["created_at"], key["expires_at"], key["last_used_at"]))
    return (
        f"{key['id']}  {_state(key):7}  {' '.join(key['scopes']):12}  made {made}  "
        f"ends {ends:16}  used {used:16}  {key['name']}"
    )


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "never"


def _state(key: Mapping[str, Any]) -> str:
    if key["revoked_at"]:
        return "revoked"
    expires_at = key["expires_at"]
    expired = expires_at and datetime.fromisoformat(expires_at) <= datetime.now(UTC)
    return "expired" if expired else "live"
