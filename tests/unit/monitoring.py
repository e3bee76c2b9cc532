"""What the checks of metrics, alarms and the dashboard ask; pure, so that faults can be planted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidings.core.metrics import Metrics

_SUFFIXES = {"counter": ["_total"], "info": ["_info"], "histogram": ["_bucket", "_sum", "_count"]}
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")

Group = Mapping[str, Any]


def exposed(metrics: Metrics) -> Mapping[str, str]:
    """Every metric of ours as PromQL names it, and its kind; a histogram by its base."""
    return {
        family.name + _SUFFIXES.get(family.type, [""])[0].replace("_bucket", ""): family.type
        for family in metrics.registry.collect()
        if family.name.startswith("tidings_")
    }


def usable(metrics: Metrics) -> set[str]:
    """Every name a query may use."""
    return {
        family.name + suffix
        for family in metrics.registry.collect()
        for suffix in _SUFFIXES.get(family.type, [""])
    }


def labels_of(metrics: Metrics) -> Mapping[str, Sequence[str]]:
    """The labels of each of our metrics, by the names a query may use."""
    collectors = [each for each in vars(metrics).values() if hasattr(each, "_labelnames")]
    return {
        family.name + suffix: collector._labelnames
        for collector in collectors
        for family in collector.describe()
        for suffix in _SUFFIXES.get(family.type, [""])
    }


def unknown_names(expression: str, known: set[str]) -> list[str]:
    """Names of a query that no process exposes and no rule records."""
    names = re.findall(r"\b(?:tidings|process)[_:][\w:]+", expression)
    return [name for name in names if name not in known]


def unknown_labels(expression: str, labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Labels by which a metric is picked and that it does not have."""
    return [
        f"{name} has no label {label}"
        for name, picked in re.findall(r"\b(tidings_\w+)\{([^}]*)\}", expression)
        for label in _LABEL.findall(picked)
        if label not in labels.get(name, ())
    ]


def rule_faults(groups: Sequence[Group], anchors: set[str]) -> Iterator[str]:
    """Rules without an expression, and alarms without a severity, a sentence or a runbook."""
    for rule in (rule for group in groups for rule in group["rules"]):
        name = rule.get("alert") or rule.get("record")
        if not name or not rule.get("expr"):
            yield f"{rule} is no rule"
        elif "alert" in rule:
            yield from _alarm_faults(rule, anchors)


def _alarm_faults(rule: Mapping[str, Any], anchors: set[str]) -> Iterator[str]:
    name, annotations = rule["alert"], rule.get("annotations", {})
    if rule.get("labels", {}).get("severity") not in {"page", "warning"}:
        yield f"{name} has no severity"
    if not annotations.get("summary"):
        yield f"{name} says nothing"
    page, _, anchor = annotations.get("runbook", "").partition("#")
    if page != "docs/reference/metrics.md" or anchor not in anchors or anchor != name.lower():
        yield f"{name} has no runbook"
