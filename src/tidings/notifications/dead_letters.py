"""Dead letters, as an operator meets them: listed, inspected, and replayed one by one or many."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from tidings.api.audit import AuditLog
from tidings.core.clock import Clock
from tidings.core.errors import Conflict, InvalidInput, NotFound
from tidings.core.ids import is_uuid
from tidings.core.logs import get_logger
from tidings.core.models import Event
from tidings.core.names import NAME_LIMIT
from tidings.core.text import LINE_LIMIT, is_one_line
from tidings.notifications.intake import Intake
from tidings.notifications.replayer import Replayer
from tidings.store.dead_letter_rows import DeadLetter, Kind, Place, Wanted
from tidings.store.dead_letters import DeadLetters, Inspected

#: letters that one call replays at most, in one transaction for each kind
BATCH = 1_000

#: characters that what they are found by may have
LIMITS = {
    "channel": NAME_LIMIT,
    "workflow": NAME_LIMIT,
    "provider": NAME_LIMIT,
    "user_id": LINE_LIMIT,
    "reason": LINE_LIMIT,
}

#: who replays where nobody says
IN_PROCESS = "the program itself"

_log = get_logger("dead-letters")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterPage:
    """Some dead letters, newest first; `next` is what `before` must be for those that follow."""

    dead_letters: Sequence[DeadLetter]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What one call replayed, and where to go on; None where nothing is left."""

    replayed: int
    #: called off, taken after all, not readable, or replayed by somebody else meanwhile
    left: int
    #: left out because they may have been delivered; `in_doubt` takes them too
    in_doubt: int
    next: str | None


class DeadLetterService:
    """Finds dead letters and replays them; what was delivered is never replayed.

    Everything raises Unavailable where the database can't be reached.
    """

    def __init__(
        self, letters: DeadLetters, *, intake: Intake, audit: AuditLog, clock: Clock
    ) -> None:
        self._letters = letters
        self._replayer = Replayer(letters, intake=intake, clock=clock)
        self._audit = audit

    async def keep(self, event: Event) -> None:
        """Keep a DEAD_LETTER event; the same event again changes nothing."""
        await self._letters.keep(event)

    async def list(
        self,
        *,
        kind: str | None = None,
        channel: str | None = None,
        workflow: str | None = None,
        provider: str | None = None,
        user_id: str | None = None,
        reason: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        in_doubt: bool | None = None,
        limit: int = 20,
        before: str | None = None,
    ) -> DeadLetterPage:
        """The newest first, older than `before`, which is the `next` of a page.

        `reason` is found in their reasons, in any case. Raises InvalidInput.
        """
        wanted = Wanted(
            kind=kind_of(kind),
            channel=channel,
            workflow=workflow,
            provider=provider,
            user_id=user_id,
            reason=reason,
            since=since,
            until=until,
            in_doubt=in_doubt,
        )
        return await self._page(wanted, limit, before)

    async def get(self, kind: str, letter_id: str) -> Inspected:
        """One of them, with all that its row holds. Raises NotFound."""
        known = kind_of(kind)
        found = None
        if known is not None and is_uuid(letter_id):
            found = await self._letters.inspect(known, letter_id)
        if found is None:
            raise NotFound(f"there is no dead letter {kind} {letter_id}", field="id")
        return found

    async def replay(
        self, kind: str, letter_id: str, *, in_doubt: bool = False, by: str = IN_PROCESS
    ) -> None:
        """Make one due again, or accept an entry of the bus.

        Raises NotFound, and Conflict for what is not dead (any more), can't be accepted, was called
        off, or is in doubt unless `in_doubt` says that it may be sent again.
        """
        inspected = await self._get_dead(kind, letter_id)
        async with _Audited(self._audit, by, f"replay {kind} {letter_id}"):
            await self._replayer.one(inspected, in_doubt=in_doubt, by=by)

    async def replay_all(
        self,
        *,
        kind: str | None = None,
        channel: str | None = None,
        workflow: str | None = None,
        provider: str | None = None,
        user_id: str | None = None,
        reason: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        in_doubt: bool = False,
        before: str | None = None,
        dry_run: bool = False,
        by: str = IN_PROCESS,
    ) -> Replayed:
        """Replay those that are wanted, newest first, some at a time: go on with `next`.

        What is in doubt is left out, and counted, unless `in_doubt` says that it may be sent
        again. `dry_run` counts what would become of them, and replays nothing. Raises InvalidInput.
        """
        wanted = Wanted(
            kind=kind_of(kind),
            channel=channel,
            workflow=workflow,
            provider=provider,
            user_id=user_id,
            reason=reason,
            since=since,
            until=until,
        )
        page = await self._page(wanted, BATCH, before)
        letters = page.dead_letters
        chosen = [each for each in letters if in_doubt or each.is_over or not each.in_doubt]
        if dry_run:
            replayed = await self._replayer.count(chosen)
        else:
            replayed = await self._replay(chosen, wanted, in_doubt=in_doubt, by=by)
        return Replayed(
            replayed=replayed,
            left=len(chosen) - replayed,
            in_doubt=len(letters) - len(chosen),
            next=page.next,
        )

    async def _replay(
        self, chosen: Sequence[DeadLetter], wanted: Wanted, *, in_doubt: bool, by: str
    ) -> int:
        async with _Audited(self._audit, by, _in_words(wanted, in_doubt=in_doubt)):
            replayed = await self._replayer.many(chosen, in_doubt=in_doubt, by=by)
        _log.info("dead letters replayed", by=by, replayed=replayed, found=len(chosen))
        return replayed

    async def _page(self, wanted: Wanted, limit: int, before: str | None) -> DeadLetterPage:
        _check(wanted)
        place = None if before is None else Place.read(before)
        found = await self._letters.find(wanted, limit=limit + 1, before=place)
        shown = found[:limit]
        more = len(found) > limit
        return DeadLetterPage(dead_letters=shown, next=Place.of(shown[-1]).cursor if more else None)

    async def _get_dead(self, kind: str, letter_id: str) -> Inspected:
        try:
            return await self.get(kind, letter_id)
        except NotFound:
            known = kind_of(kind)
            state = None
            if known is not None and is_uuid(letter_id):
                state = await self._letters.state_of(known, letter_id)
            if state is None:
                raise
            raise Conflict(
                f"{kind} {letter_id} is no dead letter, its state is {state}: only what came to "
                "nothing is replayed"
            ) from None


class _Audited:
    """Writes down what is about to be done, and how it ended."""

    def __init__(self, audit: AuditLog, by: str, action: str) -> None:
        self._audit = audit
        self._by = by
        self._action = action
        self._entry = ""

    async def __aenter__(self) -> None:
        self._entry = await self._audit.begin(self._by, self._action)

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            await self._audit.end(self._entry, 200)
        elif isinstance(error, Conflict):
            await self._audit.end(self._entry, 409)


def kind_of(kind: str | None) -> Kind | None:
    """The kind of that name. Raises InvalidInput."""
    if kind is None:
        return None
    try:
        return Kind(kind)
    except ValueError:
        raise InvalidInput(f"kind: must be one of {', '.join(Kind)}", field="kind") from None


def _check(wanted: Wanted) -> None:
    """Raises InvalidInput for words that name nothing: left open, they would find everything."""
    for name in LIMITS:
        words = getattr(wanted, name)
        if words is not None and (fault := _fault(words, LIMITS[name])):
            raise InvalidInput(f"{name}: {fault}", field=name)


def _fault(words: str, limit: int) -> str | None:
    if len(words) > limit:
        return f"must have at most {limit} characters"
    if not words:
        return "must not be empty"
    return None if is_one_line(words) else "must be one line without control characters"


def _in_words(wanted: Wanted, *, in_doubt: bool) -> str:
    """What is asked for, without the words looked for in reasons: they may be an address.

    Users' ids stand in the audit anyway, in the paths of what was asked.
    """
    asked = {name: value for name, value in asdict(wanted).items() if value is not None}
    given = ["by reason" if name == "reason" else f"{name}={asked[name]}" for name in asked]
    doubt = "those in doubt too" if in_doubt else "none in doubt"
    return f"replay dead letters: {', '.join([*given, doubt])}"
