"""What `Client` keeps under a name of its own: the resources of `AsyncClient`, without `await`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from tidings.client.answers import (
    Counts,
    Definition,
    FeedPage,
    Key,
    Marked,
    MarkName,
    NewKey,
    Preference,
    PreferenceItem,
    ScopeName,
    StatusName,
    Template,
    TemplateEntry,
    User,
    Workflow,
)
from tidings.client.loop_thread import LoopThread
from tidings.client.resources import Feed, Keys, Templates, Users, Workflows
from tidings.core.keys import Scope


class SyncUsers:
    """People, their addresses and preferences."""

    def __init__(self, users: Users, thread: LoopThread) -> None:
        self._users = users
        self._thread = thread

    def put(
        self,
        user_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        locale: str | None = None,
    ) -> User:
        """Make or replace a user: what isn't given is gone afterwards. Raises InvalidInput."""
        return self._thread.wait_for(
            self._users.put(user_id, email=email, name=name, locale=locale)
        )

    def get(self, user_id: str) -> User:
        """The user. Raises NotFound."""
        return self._thread.wait_for(self._users.get(user_id))

    def preferences(self, user_id: str) -> list[PreferenceItem]:
        """What the user chose. Raises NotFound."""
        return self._thread.wait_for(self._users.preferences(user_id))

    def set_preferences(
        self, user_id: str, preferences: Sequence[Preference | PreferenceItem]
    ) -> list[PreferenceItem]:
        """Replace all that the user chose. Raises NotFound and InvalidInput."""
        return self._thread.wait_for(self._users.set_preferences(user_id, preferences))


class SyncWorkflows:
    """Workflows, as they are published."""

    def __init__(self, workflows: Workflows, thread: LoopThread) -> None:
        self._workflows = workflows
        self._thread = thread

    def put(self, workflow: Definition) -> Workflow:
        """Publish a `tidings.Workflow` in place of what its key had. Raises InvalidInput."""
        return self._thread.wait_for(self._workflows.put(workflow))

    def get(self, key: str) -> Workflow:
        """The published workflow of a key. Raises NotFound."""
        return self._thread.wait_for(self._workflows.get(key))

    def list(self) -> Sequence[Workflow]:
        """The published workflows, in the order of their keys."""
        return self._thread.wait_for(self._workflows.list())


class SyncTemplates:
    """Templates, as they are published."""

    def __init__(self, templates: Templates, thread: LoopThread) -> None:
        self._templates = templates
        self._thread = thread

    def put(
        self,
        key: str,
        channel: str,
        *,
        text: str,
        subject: str | None = None,
        html: str | None = None,
        locale: str | None = None,
    ) -> Template:
        """Publish a template in place of what its name had.

        Raises InvalidInput naming the part and the line at fault.
        """
        return self._thread.wait_for(
            self._templates.put(key, channel, text=text, subject=subject, html=html, locale=locale)
        )

    def get(self, key: str, channel: str, *, locale: str | None = None) -> Template:
        """The published template of exactly this locale, None for the default. Raises NotFound."""
        return self._thread.wait_for(self._templates.get(key, channel, locale=locale))

    def list(
        self, *, limit: int = 100, after: tuple[str, str, str] | None = None
    ) -> Sequence[TemplateEntry]:
        """The published templates in the order of their names, from the first one after `after`.

        A name is key, channel and locale, the latter empty for the default; `limit` is 100 at most.
        """
        return self._thread.wait_for(self._templates.list(limit=limit, after=after))

    def withdraw(self, key: str, channel: str, *, locale: str | None = None) -> Template:
        """Use what was put for nothing new; a built-in template of its name takes its place again.

        Raises NotFound, and Conflict for a template of a folder and for the last one that a
        published workflow needs.
        """
        return self._thread.wait_for(self._templates.withdraw(key, channel, locale=locale))


class SyncFeed:
    """What each user finds in their feed, and what they made of it."""

    def __init__(self, feed: Feed, thread: LoopThread) -> None:
        self._feed = feed
        self._thread = thread

    def list(
        self,
        user_id: str,
        *,
        status: StatusName | StrEnum | None = None,
        limit: int = 20,
        before: str | None = None,
    ) -> FeedPage:
        """The newest items, or those older than item `before`; `limit` is 100 at most.

        Raises NotFound for an unknown user, InvalidInput where `before` is none of their items.
        """
        return self._thread.wait_for(
            self._feed.list(user_id, status=status, limit=limit, before=before)
        )

    def counts(self, user_id: str) -> Counts:
        """How much of a feed is unseen and unread. Raises NotFound for an unknown user."""
        return self._thread.wait_for(self._feed.counts(user_id))

    def mark(self, user_id: str, item_id: str, mark: MarkName | StrEnum) -> Marked:
        """Mark one item; again is as good as once. Raises NotFound where it is not the user's."""
        return self._thread.wait_for(self._feed.mark(user_id, item_id, mark))

    def mark_all_seen(self, user_id: str) -> Counts:
        """Mark everything as seen that is not archived. Raises NotFound for an unknown user."""
        return self._thread.wait_for(self._feed.mark_all_seen(user_id))

    def mark_all_read(self, user_id: str) -> Counts:
        """Mark everything as read that is not archived. Raises NotFound for an unknown user."""
        return self._thread.wait_for(self._feed.mark_all_read(user_id))


class SyncKeys:
    """Keys of the API; all of it needs one with the scope `admin`."""

    def __init__(self, keys: Keys, thread: LoopThread) -> None:
        self._keys = keys
        self._thread = thread

    def create(
        self,
        name: str,
        scopes: Collection[Scope | ScopeName],
        *,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> NewKey:
        """Make a key; the answer alone holds it. Repeated only under an `idempotency_key`.

        Raises InvalidInput, and Conflict where two of that name are live already, or where the same
        request made a key before, which it names.
        """
        return self._thread.wait_for(
            self._keys.create(name, scopes, expires_at=expires_at, idempotency_key=idempotency_key)
        )

    def list(self) -> Sequence[Key]:
        """Every key there ever was, in the order they were made."""
        return self._thread.wait_for(self._keys.list())

    def revoke(self, key_id: str) -> Key:
        """End a key, at the latest within a second everywhere. Raises NotFound."""
        return self._thread.wait_for(self._keys.revoke(key_id))
