"""Runs simulated days as unit tests of promtool, and returns the alerts that fire."""

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.deploy.days.day import Day
from tests.deploy.days.series import Series, Values, series_of
from tests.deploy.tools import require

RULES = Path(__file__).parents[3] / "deploy" / "prometheus"
_FIRING = 'ALERTS{alertstate="firing"}'
_NOW = f"group by (alertname) ({_FIRING})"
# A recorded NaN makes every average over it NaN.
_RECORDED = 'label_replace({__name__=~"(line|camera):.*"}, "alertname", "$1", "__name__", "(.+)")'
_NOT_A_NUMBER = f"group by (alertname) ({_RECORDED} unless ({_RECORDED} >= -Inf))"
_UNITS = {"d": 1440, "h": 60, "m": 1, "s": 1 / 60}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a day. ever: fired alerts. at: alerts firing at a minute. not_numbers: series that are NaN."""

    ever: frozenset[str]
    at: dict[int, frozenset[str]]
    not_numbers: frozenset[str]


def outcome_of(day: Day, rules: Path = RULES) -> Outcome:
    """Evaluate a day with these rules. promtool is given empty expectations, and reports the actual alerts instead."""
    minutes = (*day.at, day.minutes)
    checks = [(expr, minute) for expr in (_NOW, _NOT_A_NUMBER) for minute in minutes] + [(_ever(day), day.minutes)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [require("promtool", "apt install prometheus"), "test", "rules", _write(day, checks, rules, Path(folder))],
            capture_output=True,
            text=True,
        )
    text = done.stdout + done.stderr
    found = {
        (json.loads(expr), _minutes(time)): frozenset(re.findall(r'alertname="([\w:]+)"', got))
        for expr, time, got in re.findall(r'expr: (".*"), time: (\w+),\s+exp: nil\s+got: (.*)', text)
    }
    if (done.returncode == 0) == bool(found):
        raise RuntimeError(f"promtool does not run the day {day.name!r}: {text}")
    return Outcome(
        found.get(checks[-1], frozenset()),
        {minute: found.get((_NOW, minute), frozenset()) for minute in minutes},
        frozenset().union(*(found.get((_NOT_A_NUMBER, minute), frozenset()) for minute in minutes)),
    )


def group_names(rules: Path) -> list[str]:
    """Return the groups of both files in order of evaluation. promtool's default order is random."""
    files = (yaml.safe_load((rules / name).read_text()) for name in ("recording_rules.yml", "alert_rules.yml"))
    return [group["name"] for document in files for group in document["groups"]]


def _ever(day: Day) -> str:
    """Return the alerts that fired at any time, except while Prometheus is down, when promtool evaluates too."""
    begins = [0, *(round(stop) for _, stop in day.unscraped)]
    ends = [*(round(start) for start, _ in day.unscraped), day.minutes]
    spans = [(begin, end) for begin, end in zip(begins, ends, strict=True) if end > begin]
    parts = [f"last_over_time({_FIRING}[{end - begin}m] @ {60 * end})" for begin, end in spans]
    return f"group by (alertname) ({' or '.join(parts)})"


def _write(day: Day, checks: list[tuple[str, int]], rules: Path, folder: Path) -> str:
    (folder / "recording_rules.yml").write_text(json.dumps(_with_plant(day, rules)))
    series = [{"series": str(each), "values": notation(each)} for each in series_of(day)]
    test = {
        "interval": f"{day.step_s}s",
        "input_series": series,
        "promql_expr_test": [{"expr": expr, "eval_time": f"{minute}m", "exp_samples": []} for expr, minute in checks],
    }
    file = folder / "day.yml"
    document = {
        "rule_files": ["recording_rules.yml", str(rules.resolve() / "alert_rules.yml")],
        "group_eval_order": group_names(rules),
        "evaluation_interval": f"{day.evaluate_s}s",
        "tests": [test],
    }
    file.write_text(json.dumps(document))
    return str(file)


def _with_plant(day: Day, rules: Path) -> dict[str, Any]:
    """Return the recording rules with the plant's own rules for planned stops and removed items."""
    document: dict[str, Any] = yaml.safe_load((rules / "recording_rules.yml").read_text())
    for own in day.plant:
        for group in document["groups"]:
            for rule in group["rules"]:
                if rule["record"] == own.record:
                    rule |= {"labels": dict(own.labels), "expr": own.expr}
    return document


def notation(series: Series) -> str:
    """Return the values in promtool's notation, in which `a+bxn` is a followed by n more values."""
    parts: list[str] = []
    present = ~np.isnan(series.values)
    at = 0
    while at < len(present):
        end = at
        if present[at]:
            while end + 1 < len(present) and present[end + 1]:
                end += 1
            parts += _linear(series.values[at : end + 1])
        elif series.stale[at]:
            parts.append("stale")
        else:
            while end + 1 < len(present) and not present[end + 1] and not series.stale[end + 1]:
                end += 1
            parts.append(f"_x{end - at + 1}")
        at = end + 1
    return " ".join(parts)


def _linear(values: Values) -> list[str]:
    parts, at = [], 0
    steps = np.diff(values)
    while at < len(values):
        end = at
        while end < len(steps) and steps[end] == steps[at]:
            end += 1
        step = float(steps[at]) if end > at else 0.0
        parts.append(_number(values[at]) if end == at else f"{_number(values[at])}{step:+.10g}x{end - at}")
        at = end + 1
    return parts


def _number(value: float) -> str:
    return f"{value:.10g}"


def _minutes(duration: str) -> int:
    return round(sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([dhms])", duration)))
