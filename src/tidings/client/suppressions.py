"""Suppressions as both clients have them."""

from collections.abc import Sequence

from tidings.client.answers import Suppression
from tidings.client.loop_thread import LoopThread
from tidings.client.problems import part_of
from tidings.client.transport import Transport, path_of


class Suppressions:
    """Addresses nothing is sent to."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def put(self, channel: str, address: str, *, reason: str = "asked for") -> Suppression:
        """Send nothing to an address any more, critical or not. Raises InvalidInput."""
        body = {"channel": channel, "address": address, "reason": reason}
        suppression: Suppression = await self._transport.put(path_of("suppressions"), body)
        return suppression

    async def find(self, channel: str, address: str) -> Suppression:
        """The suppression of an address. Raises NotFound and InvalidInput."""
        body = {"channel": channel, "address": address}
        suppression: Suppression = await self._transport.post(
            path_of("suppressions", "find"), body, harmless=True
        )
        return suppression

    async def get(self, suppression_id: str) -> Suppression:
        """The suppression of that id. Raises NotFound."""
        suppression: Suppression = await self._transport.get(
            path_of("suppressions", suppression_id)
        )
        return suppression

    async def list(self, *, limit: int = 100, after: str | None = None) -> Sequence[Suppression]:
        """The list in the order of its ids, from the first one after `after`.

        `limit` is 100 at most.
        """
        answer = await self._transport.get(path_of("suppressions"), limit=limit, after=after)
        return tuple(part_of(answer, "suppressions"))

    async def lift(self, suppression_id: str) -> Suppression:
        """Use the address again; what was skipped meanwhile stays so. Raises NotFound."""
        suppression: Suppression = await self._transport.delete(
            path_of("suppressions", suppression_id)
        )
        return suppression


class SyncSuppressions:
    """Addresses nothing is sent to."""

    def __init__(self, suppressions: Suppressions, thread: LoopThread) -> None:
        self._suppressions = suppressions
        self._thread = thread

    def put(self, channel: str, address: str, *, reason: str = "asked for") -> Suppression:
        """Send nothing to an address any more, critical or not. Raises InvalidInput."""
        return self._thread.wait_for(self._suppressions.put(channel, address, reason=reason))

    def find(self, channel: str, address: str) -> Suppression:
        """The suppression of an address. Raises NotFound and InvalidInput."""
        return self._thread.wait_for(self._suppressions.find(channel, address))

    def get(self, suppression_id: str) -> Suppression:
        """The suppression of that id. Raises NotFound."""
        return self._thread.wait_for(self._suppressions.get(suppression_id))

    def list(self, *, limit: int = 100, after: str | None = None) -> Sequence[Suppression]:
        """The list in the order of its ids, from the first one after `after`.

        `limit` is 100 at most.
        """
        return self._thread.wait_for(self._suppressions.list(limit=limit, after=after))

    def lift(self, suppression_id: str) -> Suppression:
        """Use the address again; what was skipped meanwhile stays so. Raises NotFound."""
        return self._thread.wait_for(self._suppressions.lift(suppression_id))
