"""Integrations whose vendors a test puts up and down, and which note every call."""

import time

from tidings.core.errors import DeliveryError, TransientError
from tidings.core.integrations import UNLIMITED, Integration, Limits
from tidings.core.models import Message, Receipt


class Vendor:
    """Takes every message while it is up."""

    concurrency = 1_000

    def __init__(self) -> None:
        self.trouble: DeliveryError | None = None
        self.messages: list[Message] = []
        #: what it was asked to take, whatever became of it
        self.asked: list[Message] = []
        #: when each call came, on the machine's clock, whatever became of it
        self.calls: list[float] = []

    async def send(self, message: Message) -> Receipt:
        self.calls.append(time.monotonic())
        self.asked.append(message)
        if self.trouble is not None:
            raise self.trouble
        self.messages.append(message)
        return Receipt(provider_id=message.id)

    async def aclose(self) -> None:
        pass

    def go_down(self) -> None:
        self.trouble = TransientError("503 out of order")

    def come_back(self) -> None:
        self.trouble = None

    def named(
        self, name: str, *, weight: int | None = None, limits: Limits = UNLIMITED
    ) -> Integration:
        return Integration(name=name, provider=self, weight=weight, limits=limits)


def most_in_a_second(calls: list[float]) -> int:
    """The most calls that any window of one second saw."""
    calls, most, first = sorted(calls), 0, 0
    for last, at in enumerate(calls):
        while at - calls[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
