"""Ends what is of no use any more, and takes over from the dead, whoever may be called."""

from typing import Final

from tidings.core.logs import get_logger
from tidings.delivery.hold import Hold
from tidings.delivery.news import News

#: how many of each are swept in a transaction
_BATCH: Final = 500
_log = get_logger("delivery")


class Sweeper:
    """On one channel."""

    def __init__(self, *, channel: str, hold: Hold, news: News) -> None:
        self._channel = channel
        self._hold = hold
        self._news = news

    async def sweep(self) -> None:
        """Do it with all that there is by now. Raises Unavailable."""
        is_full = True
        while is_full:
            swept = await self._hold.sweep(self._channel, limit=_BATCH)
            self._tell(len(swept.taken_back))
            self._news.tell_ended(swept.ended)
            is_full = max(len(swept.taken_back), len(swept.ended)) >= _BATCH

    def _tell(self, count: int) -> None:
        if count:
            _log.warning("taken back from dead workers", channel=self._channel, count=count)
