"""What a worker has in hand, and until when it is surely its own."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tidings.core.errors import Unavailable
from tidings.core.group_commit import GroupCommit
from tidings.core.ports import Store
from tidings.core.quiet_log import QuietLog, in_words
from tidings.core.work import Claimed, ClaimRequest, ClaimResult, Swept
from tidings.delivery.database_clock import DatabaseClock
from tidings.delivery.lost_claims import LostClaims

#: seconds for which what was read with the claim is as good as read now
_FRESH_SECONDS = 0.05
#: readings before one call at most, where the database takes longer than that to answer
_READINGS = 3
#: seconds between two readings: those asked for meanwhile go together
_BREATH = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    claimed: Claimed
    #: on the loop's clock, from before the database was asked; the lease ends no sooner
    until: float
    #: when what the worker goes by was read, on the same clock
    read: float


class Hold:
    """Claims, and renews the leases of what is in hand until it is let go; times in seconds.

    After an outage it holds what is in hand before it takes anything over, and leaves the others
    one beat's time to do the same: or the leases that ran out meanwhile would be taken for deaths,
    and mails that were answered sent again.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: DatabaseClock,
        lease_seconds: float,
        beat_seconds: float,
        quiet_log: QuietLog,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._beat_seconds = beat_seconds
        self._quiet_log = quiet_log
        self._held: dict[str, _Held] = {}
        self._readings = GroupCommit[Claimed, Claimed | None](store.reread, breath=_BREATH)
        self._lost = LostClaims(store)
        #: one for each claim whose answer has not come yet
        self._claims: set[asyncio.Event] = set()
        self._outage = False
        #: until then the others may hold what is theirs, on the loop's clock
        self._patient_until = 0.0

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Take what is due; of what is in hand already only the epoch is new.

        Raises Unavailable.
        """
        await self._outlast()
        await self._lost.give_back_new(spared=tuple(self._held))
        asked = _now()
        with self._claiming(), self._watchful(), self._lost.noting(request):
            result = await self._store.claim(request)
        self._heed(result.taken, asked)
        taken = [claimed for claimed in result.taken if claimed.id not in self._held]
        for claimed in result.taken:
            held = self._held.get(claimed.id)
            self._held[claimed.id] = _Held(
                claimed=claimed, until=asked + request.lease, read=held.read if held else asked
            )
        return ClaimResult(taken=taken, ended=result.ended)

    async def claims_answered(self) -> None:
        """Until each claim that is under way now has brought what it took, or has failed."""
        for answered in tuple(self._claims):
            await answered.wait()

    async def sweep(self, channel: str, *, limit: int) -> Swept:
        """Take nothing in hand, and spare what is. Raises Unavailable."""
        await self._outlast()
        with self._watchful():
            return await self._store.sweep(channel, limit=limit, spared=tuple(self._held))

    def note_outage(self) -> None:
        """The database did not answer."""
        self._outage = True

    def is_sure(self, claimed: Claimed) -> bool:
        """Whether nobody else can have claimed it by now."""
        held = self._held.get(claimed.id)
        return held is not None and _now() < held.until

    async def current(self, claimed: Claimed) -> Claimed | None:
        """It as it stands, read again if that was long ago; None where there is to be no call.

        Then it may be another's by now, or an earlier call of it was taken.

        Raises Unavailable.
        """
        held = self._held.get(claimed.id)
        current, read = claimed, held.read if held else _now()
        for _ in range(_READINGS):
            if _now() - read < _FRESH_SECONDS:
                break
            read = _now()
            again = await self._readings.submit(self.newest(claimed))
            if again is None:
                return None
            self._heed([again], read)
            current = again
        return current if self.is_sure(claimed) else None

    def newest(self, claimed: Claimed) -> Claimed:
        """The same delivery under the epoch it is ours by now."""
        held = self._held.get(claimed.id)
        return claimed if held is None else held.claimed

    def let_go(self, claimed: Claimed) -> None:
        """It is settled, or left to its lease."""
        self._held.pop(claimed.id, None)

    def disown(self, claim_id: str, claimed: Sequence[Claimed]) -> None:
        """Nobody is called for what a claim took: it is given back."""
        for each in claimed:
            self.let_go(each)
        self._lost.note(claim_id, until=_now() + self._lease_seconds)

    async def given_back(self, seconds: float) -> None:
        """Give back, but not for long, what is not in hand though it was claimed."""
        try:
            async with asyncio.timeout(seconds):
                await self._lost.give_back(spared=tuple(self._held))
        except (Unavailable, TimeoutError) as error:  # then its lease decides
            self._quiet_log.warning(
                "what was claimed was not given back", reason=in_words(error, seconds)
            )

    async def keep(self) -> None:
        """Beat for ever."""
        while True:
            await asyncio.sleep(self._beat_seconds)
            try:
                await self._beat()
                await self._lost.give_back(spared=tuple(self._held))
            except Exception as error:  # the next beat, or the lease, decides
                self._quiet_log.warning("what is in hand could not be held", reason=str(error))

    def _heed(self, claimed: Sequence[Claimed], asked: float) -> None:
        """What time the database has by now."""
        if claimed:
            self._clock.heard(claimed[0].read_at, asked=asked)

    async def _outlast(self) -> None:
        while self._outage or _now() < self._patient_until:
            if self._outage:
                await self._ask_whether_it_is_over()
                self._outage = False
                self._patient_until = _now() + self._beat_seconds
            await asyncio.sleep(self._patient_until - _now())
        if any(held.until < _now() + self._beat_seconds for held in self._held.values()):
            await self._beat()

    async def _ask_whether_it_is_over(self) -> None:
        if self._held:
            await self._beat()
        else:
            await self._store.now()

    @contextmanager
    def _claiming(self) -> Iterator[None]:
        answered = asyncio.Event()
        self._claims.add(answered)
        try:
            yield
        finally:
            self._claims.discard(answered)
            answered.set()

    @contextmanager
    def _watchful(self) -> Iterator[None]:
        try:
            yield
        except Unavailable:
            self.note_outage()
            raise

    async def _beat(self) -> None:
        asked, in_hand = _now(), list(self._held.values())
        if not in_hand:
            return
        renewed = await self._ask_to_hold([held.claimed for held in in_hand])
        for held in in_hand:
            if held.claimed.id in renewed:
                self._renew(held, asked)

    async def _ask_to_hold(self, claimed: Sequence[Claimed]) -> Collection[str]:
        try:
            async with asyncio.timeout(self._beat_seconds):
                return await self._store.beat(claimed, lease=self._lease_seconds)
        except TimeoutError as error:
            self.note_outage()
            raise Unavailable("the database did not hold what is in hand in time") from error
        except Unavailable:
            self.note_outage()
            raise

    def _renew(self, held: _Held, asked: float) -> None:
        """Not where the lease was over when we asked: then it may be another's."""
        current = self._held.get(held.claimed.id)
        if current is held and asked < held.until:
            until = asked + self._lease_seconds
            self._held[held.claimed.id] = replace(held, until=until)


def _now() -> float:
    return asyncio.get_running_loop().time()
