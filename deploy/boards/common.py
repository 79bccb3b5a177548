"""Elements shared by both boards: the line selector, annotations on the time axis, and the targets of the plant."""

from pathlib import Path

import yaml

from deploy.boards.panels import Annotation, Query, Variable

_RULES = Path(__file__).parents[1] / "prometheus" / "recording_rules.yml"

OF_LINE = 'line=~"$line"'
OF_WORKER = 'line=~"$line", instance=~"$instance"'
OF_ALERT = 'alertstate="firing", line=~"$line|"'  # alerts about all lines have no label `line`
RATE = "[$__rate_interval]"

LINE = Variable("line", "label_values(stripwatch_ready, line)")
NEW_BUNDLE = Annotation(
    "New bundle",
    f"count by (line, name, version, sha256) (stripwatch_bundle_info{{{OF_LINE}}})"
    f" unless count by (line, name, version, sha256) (stripwatch_bundle_info{{{OF_LINE}}} offset 1m)",
    "{{line}}: {{name}} {{version}}",
    "blue",
)
ALERTS = Annotation("Alerts", f"ALERTS{{{OF_ALERT}}}", "{{alertname}} {{camera}}", "red")


def target(record: str) -> float:
    """Return the value of a target in the recording rules. Needed for colours, which Grafana cannot read from a query.

    Regenerate the boards (python -m deploy.boards) after changing a target.
    """
    groups = yaml.safe_load(_RULES.read_text())["groups"]
    (expr,) = (rule["expr"] for group in groups for rule in group["rules"] if rule["record"] == record)
    return float(expr.removeprefix("vector(").removesuffix(")"))


def targeted(measure: str, legend: str, record: str) -> tuple[Query, ...]:
    """Return the queries of a measure and of the target that it must stay below."""
    return Query(measure, legend), Query(record, "target")


def targeted_either_way(measure: str, legend: str, record: str) -> tuple[Query, ...]:
    """Return the queries of a measure and of the targets above and below 0 that it must stay between."""
    return Query(measure, legend), Query(record, "target above"), Query(f"-1 * {record}", "target below")
