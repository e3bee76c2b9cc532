"""Suppressions: addresses nothing is sent to, whoever has them, now or later."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.errors import NotFound
from tidings.core.ids import address_hash
from tidings.core.logs import get_logger
from tidings.core.ports import Store
from tidings.store.address_locks import hold
from tidings.users import rows, suppression_rows
from tidings.users.suppression import Suppression, check_reason, normalise_address

_log = get_logger("users")


class SuppressionService:
    """Keeps the list, without any address; each change of it holds from its answer on."""

    def __init__(self, store: Store, *, clock: Clock, channels: Collection[str]) -> None:
        self._store = store
        self._clock = clock
        self._channels = channels

    async def put(self, channel: str, address: str, *, reason: str = "asked for") -> Suppression:
        """Send nothing to an address any more, critical or not. Raises InvalidInput."""
        wanted, why = self._normalised(channel, address), check_reason(reason)
        suppression_id = self._id(channel, wanted)

        def work(connection: sa.Connection) -> Suppression:
            now = self._clock.now()
            hold(connection, suppression_id)
            kept = suppression_rows.put(
                connection, suppression_id, channel=channel, reason=why, now=now
            )
            owners = suppression_rows.suppress(
                connection, suppression_id, channel=channel, address=wanted
            )
            rows.raise_consent(connection, owners, now)
            return kept

        kept = await self._store.run(work)
        _log.info("suppressed", suppression_id=kept.id, channel=channel, reason=why)
        return kept

    async def find(self, channel: str, address: str) -> Suppression:
        """The suppression of an address. Raises NotFound and InvalidInput."""
        return await self.get(self._id(channel, self._normalised(channel, address)))

    async def get(self, suppression_id: str) -> Suppression:
        """The suppression of that id. Raises NotFound."""
        found = await self._store.run(lambda to: suppression_rows.find(to, suppression_id))
        return _existing(found)

    async def list(self, *, limit: int = 100, after: str | None = None) -> Sequence[Suppression]:
        """The list in the order of its ids, from the first one after `after`."""
        return await self._store.run(lambda to: suppression_rows.read(to, limit=limit, after=after))

    async def lift(self, suppression_id: str) -> Suppression:
        """Use the address again; what was skipped meanwhile stays so. Raises NotFound."""

        def work(connection: sa.Connection) -> Suppression | None:
            hold(connection, suppression_id)
            lifted = suppression_rows.take_off(connection, suppression_id)
            if lifted is not None:
                owners = suppression_rows.release(connection, suppression_id)
                rows.raise_consent(connection, owners, self._clock.now())
            return lifted

        lifted = _existing(await self._store.run(work))
        _log.info("suppression lifted", suppression_id=lifted.id, channel=lifted.channel)
        return lifted

    def _normalised(self, channel: str, address: str) -> str:
        return normalise_address(channel, address, served=self._channels)

    def _id(self, channel: str, address: str) -> str:
        return address_hash(self._store.installation.address_key, channel, address)


def _existing(found: Suppression | None) -> Suppression:
    if found is None:
        raise NotFound("there is no such suppression", field="id")
    return found
