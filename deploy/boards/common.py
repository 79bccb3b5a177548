"""What both boards share: how they choose a line, what they mark on the time axis, and the targets of the plant."""

from pathlib import Path

import yaml

from deploy.boards.panels import Annotation, Query, Variable

_RULES = Path(__file__).parents[1] / "prometheus" / "recording_rules.yml"

OF_LINE = 'line=~"$line"'
OF_WORKER = 'line=~"$line", instance=~"$instance"'
OF_ALERT = 'alertstate="firing", line=~"$line|"'  # some belong to no line: they are about all of them
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
    """What the plant expects, as the recording rules say it: a colour cannot come from a query.

    Write the boards again (python -m deploy.boards) after a target was changed.
    """
    groups = yaml.safe_load(_RULES.read_text())["groups"]
    (expr,) = (rule["expr"] for group in groups for rule in group["rules"] if rule["record"] == record)
    return float(expr.removeprefix("vector(").removesuffix(")"))


def targeted(measure: str, legend: str, record: str) -> tuple[Query, ...]:
    """A measure that must stay below its target."""
    return Query(measure, legend), Query(record, "target")


def targeted_either_way(measure: str, legend: str, record: str) -> tuple[Query, ...]:
    """A measure that must stay between its target and the same below 0."""
    return Query(measure, legend), Query(record, "target above"), Query(f"-1 * {record}", "target below")
