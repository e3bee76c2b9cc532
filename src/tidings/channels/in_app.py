"""The `in_app` provider: puts messages into the person's feed, each once."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidings.channels.options import read_options
from tidings.channels.registry import ProviderPorts
from tidings.core.errors import PermanentError, TransientError, Unavailable
from tidings.core.models import IN_APP, Message, Receipt
from tidings.core.ports import FeedWriter
from tidings.core.text import is_one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class InAppOptions:
    """It takes no options."""


class InAppProvider:
    """The feed is a table of our own, so a message that is sent again is no second item."""

    #: any number; the setting of the worker decides
    concurrency = 10_000

    def __init__(self, feed: FeedWriter) -> None:
        self._feed = feed

    async def send(self, message: Message) -> Receipt:
        """Put it into the feed of the user whose id is the address.

        Raises TransientError when the feed is down, PermanentError for another channel's message.
        """
        _require_user(message)
        try:
            await self._feed(message)
        except Unavailable as error:
            raise TransientError(
                f"the feed can't be written: {error}", retry_after=error.retry_after
            ) from error
        return Receipt(provider_id=message.id)

    async def find(self, message: Message) -> Receipt | None:
        """None: to put it there again makes no second item."""

    async def aclose(self) -> None:
        """Nothing to let go of."""


def build(options: Mapping[str, str], ports: ProviderPorts) -> InAppProvider:
    """The entry point. Raises ConfigurationError for any option."""
    read_options(InAppOptions, options, prefix="TIDINGS_IN_APP_")
    return InAppProvider(ports.feed)


def _require_user(message: Message) -> None:
    if message.channel != IN_APP:
        raise PermanentError(
            f"in_app carries nothing by {message.channel}: name another provider for it"
        )
    if not is_one_line(message.address):
        raise PermanentError("the address is no user's id")
