"""The command that containers ask: whether the process on this machine can work."""

import asyncio
from typing import Annotated, Any

import typer

from tidings.cli.calls import AsJson, show
from tidings.cli.root import app


@app.command(epilog="Example: tidings health")
def health(
    url: Annotated[
        str | None,
        typer.Option(
            help="Where the process answers; else TIDINGS_HEALTH_PORT on this machine if that is "
            "set, else TIDINGS_PORT."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a process can work; exit status 1 when it can't."""
    ready, found = asyncio.run(_ask(url or _here()))
    lines = [f"{name}: {finding}" for name, finding in found["checks"].items()]
    show(found, "\n".join([found["status"], *lines]), as_json=as_json)
    raise typer.Exit(0 if ready else 1)


def _here() -> str:
    from tidings.settings import load_settings

    settings = load_settings()
    return f"http://localhost:{settings.health_port or settings.port}"


async def _ask(url: str) -> tuple[bool, dict[str, Any]]:
    """Whether it is ready, and what it says. Raises Unavailable where nobody answers."""
    import orjson

    from tidings.core.errors import Unavailable
    from tidings.egress.http import HttpClient

    async with HttpClient(timeout=5.0) as client:
        answer = await client.request("GET", f"{url.rstrip('/')}/readyz")
    try:
        found = orjson.loads(answer.body)
        return answer.status == 200, {"status": found["status"], "checks": found["checks"]}
    except (ValueError, KeyError, TypeError):
        raise Unavailable(f"{url} answers, but not as Tidings does: name its port") from None
