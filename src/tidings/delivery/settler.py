"""Writes outcomes in batches, again and again until the database has them."""

from collections.abc import Callable, Sequence

from tidings.core.errors import Unavailable
from tidings.core.group_commit import GroupCommit
from tidings.core.logs import get_logger
from tidings.core.loops import BackOff
from tidings.core.ports import Store
from tidings.core.quiet_log import QuietLog
from tidings.core.work import Outcome, Settled, SettleStatus
from tidings.delivery.dead_addresses import DeadAddresses, RejectAddress
from tidings.delivery.news import News

#: tries for an outcome that the database answers with an error of its own
_TRIES = 5
#: seconds between two tries at most; shorter than a beat, so that after an outage outcomes come
#: before the next claim
_LONGEST_PAUSE = 0.5
#: seconds between two batches of outcomes: each is one transaction and one entry on the bus
_BREATH = 0.005
_log = get_logger("delivery")


class Settler:
    """Outcomes that come together are settled together; each is kept until it is settled."""

    def __init__(
        self,
        *,
        store: Store,
        news: News,
        quiet_log: QuietLog,
        note_outage: Callable[[], None],
        reject: RejectAddress | None = None,
    ) -> None:
        self._store = store
        self._news = news
        self._quiet_log = quiet_log
        self._note_outage = note_outage
        self._dead = DeadAddresses(reject)
        self._group: GroupCommit[Outcome, Settled] = GroupCommit(self._commit, breath=_BREATH)

    async def settle(self, outcome: Outcome) -> bool:
        """Return when it is settled, with whether it counted: whether no claim had overtaken it.

        While the database is away, it is kept and tried again.
        """
        settled = await self._settled(outcome)
        counted = settled is not None and not settled.fenced
        if counted:
            await self._dead.note(outcome)
        return counted

    async def _settled(self, outcome: Outcome) -> Settled | None:
        """None for one that the database refuses by itself: it is left to its lease."""
        back_off, refusals = BackOff(longest=_LONGEST_PAUSE), 0
        while refusals < _TRIES:
            try:
                settled = await self._group.submit(outcome)
                if settled.status is not SettleStatus.BUSY:
                    return settled
                self._quiet_log.warning("an outcome waits: somebody has its row locked")
            except Unavailable as error:
                self._note_outage()
                self._complain(error)
            except Exception as error:
                refusals += 1
                self._complain(error)
            await back_off.pause()
        claimed = outcome.claimed
        _log.error(
            "an outcome can't be written", delivery_id=claimed.id, integration=claimed.provider
        )
        return None

    def _complain(self, error: Exception) -> None:
        self._quiet_log.warning(
            "outcomes can't be written and are kept; trying again", reason=str(error)
        )

    async def _commit(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        settled = await self._store.settle(outcomes)
        self._news.tell([each for each in settled if each.status is not SettleStatus.BUSY])
        return settled
