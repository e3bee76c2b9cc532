"""Why nothing is called on a channel, for whoever asks what a message waits for."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from tidings.core.errors import TidingsError
from tidings.core.integrations import Integration
from tidings.core.ports import SharedState
from tidings.delivery.gate.packing import state_key, unpacked_state
from tidings.delivery.gate.words import closed

#: seconds the shared state may take: who asks is waiting for a page
_PATIENCE: Final = 0.5


class ClosedChannels:
    """Reads what the workers agreed on; it changes nothing, and fails nobody who asks."""

    def __init__(
        self, shared: SharedState, integrations: Mapping[str, Sequence[Integration]]
    ) -> None:
        self._shared = shared
        self._integrations = integrations

    async def __call__(self, channel: str) -> tuple[str, datetime] | None:
        """Why none of its integrations is called, and until when.

        None where one is, or nobody can tell.
        """
        names = [each.name for each in self._integrations.get(channel, ())]
        try:
            async with asyncio.timeout(_PATIENCE):
                reasons = [await self._closed(channel, name) for name in names]
        except (TidingsError, TimeoutError, ValueError, ArithmeticError):  # no time a clock has
            return None
        told = [reason for reason in reasons if reason is not None]
        if not told or len(told) < len(names):
            return None
        until = min(at for _, at in told)
        return "; ".join(why for why, _ in told), datetime.fromtimestamp(until, UTC)

    async def _closed(self, channel: str, name: str) -> tuple[str, float] | None:
        now, raw = await self._shared.read(state_key(channel, name))
        state = unpacked_state(raw)
        return None if state is None else closed(name, state, now)
