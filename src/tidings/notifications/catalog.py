"""`Catalog`: everything the planner looks up that is not of one user; a value, so it stays pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tidings.notifications.workflow import Workflow
from tidings.templates.catalog import TemplateCatalog


@dataclass(frozen=True, kw_only=True)
class WorkflowSet:
    """The published workflows at one moment."""

    #: the stamp of workflows and templates read before them
    definitions: int
    published: tuple[Workflow, ...]

    @cached_property
    def critical_types(self) -> frozenset[str]:
        """The types of events a critical workflow listens to."""
        return frozenset(workflow.on for workflow in self.published if workflow.critical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Workflows by what they listen to and by version, with the templates, at one moment."""

    definitions: int
    by_type: Mapping[str, tuple[Workflow, ...]]
    by_version: Mapping[tuple[str, str], Workflow]
    templates: TemplateCatalog

    @classmethod
    def of(
        cls,
        workflows: WorkflowSet,
        templates: TemplateCatalog,
        archived: Sequence[Workflow] = (),
    ) -> "Catalog":
        """The catalog of these workflows and templates, with old versions something waits in."""
        pinned = {(each.key, each.version): each for each in (*archived, *workflows.published)}
        return cls(
            definitions=workflows.definitions,
            by_type=_by_type(workflows.published),
            by_version=pinned,
            templates=templates,
        )

    @property
    def most_steps(self) -> int:
        """The most steps one event can lead to."""
        steps = [sum(len(one.steps) for one in group) for group in self.by_type.values()]
        return max(steps, default=1)

    def listening_to(self, event_type: str) -> tuple[Workflow, ...]:
        """The published workflows for a type of event, in the order of their keys."""
        return self.by_type.get(event_type, ())

    def version(self, key: str, version: str) -> Workflow | None:
        """One version of a workflow, published or not."""
        return self.by_version.get((key, version))


def _by_type(workflows: Sequence[Workflow]) -> Mapping[str, tuple[Workflow, ...]]:
    found: dict[str, tuple[Workflow, ...]] = {}
    for workflow in sorted(workflows, key=lambda each: each.key):
        found[workflow.on] = (*found.get(workflow.on, ()), workflow)
    return found
