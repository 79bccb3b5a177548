"""Colours, thresholds, units and axes of the boards match the meaning of the metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.boards.__main__ import BOARDS
from tests.deploy.queries import names_of
from tests.deploy.rules import promtool

DEPLOY = Path(__file__).parents[2] / "deploy"
PANELS: list[dict[str, Any]] = [
    panel
    for name in BOARDS
    for panel in json.loads((DEPLOY / "grafana" / name).read_text())["panels"]
    if panel["type"] != "row"
]
QUERIES = [(panel, target["expr"]) for panel in PANELS for target in panel["targets"]]

# Whether the value 1 of a state is good. A timeline of a new metric fails until it is listed here.
GOOD_AT_ONE = {
    "stripwatch_ready": True,
    "stripwatch_process_up": True,
    "up": True,
    "camera:stripwatch_frames:rate1m": True,  # compared with 0: 1 if the camera sends
    "camera:stripwatch_missed:last": True,  # multiplied by 0: a missing camera does not send
    "camera:stripwatch_replaced": True,  # a replaced camera has no state
    "camera:stripwatch_camera_condition:max": False,  # the camera is silent, dark, blurred ...
}
# Values that can be negative, or for which a small fall must be visible.
NOT_FROM_ZERO = {
    "camera:stripwatch_frame_drift:avg10m",
    "camera:stripwatch_score_drift:avg10m",
    "stripwatch_frame_drift",
    "stripwatch_score_drift",
    "stripwatch_frame_statistic",
    "stripwatch_score_statistic",
}
TWO_SIDED = ("stripwatch:frame_drift:target", "stripwatch:score_drift:target")
# Values of each stat, and their expected colour.
STATS = {
    "Workers ready": {0.0: "red", 1.0: "green", 5.0: "green"},
    "Alerts": {0.0: "green", 1.0: "red"},
    "Frames": {0.0: "orange", 0.5: "green", 300.0: "green"},
    "Frames with a defect": {0.0: "blue", 0.5: "blue"},  # the usual share varies; an alert checks it
    "Result age": {0.1: "green", 1.5: "red"},
    "State of the running coil": {0.0: "green", 1.0: "orange", 2.0: "red"},
    "Lag": {0.0: "green", 20.0: "green", 31.0: "red", float("inf"): "red"},
}
# Expected unit by pattern of the query; the first match counts.
UNITS = (
    (r"60 \* .*rate\(", "suffix: /min"),
    (r"process_cpu_seconds_total|Cores", "suffix: cores"),
    (r"busy_seconds", "percentunit"),
    (r"frames:rate1m.* > bool", "short"),  # a state
    (r"_bytes", "bytes"),
    (r"batch_frames_bucket", "suffix: frames"),
    (r"(age|stage|shadow|silence|lag|timestamp)_seconds", "s"),
    (r":ratio\d|usual_ratio|expected_ratio|target_ratio|score_statistic|score_drift|sharpness", "percentunit"),
    (r"camera_limit\{condition=\"blurred\"", "percentunit"),  # a limit of the sharpness
    (r"\brate\(|:rate\d", "suffix: /s"),
    (r"lag_frames|inflight_frames|queue_frames|shadow_verdicts", "suffix: frames"),
    (r"process_open_fds", "suffix: files"),
    (r"", "short"),
)


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def colour_of(panel: dict[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return str([step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1])


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [panel for panel in PANELS if panel["type"] in kinds]


@pytest.mark.parametrize("panel", of_kind("state-timeline"), ids=title)
def test_state_is_green_when_its_metric_is_good(panel: dict[str, Any]) -> None:
    metrics = set().union(*(names_of(target["expr"]).metrics for target in panel["targets"]))
    (good_at_one,) = {GOOD_AT_ONE[metric] for metric in metrics}
    mappings = panel["fieldConfig"]["defaults"]["mappings"]
    states = {value: state for mapping in mappings for value, state in mapping["options"].items()}
    assert {value: state["color"] for value, state in states.items()} == {
        "0": "red" if good_at_one else "green",
        "1": "green" if good_at_one else "red",
    }
    assert len({state["text"] for state in states.values()}) == 2
    assert all(state["text"] for state in states.values())


def test_states_are_only_zero_and_one() -> None:
    """A metric of a timeline is a flag or a comparison."""
    for panel in of_kind("state-timeline"):
        for target in panel["targets"]:
            flag = re.match(
                r"(stripwatch_ready|stripwatch_process_up|camera:stripwatch_camera_condition:max)\{", target["expr"]
            )
            assert flag or "> bool" in target["expr"]


@pytest.mark.parametrize("panel", of_kind("timeseries"), ids=title)
def test_axis_starts_at_zero_unless_its_values_are_negative_or_watched_for_a_fall(panel: dict[str, Any]) -> None:
    metrics = set().union(*(names_of(target["expr"]).metrics for target in panel["targets"]))
    defaults = panel["fieldConfig"]["defaults"]
    assert ("min" in defaults) is not bool(metrics & NOT_FROM_ZERO)
    assert defaults.get("min", 0) == 0
    assert not {"axisSoftMin", "axisSoftMax"} & defaults["custom"].keys()


def test_axes_do_not_cut_off_high_values_nor_bars_low_ones() -> None:
    for panel in PANELS:
        assert "max" not in panel["fieldConfig"]["defaults"], title(panel)
    for panel in of_kind("bargauge"):
        assert panel["fieldConfig"]["defaults"]["min"] == 0, "else the shortest bar has no length"


@pytest.mark.parametrize("target", TWO_SIDED)
def test_target_on_both_sides_of_zero_is_drawn_on_both(target: str) -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alert_rules.yml").read_text())["groups"]
    (alert,) = (rule["expr"] for group in rules for rule in group["rules"] if target in rule["expr"])
    assert f"-1 * {target}" in alert, "the alert compares with both"
    (drawn,) = ({query["expr"] for query in p["targets"]} for p in PANELS if target in json.dumps(p["targets"]))
    assert {target, f"-1 * {target}"} <= drawn


def test_every_stat_is_covered_by_these_tests() -> None:
    assert {title(panel) for panel in of_kind("stat")} == set(STATS)


@pytest.mark.parametrize("panel", of_kind("stat"), ids=title)
def test_stat_has_the_expected_colour_for_each_value(panel: dict[str, Any]) -> None:
    wanted = STATS[title(panel)]
    assert {value: colour_of(panel, value) for value in wanted} == wanted


@pytest.mark.parametrize("panel", of_kind("stat"), ids=title)
def test_stat_shows_the_current_value(panel: dict[str, Any]) -> None:
    """A range query would keep the last value of an ended series: a line without workers would look ready."""
    assert all(target["instant"] and not target["range"] for target in panel["targets"])


@pytest.mark.parametrize(
    ("stat", "record"),
    [
        ("Result age", "stripwatch:frame_age_seconds:target"),
        ("Lag", "stripwatch:lag_seconds:target"),
    ],
)
def test_stat_turns_red_at_the_target_of_the_rules(stat: str, record: str) -> None:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "recording_rules.yml").read_text())["groups"]
    (expr,) = (rule["expr"] for group in groups for rule in group["rules"] if rule["record"] == record)
    (panel,) = (panel for panel in of_kind("stat") if title(panel) == stat)
    (red,) = (s["value"] for s in panel["fieldConfig"]["defaults"]["thresholds"]["steps"] if s["color"] == "red")
    assert expr == f"vector({red:g})", "after a target was changed: python -m deploy.boards"


@pytest.mark.parametrize(
    "panel", [panel for panel in PANELS if panel["type"] not in ("table", "state-timeline")], ids=title
)
def test_unit_matches_the_query(panel: dict[str, Any]) -> None:
    measures = [target["expr"] for target in panel["targets"] if ":target" not in target["expr"].partition("{")[0]]
    units = {next(unit for pattern, unit in UNITS if re.search(pattern, expr)) for expr in measures}
    assert units == {panel["fieldConfig"]["defaults"]["unit"]}, "one for all queries of a panel"


@pytest.mark.parametrize("panel", of_kind("timeseries", "heatmap"), ids=title)
def test_axis_label_names_what_is_counted(panel: dict[str, Any]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    axis = panel["options"]["yAxis"] if panel["type"] == "heatmap" else panel["fieldConfig"]["defaults"]["custom"]
    assert unit != "short" or axis["axisLabel"]
    assert panel["type"] != "heatmap" or axis["unit"] == unit


@pytest.mark.parametrize(("panel", "expr"), QUERIES, ids=lambda value: title(value) if isinstance(value, dict) else "")
def test_cameras_of_two_lines_are_separate_series(panel: dict[str, Any], expr: str) -> None:
    """Two lines may both have a camera top-1."""
    for clause in re.findall(r"\bby \(([^)]*)\)", expr):
        labels = {label.strip() for label in clause.split(",")}
        assert "camera" not in labels or "line" in labels


@pytest.mark.parametrize(
    "target", [target for panel in PANELS for target in panel["targets"]], ids=lambda target: target["expr"][:60]
)
def test_legend_distinguishes_all_series_of_a_query(target: dict[str, Any]) -> None:
    """The legend contains each label that the query groups by, except the buckets of a histogram."""
    if target["format"] == "table":
        return
    grouped = re.match(
        r"(?:histogram_quantile\([\d.]+, |60 \* )?(?:sum|avg|max|min|count) by \(([^)]*)\)", target["expr"]
    )
    labels = {label.strip() for label in grouped[1].split(",")} if grouped else set()
    named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    assert labels - {"le"} <= named


LOST = """
rule_files: [RULES]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series: # line-2 loses all its workers after ten minutes, and line-3 never had one
      - {series: 'up{job="stripwatch-worker", line="line-1", instance="a"}', values: '1x200'}
      - {series: 'up{job="stripwatch-worker", line="line-2", instance="b"}', values: '1x40 stale'}
      - {series: 'stripwatch_ready{line="line-1", instance="a"}', values: '1x200'}
      - {series: 'stripwatch_ready{line="line-2", instance="b"}', values: '1x40 stale'}
      - {series: 'stripwatch_ready{line="line-2", instance="c"}', values: '0x40 stale'}
    promql_expr_test:
      - expr: EXPR
        eval_time: 5m
        exp_samples: [{labels: '{line="line-1"}', value: 1}, {labels: '{line="line-2"}', value: 1}]
      - expr: EXPR
        eval_time: 40m
        exp_samples: [{labels: '{line="line-1"}', value: 1}, {labels: '{line="line-2"}', value: 0}]
"""


def test_line_that_lost_all_its_workers_shows_a_red_zero(tmp_path: Path) -> None:
    (expr,) = (t["expr"] for panel in PANELS if title(panel) == "Workers ready" for t in panel["targets"])
    text = LOST.replace("RULES", str(DEPLOY / "prometheus" / "recording_rules.yml"))
    (tmp_path / "lost.yml").write_text(text.replace("EXPR", json.dumps(expr.replace("$line", ".*"))))
    promtool("test", "rules", str(tmp_path / "lost.yml"))


STANDS = """
rule_files: [RULES]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series: # line-1 stands; line-2 has a backlog and no speed; line-3 works
      - {series: 'stripwatch_results_total{line="line-1", verdict="clean"}', values: '5x80'}
      - {series: 'stripwatch_results_total{line="line-2", verdict="clean"}', values: '5x80'}
      - {series: 'stripwatch_results_total{line="line-3", verdict="clean"}', values: '0+75x80'}
      - {series: 'stripwatch_consumer_lag_frames{line="line-1"}', values: '0x80'}
      - {series: 'stripwatch_consumer_lag_frames{line="line-2"}', values: '10x80'}
      - {series: 'stripwatch_consumer_lag_frames{line="line-3"}', values: '10x80'}
    promql_expr_test:
      - expr: EXPR
        eval_time: 15m
        exp_samples:
          - {labels: 'line:stripwatch_lag_frames:sum{line="line-1"}', value: 0}
          - {labels: 'line:stripwatch_lag_seconds:ratio{line="line-2"}', value: .inf}
          - {labels: 'line:stripwatch_lag_seconds:ratio{line="line-3"}', value: 2}
"""


def test_stopped_line_without_a_backlog_has_no_lag(tmp_path: Path) -> None:
    (expr,) = (t["expr"] for panel in PANELS if title(panel) == "Lag" for t in panel["targets"])
    text = STANDS.replace("RULES", str(DEPLOY / "prometheus" / "recording_rules.yml"))
    (tmp_path / "stands.yml").write_text(text.replace("EXPR", json.dumps(expr.replace("$line", ".*"))))
    promtool("test", "rules", str(tmp_path / "stands.yml"))


MISSED = """
rule_files: []
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series: # a sends, b is silent, the worker of c and d has started since; the place of d was taken by a
      - {series: 'camera:stripwatch_frames:rate1m{line="l", camera="a"}', values: '5x20'}
      - {series: 'camera:stripwatch_frames:rate1m{line="l", camera="b"}', values: '0x20'}
      - {series: 'camera:stripwatch_missed:last{line="l", camera="b"}', values: '9x20'}
      - {series: 'camera:stripwatch_missed:last{line="l", camera="c"}', values: '9x20'}
      - {series: 'camera:stripwatch_missed:last{line="l", camera="d"}', values: '9x20'}
      - {series: 'camera:stripwatch_replaced{line="l", camera="d"}', values: '1x20'}
    promql_expr_test:
      - expr: EXPR
        eval_time: 4m
        exp_samples:
          - {labels: '{line="l", camera="a"}', value: 1}
          - {labels: '{line="l", camera="b"}', value: 0}
          - {labels: '{line="l", camera="c"}', value: 0}
"""


def test_missing_camera_forgotten_by_its_worker_is_shown_as_silent(tmp_path: Path) -> None:
    (expr,) = (t["expr"] for panel in PANELS if title(panel) == "Camera activity" for t in panel["targets"])
    expr = expr.replace("$line", ".*").replace("$camera", ".*")
    (tmp_path / "missed.yml").write_text(MISSED.replace("EXPR", json.dumps(expr)))
    promtool("test", "rules", str(tmp_path / "missed.yml"))
