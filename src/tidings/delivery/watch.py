"""Watches how an integration answers, so that it is called no more than is good."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from structlog.contextvars import bind_contextvars, unbind_contextvars

from tidings.core.errors import DeliveryError, OutcomeUnknown, TransientError
from tidings.core.models import Message, Receipt
from tidings.core.ports import Find, Send
from tidings.delivery.gate.gate import Gate
from tidings.delivery.gate.routes import Routes
from tidings.delivery.receipts import Ended, Receipts

Answer = TypeVar("Answer")


class Watch:
    """Tells the gate how each call ended, and whether silence was asked for.

    Where receipts are waited for, a call that was answered well is judged when they are due.
    """

    def __init__(
        self,
        gate: Gate,
        routes: Routes,
        *,
        slow_seconds: float,
        receipts: Receipts | None,
        note_pause: Callable[[float], None],
    ) -> None:
        self._gate = gate
        self._routes = routes
        self._slow_seconds = slow_seconds
        self._receipts = receipts
        self._note_pause = note_pause

    def __call__(self, send: Send) -> Send:
        """The middleware."""

        async def watched(message: Message) -> Receipt:
            receipt, ended = await self._answered(send(message))
            if self._receipts is None:
                ended(failed=False)
            else:
                self._receipts.expect(message.id, ended)
            return receipt

        return watched

    def asking(self, find: Find) -> Find:
        """The same around a question: any clear answer is a good one."""

        async def watched(message: Message) -> Receipt | None:
            receipt, ended = await self._answered(find(message))
            ended(failed=False)
            return receipt

        return watched

    async def _answered(self, call: Awaitable[Answer]) -> tuple[Answer, Ended]:
        """The answer, and whom to tell whether it was a good one."""
        term, began = self._gate.term, time.perf_counter()
        # for the provider's own lines, which can't know whose account it is
        bind_contextvars(integration=self._gate.name)
        try:
            answer = await call
        except DeliveryError as error:
            self._ended(failed=_counts_against_it(error), term=term, slow=self._is_slow(began))
            self._heed(error)
            raise
        finally:
            unbind_contextvars("integration")
        return answer, partial(self._ended, term=term, slow=self._is_slow(began))

    def _ended(self, *, failed: bool, term: int, slow: bool) -> None:
        self._gate.ended(term, failed=failed)
        self._routes.ended(self._gate.name, slow=slow, failed=failed)

    def _is_slow(self, began: float) -> bool:
        return time.perf_counter() - began > self._slow_seconds

    def _heed(self, error: DeliveryError) -> None:
        wait = getattr(error, "retry_after", None)
        if wait and not getattr(error, "own", False):
            self._gate.pause(wait)
            self._note_pause(wait)


def _counts_against_it(error: DeliveryError) -> bool:
    return isinstance(error, TransientError | OutcomeUnknown) and not error.own
