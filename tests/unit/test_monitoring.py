"""Metrics, alarms and the dashboard agree with the program and with the page."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.unit import documents
from tests.unit.monitoring import (
    exposed,
    labels_of,
    rule_faults,
    unknown_labels,
    unknown_names,
    usable,
)
from tidings.core.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
DEPLOY = ROOT / "deploy"


def load(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in load("alerts.yml")["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Every query of the alarms and of the dashboard."""
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*(rule["expr"] for rule in rules()), *shown]


def anchors() -> set[str]:
    return documents.anchors(PAGE)


def test_every_metric_is_in_the_page_with_its_kind_and_no_other_is() -> None:
    rows = documents.table(PAGE)

    kinds = {name: kind.replace("info", "gauge") for name, kind in exposed(Metrics()).items()}
    assert {name: row[0] for name, row in rows.items()} == kinds


def test_every_metric_is_in_the_page_with_its_labels() -> None:
    rows, metrics = documents.table(PAGE), Metrics()

    labels = labels_of(metrics)
    for name in exposed(metrics):
        known = labels.get(name) or labels.get(f"{name}_bucket") or ()
        if name != "tidings_build_info":
            assert rows[name][1] == (", ".join(known) or "–"), name


def test_alarms_and_dashboard_ask_only_for_what_there_is() -> None:
    metrics = Metrics()
    known = usable(metrics) | {rule["record"] for rule in rules() if "record" in rule}

    queries = expressions()
    assert len(queries) > 20
    assert [unknown for query in queries for unknown in unknown_names(query, known)] == []
    assert [bad for query in queries for bad in unknown_labels(query, labels_of(metrics))] == []


def test_every_alarm_says_what_to_do() -> None:
    groups = load("alerts.yml")["groups"]

    assert [rule for rule in rules() if "alert" in rule]
    assert list(rule_faults(groups, anchors())) == []


def test_every_runbook_belongs_to_an_alarm() -> None:
    alarms = {rule["alert"].lower() for rule in rules() if "alert" in rule}

    assert {anchor for anchor in anchors() if anchor.startswith("tidings")} == alarms


def test_the_scrape_configuration_names_the_rules() -> None:
    configuration = load("prometheus.yml")

    assert configuration["rule_files"] == ["alerts.yml"]
    assert configuration["scrape_configs"][0]["job_name"] == "tidings"


# Planted faults: what each check above must not let pass.


def test_a_name_nobody_exposes_is_found() -> None:
    known = usable(Metrics())

    assert unknown_names("rate(tidings_attempts_total[5m])", known) == []
    assert unknown_names("rate(tidings_attempts[5m])", known) == ["tidings_attempts"]
    assert unknown_names("tidings:nowhere:max > 1", known) == ["tidings:nowhere:max"]


def test_a_label_a_metric_lacks_is_found() -> None:
    labels = labels_of(Metrics())

    assert unknown_labels('tidings_due{lane="bulk", kind!~"x"}', labels) == []
    assert unknown_labels('tidings_due{workflow="x"}', labels) == [
        "tidings_due has no label workflow"
    ]


def test_an_alarm_without_severity_words_or_runbook_is_found() -> None:
    good = {
        "alert": "TidingsX",
        "expr": "1",
        "labels": {"severity": "page"},
        "annotations": {"summary": "x", "runbook": "docs/reference/metrics.md#tidingsx"},
    }
    bad = [good, {"record": "x"}, {"alert": "TidingsY", "expr": "1"}]

    found = list(rule_faults([{"rules": bad}], {"tidingsx"}))

    assert len(found) == 4
    assert not any("TidingsX" in each for each in found)
