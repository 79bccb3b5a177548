"""The series exported by a worker: every metric of worker/monitoring/metrics.py, so a changed name is noticed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from prometheus_client import CollectorRegistry

from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.images.image_statistics import STATISTICS
from stripwatch.worker.monitoring.coil_metrics import CoilMetrics
from stripwatch.worker.monitoring.health_metrics import certificate_expiry
from stripwatch.worker.monitoring.label_values import LABEL_VALUES
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.view_metrics import ViewMetrics
from stripwatch.worker.observers.score_drift import ScoreDrift, ScoreStatistic
from tests.deploy.days.day import Labels

_RULES_READ = ("stripwatch_frame_age_seconds",)  # buckets of the histograms; the others would be half of all series


@dataclass(frozen=True, slots=True)
class Exported:
    """One series. kind: counter, gauge, or a part of a histogram, which is a counter too."""

    name: str
    labels: Labels
    counts: bool


def exported(cameras: Sequence[str], bundle: str) -> list[Exported]:
    """Return the series of a worker with every observer enabled that has seen these cameras."""
    return _series_of(_metrics(cameras, bundle).registry)


def exported_by_coils() -> list[Exported]:
    """Return the series of `stripwatch coils`."""
    return _series_of(CoilMetrics(CollectorRegistry()).registry)


def exported_by_page(lines: Iterable[str]) -> list[Exported]:
    """Return the series of `stripwatch view` with a running coil on each of these lines."""
    return _series_of(_view_metrics(lines).registry)


def _series_of(registry: CollectorRegistry) -> list[Exported]:
    return [
        Exported(sample.name, sample.labels, family.type in ("counter", "histogram"))
        for family in registry.collect()
        if family.type != "histogram" or family.name in _RULES_READ
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def families() -> dict[str, bool]:
    """Return every metric of a worker, of `stripwatch coils` and of the page, and whether it has a series here."""
    registries = (
        *(_metrics(["top-1"], "sha-1").registry, CoilMetrics(CollectorRegistry()).registry),
        _view_metrics(["l1"]).registry,
    )
    return {family.name: bool(family.samples) for registry in registries for family in registry.collect()}


def _metrics(cameras: Sequence[str], bundle: str) -> Metrics:
    metrics = Metrics(CollectorRegistry())
    certificate_expiry(metrics.registry)
    for camera in cameras:
        metrics.count_frame(camera, is_replay=False)
        metrics.defects.labels("scratches", camera)
        _touch(metrics.camera_condition, camera, get_args(Condition))
        _touch(metrics.camera_limit, camera, LABEL_VALUES["camera_limit"]["condition"])
        _touch(metrics.frame_statistic, camera, STATISTICS)
        _touch(metrics.frame_drift, camera, STATISTICS)
        _touch(metrics.score_statistic, camera, get_args(ScoreStatistic))
        _touch(metrics.score_drift, camera, get_args(ScoreDrift))
    metrics.novelty_expected.labels(bundle).set(0.01)
    metrics.header_faults.labels("ce_time")
    metrics.lag_frames.labels("0")
    for queue in ("decode", "publish"):
        metrics.queue_frames.labels(queue)
    for outcome in ("committed", "aborted"):
        metrics.transactions.labels(outcome)
    for reason in ("timeout", "too_large"):
        metrics.producer_failures.labels(reason)
    metrics.bundle_info.labels("strip", "1", bundle, "fp32", "CPUExecutionProvider")
    metrics.device_info.labels("CPUExecutionProvider", "")
    metrics.shadow_info.labels("strip", "2", "sha-2")
    for outcome in ("agrees", "differs", "dropped", "failed"):
        metrics.shadow_frames.labels(outcome)
    metrics.shadow_verdicts.labels("clean", "clean")
    for swaps in (metrics.bundle_swaps, metrics.shadow_swaps):
        swaps.labels("swapped")
        swaps.labels("refused")
    return metrics


def _view_metrics(lines: Iterable[str]) -> ViewMetrics:
    metrics = ViewMetrics(CollectorRegistry())
    for line in lines:
        for gauge in (metrics.coil_state, metrics.alarms, metrics.unacknowledged):
            gauge.labels(line)
    return metrics


def _touch(metric: object, camera: str, values: Iterable[str]) -> None:
    for value in values:
        metric.labels(camera, value)  # type: ignore[attr-defined]
