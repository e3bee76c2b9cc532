"""The workflows' SQL; each function is part of its caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson
import sqlalchemy as sa

from tidings.notifications.catalog import WorkflowSet
from tidings.notifications.workflow import ChannelStep, Step, Workflow
from tidings.store import definitions
from tidings.store.schema import workflows as table
from tidings.store.upsert import insert


class Origin(StrEnum):
    """Who published a workflow: at a start the later one wins, and what `put` gave stays."""

    BUILT_IN = "builtin"
    HTTP = "http"
    MODULE = "module"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What publishing comes to."""

    published: Sequence[tuple[Workflow, Origin]] = ()
    #: keys that have no published workflow any more
    withdrawn: Sequence[str] = ()
    #: keys whose workflow was put over HTTP and gives way to a module's
    overruled: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.published or self.withdrawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    version: str
    origin: Origin


def put(connection: sa.Connection, workflow: Workflow, now: datetime) -> Changes:
    """Publish one in place of what its key had."""

    def compare(current: Mapping[str, _Standing]) -> Changes:
        known = current.get(workflow.key)
        same = known is not None and known.version == workflow.version
        return Changes() if same else Changes(published=[(workflow, Origin.HTTP)])

    if not compare(_current(connection)):
        return Changes()
    definitions.bump(connection)  # first of all: its row lock lets one process publish at a time
    return _apply(connection, compare(_current(connection)), now)


def load(
    connection: sa.Connection,
    *,
    built_in: Sequence[Workflow],
    modules: Sequence[Workflow],
    now: datetime,
) -> Changes:
    """Make these the published ones, with those put over HTTP between them, and no others."""

    def compare(current: Mapping[str, _Standing]) -> Changes:
        return _compare(current, built_in, modules)

    if not compare(_current(connection)):
        return Changes()
    definitions.bump(connection)
    return _apply(connection, compare(_current(connection)), now)


def read(connection: sa.Connection) -> WorkflowSet:
    """The published workflows with the stamp that was read before them."""
    stamp = definitions.read(connection)
    published = sa.select(table.c.content).where(table.c.status == "published")
    contents = connection.scalars(published.order_by(table.c.key)).all()
    return WorkflowSet(definitions=stamp, published=tuple(map(_workflow, contents)))


def read_versions(
    connection: sa.Connection, wanted: Collection[tuple[str, str]]
) -> Sequence[Workflow]:
    """These versions, by key and version, as far as they exist."""
    query = sa.select(table.c.content).where(
        sa.tuple_(table.c.key, table.c.version).in_(sorted(wanted))
    )
    return [_workflow(content) for content in connection.scalars(query)]


def needing(connection: sa.Connection, template: str, channel: str) -> Sequence[str]:
    """The published workflows with a step that sends this template on this channel."""
    return [
        workflow.key
        for workflow in read(connection).published
        if any(_sends(step, template, channel) for step in workflow.steps)
    ]


def _sends(step: Step, template: str, channel: str) -> bool:
    return isinstance(step, ChannelStep) and (step.template, step.channel) == (template, channel)


def _workflow(content: object) -> Workflow:
    return Workflow.model_validate_json(orjson.dumps(content))


def _compare(
    current: Mapping[str, _Standing], built_in: Sequence[Workflow], modules: Sequence[Workflow]
) -> Changes:
    kept = {key for key, each in current.items() if each.origin is Origin.HTTP}
    wanted = {each.key: (each, Origin.BUILT_IN) for each in built_in if each.key not in kept}
    wanted |= {each.key: (each, Origin.MODULE) for each in modules}
    return Changes(
        published=[
            (workflow, origin)
            for key, (workflow, origin) in wanted.items()
            if current.get(key) != _Standing(version=workflow.version, origin=origin)
        ],
        withdrawn=sorted(current.keys() - wanted.keys() - kept),
        overruled=sorted(kept & wanted.keys()),
    )


def _current(connection: sa.Connection) -> Mapping[str, _Standing]:
    rows = connection.execute(
        sa.select(table.c.key, table.c.version, table.c.origin).where(table.c.status == "published")
    )
    return {row.key: _Standing(version=row.version, origin=Origin(row.origin)) for row in rows}


def _apply(connection: sa.Connection, changes: Changes, now: datetime) -> Changes:
    keys = [*changes.withdrawn, *(workflow.key for workflow, _ in changes.published)]
    connection.execute(
        sa.update(table)
        .where(table.c.key.in_(keys), table.c.status == "published")
        .values(status="archived")
    )
    for workflow, origin in changes.published:
        _publish(connection, workflow, origin, now)
    return changes


def _publish(connection: sa.Connection, workflow: Workflow, origin: Origin, now: datetime) -> None:
    row = insert(connection, table).values(
        key=workflow.key,
        version=workflow.version,
        content=workflow.content,
        status="published",
        origin=origin.value,
        created_at=now,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[table.c.key, table.c.version],
            set_={"status": "published", "origin": origin.value},
        )
    )
