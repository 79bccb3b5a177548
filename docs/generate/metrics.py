"""The page of all metrics, made from the registries of worker, supervisor, `stripwatch coils` and live page."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from docs.generate.alerts import ALERTS, RECORDING
from docs.generate.markdown import code, page, paragraph, table
from stripwatch.worker.monitoring.coil_metrics import CoilMetrics
from stripwatch.worker.monitoring.health_metrics import certificate_expiry
from stripwatch.worker.monitoring.label_values import LABEL_VALUES, OPEN_LABELS
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.view_metrics import ViewMetrics

PREFIX = "stripwatch_"
_HEAD = """# Metrics

Every metric that Prometheus can scrape from `/metrics` of a worker (`stripwatch run`), of `stripwatch coils` and of the
live page (`stripwatch view`, on the port of the page). A counter starts at 0 when the process starts. A histogram has
the endings `_bucket`, `_sum` and `_count`. A coil is never a label, because there would be too many series.

## All metrics

One row per metric. *any* marks a label whose values come from outside or from the installation; [Label
values](#label-values) says what they are, and what each value means. The sections below give units and the alerts that
use a metric. Below a supervisor each metric of a worker has the additional label `process`.
"""
_DETAILS = """*Alerts* are the [alerts](alerts.md) that use a metric, directly or through a recording rule."""
_SUPERVISOR = """## Supervisor

With `processes` above 1, the supervisor's `/metrics` has the metrics of all worker processes with the additional label
`process`, and these:
"""
_SUPERVISOR_ROWS = (
    (
        "stripwatch_process_up",
        "gauge",
        "process",
        "1 if the metrics of a worker process were read, 0 if it is hung or not running.",
    ),
    ("stripwatch_process_restarts_total", "counter", "", "Workers that died and were restarted."),
)
_PROCESS = """## Process

Of the Python process, in worker, `coils` and `view`, from the standard collector of the Prometheus client:
"""
_LABELS = """## Label values

### Labels with any value
"""
# By the end of a metric's name; the first that matches. Any other metric counts things.
_UNITS = {
    "_timestamp_seconds": "seconds since 1970",
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_info": "always 1",
    "frame_drift": "standard deviations",
    "frame_statistic": "per statistic",
    "score_statistic": "ratio",
    "score_drift": "ratio",
    "score_difference": "ratio",
    "_share": "ratio",
    "coil_state": "0, 1 or 2",
}


def metrics_page() -> str:
    """Return the page with all metrics, their labels, the values of the labels and the alerts that use them."""
    return page(
        _HEAD,
        table(["metric", "type", "labels and their values", "meaning"], _rows()),
        "## Worker",
        paragraph(_DETAILS),
        *_entries(worker_metrics()),
        _SUPERVISOR,
        *_supervisor_entries(),
        "## Coil summarizer",
        *_entries(coil_metrics()),
        "## Live page",
        *_entries(view_metrics()),
        _PROCESS,
        table(["metric", "type", "description"], _process_rows()),
        _LABELS,
        table(["label", "value"], ([code(label), text] for label, text in OPEN_LABELS.items())),
        *(block for metric in (*worker_metrics(), *coil_metrics(), *view_metrics()) for block in _values(metric)),
    )


def worker_metrics() -> list[MetricWrapperBase]:
    """Return the metrics of a worker's health port that uses TLS."""
    registry = CollectorRegistry()
    Metrics(registry)
    certificate_expiry(registry)
    return _registered(registry)


def coil_metrics() -> list[MetricWrapperBase]:
    """Return the metrics of `stripwatch coils`, without those that a worker has too."""
    registry = CollectorRegistry()
    CoilMetrics(registry)
    return [metric for metric in _registered(registry) if family_of(metric).name.startswith(f"{PREFIX}coils_")]


def view_metrics() -> list[MetricWrapperBase]:
    """Return the metrics of `stripwatch view`."""
    registry = CollectorRegistry()
    ViewMetrics(registry)
    return _registered(registry)


def _registered(registry: CollectorRegistry) -> list[MetricWrapperBase]:
    return [each for each in registry._collector_to_names if isinstance(each, MetricWrapperBase)]


def family_of(metric: MetricWrapperBase) -> Metric:
    """Return name, type and description of a metric."""
    (family,) = metric.describe()
    return family


def exposed_name(metric: MetricWrapperBase) -> str:
    """Return the name as Prometheus shows it; a histogram has further endings."""
    family = family_of(metric)
    return f"{family.name}_total" if family.type == "counter" else family.name


def labels_of(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Return the names of a metric's labels."""
    return tuple(metric._labelnames)


def _entries(metrics: Iterable[MetricWrapperBase]) -> Iterator[str]:
    for metric in metrics:
        family = family_of(metric)
        labels = ", ".join(map(code, labels_of(metric)))
        yield from _entry(exposed_name(metric), family.name, family.type, labels, family.documentation)


def _entry(name: str, family: str, kind: str, labels: str, text: str) -> Iterator[str]:
    yield f"### {code(name)}"
    yield paragraph(text)
    facts = f"Type: {kind}. Unit: {unit_of(family, text)}. Labels: {labels or 'none'}."
    yield paragraph(facts + _alerts(family))


def unit_of(family: str, documentation: str) -> str:
    """Return the unit of a metric in words."""
    if documentation.startswith(("1 while", "1 if")):
        return "0 or 1"
    return next((unit for end, unit in _UNITS.items() if family.endswith(end)), "count")


def _rows() -> Iterator[list[str]]:
    """Return a row for each metric: worker, supervisor, coil summarizer, live page, process."""
    yield from map(_row, worker_metrics())
    for name, kind, label, text in _SUPERVISOR_ROWS:
        yield [code(name), kind, _labels_cell(name, (label,) if label else ()), text]
    yield from map(_row, [*coil_metrics(), *view_metrics()])
    for name, kind, text in _process_rows():
        yield [name, kind, "none", text]


def _row(metric: MetricWrapperBase) -> list[str]:
    family = family_of(metric)
    name = family.name.removeprefix(PREFIX)
    return [code(exposed_name(metric)), family.type, _labels_cell(name, labels_of(metric)), family.documentation]


def _labels_cell(metric: str, labels: Iterable[str]) -> str:
    """Return the labels of a metric with their values, or "any" for an open set."""
    cells = []
    for label in labels:
        values = LABEL_VALUES.get(metric, {}).get(label)
        cells.append(f"{code(label)}: {', '.join(map(code, values)) if values else 'any'}")
    return "; ".join(cells) or "none"


def _supervisor_entries() -> Iterator[str]:
    for name, kind, label, text in _SUPERVISOR_ROWS:
        yield from _entry(name, name.removesuffix("_total"), kind, code(label) if label else "", text)


def _process_rows() -> Iterator[list[str]]:
    for family in ProcessCollector(registry=None).collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield [code(name), family.type, family.documentation]


def _values(metric: MetricWrapperBase) -> Iterator[str]:
    name = family_of(metric).name.removeprefix(PREFIX)
    for label, values in LABEL_VALUES.get(name, {}).items():
        yield f"### `{label}` of `{exposed_name(metric)}`"
        yield table(["value", "meaning"], ([code(value), text] for value, text in values.items()))


def _alerts(family: str) -> str:
    links = ", ".join(f"[{alert}](alerts.md#{alert.lower()})" for alert in alerts_using(family))
    return f" Alerts: {links}." if links else ""


@cache
def alerts_using(family: str) -> list[str]:
    """Return the alerts whose expression has this metric, or a recording rule that is made from it."""
    used = {family, *(family + end for end in ("_total", "_bucket", "_sum", "_count"))}
    recorded, alerts = _rules(RECORDING), _rules(ALERTS)
    before = 0
    while before < len(used):  # a rule may use another
        before = len(used)
        used |= {name for name, names in recorded if used & names}
    return [alert for alert, names in alerts if used & names]


@cache
def _rules(path: Path) -> list[tuple[str, frozenset[str]]]:
    """Return the name of each rule, and the names in its expression."""
    rules = [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    return [(rule.get("alert") or rule["record"], frozenset(re.findall(r"[\w:]+", rule["expr"]))) for rule in rules]
