"""The workflows of an installation: kept as JSON, by version, changed at start or over HTTP."""

import asyncio
import importlib
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from tidings.core.clock import Clock
from tidings.core.errors import ConfigurationError, InvalidInput, NotFound, Unavailable
from tidings.core.logs import get_logger
from tidings.core.ports import Store
from tidings.core.single_flight import SingleFlight
from tidings.notifications import workflow_rows as rows
from tidings.notifications.builtin import BUILT_IN
from tidings.notifications.catalog import WorkflowSet
from tidings.notifications.workflow import ChannelStep, Workflow
from tidings.store import definitions
from tidings.templates.catalog import TemplateCatalog
from tidings.templates.service import TemplateService
from tidings.templates.template import files_of

_log = get_logger("workflows")

#: seconds after which a process asks whether another one changed the workflows, and for how long
_FRESH, _PATIENCE = 5.0, 0.5
#: seconds that a request waits for them where none were read before
_FIRST_PATIENCE = 3.0


class WorkflowService:
    """Keeps workflows; every version stays for what waits in it."""

    def __init__(self, store: Store, *, clock: Clock, templates: TemplateService) -> None:
        self._store = store
        self._clock = clock
        self._templates = templates
        self._known: WorkflowSet | None = None
        self._first = SingleFlight(self.read, seconds=_FIRST_PATIENCE, what="the workflows")
        self._read_at = 0.0

    async def put(self, workflow: Workflow) -> bool:
        """Publish a workflow in place of what its key had; tells whether anything changed.

        It stays until a module has one of its key. Raises InvalidInput for a template that is
        missing.
        """
        for index, step in _missing(workflow, await self._templates.catalog()):
            field = f"steps.{index}.template"
            raise InvalidInput(f"{field}: {_no_template(step)}", field=field)
        now = self._clock.now()
        return self._note(await self._store.run(lambda each: rows.put(each, workflow, now)))

    async def load(self, modules: Sequence[str], workflows: Sequence[Workflow] = ()) -> None:
        """Publish the built-in ones, those put over HTTP, and those of modules and `workflows`.

        Later ones win, and what a module had and has no more is withdrawn. Raises
        ConfigurationError for a module that can't be imported or holds none, and for a template
        that is missing.
        """
        own = {each.key: each for each in (*load_modules(modules), *workflows)}
        await self._require_templates(tuple(own.values()))
        now = self._clock.now()
        changes = await self._store.run(
            lambda each: rows.load(each, built_in=BUILT_IN, modules=tuple(own.values()), now=now)
        )
        self._note(changes)

    async def get(self, key: str) -> Workflow:
        """The published workflow of a key. Raises NotFound."""
        for workflow in (await self.read()).published:
            if workflow.key == key:
                return workflow
        raise NotFound(f"there is no workflow {key}", field="key")

    async def list(self) -> Sequence[Workflow]:
        """The published workflows, in the order of their keys."""
        return (await self.read()).published

    async def versions(self, wanted: Collection[tuple[str, str]]) -> Sequence[Workflow]:
        """These versions, by key and version, published or not, as far as they exist."""
        return await self._store.run(lambda each: rows.read_versions(each, wanted))

    async def read(self) -> WorkflowSet:
        """The published workflows as they are now."""
        known = await self._store.run(rows.read)
        self._known, self._read_at = known, time.monotonic()
        return known

    async def recent(self) -> WorkflowSet:
        """The published workflows of at most some seconds ago, cheaply; older ones if need be."""
        known = self._known
        if known is None:
            return await self._first.result()
        if time.monotonic() - self._read_at >= _FRESH:
            self._read_at = time.monotonic()
            return await self._refreshed(known)
        return known

    async def _require_templates(self, workflows: Sequence[Workflow]) -> None:
        catalog = await self._templates.catalog()
        for workflow in workflows:
            for index, step in _missing(workflow, catalog):
                raise ConfigurationError(
                    f"Workflow {workflow.key}, step {index + 1}: {_no_template(step)}"
                )

    def _note(self, changes: rows.Changes) -> bool:
        if not changes:
            return False
        self._known = None
        if changes.overruled:
            _log.warning(
                "workflows put over HTTP gave way to those of a module",
                workflows=changes.overruled,
            )
        _log.info(
            "workflows published",
            workflows=[workflow.key for workflow, _ in changes.published],
            withdrawn=changes.withdrawn,
        )
        return True

    async def _refreshed(self, known: WorkflowSet) -> WorkflowSet:
        try:
            async with asyncio.timeout(_PATIENCE):
                stamp = await self._store.run(definitions.read)
                return known if stamp == known.definitions else await self.read()
        except (Unavailable, TimeoutError):
            return known


def load_modules(names: Sequence[str]) -> Sequence[Workflow]:
    """Every workflow at the top level of the named modules; the working directory is importable.

    Raises ConfigurationError naming the module and the cause.
    """
    return [workflow for name in names for workflow in _load_module(name)]


def _load_module(name: str) -> Sequence[Workflow]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise ConfigurationError(
            f"TIDINGS_WORKFLOWS names {name}, which can't be imported from {here}: "
            f"{type(error).__name__}: {error}"
        ) from error
    found = [value for value in vars(module).values() if isinstance(value, Workflow)]
    if not found:
        raise ConfigurationError(
            f"TIDINGS_WORKFLOWS names {name}, which has no Workflow at its top level."
        )
    return found


def _missing(workflow: Workflow, catalog: TemplateCatalog) -> Sequence[tuple[int, ChannelStep]]:
    """The steps, with their index, whose template is there in no language at all."""
    return [
        (index, step)
        for index, step in enumerate(workflow.steps)
        if isinstance(step, ChannelStep) and not catalog.has(step.template, step.channel)
    ]


def _no_template(step: ChannelStep) -> str:
    files = " and ".join(files_of(step.template, step.channel))
    return (
        f"there is no template {step.template} for {step.channel}: "
        f"add {files} to the folder that TIDINGS_TEMPLATES names, or put one with "
        "PUT /v1/templates/{key}/{channel}."
    )
