"""What `Client` keeps under `dead_letters`."""

from datetime import datetime

from tidings.client.answers import DeadLetterList, InspectedDeadLetter, Replayed
from tidings.client.dead_letters import DeadLetters
from tidings.client.loop_thread import LoopThread


class SyncDeadLetters:
    """Dead letters; replaying needs a key with the scope `admin`."""

    def __init__(self, letters: DeadLetters, thread: LoopThread) -> None:
        self._letters = letters
        self._thread = thread

    def list(
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
        return self._thread.wait_for(
            self._letters.list(
                kind=kind,
                channel=channel,
                workflow=workflow,
                provider=provider,
                user_id=user_id,
                reason=reason,
                since=since,
                until=until,
                in_doubt=in_doubt,
                limit=limit,
                before=before,
            )
        )

    def get(self, kind: str, letter_id: str) -> InspectedDeadLetter:
        """One of them, with all that is known of it. Raises NotFound."""
        return self._thread.wait_for(self._letters.get(kind, letter_id))

    def replay(self, kind: str, letter_id: str, *, in_doubt: bool = False) -> None:
        """Make one due again, or accept an entry of the bus. Never repeated by itself.

        Raises NotFound, and Conflict for what is not dead (any more), can't be accepted, was called
        off, or is in doubt unless `in_doubt` says that it may be sent again.
        """
        self._thread.wait_for(self._letters.replay(kind, letter_id, in_doubt=in_doubt))

    def replay_all(
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
        return self._thread.wait_for(
            self._letters.replay_all(
                kind=kind,
                channel=channel,
                workflow=workflow,
                provider=provider,
                user_id=user_id,
                reason=reason,
                since=since,
                until=until,
                in_doubt=in_doubt,
                before=before,
                dry_run=dry_run,
            )
        )
