"""The Inbox Service: keeps what the in_app channel brings, shows it, and notes what was read."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from tidings.api.paging import DEFAULT_LIMIT, cut
from tidings.core.clock import Clock
from tidings.core.errors import InvalidInput, NotFound
from tidings.core.group_commit import GroupCommit
from tidings.core.ids import is_uuid
from tidings.core.models import Message
from tidings.core.ports import Store
from tidings.inbox import rows
from tidings.inbox.items import Counts, FeedItem, FeedPage, Mark, Marked, Status, marked
from tidings.store.rows import storable
from tidings.users.people import check_user_id
from tidings.users.service import UserService

_Row = Mapping[str, object]


class InboxService:
    """Everybody's feed. Counts come with every answer, from the same moment: none can drift."""

    def __init__(self, store: Store, *, clock: Clock, users: UserService) -> None:
        self._store = store
        self._clock = clock
        self._users = users
        self._group = GroupCommit[_Row, None](self._add)

    async def add(self, message: Message) -> None:
        """Put a message into its user's feed (a `FeedWriter`), in one commit with others."""
        await self._group.submit(self._row(message))

    async def aclose(self) -> None:
        """Wait until everything taken is kept."""
        await self._group.aclose()

    async def list(
        self,
        user_id: str,
        *,
        status: Status | None = None,
        limit: int = DEFAULT_LIMIT,
        before: str | None = None,
    ) -> FeedPage:
        """The newest items, or those older than item `before`.

        Raises NotFound for an unknown user, InvalidInput where `before` is none of their items.
        """
        await self._users.get(user_id)

        def work(connection: sa.Connection) -> FeedPage:
            start = None if before is None else _start(connection, user_id, before)
            found = rows.find_page(
                connection, user_id, status=status, limit=limit + 1, before=start
            )
            items, following = cut(found, limit, lambda item: item.id)
            counts = rows.count(connection, user_id)
            return FeedPage(items=items, next=following, counts=counts)

        return await self._store.run(work)

    async def counts(self, user_id: str) -> Counts:
        """How much of a feed is unseen and unread. Raises NotFound for an unknown user."""
        await self._users.get(user_id)
        return await self._store.run(lambda connection: rows.count(connection, user_id))

    async def mark(self, user_id: str, item_id: str, mark: Mark) -> Marked:
        """Mark one item; again is as good as once. Raises NotFound where it is not the user's."""
        check_user_id(user_id)

        def work(connection: sa.Connection) -> Marked:
            item = _existing(connection, user_id, item_id, hold=True)
            changed = marked(item, mark, self._clock.now())
            if changed != item:
                rows.write_marks(connection, changed)
            return Marked(item=changed, counts=rows.count(connection, user_id))

        return await self._store.run(work)

    async def mark_all_seen(self, user_id: str) -> Counts:
        """Mark everything as seen that is not archived. Raises NotFound for an unknown user."""
        return await self._mark_all(user_id, Status.UNSEEN)

    async def mark_all_read(self, user_id: str) -> Counts:
        """Mark everything as read that is not archived. Raises NotFound for an unknown user."""
        return await self._mark_all(user_id, Status.UNREAD)

    async def _mark_all(self, user_id: str, status: Status) -> Counts:
        await self._users.get(user_id)

        def work(connection: sa.Connection) -> Counts:
            rows.mark_all(connection, user_id, status, self._clock.now())
            return rows.count(connection, user_id)

        return await self._store.run(work)

    async def _add(self, items: Sequence[_Row]) -> Sequence[None]:
        # One order for all, so that no two workers with the same messages cross.
        ordered = sorted(items, key=lambda item: str(item["id"]))
        await self._store.run(lambda connection: rows.add(connection, ordered))
        return [None] * len(items)

    def _row(self, message: Message) -> _Row:
        subject = message.content.subject
        return {
            "id": message.id,
            "user_id": message.address,
            "workflow": message.workflow,
            "title": None if subject is None else storable(subject),
            "body": storable(message.content.text),
            "created_at": self._clock.now(),
        }


def _existing(
    connection: sa.Connection, user_id: str, item_id: str, *, hold: bool = False
) -> FeedItem:
    item = rows.find_item(connection, user_id, item_id, hold=hold) if is_uuid(item_id) else None
    if item is None:
        raise NotFound("there is no such item in the user's feed", field="item")
    return item


def _start(connection: sa.Connection, user_id: str, before: str) -> FeedItem:
    try:
        return _existing(connection, user_id, before)
    except NotFound:
        raise InvalidInput(
            "before: must be the id of an item in the user's feed", field="before"
        ) from None
