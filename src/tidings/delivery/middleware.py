"""What is wrapped around every provider call, one concern each."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

from tidings.core.errors import DeliveryError, OutcomeUnknown, TransientError
from tidings.core.metrics import Metrics
from tidings.core.models import Message, Receipt
from tidings.core.ports import CheckingProvider, Find, Middleware, Provider, Send
from tidings.core.quiet_log import QuietLog
from tidings.core.work import AttemptOutcome
from tidings.delivery.outcomes import attempt_outcome

Answer = TypeVar("Answer")


def wrapped(send: Send, *layers: Middleware) -> Send:
    """`send` with the layers around it, the first one outermost."""
    for layer in reversed(layers):
        send = layer(send)
    return send


def timeout(seconds: float) -> Middleware:
    """Breaks a call off after so many seconds: OutcomeUnknown, for it may have left us."""

    def layer(send: Send) -> Send:
        async def within(message: Message) -> Receipt:
            try:
                async with asyncio.timeout(seconds):
                    return await send(message)
            except TimeoutError as error:
                raise OutcomeUnknown(f"the provider did not answer within {seconds:g} s") from error

        return within

    return layer


def containment(quiet_log: QuietLog) -> Middleware:
    """A provider's own bugs become OutcomeUnknown: how far it got, nobody can tell."""

    def layer(send: Send) -> Send:
        async def contained(message: Message) -> Receipt:
            try:
                return _clean(await send(message), message, quiet_log)
            except DeliveryError as error:
                _mend(error, message, quiet_log)
                raise
            except Exception as error:
                quiet_log.error("the provider broke its contract", error, delivery_id=message.id)
                raise OutcomeUnknown(
                    f"the provider failed in a way it should not ({type(error).__name__})"
                ) from error

        return contained

    return layer


def _clean(receipt: object, message: Message, quiet_log: QuietLog) -> Receipt:
    """The receipt as promised: a call that came back was taken, whatever it gave."""
    given = receipt.provider_id if isinstance(receipt, Receipt) else None
    if isinstance(receipt, Receipt) and isinstance(given, str | None):
        return receipt
    quiet_log.warning("the provider gave no proper receipt", delivery_id=message.id)
    return Receipt(provider_id=None if given is None else str(given))


def _mend(error: DeliveryError, message: Message, quiet_log: QuietLog) -> None:
    """Leave out a wait that is none: the provider's answer counts all the same."""
    wait = getattr(error, "retry_after", None)
    if wait is None or (isinstance(wait, int | float) and 0 <= wait < inf):
        return
    error.retry_after = None  # type: ignore[attr-defined]  # it has one
    quiet_log.warning(
        "the provider's retry_after is no number of seconds",
        type=type(wait).__name__,
        delivery_id=message.id,
    )


def contained_find(provider: Provider, *, seconds: float, quiet_log: QuietLog) -> Find | None:
    """How a provider is asked whether it has a message, or None where it can't be asked."""
    if not isinstance(provider, CheckingProvider):
        return None
    find = provider.find

    async def contained(message: Message) -> Receipt | None:
        try:
            async with asyncio.timeout(seconds):
                receipt = await find(message)
        except DeliveryError as error:
            _mend(error, message, quiet_log)
            raise
        except TimeoutError as error:
            raise TransientError(f"it did not answer within {seconds:g} s") from error
        except Exception as error:
            quiet_log.error("the provider broke its contract", error, delivery_id=message.id)
            raise TransientError(
                f"it failed in a way it should not ({type(error).__name__})"
            ) from error
        return None if receipt is None else _clean(receipt, message, quiet_log)

    return contained


class Meter:
    """Counts an integration's calls by outcome and measures their time."""

    def __init__(self, metrics: Metrics, *, channel: str, provider: str) -> None:
        self._metrics = metrics
        self._channel = channel
        self._provider = provider

    def __call__(self, send: Send) -> Send:
        """The middleware."""

        async def measured(message: Message) -> Receipt:
            return await self._measured(message, send, lambda _receipt: AttemptOutcome.SENT)

        return measured

    def asking(self, find: Find) -> Find:
        """The same around a question, which is a call as well."""

        async def measured(message: Message) -> Receipt | None:
            return await self._measured(message, find, _found_or_absent)

        return measured

    async def _measured(
        self,
        message: Message,
        call: Callable[[Message], Awaitable[Answer]],
        word: Callable[[Answer], AttemptOutcome],
    ) -> Answer:
        started, outcome = time.perf_counter(), AttemptOutcome.UNKNOWN
        try:
            answer = await call(message)
            outcome = word(answer)
        except DeliveryError as error:
            outcome = attempt_outcome(error)
            raise
        finally:
            where = (self._channel, message.lane, self._provider)
            self._metrics.attempt_seconds.labels(*where).observe(time.perf_counter() - started)
            self._metrics.attempts.labels(*where, outcome).inc()
        return answer


def _found_or_absent(receipt: Receipt | None) -> AttemptOutcome:
    return AttemptOutcome.ABSENT if receipt is None else AttemptOutcome.FOUND
