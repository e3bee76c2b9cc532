"""What `AsyncClient` keeps under a name of its own: users, templates and the like."""

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
from tidings.client.problems import part_of
from tidings.client.transport import Transport, path_of
from tidings.core.keys import Scope


class Users:
    """People, their addresses and preferences."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def put(
        self,
        user_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        locale: str | None = None,
    ) -> User:
        """Make or replace a user: what isn't given is gone afterwards. Raises InvalidInput."""
        body = {"email": email, "name": name, "locale": locale}
        user: User = await self._transport.put(path_of("users", user_id), body)
        return user

    async def get(self, user_id: str) -> User:
        """The user. Raises NotFound."""
        user: User = await self._transport.get(path_of("users", user_id))
        return user

    async def preferences(self, user_id: str) -> list[PreferenceItem]:
        """What the user chose. Raises NotFound."""
        answer = await self._transport.get(path_of("users", user_id, "preferences"))
        return list(part_of(answer, "preferences"))

    async def set_preferences(
        self, user_id: str, preferences: Sequence[Preference | PreferenceItem]
    ) -> list[PreferenceItem]:
        """Replace all that the user chose. Raises NotFound and InvalidInput."""
        answer = await self._transport.put(
            path_of("users", user_id, "preferences"), {"preferences": list(preferences)}
        )
        return list(part_of(answer, "preferences"))


class Workflows:
    """Workflows, as they are published."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def put(self, workflow: Definition) -> Workflow:
        """Publish a `tidings.Workflow` in place of what its key had. Raises InvalidInput."""
        published: Workflow = await self._transport.put(
            path_of("workflows", workflow.key), workflow.model_dump(mode="json")
        )
        return published

    async def get(self, key: str) -> Workflow:
        """The published workflow of a key. Raises NotFound."""
        workflow: Workflow = await self._transport.get(path_of("workflows", key))
        return workflow

    async def list(self) -> Sequence[Workflow]:
        """The published workflows, in the order of their keys."""
        return tuple(part_of(await self._transport.get(path_of("workflows")), "workflows"))


class Templates:
    """Templates, as they are published."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def put(
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
        parts = {"text": text, "subject": subject, "html": html}
        template: Template = await self._transport.put(
            path_of("templates", key, channel), parts, locale=locale
        )
        return template

    async def get(self, key: str, channel: str, *, locale: str | None = None) -> Template:
        """The published template of exactly this locale, None for the default. Raises NotFound."""
        template: Template = await self._transport.get(
            path_of("templates", key, channel), locale=locale
        )
        return template

    async def list(
        self, *, limit: int = 100, after: tuple[str, str, str] | None = None
    ) -> Sequence[TemplateEntry]:
        """The published templates in the order of their names, from the first one after `after`.

        A name is key, channel and locale, the latter empty for the default; `limit` is 100 at most.
        """
        cursor = None if after is None else "/".join(after)
        answer = await self._transport.get(path_of("templates"), limit=limit, after=cursor)
        return tuple(part_of(answer, "templates"))

    async def withdraw(self, key: str, channel: str, *, locale: str | None = None) -> Template:
        """Use what was put for nothing new; a built-in template of its name takes its place again.

        Raises NotFound, and Conflict for a template of a folder and for the last one that a
        published workflow needs.
        """
        template: Template = await self._transport.delete(
            path_of("templates", key, channel), locale=locale
        )
        return template


class Feed:
    """What each user finds in their feed, and what they made of it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
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
        page: FeedPage = await self._transport.get(
            path_of("users", user_id, "feed"), status=status, limit=limit, before=before
        )
        return page

    async def counts(self, user_id: str) -> Counts:
        """How much of a feed is unseen and unread. Raises NotFound for an unknown user."""
        counts: Counts = await self._transport.get(path_of("users", user_id, "feed", "counts"))
        return counts

    async def mark(self, user_id: str, item_id: str, mark: MarkName | StrEnum) -> Marked:
        """Mark one item; again is as good as once. Raises NotFound where it is not the user's."""
        marked: Marked = await self._transport.post(
            path_of("users", user_id, "feed", item_id, mark), harmless=True
        )
        return marked

    async def mark_all_seen(self, user_id: str) -> Counts:
        """Mark everything as seen that is not archived. Raises NotFound for an unknown user."""
        return await self._mark_all(user_id, "seen-all")

    async def mark_all_read(self, user_id: str) -> Counts:
        """Mark everything as read that is not archived. Raises NotFound for an unknown user."""
        return await self._mark_all(user_id, "read-all")

    async def _mark_all(self, user_id: str, mark: str) -> Counts:
        # Sent once: an item that came between two tries would be marked, and was never shown.
        counts: Counts = await self._transport.post(path_of("users", user_id, "feed", mark))
        return counts


class Keys:
    """Keys of the API; all of it needs one with the scope `admin`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
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
        body = {"name": name, "scopes": list(scopes), "expires_at": expires_at}
        key: NewKey = await self._transport.post(
            path_of("keys"), body, idempotency_key=idempotency_key
        )
        return key

    async def list(self) -> Sequence[Key]:
        """Every key there ever was, in the order they were made."""
        return tuple(part_of(await self._transport.get(path_of("keys")), "keys"))

    async def revoke(self, key_id: str) -> Key:
        """End a key, at the latest within a second everywhere. Raises NotFound."""
        key: Key = await self._transport.delete(path_of("keys", key_id), harmless=True)
        return key
