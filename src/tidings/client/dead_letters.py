"""What `AsyncClient` keeps under `dead_letters`: what came to nothing, and how to replay it."""

from datetime import datetime
from typing import Any

from tidings.client.answers import DeadLetterList, InspectedDeadLetter, Replayed
from tidings.client.transport import Transport, path_of


class DeadLetters:
    """Dead letters; replaying needs a key with the scope `admin`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

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
    ) -> DeadLetterList:
        """The newest first, older than `before`, which is the `next` of a page.

        `reason` is found in their reasons, in any case. Raises InvalidInput.
        """
        page: DeadLetterList = await self._transport.get(
            path_of("dead-letters"),
            kind=kind,
            channel=channel,
            workflow=workflow,
            provider=provider,
            user_id=user_id,
            reason=reason,
            since=None if since is None else since.isoformat(),
            until=None if until is None else until.isoformat(),
            in_doubt=None if in_doubt is None else str(in_doubt).lower(),
            limit=limit,
            before=before,
        )
        return page

    async def get(self, kind: str, letter_id: str) -> InspectedDeadLetter:
        """One of them, with all that is known of it. Raises NotFound."""
        letter: InspectedDeadLetter = await self._transport.get(
            path_of("dead-letters", kind, letter_id)
        )
        return letter

    async def replay(self, kind: str, letter_id: str, *, in_doubt: bool = False) -> None:
        """Make one due again, or accept an entry of the bus. Never repeated by itself.

        Raises NotFound, and Conflict for what is not dead (any more), can't be accepted, was called
        off, or is in doubt unless `in_doubt` says that it may be sent again.
        """
        path = path_of("dead-letters", kind, letter_id, "replay")
        await self._transport.post(path, {"in_doubt": in_doubt})

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
    ) -> Replayed:
        """Replay those that are wanted, newest first, some at a time: go on with `next`.

        What is in doubt is left out, and counted, unless `in_doubt` says that it may be sent
        again. `dry_run` counts what would become of them, and replays nothing. Raises InvalidInput.
        """
        asked: dict[str, Any] = {
            "kind": kind,
            "channel": channel,
            "workflow": workflow,
            "provider": provider,
            "user_id": user_id,
            "reason": reason,
            "since": since,
            "until": until,
            "before": before,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        body = {**given, "in_doubt": in_doubt, "dry_run": dry_run, "all": True}
        replayed: Replayed = await self._transport.post(
            path_of("dead-letters", "replay"), body, harmless=True
        )
        return replayed
