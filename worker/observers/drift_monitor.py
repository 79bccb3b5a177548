"""Exposes drift and camera conditions as metrics and log lines.

The publish thread reports frames, and the main thread evaluates them.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import structlog
from prometheus_client import Gauge

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.events import FrameFlag, Reject, Result, UnsureReason
from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.colour import COLOUR_MIN
from stripwatch.worker.images.image_statistics import CameraSampler, FrameSampler
from stripwatch.worker.monitoring.metric_groups.metric_group import OTHER
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.drift import Baseline, CameraReport, Drift
from stripwatch.worker.observers.novel_frames import NovelFrames
from stripwatch.worker.observers.reject_rate import CameraRejects
from stripwatch.worker.observers.score_drift import ScoredAnswer
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction, RejectedFrame

log = structlog.get_logger()

_TICK_S = 1.0


class DriftMonitor(FrameObserver):
    """Monitors the cameras that have a metric label.

    configured: the cameras named in the settings. rejects, novel: recent rejects and novel frames of each camera.
    report: called with the reports of all cameras after each evaluation, on the main thread; must return at once.
    """

    def __init__(
        self,
        settings: DriftSettings,
        metrics: Metrics,
        now_s: Callable[[], float] = time.monotonic,
        configured: Collection[str] = (),
        rejects: CameraRejects | None = None,
        report: Callable[[Mapping[str, CameraReport]], None] = lambda _: None,
        novel: NovelFrames | None = None,
    ) -> None:
        self.sampler = CameraSampler(settings.measure_ms / 1000, now_s)
        self.colour_sampler = FrameSampler(settings.colour_interval_frames)
        self._drift = Drift(settings)
        self._metrics = metrics
        self._now_s = now_s
        self._ticked_s = now_s()
        self._lock = threading.Lock()
        self._conditions: dict[str, Mapping[Condition, bool]] = {}
        self._gauges = _CameraGauges()
        self._configured = {name.casefold(): name for name in configured}
        self._exactly = frozenset(configured)
        self._rejects = rejects
        self._novel = novel
        self._report = report

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        frame, model = outcome.frame, outcome.model
        if frame.replay_of is not None:
            return  # a replayed frame says nothing about the present state of its camera
        camera = self._metrics.camera_label(frame.camera)
        if camera == OTHER:
            return
        colour = outcome.colour if isinstance(outcome, Prediction) else None
        if colour is not None:
            self._metrics.colour_checks.labels(camera, "coloured" if colour >= COLOUR_MIN else "grey").inc()
        baseline = Baseline(model.info.sha256, model.reference, model.info.thresholds == "bundle", model.camera_limits)
        with self._lock:
            self._drift.observe(
                camera,
                Partition(frame.position.topic, frame.position.partition),
                baseline,
                None if isinstance(outcome, RejectedFrame) else frame.encoded,
                outcome.statistics if isinstance(outcome, Prediction) else None,
                _answer(event),
                _untrained(outcome),
                raw=frame.layout is not None,
                colour=colour,
            )

    def tick(self, reading: bool, held: Collection[Partition]) -> None:
        """Evaluate the cameras if a second has passed since the last evaluation."""
        passed_s = self._now_s() - self._ticked_s
        if passed_s < _TICK_S:
            return
        self._ticked_s += passed_s
        with self._lock:
            reports = self._drift.evaluate(passed_s, reading, held)
        for camera in self._conditions.keys() - reports.keys():
            self._show(camera, CameraReport({}))
            del self._conditions[camera]
            for recent in (self._rejects, self._novel):
                if recent:
                    recent.forget(camera)
        reports = {camera: self._completed(camera, report) for camera, report in reports.items()}
        for camera, report in reports.items():
            self._show(camera, report)
            self._log_changes(camera, report)
        self._report(reports)

    def _completed(self, camera: str, report: CameraReport) -> CameraReport:
        """Add the conditions that do not depend on the images."""
        added: dict[Condition, bool] = {}
        novelty = None
        if self._rejects and not report.conditions.get("silent"):
            added["rejecting"] = self._rejects.is_rejecting(camera)
        if self._novel and not report.conditions.get("silent") and (novelty := self._novel.counts(camera)):
            added["novel"] = self._novel.is_novel(camera)
        if self._configured_as(camera):
            added["misnamed"] = True
        return replace(report, conditions={**report.conditions, **added}, novelty=novelty) if added else report

    def _show(self, camera: str, report: CameraReport) -> None:
        metrics = self._metrics
        self._gauges.show(metrics.camera_condition, camera, report.conditions)
        self._gauges.show(metrics.frame_statistic, camera, report.statistics)
        self._gauges.show(metrics.camera_limit, camera, {name: limit.value for name, limit in report.limits.items()})
        self._gauges.show(metrics.frame_drift, camera, report.distances)
        self._gauges.show(metrics.score_statistic, camera, report.scores)
        self._gauges.show(metrics.score_drift, camera, report.score_drift)

    def _configured_as(self, camera: str) -> str | None:
        """Return the configured name that differs only in upper and lower case, so that its settings have no effect."""
        return None if camera in self._exactly else self._configured.get(camera.casefold())

    def _log_changes(self, camera: str, report: CameraReport) -> None:
        before, conditions = self._conditions.get(camera, {}), report.conditions
        for condition, holds in conditions.items():
            if holds and not before.get(condition):
                log.warning(f"camera {condition}", camera=camera, **self._details(camera, condition, report))
            elif before.get(condition) and not holds:
                log.info(f"camera no longer {condition}", camera=camera)
        self._conditions[camera] = conditions

    def _details(self, camera: str, condition: Condition, report: CameraReport) -> dict[str, Any]:
        """Return what the log line of a condition states in addition."""
        if limit := report.detail(condition):
            return {"limit": limit}
        if condition == "misnamed":
            return {"configured": self._configured_as(camera)}
        if condition == "rejecting" and self._rejects:
            counts = self._rejects.counts(camera)
            return {"frames": counts.frames, "rejects": dict(counts.reasons)}
        if condition == "novel" and self._novel and (novelty := self._novel.counts(camera)):
            return {"frames": novelty.frames, "novel": novelty.novel, "expected_share": novelty.expected_share}
        if condition == "coloured" and (colour := report.colour):
            return msgspec.structs.asdict(colour)
        return {}


class _CameraGauges:
    """Shows the values of a camera on gauges and removes those that are no longer reported."""

    def __init__(self) -> None:
        self._shown: dict[tuple[Gauge, str], set[str]] = {}

    def show(self, gauge: Gauge, camera: str, values: Mapping[Any, float]) -> None:
        shown = self._shown.setdefault((gauge, camera), set())
        for name, value in values.items():
            gauge.labels(camera, name).set(value)
        for name in shown - values.keys():
            gauge.remove(camera, name)
        self._shown[gauge, camera] = set(values)
        if not values:
            del self._shown[gauge, camera]


def _untrained(outcome: FrameOutcome) -> bool | None:
    """Return whether the frame differs in size or scale from the training frames; None if that was not checked."""
    if isinstance(outcome, RejectedFrame):
        return True if outcome.error.reason is RejectReason.UNTRAINED_SIZE else None
    if isinstance(outcome, Prediction):
        return FrameFlag.SIZE in outcome.flags or FrameFlag.SCALE in outcome.flags
    return None


def _answer(event: Result | Reject) -> ScoredAnswer | None:
    if isinstance(event, Reject) or event.label is None or event.score is None:
        return None
    return ScoredAnswer(event.label, event.score, event.verdict == "unsure", event.reason is UnsureReason.NOVEL)
