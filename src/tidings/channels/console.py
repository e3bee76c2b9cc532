"""The `console` provider: logs a line and keeps the message for the dev outbox."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidings.channels.email.addresses import recipient
from tidings.channels.options import read_options
from tidings.channels.registry import ProviderPorts
from tidings.core.errors import TransientError, Unavailable
from tidings.core.logs import get_logger
from tidings.core.models import Message, Receipt
from tidings.core.ports import OutboxWriter

_log = get_logger("console")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """It takes no options."""


class ConsoleProvider:
    """Sends nothing anywhere: what a developer wants to see instead of real mail."""

    #: any number; the setting of the worker decides
    concurrency = 10_000

    def __init__(self, outbox: OutboxWriter) -> None:
        self._outbox = outbox

    async def send(self, message: Message) -> Receipt:
        """Keep it in the outbox and log it, if a real provider could send it.

        Raises TransientError when the outbox is down.
        """
        if message.channel == "email":
            recipient(message.address)
        try:
            await self._outbox(message)
        except Unavailable as error:
            raise TransientError(
                f"the outbox can't be written: {error}", retry_after=error.retry_after
            ) from error
        _log.info(
            "message kept in the outbox",
            to=message.address,
            message_id=message.id,
        )
        return Receipt(provider_id=message.id)

    async def aclose(self) -> None:
        """Nothing to let go of."""


def build(options: Mapping[str, str], ports: ProviderPorts) -> ConsoleProvider:
    """The entry point. Raises ConfigurationError for any option."""
    read_options(ConsoleOptions, options, prefix="TIDINGS_CONSOLE_")
    return ConsoleProvider(ports.outbox)
