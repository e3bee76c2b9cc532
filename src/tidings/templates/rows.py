"""The Template Service's SQL; each function is part of its caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from tidings.store import definitions
from tidings.store.schema import installation
from tidings.store.schema import templates as table
from tidings.store.upsert import insert
from tidings.templates.catalog import TemplateVersion
from tidings.templates.template import Name, Template

PUBLISHED, ARCHIVED = "published", "archived"

_name = sa.tuple_(table.c.key, table.c.channel, table.c.locale)


class Origin(StrEnum):
    """Where a template came from: at a start a folder's wins, and what `put` gave else stays."""

    FOLDER = "folder"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The published template of a name."""

    version: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What loading folders comes to."""

    published: Sequence[Template]
    #: names that have no published template any more
    withdrawn: Sequence[Name]
    #: names whose template was put over HTTP and gives way to a folder's
    overruled: Sequence[Name]

    def __bool__(self) -> bool:
        return bool(self.published or self.withdrawn)


def load(
    connection: sa.Connection,
    *,
    built_in: Iterable[Template],
    own: Iterable[Template],
    now: datetime,
) -> Changes:
    """Make these the published ones, with those put over HTTP between them, and no others."""
    current = lock_published(connection)
    changes = _compare(current, built_in, own)
    if changes:
        publish(connection, changes.published, Origin.FOLDER, now, gone=changes.withdrawn)
    return changes


def lock_published(connection: sa.Connection) -> Mapping[Name, Standing]:
    """The published templates by name; nobody else publishes until the transaction ends."""
    connection.execute(sa.select(installation.c.id).with_for_update())
    return {
        (row.key, row.channel, row.locale): Standing(version=row.version, origin=Origin(row.origin))
        for row in connection.execute(_published())
    }


def publish(
    connection: sa.Connection,
    new: Sequence[Template],
    origin: Origin,
    now: datetime,
    *,
    gone: Sequence[Name] = (),
) -> None:
    """Use these from now on, instead of what their names had and of what is gone.

    Deliveries that pinned an old version still find it.
    """
    _archive(connection, [*gone, *(template.name for template in new)])
    for template in new:
        _publish(connection, template, origin, now)
    definitions.bump(connection)


def find_published(connection: sa.Connection) -> list[TemplateVersion]:
    """Every published template."""
    return [_version(row) for row in connection.execute(_published())]


def find_page(
    connection: sa.Connection, *, limit: int, after: Name | None
) -> list[TemplateVersion]:
    """The first published templates, or the first after a name, in the order of their names."""
    query = _published().order_by(*_name.clauses).limit(limit)
    if after is not None:
        query = query.where(_name > after)
    return [_version(row) for row in connection.execute(query)]


def find_named(connection: sa.Connection, name: Name) -> Template | None:
    """The published template of a name."""
    query = sa.select(table).where(_name == name, table.c.status == PUBLISHED)
    return _template(connection.execute(query).first())


def find_version(connection: sa.Connection, version: str) -> Template | None:
    """A version, published or archived."""
    query = sa.select(table).where(table.c.version == version)
    return _template(connection.execute(query).first())


def _compare(
    current: Mapping[Name, Standing], built_in: Iterable[Template], own: Iterable[Template]
) -> Changes:
    kept = {name for name, each in current.items() if each.origin is Origin.HTTP}
    wanted = {each.name: each for each in built_in if each.name not in kept}
    wanted |= {each.name: each for each in own}
    return Changes(
        published=[
            template
            for name, template in wanted.items()
            if current.get(name) != Standing(version=template.version, origin=Origin.FOLDER)
        ],
        withdrawn=sorted(current.keys() - wanted.keys() - kept),
        overruled=sorted(kept & wanted.keys()),
    )


def _archive(connection: sa.Connection, names: Sequence[Name]) -> None:
    named = _name.in_(names) & (table.c.status == PUBLISHED)
    connection.execute(sa.update(table).where(named).values(status=ARCHIVED))


def _publish(connection: sa.Connection, template: Template, origin: Origin, now: datetime) -> None:
    row = insert(connection, table).values(
        version=template.version,
        key=template.key,
        channel=template.channel,
        locale=template.locale,
        parts=dict(template.parts),
        status=PUBLISHED,
        origin=origin.value,
        created_at=now,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[table.c.version],
            set_={"status": PUBLISHED, "origin": origin.value},
        )
    )


def _published() -> sa.Select[Any]:
    return sa.select(
        table.c.version, table.c.key, table.c.channel, table.c.locale, table.c.origin
    ).where(table.c.status == PUBLISHED)


def _version(row: sa.Row[Any]) -> TemplateVersion:
    return TemplateVersion(version=row.version, key=row.key, channel=row.channel, locale=row.locale)


def _template(row: sa.Row[Any] | None) -> Template | None:
    if row is None:
        return None
    return Template(key=row.key, channel=row.channel, locale=row.locale, parts=row.parts)
