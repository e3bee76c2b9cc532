"""Confirming: a vendor's word that what it took has been delivered."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tidings.core.delivery_news import Tell
from tidings.core.errors import InvalidInput
from tidings.core.logs import get_logger
from tidings.core.ports import Store
from tidings.core.text import is_one_line
from tidings.store import receipts

#: ids one call may name
MOST_IDS = 1_000
#: characters one may have, as many as are kept of one
LONGEST_ID = 500

_log = get_logger("delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What became of a provider's ids: each is in one of the two, once, in the order they came."""

    delivered: tuple[str, ...]
    #: nothing is on record as sent under these, or not yet
    unknown: tuple[str, ...]


class Confirming:
    """Takes confirmations; one that comes twice or late changes nothing."""

    def __init__(self, store: Store, *, tell: Tell) -> None:
        self._store = store
        self._tell = tell

    async def by(self, provider: str, provider_ids: Sequence[str]) -> Confirmed:
        """What `provider` took under these ids was delivered. Raises InvalidInput, Unavailable."""
        _require_ids(provider, provider_ids)
        ids, now = dict.fromkeys(provider_ids), await self._store.now()
        found = await self._store.run(lambda to: receipts.confirm(to, provider, ids, now))
        self._tell(found.told)
        confirmed = Confirmed(
            delivered=tuple(each for each in ids if each in found.known),
            unknown=tuple(each for each in ids if each not in found.known),
        )
        _log.info(
            "confirmed",
            integration=provider,
            count=len(found.told),
            unknown=len(confirmed.unknown),
        )
        return confirmed


def _require_ids(provider: str, provider_ids: Collection[str]) -> None:
    if not provider or not is_one_line(provider):
        raise InvalidInput("provider must be the name of an integration", field="provider")
    if isinstance(provider_ids, str) or not 1 <= len(provider_ids) <= MOST_IDS:
        raise InvalidInput(f"provider_ids must be 1 to {MOST_IDS:,} ids", field="provider_ids")
    for index, each in enumerate(provider_ids):
        if not 1 <= len(each) <= LONGEST_ID or not is_one_line(each):
            raise InvalidInput(
                f"an id must be one line of 1 to {LONGEST_ID} characters",
                field=f"provider_ids.{index}",
            )
