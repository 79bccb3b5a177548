"""Every alert has a rule, unit tests and a runbook section."""

import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from prometheus_client import CollectorRegistry, generate_latest

from stripwatch.worker.monitoring.coil_metrics import CoilMetrics
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.view_metrics import ViewMetrics
from tests.deploy.days.__main__ import ALL_DAYS
from tests.deploy.days.promtool import group_names
from tests.deploy.rules import DEPLOY, PAGE_ADDRESS, promtool, rules

RUNBOOKS = DEPLOY.parent / "docs" / "how-to" / "operator" / "runbooks.md"
UNIT_TESTS = sorted((Path(__file__).parent / "alerts").glob("*.yml"))


ALERTS = {rule["alert"]: rule for rule in rules("alert_rules.yml")}


def test_prometheus_accepts_configuration_and_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_prometheus_accepts_the_examples_of_the_guide(tmp_path: Path) -> None:
    guide = (DEPLOY.parent / "docs/how-to/automation-engineer/monitor.md").read_text()
    fences = [token for token in MarkdownIt().parse(guide) if token.type == "fence" and token.info == "yaml"]
    config, targets = (yaml.safe_load(token.content) for token in fences[:2])
    for name in config["rule_files"]:
        (tmp_path / name).write_text((DEPLOY / "prometheus" / name).read_text())
    (tmp_path / "targets.yml").write_text(yaml.safe_dump({"groups": [{"name": "targets", "rules": targets}]}))
    config["rule_files"].append("targets.yml")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert {rule["record"] for rule in targets} <= {rule["record"] for rule in rules("recording_rules.yml")}


@pytest.mark.parametrize("metrics", [Metrics, CoilMetrics, ViewMetrics])
def test_promtool_accepts_every_metric(metrics: type[Metrics | CoilMetrics | ViewMetrics]) -> None:
    """Units and help texts are checked too."""
    registry = CollectorRegistry()
    metrics(registry)
    promtool("check", "metrics", stdin=generate_latest(registry).decode())


@pytest.mark.long
@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_on_their_fault_and_at_no_other_time(file: Path) -> None:
    promtool("test", "rules", str(file))


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda path: path.stem)
def test_unit_tests_evaluate_the_groups_in_order(file: Path) -> None:
    names = group_names(DEPLOY / "prometheus")
    assert yaml.safe_load(file.read_text())["group_eval_order"] == names


def test_group_names_are_unique() -> None:
    """One PrometheusRule combines the groups of both files (docs/how-to/automation-engineer/monitor.md)."""
    names = group_names(DEPLOY / "prometheus")
    assert len(names) == len(set(names))


def test_every_alert_fires_in_a_unit_test() -> None:
    """Unit tests list firing alerts in `exp_samples`, simulated days in `fires`; promtool verifies both."""
    fired = {
        name
        for file in UNIT_TESTS
        for case in yaml.safe_load(file.read_text())["tests"]
        for check in case["promql_expr_test"]
        for sample in check["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', sample["labels"])
    }
    assert fired.union(*(day.fires for day in ALL_DAYS)) == set(ALERTS)


def test_every_alert_has_a_summary_a_severity_and_a_runbook_section() -> None:
    text = RUNBOOKS.read_text()
    sections = dict(re.findall(r"^### (\w+)\n\n(.+?)(?=\n\n#|\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(ALERTS), "in the same order"
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["runbook_url"] == f"{PAGE_ADDRESS}/runbooks#{name.lower()}"
        assert sections[name].startswith(f"Severity: {rule['labels']['severity']}.\n\n"), name
        assert len(sections[name].split()) > 25, name
        assert "- **Check**" in sections[name], name
        assert "- **Act" in sections[name], name
