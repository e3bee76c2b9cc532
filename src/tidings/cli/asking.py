"""Commands that talk to a running system over HTTP."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tidings.cli.calls import AsJson, Url, ask, program, show
from tidings.cli.root import app
from tidings.core.errors import InvalidInput
from tidings.core.text import call_in_words


@app.command(epilog='Example: tidings send ana@example.com "Dinner is ready" --subject Dinner')
def send(
    to: Annotated[str, typer.Argument(help="An e-mail address.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    subject: Annotated[str | None, typer.Option(help="The subject line.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send one e-mail without any workflow."""
    event_id = ask(url, lambda client: client.send(to, text, subject=subject))
    show({"event_id": event_id}, _accepted(event_id, url), as_json=as_json)


@app.command(epilog="""Example: tidings trigger ORDER_SHIPPED u1 --data '{"order": "A-7"}'""")
def trigger(
    event_type: Annotated[str, typer.Argument(help="What happened.")],
    user_id: Annotated[str, typer.Argument(help="To whom.")],
    data: Annotated[str, typer.Option(help="What templates may say of it, as JSON.")] = "{}",
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    cancel_key: Annotated[str | None, typer.Option(help="A key to call it off by.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say that something happened to a user."""
    parsed = _parse(data)
    event_id = ask(
        url,
        lambda client: client.trigger(
            event_type, user_id, parsed, idempotency_key=key, cancel_key=cancel_key
        ),
    )
    show({"event_id": event_id}, _accepted(event_id, url), as_json=as_json)


@app.command(epilog="Example: tidings cancel --key order-1042")
def cancel(
    key: Annotated[str | None, typer.Option(help="The cancel key it came under.")] = None,
    event: Annotated[str | None, typer.Option(help="An event's id.")] = None,
    notification: Annotated[str | None, typer.Option(help="A notification's id.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Call off what has not been sent yet."""
    cancelled = ask(
        url,
        lambda client: client.cancel(cancel_key=key, event_id=event, notification_id=notification),
    )
    show(cancelled, _called_off(cancelled), as_json=as_json)


@app.command(epilog="Example: tidings explain 01a206e6-6ca0-7000-a741-c8e0f148a620 --json")
def explain(
    event_id: Annotated[str, typer.Argument(help="The event's id.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say what an event led to, and why."""
    explanation = ask(url, lambda client: client.explain(event_id))
    show(explanation, story(explanation), as_json=as_json)


def story(explanation: Mapping[str, Any]) -> str:
    """An explanation as lines a person can read."""
    lines = [f"{explanation['type']} {explanation['event_id']}: {explanation['state']}"]
    if explanation.get("reason"):
        lines.append(f"  {explanation['reason']}")
    for notification in explanation["notifications"]:
        lines.append(f"  {notification['workflow']} {notification['id']}: {notification['state']}")
        lines += [_decision_line(decision) for decision in notification["decisions"]]
        for delivery in notification["deliveries"]:
            lines += _delivery_lines(delivery)
    return "\n".join(lines)


def _accepted(event_id: str, url: str | None) -> str:
    where = f" --url {url}" if url else ""
    return f"Accepted. To see what became of it: {program()} explain {event_id}{where}"


def _called_off(cancelled: Mapping[str, Any]) -> str:
    done = [_counted(cancelled[name], word) for name, word in _CALLED_OFF.items()]
    sentences = [f"Called off: {', '.join(done)}."]
    if late := cancelled["under_way"]:
        sentences.append(f"Being sent at this moment, so that they may arrive: {late}.")
    if dead := cancelled.get("dead"):
        sentences.append(f"Had come to nothing, and can't be replayed any more: {dead}.")
    return " ".join(sentences)


_CALLED_OFF = {"events": "event", "notifications": "notification", "deliveries": "delivery"}


def _counted(count: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count} {word if count == 1 else plural}"


def _decision_line(decision: Mapping[str, Any]) -> str:
    return f"    {decision['verdict']} ({decision['rule']}): {decision['reason']}"


def _delivery_lines(delivery: Mapping[str, Any]) -> list[str]:
    rule = f" ({delivery['rule']})" if delivery.get("rule") else ""
    why = delivery.get("waits") or delivery.get("reason")
    reason = f"{rule}: {why}" if why else rule
    attempts = [
        f"      {one['started_at']} {one['provider']}: {_attempt(one)}"
        for one in delivery["attempts"]
    ]
    called_off = delivery.get("cancelled_at") and delivery["state"] != "cancelled"
    state = f"{delivery['state']}{', called off' if called_off else ''}"
    return [f"    {delivery['channel']}: {state}{reason}", *attempts]


def _attempt(attempt: Mapping[str, Any]) -> str:
    """How it ended, why it went another way than usual, and what was wrong."""
    words = call_in_words(attempt.get("route"), attempt.get("error"))
    return f"{attempt['outcome']}: {words}" if words else str(attempt["outcome"])


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
