"""The SQL of the list of dead letters: four tables, each read along the index of its dead."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from tidings.core.errors import InvalidInput
from tidings.core.work import AttemptOutcome
from tidings.store.schema import attempts, dead_letters, deliveries, events, notifications
from tidings.store.schema.types import Id, UtcDateTime, from_microseconds, to_microseconds

_CURSOR = re.compile(r"(\d{1,16})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Kind(StrEnum):
    """What a dead letter is."""

    #: could not be planned
    EVENT = "event"
    #: could not be planned on after its wait
    NOTIFICATION = "notification"
    #: gave up, or nobody knows whether it was taken
    DELIVERY = "delivery"
    #: an entry of the bus that could not be read or accepted
    BUS_ENTRY = "bus_entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One thing that came to nothing, and why; what does not apply to its kind is None."""

    kind: Kind
    id: str
    #: when it came to nothing; of events and notifications, when they came
    at: datetime
    reason: str | None
    rule: str | None
    #: the event it comes from, by the key of its row
    event_id: str | None
    #: of an event
    type: str | None
    user_id: str | None
    workflow: str | None
    channel: str | None
    provider: str | None
    bus_channel: str | None
    #: it may have been delivered: nobody can tell whether a call of it was taken
    in_doubt: bool
    #: its notification or its event was called off
    called_off: bool = False
    #: a provider said yes after all, too late to be heeded
    taken: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it is never replayed."""
        return self.called_off or self.taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which dead letters; None leaves a field open."""

    kind: Kind | None = None
    channel: str | None = None
    workflow: str | None = None
    provider: str | None = None
    user_id: str | None = None
    #: words in the reason, in any case
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    in_doubt: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page ended: the one after it is older."""

    at: datetime
    id: str

    @classmethod
    def of(cls, letter: DeadLetter) -> "Place":
        """Where a letter stands."""
        return cls(at=letter.at, id=letter.id)

    @classmethod
    def read(cls, cursor: str) -> "Place":
        """From a cursor. Raises InvalidInput."""
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise InvalidInput("before: give what `next` said", field="before")
        return cls(at=from_microseconds(int(found[1])), id=found[2])

    @property
    def cursor(self) -> str:
        """As the next page is asked for."""
        return f"{to_microseconds(self.at)}-{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the dead letters of a kind are."""

    table: sa.Table
    #: written out as its partial index has it, so that the planner sees that it fits
    dead: str
    at: sa.Column[Any]
    #: fields of DeadLetter
    columns: Mapping[str, sa.ColumnElement[Any]]
    #: what is shown besides, to who inspects one
    details: tuple[str, ...]

    def query(self) -> sa.Select[Any]:
        """Its dead letters, as fields of DeadLetter."""
        shown = [
            self.columns.get(name, sa.null()).label(name)
            for name in DeadLetter.__dataclass_fields__
            if name not in {"kind", "id", "at", "called_off", "taken"}
        ]
        return sa.select(self.table.c.id.label("id"), self.at.label("at"), *shown).where(
            sa.text(self.dead)
        )


SOURCES: Mapping[Kind, Source] = {
    Kind.EVENT: Source(
        table=events,
        dead="state = 'failed'",
        at=events.c.accepted_at,
        columns={
            "reason": events.c.reason,
            "event_id": events.c.id,
            "type": events.c.type,
            "user_id": events.c.user_id,
            "bus_channel": events.c.bus_channel,
        },
        details=("source", "source_id", "time", "lane", "data", "tries"),
    ),
    Kind.NOTIFICATION: Source(
        table=notifications,
        dead="state = 'failed'",
        at=notifications.c.created_at,
        columns={
            "reason": notifications.c.reason,
            "event_id": notifications.c.event_id,
            "user_id": notifications.c.user_id,
            "workflow": notifications.c.workflow,
        },
        details=("workflow_version", "lane", "step", "tries", "decisions"),
    ),
    Kind.DELIVERY: Source(
        table=deliveries,
        dead="state IN ('failed', 'held')",
        at=deliveries.c.updated_at,
        columns={
            "reason": deliveries.c.reason,
            "rule": deliveries.c.rule,
            "event_id": deliveries.c.event_id,
            "user_id": deliveries.c.user_id,
            "workflow": deliveries.c.workflow,
            "channel": deliveries.c.channel,
            "provider": deliveries.c.provider,
            "in_doubt": deliveries.c.doubt | (deliveries.c.state == "held"),
        },
        details=(
            "state",
            "notification_id",
            "step",
            "lane",
            "address",
            "template",
            "template_version",
            "locale",
            "provider_id",
            "epoch",
            "tries",
            "lapses",
            "created_at",
            "expires_at",
        ),
    ),
    Kind.BUS_ENTRY: Source(
        table=dead_letters,
        dead="replayed_at IS NULL",
        at=dead_letters.c.created_at,
        columns={"reason": dead_letters.c.reason, "bus_channel": dead_letters.c.bus_channel},
        details=("entry_id", "entry"),
    ),
}
"""Each kind by where it is kept."""

#: what a letter must have just as it is wanted
_EXACT = ("channel", "workflow", "provider", "user_id")


def page_queries(
    wanted: Wanted, *, limit: int, before: Place | None
) -> Mapping[Kind, sa.Select[Any]]:
    """A query for each kind that may hold what is wanted, newest first."""
    return {
        kind: _page(source, wanted, limit, before)
        for kind, source in SOURCES.items()
        if wanted.kind in (None, kind) and _can_hold(source, wanted)
    }


def letter_of(kind: Kind, row: sa.RowMapping) -> DeadLetter:
    """A dead letter from a row of its source."""
    return DeadLetter(kind=kind, **{**row, "in_doubt": bool(row["in_doubt"])})


def told_over(connection: sa.Connection, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
    """The letters, each with whether it is over: looked up by id, so that pages stay cheap."""
    ids = [letter.id for letter in letters if letter.kind is Kind.DELIVERY]
    marks = called_off().label("called_off"), was_taken().label("taken")
    query = sa.select(deliveries.c.id, *marks).where(deliveries.c.id.in_(ids))
    rows = connection.execute(query).all() if ids else []
    over = {row.id: (bool(row.called_off), bool(row.taken)) for row in rows}
    told = [(letter, *over.get(letter.id, (False, False))) for letter in letters]
    return [replace(letter, called_off=off, taken=taken) for letter, off, taken in told]


def called_off() -> sa.ColumnElement[bool]:
    """Whether a delivery's notification or event was called off, so that nothing may be sent."""
    run = sa.exists().where(
        notifications.c.id == deliveries.c.notification_id, notifications.c.state == "cancelled"
    )
    event = sa.exists().where(events.c.id == deliveries.c.event_id, events.c.state == "cancelled")
    return deliveries.c.cancelled_at.is_not(None) | run | event


def was_taken() -> sa.ColumnElement[bool]:
    """Whether a provider said yes after all, too late to be heeded."""
    yes = attempts.c.outcome.in_([AttemptOutcome.SENT, AttemptOutcome.FOUND])
    return sa.exists().where(attempts.c.delivery_id == deliveries.c.id, yes)


def _can_hold(source: Source, wanted: Wanted) -> bool:
    asked = {name for name in _EXACT if getattr(wanted, name) is not None}
    asked |= {"in_doubt"} if wanted.in_doubt else set()
    return asked <= source.columns.keys()


def _page(source: Source, wanted: Wanted, limit: int, before: Place | None) -> sa.Select[Any]:
    query = source.query().order_by(source.at.desc(), source.table.c.id.desc()).limit(limit)
    for name in _EXACT:
        if (value := getattr(wanted, name)) is not None:
            query = query.where(source.columns[name] == value)
    if wanted.reason is not None:
        query = query.where(source.columns["reason"].icontains(wanted.reason, autoescape=True))
    if wanted.since is not None:
        query = query.where(source.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(source.at < wanted.until)
    if wanted.in_doubt is not None and "in_doubt" in source.columns:
        query = query.where(source.columns["in_doubt"].is_(wanted.in_doubt))
    return query if before is None else query.where(_older(source, before))


def _older(source: Source, before: Place) -> sa.ColumnElement[bool]:
    place = sa.tuple_(source.at, source.table.c.id)
    return place < sa.tuple_(sa.literal(before.at, UtcDateTime), sa.literal(before.id, Id))
