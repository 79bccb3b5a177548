"""Grafana's JSON for the panel types that the boards use, in schema version 39 (Grafana 10.4 and later)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

# Fixed, because a provisioned board does not resolve ${DS_PROMETHEUS} (grafana#10786).
DATASOURCE = {"type": "prometheus", "uid": "stripwatch-prometheus"}
SCHEMA_VERSION = 39
_COLUMNS = 24

Kind = Literal["stat", "timeseries", "heatmap", "table", "bargauge", "state-timeline"]
# Instant queries: over a range, a series that has ended would still show its last value.
_INSTANT = ("stat", "table", "bargauge")

COUNT = "short"  # the label of the axis names what is counted
SHARE = "percentunit"
SECONDS = "s"
BYTES = "bytes"
PER_S = "suffix: /s"
PER_MIN = "suffix: /min"
FRAMES = "suffix: frames"

Colour = Literal["green", "orange", "red", "blue"]
Steps = tuple[tuple[float | None, Colour], ...]  # (lowest value, colour); None: no lower limit
NEUTRAL: Steps = ((None, "blue"),)


def red_from(value: float) -> Steps:
    return ((None, "green"), (value, "red"))


def orange_red_from(warning: float, alarm: float) -> Steps:
    return ((None, "green"), (warning, "orange"), (alarm, "red"))


def green_from(value: float, below: Colour = "red") -> Steps:
    return ((None, below), (value, "green"))


@dataclass(frozen=True, slots=True)
class States:
    """The labels of the values 0 and 1 in a state timeline, and which of the two is good."""

    zero: str
    one: str
    good: Literal[0, 1]


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL query. legend: Grafana's legend template, for example "{{camera}}"."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    text: description for the reader. axis: label of the axis if the unit does not explain it. from_zero: start the axis
    at 0; False for values that may be negative, or of which small changes matter. states: labels of a state timeline.
    steps: colours of a stat. width: of 24 columns.
    """

    title: str
    kind: Kind
    queries: tuple[Query, ...]
    text: str
    unit: str = COUNT
    axis: str = ""
    from_zero: bool = True
    states: States | None = None
    steps: Steps = NEUTRAL
    width: int = 8
    height: int = 8
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A selector at the top of the board. All values are selected by default."""

    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """A mark on every time axis wherever the expression has a value."""

    name: str
    expr: str
    title: str
    colour: str


@dataclass(frozen=True, slots=True)
class Board:
    uid: str
    title: str
    text: str
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    rows: tuple[Row, ...]


def board_json(board: Board) -> dict[str, Any]:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.text,
        "tags": ["stripwatch"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_variable(variable) for variable in board.variables]},
        "annotations": {"list": [_annotation(annotation) for annotation in board.annotations]},
        "links": [
            {"type": "dashboards", "title": "Boards", "tags": ["stripwatch"], "keepTime": True, "icon": "dashboard"}
        ],
        "panels": [panel | {"id": number} for number, panel in enumerate(_placed(board.rows), start=1)],
    }


def _placed(rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    """Lay out panels from left to right, wrapping to a new line if one does not fit."""
    y = 0
    for row in rows:
        yield {
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": _place(0, y, _COLUMNS, 1),
        }
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield _panel(panel) | {"gridPos": _place(x, y, panel.width, panel.height)}
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "targets": [_target(panel, query, "ABCDEFGH"[number]) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    } | _table_transformations(panel)


def _target(panel: Panel, query: Query, ref: str) -> dict[str, Any]:
    instant = panel.kind in _INSTANT
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
        "instant": instant,
        "range": not instant,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"color": colour, "value": value} for value, colour in panel.steps]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.from_zero and panel.kind in ("timeseries", "bargauge"):
        defaults["min"] = 0
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "axisLabel": panel.axis,
            "lineWidth": 1,
            "fillOpacity": 40 if panel.stacked else 8 if panel.from_zero else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    if panel.states is not None:
        defaults |= {"mappings": _mappings(panel.states), "custom": {"fillOpacity": 80}}
    return defaults


def _mappings(states: States) -> list[dict[str, Any]]:
    texts = {0: states.zero, 1: states.one}
    return [
        {
            "type": "value",
            "options": {
                str(value): {"text": text, "color": "green" if value == states.good else "red", "index": value}
            },
        }
        for value, text in texts.items()
    ]


def _options(panel: Panel) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options: dict[Kind, dict[str, Any]] = {
        "stat": {"reduceOptions": last, "colorMode": "background", "graphMode": "none", "textMode": "auto"},
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "heatmap": {
            "calculate": False,
            "yAxis": {"unit": panel.unit, "axisLabel": panel.axis},
            "color": {"mode": "scheme", "scheme": "Oranges"},
        },
        "table": {"showHeader": True},
        "bargauge": {"reduceOptions": last, "orientation": "horizontal", "displayMode": "gradient"},
        "state-timeline": {"showValue": "auto", "mergeValues": True},
    }
    return options[panel.kind]


def _table_transformations(panel: Panel) -> dict[str, Any]:
    """Hide the columns of a table that mean nothing to a reader."""
    if panel.kind != "table":
        return {}
    hidden = dict.fromkeys(("Time", "Value", "__name__", "job", "alertstate"), True)
    return {"transformations": [{"id": "organize", "options": {"excludeByName": hidden}}]}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "type": "query",
        "name": variable.name,
        "datasource": DATASOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,  # reload when the time range changes
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "name": annotation.name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": annotation.colour,
        "expr": annotation.expr,
        "titleFormat": annotation.title,
        "step": "10s",
    }
