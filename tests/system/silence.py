"""Providers that take messages in silence, and a delivery that one of them left in doubt."""

import asyncio

from tests.system.post_office import PostOffice
from tidings.core.errors import DeliveryError, OutcomeUnknown, TransientError
from tidings.core.models import Message, Receipt

NO_ANSWER, BUSY = OutcomeUnknown("no answer"), TransientError("451 busy", own=True)


class Silent:
    """Takes every message, and answers with silence; it can't be asked either."""

    concurrency = 10

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> Receipt:
        self.messages.append(message)
        raise OutcomeUnknown("no answer")

    async def aclose(self) -> None:
        pass


class Scripted(Silent):
    """Answers its calls as told; it can't be asked either."""

    def __init__(self, *answers: Receipt | DeliveryError) -> None:
        super().__init__()
        self.answers = list(answers)

    async def send(self, message: Message) -> Receipt:
        self.messages.append(message)
        answer = self.answers.pop(0)
        if isinstance(answer, DeliveryError):
            raise answer
        return answer


class Asked(Silent):
    """Takes every message in silence, and answers as told when asked for it."""

    def __init__(self, *answers: Receipt | Exception | None) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[str] = []

    async def find(self, message: Message) -> Receipt | None:
        self.asked.append(message.id)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Deaf(Silent):
    """Does not even answer a question."""

    async def find(self, _message: Message) -> Receipt | None:
        await asyncio.Event().wait()
        return None


async def once_in_doubt(office: PostOffice, provider: Silent, on_unknown: str) -> None:
    """The first call has ended in silence, and the next one is due."""
    await office.change(policy={"on_unknown": on_unknown})
    await office.service(provider=provider).work()
    office.clock.advance(seconds=3)
