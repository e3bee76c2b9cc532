"""Replays dead letters: rows fall due again, entries of the bus are accepted after all."""

from collections.abc import Sequence

import orjson

from tidings.core import cloudevents
from tidings.core.clock import Clock
from tidings.core.errors import Conflict, InvalidInput, NotFound
from tidings.core.models import OWN_CHANNELS, Event
from tidings.core.work import AcceptStatus
from tidings.notifications.intake import Intake
from tidings.store.dead_letter_rows import DeadLetter, Kind
from tidings.store.dead_letters import DeadLetters, Inspected


class Replayer:
    """Replays each at most once, whoever else does so at the same time."""

    def __init__(self, letters: DeadLetters, *, intake: Intake, clock: Clock) -> None:
        self._letters = letters
        self._intake = intake
        self._clock = clock

    async def one(self, inspected: Inspected, *, in_doubt: bool, by: str) -> None:
        """Replay one dead letter. Raises Conflict where that can't be done."""
        letter = inspected.letter
        if letter.is_over:
            why = "was called off" if letter.called_off else "was taken by a provider after all"
            raise Conflict(f"{letter.kind} {letter.id} {why}: it is never replayed")
        if letter.in_doubt and not in_doubt:
            raise Conflict(
                f"{letter.kind} {letter.id} is in doubt: nobody can tell whether a call of it was "
                "taken, so that it may have been delivered: in_doubt sends it all the same"
            )
        if letter.kind is Kind.BUS_ENTRY:
            await self._accept(inspected)
        elif not await self._letters.replay(letter.kind, [letter.id], by=by, in_doubt=in_doubt):
            raise Conflict(
                f"{letter.kind} {letter.id} can't be replayed: somebody replayed it or "
                "called it off at this moment"
            )

    async def many(self, letters: Sequence[DeadLetter], *, in_doubt: bool, by: str) -> int:
        """Replay what can be replayed of these; how many they were."""
        replayed = 0
        for kind in (Kind.EVENT, Kind.NOTIFICATION, Kind.DELIVERY):
            ids = [letter.id for letter in letters if letter.kind is kind]
            if ids:
                replayed += await self._letters.replay(kind, ids, by=by, in_doubt=in_doubt)
        for letter in letters:
            if letter.kind is Kind.BUS_ENTRY:
                replayed += await self._accept_if_possible(letter.id)
        return replayed

    async def count(self, letters: Sequence[DeadLetter]) -> int:
        """How many `many` would replay of these; nothing is changed."""
        entries = [letter.id for letter in letters if letter.kind is Kind.BUS_ENTRY]
        acceptable = [entry_id for entry_id in entries if await self._is_acceptable(entry_id)]
        rows = [each for each in letters if each.kind is not Kind.BUS_ENTRY and not each.is_over]
        return len(rows) + len(acceptable)

    async def _is_acceptable(self, entry_id: str) -> bool:
        inspected = await self._letters.inspect(Kind.BUS_ENTRY, entry_id)
        if inspected is None:
            return False
        bus_channel = inspected.letter.bus_channel or ""
        try:
            event = self._read(bus_channel, inspected.details["entry"])
            acceptance = self._intake.heard(event, bus_channel)
        except InvalidInput:
            return False
        return await self._letters.judge(acceptance) in (AcceptStatus.STORED, AcceptStatus.REPLAYED)

    async def _accept_if_possible(self, entry_id: str) -> bool:
        inspected = await self._letters.inspect(Kind.BUS_ENTRY, entry_id)
        if inspected is None:
            return False
        try:
            return await self._accept(inspected)
        except Conflict:
            return False

    async def _accept(self, inspected: Inspected) -> bool:
        """Accept an entry of the bus; False where somebody did before. Raises Conflict."""
        letter = inspected.letter
        try:
            event = self._read(letter.bus_channel or "", inspected.details["entry"])
            await self._intake.accept_heard(event, letter.bus_channel or "")
        except (InvalidInput, NotFound) as error:
            raise Conflict(
                f"bus_entry {letter.id} can't be accepted: {error}. It stays where it is"
            ) from None
        return await self._letters.mark_replayed(letter.id)

    def _read(self, bus_channel: str, entry: object) -> Event:
        """The event of an entry. Raises InvalidInput."""
        if bus_channel in OWN_CHANNELS:
            raise InvalidInput(f"what is said on {bus_channel} asks for nothing")
        raw = entry if isinstance(entry, str) else orjson.dumps(entry)
        return cloudevents.decode(raw, received_at=self._clock.now())
