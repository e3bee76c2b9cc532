"""`tidings`: start the system or one of its services, and talk to a running one.

Commands import what they run when they run it, so that `--help` answers at once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tidings.core.errors import InvalidInput, TidingsError

if TYPE_CHECKING:
    from tidings.client import AsyncClient

app = typer.Typer(
    help="Tell people what happened, on the channel they chose, and say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
worker = typer.Typer(help="Start one kind of worker.", no_args_is_help=True)
app.add_typer(worker, name="worker")

Url = Annotated[
    str | None,
    typer.Option(
        help="Where the system answers; else TIDINGS_URL, else this machine's TIDINGS_PORT."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Result = TypeVar("Result")


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


@app.command(epilog="Example: tidings up")
def up() -> None:
    """Start everything in one process: API, pages and workers."""
    from tidings.notification_system import main

    main()


@app.command(epilog="Example: tidings api")
def api() -> None:
    """Start the HTTP API and the pages alone."""
    from tidings.main import main

    main()


@worker.command("notification", epilog="Example: tidings worker notification")
def notification_worker() -> None:
    """Plan what is due: decide whom to tell what, when and on which channel."""
    from tidings.notification_worker import main

    main()


@worker.command("channel", epilog="Example: tidings worker channel email")
def channel_worker(
    channels: Annotated[list[str], typer.Argument(help="Channels to send on.")],
) -> None:
    """Send what is due on the given channels."""
    from tidings.channel_worker import main

    main(channels)


@worker.command("analytics", epilog="Example: tidings worker analytics")
def analytics_worker() -> None:
    """Fold what happened into the dashboard's figures."""
    from tidings.analytics_worker import main

    main()


@app.command(epilog='Example: tidings send ana@example.com "Dinner is ready" --subject Dinner')
def send(
    to: Annotated[str, typer.Argument(help="An e-mail address.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    subject: Annotated[str | None, typer.Option(help="The subject line.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send one e-mail without any workflow."""
    event_id = _ask(url, lambda client: client.send(to, text, subject=subject))
    _print({"event_id": event_id}, _accepted(event_id, url), as_json=as_json)


@app.command(epilog="""Example: tidings trigger ORDER_SHIPPED u1 --data '{"order": "A-7"}'""")
def trigger(
    event_type: Annotated[str, typer.Argument(help="What happened.")],
    user_id: Annotated[str, typer.Argument(help="To whom.")],
    data: Annotated[str, typer.Option(help="What templates may say of it, as JSON.")] = "{}",
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say that something happened to a user."""
    parsed = _parse(data)
    event_id = _ask(
        url, lambda client: client.trigger(event_type, user_id, parsed, idempotency_key=key)
    )
    _print({"event_id": event_id}, _accepted(event_id, url), as_json=as_json)


@app.command(epilog="Example: tidings explain 01a206e6-6ca0-7000-a741-c8e0f148a620 --json")
def explain(
    event_id: Annotated[str, typer.Argument(help="The event's id.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say what an event led to, and why."""
    explanation = _ask(url, lambda client: client.explain(event_id))
    _print(explanation, story(explanation), as_json=as_json)


def story(explanation: Mapping[str, Any]) -> str:
    """An explanation as lines a person can read."""
    lines = [f"{explanation['type']} {explanation['event_id']}: {explanation['state']}"]
    if explanation.get("reason"):
        lines.append(f"  {explanation['reason']}")
    for notification in explanation["notifications"]:
        lines.append(f"  {notification['workflow']}: {notification['state']}")
        lines += [_decision_line(decision) for decision in notification["decisions"]]
        for delivery in notification["deliveries"]:
            lines += _delivery_lines(delivery)
    return "\n".join(lines)


def _show_version(*, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("tidings"))
        raise typer.Exit


def _accepted(event_id: str, url: str | None) -> str:
    where = f" --url {url}" if url else ""
    return f"Accepted. To see what became of it: tidings explain {event_id}{where}"


def _decision_line(decision: Mapping[str, Any]) -> str:
    return f"    {decision['verdict']} ({decision['rule']}): {decision['reason']}"


def _delivery_lines(delivery: Mapping[str, Any]) -> list[str]:
    reason = f": {delivery['reason']}" if delivery.get("reason") else ""
    attempts = [
        f"      {one['started_at']} {one['provider']}: {one['outcome']} {one.get('error') or ''}"
        for one in delivery["attempts"]
    ]
    return [f"    {delivery['channel']}: {delivery['state']}{reason}", *attempts]


def _ask(url: str | None, question: Callable[["AsyncClient"], Awaitable[Result]]) -> Result:
    from tidings.client import AsyncClient
    from tidings.wiring import load_settings

    settings = load_settings()
    found = url or settings.url or f"http://localhost:{settings.port}"

    async def ask() -> Result:
        async with AsyncClient(found) as client:
            return await question(client)

    return asyncio.run(ask())


def _parse(data: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"--data is not JSON: {error}", field="data") from None
    if not isinstance(parsed, dict):
        raise InvalidInput("--data must be a JSON object", field="data")
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _print(machine: Mapping[str, Any], person: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(machine, indent=2, ensure_ascii=False) if as_json else person)
