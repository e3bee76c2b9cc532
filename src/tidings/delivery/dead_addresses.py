"""Drops addresses that a provider calls dead, as long as it can be believed."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from tidings.core.logs import get_logger
from tidings.core.work import AttemptOutcome, Claimed, Outcome

#: addresses that an integration may refuse in a row before it is itself in doubt: one that is
#: wrongly set up may call every address dead, and nothing brings a dropped one back
IN_A_ROW = 10
_log = get_logger("delivery")

RejectAddress = Callable[[str, str], Awaitable[object]]
"""Drops a dead address: channel, address."""


class DeadAddresses:
    """Drops what is refused for good, and nothing while an integration refuses everything."""

    def __init__(self, reject: RejectAddress | None) -> None:
        self._reject = reject
        self._refused: Counter[tuple[str, str]] = Counter()

    async def note(self, outcome: Outcome) -> None:
        """What became of a call, once it is settled."""
        attempt, claimed = outcome.attempt, outcome.claimed
        if attempt is None:
            return
        if attempt.outcome == AttemptOutcome.SENT:
            self._refused.pop((claimed.channel, attempt.provider), None)
        elif attempt.outcome == AttemptOutcome.REJECTED:
            await self._refused_by(attempt.provider, claimed)

    async def _refused_by(self, integration: str, claimed: Claimed) -> None:
        self._refused[claimed.channel, integration] += 1
        refused = self._refused[claimed.channel, integration]
        if refused <= IN_A_ROW:
            await self._drop(claimed)
        elif refused == IN_A_ROW + 1:
            _log.error(
                "an integration refuses one address after another: no more are dropped until it "
                "takes a message; check its settings",
                channel=claimed.channel,
                integration=integration,
            )

    async def _drop(self, claimed: Claimed) -> None:
        if self._reject is None:
            return
        try:
            await self._reject(claimed.channel, claimed.address)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the next mail to it will be rejected again
            _log.warning(
                "a dead address could not be dropped",
                delivery_id=claimed.id,
                error=type(error).__name__,
            )
