"""The boards use only existing metrics and labels. (test_watched.py tests that every query returns data.)"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from deploy.boards.__main__ import BOARDS, board_text
from stripwatch.worker.monitoring.coil_metrics import CoilMetrics
from stripwatch.worker.monitoring.health_metrics import certificate_expiry
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.view_metrics import ViewMetrics
from stripwatch.worker.monitoring.worker_scrape import MultiprocessMetrics
from tests.deploy.queries import Names, labels_added, names_of

DEPLOY = Path(__file__).parents[2] / "deploy"
OF_TARGET = {"line", "device", "instance", "job", "process"}  # process: of a supervisor's workers
OF_ALERTS = {"alertname", "alertstate", "severity", "camera"}


def known_metrics() -> dict[str, set[str]]:
    """Return each metric with its labels: those of the worker, of Prometheus itself, and of the recording rules."""
    registry = Metrics(CollectorRegistry()).registry
    registry.register(MultiprocessMetrics([]))
    certificate_expiry(registry)
    of_coils = CoilMetrics(CollectorRegistry()).registry
    of_view = ViewMetrics(CollectorRegistry()).registry
    process = (sample.name for metric in ProcessCollector(registry=None).collect() for sample in metric.samples)
    known = {name: set[str]() for name in [*process, "up"]} | {"ALERTS": OF_ALERTS}
    collectors = registry._collector_to_names | of_coils._collector_to_names | of_view._collector_to_names
    for collector, names in collectors.items():
        labels = set(getattr(collector, "_labelnames", ()))
        for name in names:
            known[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    for rule in recording_rules():
        known[rule["record"]] = names_of(rule["expr"]).labels | labels_added(rule["expr"])
        for metric in names_of(rule["expr"]).metrics:
            kept = known.get(metric, set())  # a rule may read a later one, with the value of the previous evaluation
            known[rule["record"]] |= kept & {"verdict"} if " by (" in rule["expr"] else kept
    return known


def recording_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "recording_rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    boards = [json.loads((DEPLOY / "grafana" / name).read_text()) for name in BOARDS]
    alerts = yaml.safe_load((DEPLOY / "prometheus" / "alert_rules.yml").read_text())["groups"]
    return [
        *(target["expr"] for board in boards for panel in board["panels"] for target in panel.get("targets", ())),
        *(annotation["expr"] for board in boards for annotation in board["annotations"]["list"]),
        *(
            re.sub(r"label_values\((.*), (\w+)\)", r"count by (\2) (\1)", variable["query"]["query"])
            for board in boards
            for variable in board["templating"]["list"]
        ),
        *(rule["expr"] for rule in recording_rules()),
        *(rule["expr"] for group in alerts for rule in group["rules"]),
    ]


def test_finds_the_metrics_and_labels_of_a_query() -> None:
    expr = (
        'sum by (line, le) (rate(a_bucket{x="1{", y=~"$y"}[5m])) / on (line) group_left () b:c:d5m > bool 2 '
        'unless max_over_time({__name__=~"e_(f|g)_total"}[1d] offset 1h) or label_replace(h, "i", "$1", "j", "(.+)")'
    )
    names = Names({"a_bucket", "b:c:d5m", "e_f_total", "e_g_total", "h"}, {"line", "le", "x", "y"})
    assert names_of(expr) == names
    assert labels_added(expr) == {"i"}


@pytest.mark.parametrize("expr", sorted(set(expressions())))
def test_every_metric_and_label_exists(expr: str) -> None:
    known, names = known_metrics(), names_of(expr)
    assert names.metrics <= set(known)
    labels = set().union(*(known[metric] for metric in names.metrics))
    assert names.labels <= labels | OF_TARGET


@pytest.mark.parametrize("name", BOARDS)
def test_board_files_match_their_generator(name: str) -> None:
    assert (DEPLOY / "grafana" / name).read_text() == board_text(BOARDS[name]), "run python -m deploy.boards"


@pytest.mark.parametrize("name", BOARDS)
def test_board_uses_the_provisioned_data_source_and_describes_each_panel(name: str) -> None:
    source = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    (provisioned,) = yaml.safe_load(source.read_text())["datasources"]
    text = (DEPLOY / "grafana" / name).read_text()
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {provisioned["uid"], f"stripwatch-{Path(name).stem}"}
    assert "${DS_" not in text
    for panel in json.loads(text)["panels"]:
        assert panel["type"] == "row" or panel["description"].endswith(".")


@pytest.mark.parametrize("name", BOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    places = [panel["gridPos"] for panel in json.loads((DEPLOY / "grafana" / name).read_text())["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)
