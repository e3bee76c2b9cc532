"""What marking does to an item."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidings.inbox.items import FeedItem, Mark, marked

THEN = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
NOW = THEN + timedelta(hours=1)
LATER = NOW + timedelta(hours=1)

NEW = FeedItem(id="i1", workflow="order", title="Shipped", body="On its way", created_at=THEN)
OPENED = replace(NEW, seen_at=THEN, read_at=THEN)
PUT_AWAY = replace(OPENED, archived_at=THEN)


@pytest.mark.parametrize(
    ("before", "mark", "after"),
    [
        (NEW, Mark.SEEN, replace(NEW, seen_at=NOW)),
        (NEW, Mark.READ, replace(NEW, seen_at=NOW, read_at=NOW)),
        (NEW, Mark.ARCHIVE, replace(NEW, seen_at=NOW, archived_at=NOW)),
        (OPENED, Mark.UNREAD, replace(OPENED, read_at=None)),
        (OPENED, Mark.ARCHIVE, replace(OPENED, archived_at=NOW)),
        (PUT_AWAY, Mark.UNARCHIVE, OPENED),
    ],
)
def test_a_mark_says_when_and_touches_nothing_else(
    before: FeedItem, mark: Mark, after: FeedItem
) -> None:
    assert marked(before, mark, NOW) == after


@pytest.mark.parametrize("mark", list(Mark))
@pytest.mark.parametrize("item", [NEW, OPENED, PUT_AWAY])
def test_the_same_mark_again_changes_nothing(item: FeedItem, mark: Mark) -> None:
    once = marked(item, mark, NOW)

    assert marked(once, mark, LATER) == once


@pytest.mark.parametrize("mark", list(Mark))
@pytest.mark.parametrize("item", [NEW, OPENED, PUT_AWAY])
def test_what_is_read_or_archived_was_seen(item: FeedItem, mark: Mark) -> None:
    after = marked(item, mark, NOW)

    assert after.seen_at or not (after.read_at or after.archived_at)
