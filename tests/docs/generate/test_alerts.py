"""The alerts page lists every alert and every recording rule."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import alerts
from docs.generate.alerts import ALERTS, RECORDING, alerts_page, recording_rules

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]


def entries() -> dict[str, str]:
    """The text below each third-level heading of the page."""
    parts = re.split(r"^##+ (.*)\n", alerts_page(), flags=re.MULTILINE)
    return {heading.strip("`"): text.strip() for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_states_condition_severity_delay_runbook_and_expression(rule: dict[str, Any]) -> None:
    condition, facts, expression = entries()[rule["alert"]].split("\n\n")
    assert len(condition) > 20
    assert "{{" not in condition
    assert facts.startswith(f"Severity: {rule['labels']['severity']}. Fires ")
    assert rule.get("for", "at once") in facts
    assert "runbooks.md" in facts
    assert "".join(rule["expr"].split()) in "".join(expression.split())
    (row,) = re.findall(rf"^\| \[`{rule['alert']}`\]\(#(\w+)\) \| (\w+) \| .+ \|$", alerts_page(), re.MULTILINE)
    assert row == (rule["alert"].lower(), rule["labels"]["severity"])


def test_every_recording_rule_has_a_meaning_and_an_expression() -> None:
    found = entries()
    names = re.findall(r"^ *- record: (\S+)", RECORDING.read_text(), re.MULTILINE)
    assert [name for name, _, _ in recording_rules()] == names
    for name, meaning, _ in recording_rules():
        assert len(meaning) > 10, name
        assert found[name].startswith(meaning)
        assert "```text\n" in found[name]


def test_added_rules_appear(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    annotations = {
        "summary": 'Camera {{ $labels.camera }} is {{ $value | humanizeDuration }} late, {{ $value | printf "%.0f" }}.',
        "runbook_url": "docs/how-to/operator/runbooks.md#added",
    }
    rule = {"alert": "Added", "expr": "a > 1", "for": "9m", "labels": {"severity": "warning"}}
    groups = {"groups": [{"name": "stripwatch-new", "rules": [rule | {"annotations": annotations}]}]}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(groups))
    (tmp_path / "recording.yml").write_text(
        "groups:\n- name: x\n  rules:\n  # How many.\n  - record: a:b:c # behind it\n    expr: sum(a)\n"
        "  # For example:\n  #   {record: d, expr: vector(1)}\n  - record: d\n    expr: vector(0)\n"
    )
    monkeypatch.setattr(alerts, "ALERTS", tmp_path / "alerts.yml")
    monkeypatch.setattr(alerts, "RECORDING", tmp_path / "recording.yml")
    found = entries()
    assert found["Added"].split("\n\n") == [
        "Camera *camera* is *duration* late, *N*.",
        "Severity: warning. Fires after 9m. What to do: [runbook](../how-to/operator/runbooks.md#added).",
        "```text\na > 1\n```",
    ]
    assert "[runbooks](../how-to/operator/runbooks.md)" in alerts_page()
    assert found["a:b:c"] == "How many.\nbehind it.\n\n```text\nsum(a)\n```"
    assert found["d"].startswith("For example:\n\n```yaml\n- {record: d, expr: vector(1)}\n```")
