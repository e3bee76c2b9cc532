"""The Template Service's SQL; each function is part of its caller's transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from tidings.store.schema import installation, templates
from tidings.store.upsert import insert
from tidings.templates.catalog import TemplateVersion
from tidings.templates.template import Template

PUBLISHED, ARCHIVED = "published", "archived"


def lock_definitions(connection: sa.Connection) -> None:
    """Let nobody else publish until the transaction ends."""
    connection.execute(sa.select(installation.c.id).with_for_update())


def find_published(connection: sa.Connection) -> list[TemplateVersion]:
    """Every published template."""
    query = sa.select(
        templates.c.version, templates.c.key, templates.c.channel, templates.c.locale
    ).where(templates.c.status == PUBLISHED)
    return [
        TemplateVersion(version=row.version, key=row.key, channel=row.channel, locale=row.locale)
        for row in connection.execute(query)
    ]


def find_template(connection: sa.Connection, version: str) -> Template | None:
    """A version, published or archived."""
    query = sa.select(templates).where(templates.c.version == version)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Template(key=row.key, channel=row.channel, locale=row.locale, parts=row.parts)


def archive(connection: sa.Connection, versions: Iterable[str]) -> None:
    """These are used for nothing new; deliveries that pinned them still find them."""
    _set_status(connection, versions, ARCHIVED)


def publish(connection: sa.Connection, wanted: Mapping[str, Template], now: datetime) -> None:
    """These are used from now on, those of before among them."""
    for version, template in wanted.items():
        statement = insert(connection, templates).values(
            version=version,
            key=template.key,
            channel=template.channel,
            locale=template.locale,
            parts=dict(template.parts),
            status=PUBLISHED,
            created_at=now,
        )
        connection.execute(statement.on_conflict_do_nothing(index_elements=[templates.c.version]))
    _set_status(connection, wanted, PUBLISHED)


def _set_status(connection: sa.Connection, versions: Iterable[str], status: str) -> None:
    connection.execute(
        sa.update(templates).where(templates.c.version.in_(tuple(versions))).values(status=status)
    )
