"""Commands that start the system or one of its services.

They import what they run when they run it, so that `--help` answers at once.
"""

from typing import Annotated

import typer

from tidings.cli.root import app

worker = typer.Typer(help="Start one kind of worker.", no_args_is_help=True)
app.add_typer(worker, name="worker")


@app.command(epilog="Example: tidings up")
def up() -> None:
    """Start everything in one process: API, pages and workers."""
    from tidings.notification_system import main

    main()


@app.command(epilog="Example: tidings api · tidings api users templates")
def api(
    services: Annotated[
        list[str] | None, typer.Argument(help="Services to answer for; all, if none is named.")
    ] = None,
) -> None:
    """Start the HTTP API, whole or for some of its services."""
    from tidings.main import main

    main(services or ())


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
