"""Commands that list, show and replay what came to nothing."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidings.cli.calls import AsJson, Url, ask, show
from tidings.cli.root import app
from tidings.core.errors import Conflict, InvalidInput
from tidings.core.ids import is_uuid

if TYPE_CHECKING:
    from tidings.client import AsyncClient

letters = typer.Typer(help="What came to nothing: find, show and replay it.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")

Kind = Annotated[
    str | None, typer.Option(help="event, notification, delivery or bus_entry; all, if left out.")
]
Channel = Annotated[str | None, typer.Option(help="On this channel.")]
Workflow = Annotated[str | None, typer.Option(help="Of this workflow.")]
Provider = Annotated[str | None, typer.Option(help="Last called here.")]
User = Annotated[str | None, typer.Option(help="To the user of this id.")]
Reason = Annotated[str | None, typer.Option(help="With these words in the reason.")]
InDoubt = Annotated[
    bool,
    typer.Option("--in-doubt", help="Send again too what may have been delivered already."),
]

Progress = Callable[[int], None]
"""Told how many are done so far."""


@letters.command(
    "list", epilog="Example: tidings dead-letters list --kind delivery --channel email"
)
def list_letters(
    kind: Kind = None,
    channel: Channel = None,
    workflow: Workflow = None,
    provider: Provider = None,
    user: User = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=100)] = 20,
    before: Annotated[str | None, typer.Option(help="The `next` of the last answer.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List what came to nothing, newest first."""
    wanted = _wanted(kind, channel, workflow, provider, user, reason)
    page = ask(url, lambda client: client.dead_letters.list(**wanted, limit=limit, before=before))
    lines = [_line(letter) for letter in page["dead_letters"]]
    if page["next"]:
        lines.append(f"There are older ones: --before {page['next']}")
    show(page, "\n".join(lines) or "There are none.", as_json=as_json)


@letters.command("show", epilog="Example: tidings dead-letters show delivery 0198c0de-…")
def show_letter(
    kind: Annotated[str, typer.Argument(help="Its kind, as the list says.")],
    letter_id: Annotated[str, typer.Argument(help="Its id.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show one with all that is known of it."""
    _require_id(letter_id)
    letter = ask(url, lambda client: client.dead_letters.get(kind, letter_id))
    show(letter, _story(letter), as_json=as_json)


@letters.command(
    epilog="Example: tidings dead-letters replay delivery 0198c0de-… · "
    "tidings dead-letters replay --workflow welcome"
)
def replay(
    kind_and_id: Annotated[
        list[str] | None, typer.Argument(help="One of them; else by options.")
    ] = None,
    kind: Kind = None,
    channel: Channel = None,
    workflow: Workflow = None,
    provider: Provider = None,
    user: User = None,
    reason: Reason = None,
    every: Annotated[bool, typer.Option("--all", help="Whatever the others leave open.")] = False,
    in_doubt: InDoubt = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be replayed.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Replay one, or all that match; what was delivered is never sent again."""
    wanted = _wanted(kind, channel, workflow, provider, user, reason)
    if kind_and_id:
        if wanted or every or dry_run:
            raise InvalidInput("KIND ID replays that one: leave out --dry-run and what says which")
        _replay_one(kind_and_id, url, in_doubt=in_doubt, as_json=as_json)
        return
    if not wanted and not every:
        raise InvalidInput("say which: KIND ID, an option such as --workflow, or --all")
    options = {**wanted, "in_doubt": in_doubt, "dry_run": dry_run}
    with _progress(hidden=as_json) as tell:
        done = ask(url, lambda client: _replay_all(client, options, tell))
    verb = "would be replayed" if dry_run else "replayed"
    show(done, _in_words(done, verb), as_json=as_json)


def _replay_one(one: list[str], url: str | None, *, in_doubt: bool, as_json: bool) -> None:
    if len(one) != 2:
        raise InvalidInput("give KIND and ID alone, as `tidings dead-letters list` shows them")
    kind, letter_id = one
    _require_id(letter_id)
    with _naming_options():
        ask(url, lambda client: client.dead_letters.replay(kind, letter_id, in_doubt=in_doubt))
    done = {"replayed": 1, "left": 0, "in_doubt": 0}
    show(done, f"{kind} {letter_id} is replayed.", as_json=as_json)


@contextmanager
def _naming_options() -> Iterator[None]:
    """A refusal names a field of the API: here it is an option."""
    try:
        yield
    except Conflict as error:
        raise Conflict(str(error).replace("in_doubt", "--in-doubt")) from None


def _require_id(letter_id: str) -> None:
    if not is_uuid(letter_id):
        raise InvalidInput("no such id: copy the whole one from `tidings dead-letters list`")


async def _replay_all(
    client: "AsyncClient", options: Mapping[str, Any], tell: Progress
) -> Mapping[str, int]:
    done, before = Counter[str](), None
    while True:
        answer = await client.dead_letters.replay_all(**options, before=before)
        counted = {name: value for name, value in answer.items() if name != "next"}
        before = answer["next"]
        done.update(counted)
        tell(done["replayed"])
        if before is None:
            return dict(done)


def _in_words(done: Mapping[str, int], verb: str) -> str:
    left = f", {done['left']} left as they are" if done["left"] else ""
    doubt = (
        f"\n{done['in_doubt']} left out because they may have been delivered: "
        "--in-doubt takes them too."
    )
    return f"{done['replayed']} {verb}{left}.{doubt if done['in_doubt'] else ''}"


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Progress]:
    """A bar on standard error for as long as it takes; how long that is nobody knows."""
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.completed:,.0f} done"),
        progress.BarColumn(),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(
        *columns, console=Console(stderr=True), transient=True, disable=hidden
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done: bar.update(task, completed=done)


def _wanted(
    kind: str | None,
    channel: str | None,
    workflow: str | None,
    provider: str | None,
    user: str | None,
    reason: str | None,
) -> dict[str, Any]:
    """What was given of the options that say which."""
    options = {
        "kind": kind,
        "channel": channel,
        "workflow": workflow,
        "provider": provider,
        "user_id": user,
        "reason": reason,
    }
    return {name: value for name, value in options.items() if value is not None}


def _line(letter: Mapping[str, Any]) -> str:
    place = " ".join(
        str(letter[name])
        for name in ("type", "workflow", "channel", "bus_channel", "user_id")
        if letter[name]
    )
    marks = {"called_off": " (called off)", "taken": " (taken)", "in_doubt": " (in doubt)"}
    doubt = next((mark for name, mark in marks.items() if letter.get(name)), "")
    moment = letter["at"][:16].replace("T", " ")
    return f"{moment}  {letter['kind']} {letter['id']}  {place}{doubt}: {letter['reason']}"


def _story(letter: Mapping[str, Any]) -> str:
    calls = [
        f"  {one['started_at']} {one['provider']}: "
        + ": ".join(words for words in (one["outcome"], one["error"]) if words)
        for one in letter["attempts"]
    ]
    event = [f"  event {letter['event_id']}"] if letter["event_id"] else []
    details = json.dumps(letter["details"], indent=2, ensure_ascii=False)
    return "\n".join([_line(letter), *event, *calls, details])
