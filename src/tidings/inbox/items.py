"""Items of a feed, and what marking does to them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Which items of a feed; without one, all that are not archived."""

    UNREAD = "unread"
    UNSEEN = "unseen"
    ARCHIVED = "archived"
    ALL = "all"


class Mark(StrEnum):
    """What a person does to an item: see it in the list, open it, put it away."""

    SEEN = "seen"
    READ = "read"
    UNREAD = "unread"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One message in a person's feed; its id is the message's."""

    id: str
    workflow: str
    title: str | None
    body: str
    created_at: datetime
    #: shown; set with read_at or archived_at at the latest
    seen_at: datetime | None = None
    #: opened
    read_at: datetime | None = None
    #: put away
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much of a feed, leaving out what is archived, is new to its owner."""

    unseen: int
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Some items, newest first, with the counts of the whole feed at the same moment."""

    items: Sequence[FeedItem]
    #: what `before` must be for the page that follows; None on the last one
    next: str | None
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """An item as it stands after a mark, with the counts that came of it."""

    item: FeedItem
    counts: Counts


def marked(item: FeedItem, mark: Mark, now: datetime) -> FeedItem:
    """The item after a mark; the same mark again changes nothing."""
    seen_at = item.seen_at or now
    match mark:
        case Mark.SEEN:
            return replace(item, seen_at=seen_at)
        case Mark.READ:
            return replace(item, seen_at=seen_at, read_at=item.read_at or now)
        case Mark.UNREAD:
            return replace(item, read_at=None)
        case Mark.ARCHIVE:
            return replace(item, seen_at=seen_at, archived_at=item.archived_at or now)
        case Mark.UNARCHIVE:
            return replace(item, archived_at=None)
