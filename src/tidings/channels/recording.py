"""The `recording` provider: keeps messages in a list, and fails as a test's script says."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidings.channels.email.addresses import recipient
from tidings.channels.options import read_options
from tidings.channels.registry import ProviderPorts
from tidings.core.errors import DeliveryError
from tidings.core.models import Message, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """It takes no options."""


class RecordingProvider:
    """Takes every message into `messages`, save where the script has an error for the call."""

    #: any number; the setting of the worker decides
    concurrency = 10_000

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._script: deque[DeliveryError | None] = deque()

    def script(self, outcomes: Iterable[DeliveryError | None]) -> None:
        """What the next calls end in, in order: an error, or None for a success."""
        self._script.extend(outcomes)

    async def send(self, message: Message) -> Receipt:
        """Keep it, or raise what the script says; what is no address is rejected."""
        error = self._script.popleft() if self._script else None
        if error is not None:
            raise error
        if message.channel == "email":
            recipient(message.address)
        self.messages.append(message)
        return Receipt(provider_id=f"recorded-{len(self.messages)}")

    async def find(self, message: Message) -> Receipt | None:
        """The receipt of a message it took."""
        ids = [taken.id for taken in self.messages]
        if message.id not in ids:
            return None
        return Receipt(provider_id=f"recorded-{ids.index(message.id) + 1}")

    async def aclose(self) -> None:
        """Nothing to let go of; what was recorded stays."""


def build(options: Mapping[str, str], _ports: ProviderPorts) -> RecordingProvider:
    """The entry point. Raises ConfigurationError for any option."""
    read_options(RecordingOptions, options, prefix="TIDINGS_RECORDING_")
    return RecordingProvider()
