"""The Inbox Service on both databases."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from tests.system.postgres_sessions import until
from tidings.core.errors import InvalidInput, NotFound
from tidings.core.models import IN_APP, Content, Message
from tidings.core.ports import Store
from tidings.inbox.items import Counts, FeedItem, FeedPage, Mark, Status
from tidings.inbox.service import InboxService
from tidings.store.postgres import PostgresStore
from tidings.testing.clock import MovableClock, StoppedClock
from tidings.users.service import UserService

#: in the order of nothing, as the ids of messages are
IDS = [
    "9e4b1c3a-0000-8000-8000-000000000001",
    "1a4b1c3a-0000-8000-8000-000000000002",
    "ffab1c3a-0000-8000-8000-000000000003",
    "5c4b1c3a-0000-8000-8000-000000000004",
]
FIRST, SECOND, THIRD, FOURTH = IDS

OTHERS_ITEM = """
INSERT INTO feed (id, user_id, workflow, body, created_at) VALUES ($1, 'ann', 'w', 'b', now())
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def inbox(store: Store, clock: MovableClock) -> InboxService:
    """An inbox of two users, Ann and Ben."""
    users = UserService(store, clock)
    for user_id in ("ann", "ben"):
        await users.put(user_id)
    return InboxService(store, clock=clock, users=users)


@pytest.fixture
async def four(inbox: InboxService, clock: MovableClock) -> InboxService:
    """The inbox with four items for Ann, a second apart."""
    for message_id in IDS:
        await inbox.add(message(message_id))
        clock.advance(seconds=1)
    return inbox


def message(message_id: str, *, to: str = "ann", content: Content | None = None) -> Message:
    return Message(
        id=message_id,
        channel=IN_APP,
        address=to,
        content=content or Content(text="On its way", subject="Shipped"),
        workflow="order",
    )


def ids(page: FeedPage) -> list[str]:
    return [item.id for item in page.items]


async def test_a_message_is_an_item_of_its_users_feed(
    inbox: InboxService, clock: MovableClock
) -> None:
    await inbox.add(message(FIRST))

    page = await inbox.list("ann")

    [item] = page.items
    assert abs((item.created_at - clock.now()).total_seconds()) < 10
    assert item == FeedItem(
        id=FIRST, workflow="order", title="Shipped", body="On its way", created_at=item.created_at
    )
    assert (page.next, page.counts) == (None, Counts(unseen=1, unread=1))
    assert ids(await inbox.list("ben")) == []


async def test_a_message_that_comes_again_is_no_second_item_and_undoes_nothing(
    inbox: InboxService,
) -> None:
    await asyncio.gather(*(inbox.add(message(each)) for each in [FIRST, SECOND, FIRST]))
    await inbox.mark("ann", FIRST, Mark.READ)

    await inbox.add(message(FIRST, content=Content(text="other words")))

    page = await inbox.list("ann", status=Status.ALL)
    assert {item.body for item in page.items} == {"On its way"}
    assert page.counts == Counts(unseen=1, unread=1)
    assert len(page.items) == 2


async def test_what_no_column_can_hold_is_left_out_of_the_words(inbox: InboxService) -> None:
    await inbox.add(message(FIRST, content=Content(text="a\0b\ud800", subject=None)))

    [item] = (await inbox.list("ann")).items
    assert (item.title, item.body) == (None, "ab?")


async def test_the_newest_come_first_whatever_their_ids(four: InboxService) -> None:
    assert ids(await four.list("ann")) == [FOURTH, THIRD, SECOND, FIRST]


async def test_pages_follow_one_another_and_count_the_whole_feed(four: InboxService) -> None:
    first = await four.list("ann", limit=2)
    second = await four.list("ann", limit=2, before=first.next)

    assert [ids(first), ids(second)] == [[FOURTH, THIRD], [SECOND, FIRST]]
    assert [first.next, second.next] == [THIRD, None]
    assert first.counts == second.counts == Counts(unseen=4, unread=4)


async def test_items_of_one_moment_are_each_shown_once(store: Store) -> None:
    clock = StoppedClock()
    users = UserService(store, clock)
    await users.put("ann")
    inbox = InboxService(store, clock=clock, users=users)
    for _ in range(50):
        await inbox.add(message(str(uuid.uuid4())))

    seen, before = [], None
    while True:
        page = await inbox.list("ann", limit=7, before=before)
        seen += ids(page)
        if page.next is None:
            break
        before = page.next

    assert (len(seen), len(set(seen))) == (50, 50)


async def somebody_waits(connection: Any) -> bool:
    """Within a transaction the server shows what it first saw, unless it is told to forget."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return bool(await connection.fetchval(WAITING))


@pytest.mark.postgres
async def test_no_two_workers_can_each_hold_what_the_other_waits_for(
    migrated_postgres_url: str,
) -> None:
    clock, low, high = MovableClock(), *sorted(IDS)[:2]
    store = await PostgresStore.open(migrated_postgres_url, clock=clock)
    inbox = InboxService(store, clock=clock, users=UserService(store, clock))
    other_worker = await asyncpg.connect(migrated_postgres_url)
    transaction = other_worker.transaction()
    await transaction.start()
    await other_worker.execute(OTHERS_ITEM, low)

    # the first is a commit of its own, the others are one in the wrong order
    adding = asyncio.gather(*(inbox.add(message(each)) for each in (sorted(IDS)[2], high, low)))
    await until(lambda: somebody_waits(other_worker))
    await other_worker.execute("SET LOCAL lock_timeout = '2s'")
    await other_worker.execute(OTHERS_ITEM, high)
    await transaction.commit()
    await adding

    await other_worker.close()
    await store.aclose()


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (None, [FOURTH, THIRD, SECOND]),
        (Status.UNREAD, [FOURTH, THIRD]),
        (Status.UNSEEN, [FOURTH]),
        (Status.ARCHIVED, [FIRST]),
        (Status.ALL, [FOURTH, THIRD, SECOND, FIRST]),
    ],
)
async def test_a_status_shows_its_items(
    four: InboxService, status: Status | None, shown: list[str]
) -> None:
    await four.mark("ann", FIRST, Mark.ARCHIVE)
    await four.mark("ann", SECOND, Mark.READ)
    await four.mark("ann", THIRD, Mark.SEEN)

    page = await four.list("ann", status=status)

    assert ids(page) == shown
    assert page.counts == Counts(unseen=1, unread=2)


async def test_a_mark_is_kept_with_the_moment_it_was_first_made(
    four: InboxService, clock: MovableClock
) -> None:
    first = await four.mark("ann", FIRST, Mark.READ)
    clock.advance(hours=1)

    again = await four.mark("ann", FIRST, Mark.READ)

    assert again == first
    assert again.item in (await four.list("ann")).items
    assert again.counts == Counts(unseen=3, unread=3)


async def test_an_item_is_put_away_and_taken_back(four: InboxService) -> None:
    await four.mark("ann", FIRST, Mark.ARCHIVE)
    away = await four.list("ann")
    back = await four.mark("ann", FIRST, Mark.UNARCHIVE)

    assert FIRST not in ids(away)
    assert back.item.archived_at is None
    assert back.counts == Counts(unseen=3, unread=4)


async def test_all_is_seen_then_all_is_read_save_what_is_archived(
    four: InboxService, clock: MovableClock
) -> None:
    await four.mark("ann", FIRST, Mark.ARCHIVE)
    seen_before = (await four.mark("ann", SECOND, Mark.SEEN)).item.seen_at
    clock.advance(hours=1)

    seen = await four.mark_all_seen("ann")
    read = await four.mark_all_read("ann")

    items = {item.id: item for item in (await four.list("ann", status=Status.ALL)).items}
    assert [seen, read] == [Counts(unseen=0, unread=3), Counts(unseen=0, unread=0)]
    assert items[SECOND].seen_at == seen_before
    assert all(items[each].read_at for each in (SECOND, THIRD, FOURTH))
    assert items[FIRST].read_at is None


async def test_all_at_once_is_read_and_seen_of_this_user_alone(four: InboxService) -> None:
    await four.add(message("00000000-0000-8000-8000-00000000000b", to="ben"))

    await four.mark_all_read("ann")

    assert {bool(item.seen_at) for item in (await four.list("ann")).items} == {True}
    assert await four.counts("ben") == Counts(unseen=1, unread=1)


@pytest.mark.parametrize("user_id", ["ben", "nobody"])
@pytest.mark.parametrize("mark", list(Mark))
async def test_nobody_marks_the_item_of_another(
    four: InboxService, user_id: str, mark: Mark
) -> None:
    before = await four.list("ann", status=Status.ALL)

    with pytest.raises(NotFound, match="no such item"):
        await four.mark(user_id, FIRST, mark)

    assert await four.list("ann", status=Status.ALL) == before


@pytest.mark.parametrize("item_id", ["", "first", "\0", "5C4B1C3A-0000-8000-8000-000000000004"])
async def test_what_is_no_items_id_is_not_found(four: InboxService, item_id: str) -> None:
    with pytest.raises(NotFound):
        await four.mark("ann", item_id, Mark.READ)
    with pytest.raises(InvalidInput) as refusal:
        await four.list("ann", before=item_id)

    assert refusal.value.field == "before"


async def test_a_page_can_not_begin_at_the_item_of_another(four: InboxService) -> None:
    with pytest.raises(InvalidInput):
        await four.list("ben", before=FIRST)


async def test_an_unknown_user_has_no_feed(inbox: InboxService) -> None:
    with pytest.raises(NotFound):
        await inbox.list("nobody")
    with pytest.raises(NotFound):
        await inbox.counts("nobody")
    with pytest.raises(NotFound):
        await inbox.mark_all_read("nobody")
    with pytest.raises(NotFound):
        await inbox.mark_all_seen("nobody")


async def test_times_are_in_utc(four: InboxService) -> None:
    [item, *_] = (await four.list("ann")).items

    assert item.created_at.tzinfo is UTC
    assert isinstance(item.created_at, datetime)
