"""Ends what is of no use any more, also while nobody may be called and nothing is claimed."""

from typing import Final

from tidings.core.ports import Store
from tidings.delivery.news import News

#: how many are ended in a transaction
_BATCH: Final = 500


class Expiry:
    """On one channel."""

    def __init__(self, *, channel: str, store: Store, news: News) -> None:
        self._channel = channel
        self._store = store
        self._news = news

    async def end(self) -> None:
        """End all that there is by now. Raises Unavailable."""
        is_full = True
        while is_full:
            ended = await self._store.expire(self._channel, limit=_BATCH)
            self._news.tell_ended(ended)
            is_full = len(ended) == _BATCH
